"""Training in several processes that torchrun starts, each of which computes a part of every batch.
Gradients are averaged and batch norm uses the statistics of the complete batch, so the result is
that of one process with the complete batch.

mmengine's launcher is not used because it needs CUDA.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from skelact.models.layers import DataBN

T = TypeVar("T")


def init_distributed(device: torch.device) -> tuple[int, int]:
    """Join the process group of torchrun. Returns the rank of this process and the number of
    processes, (0, 1) without torchrun."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return 0, 1
    if not torch.distributed.is_initialized():
        if device.type == "cuda":
            torch.cuda.set_device(local_device(device))
        backend = "nccl" if device.type == "cuda" else "gloo"
        # a long timeout, because the other processes wait while the first one extracts poses
        torch.distributed.init_process_group(backend, timeout=timedelta(days=2))
    return torch.distributed.get_rank(), torch.distributed.get_world_size()


def local_device(device: torch.device) -> torch.device:
    """The GPU of this process under torchrun; otherwise `device`."""
    rank = os.environ.get("LOCAL_RANK")
    if device.type == "cuda" and rank is not None:
        return torch.device("cuda", int(rank))
    return device


def _is_distributed() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def all_reduce_mean(parameters: Iterable[nn.Parameter]) -> None:
    """Replace every gradient by its mean over the processes."""
    if not _is_distributed():
        return
    size = torch.distributed.get_world_size()
    for p in parameters:
        if p.grad is not None:
            torch.distributed.all_reduce(p.grad)
            p.grad /= size


def all_reduce_sum(value: Tensor) -> Tensor:
    """The sum over the processes, in place."""
    if _is_distributed():
        torch.distributed.all_reduce(value)
    return value


def broadcast_from_rank0(compute: Callable[[], T]) -> T:
    """Call a function in the first process and return its result in all processes."""
    if not _is_distributed():
        return compute()
    values: list[T | None] = [compute() if torch.distributed.get_rank() == 0 else None]
    torch.distributed.broadcast_object_list(values)
    return cast(T, values[0])


@contextmanager
def rank0_first() -> Iterator[None]:
    """Run a block in the first process, then in all others, which find its results in the cache."""
    is_first = int(os.environ.get("RANK", "0")) == 0
    if not is_first:
        barrier()
    yield
    if is_first:
        barrier()


def barrier() -> None:
    """Wait until all processes have reached this call."""
    if _is_distributed():
        torch.distributed.barrier()


def sync_batch_norm(net: nn.Module) -> None:
    """Make every batch norm use the statistics of the complete batch in training mode. Unlike
    torch.nn.SyncBatchNorm this works on any device."""
    for module in net.modules():
        if isinstance(module, DataBN):
            module.norm = _synchronised(  # type: ignore[assignment, method-assign]
                module, module.norm
            )
        elif isinstance(module, _BatchNorm):
            module.forward = _synchronised(  # type: ignore[assignment, method-assign]
                module, module.forward
            )


def _synchronised(bn: _BatchNorm, local: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda x: global_batch_norm(bn, x) if bn.training else local(x)


def global_batch_norm(bn: _BatchNorm, x: Tensor) -> Tensor:
    """Batch norm of x (N, C, ...) with mean and variance over all processes. Running statistics are
    updated as torch.nn.BatchNorm does."""
    from torch.distributed.nn.functional import all_reduce

    dims = [d for d in range(x.dim()) if d != 1]
    shape = [1, -1] + [1] * (x.dim() - 2)
    x32 = x.float()
    count = torch.tensor([float(x.numel() // x.shape[1])], device=x.device)
    sums = torch.cat([x32.sum(dims), x32.square().sum(dims), count])
    sums = all_reduce(sums)
    total = sums[-1].detach()
    mean, mean_square = sums[:-1].view(2, -1) / total
    variance = mean_square - mean.square()
    if bn.training and bn.track_running_stats and bn.running_mean is not None:
        assert bn.running_var is not None and bn.num_batches_tracked is not None
        with torch.no_grad():
            momentum = bn.momentum or 0.1
            unbiased = variance * total / (total - 1).clamp(min=1)
            bn.running_mean.lerp_(mean.to(bn.running_mean), momentum)
            bn.running_var.lerp_(unbiased.to(bn.running_var), momentum)
            bn.num_batches_tracked += 1
    scale = torch.rsqrt(variance + bn.eps) * bn.weight
    return ((x32 - mean.view(shape)) * scale.view(shape) + bn.bias.view(shape)).to(x.dtype)
