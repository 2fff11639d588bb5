"""Several processes, each with a share of every batch, as torchrun starts them. Gradients are
averaged and batch norm sees the whole batch, so that the result is that of one process with that
batch.

mmengine's launcher does the same, but asks for CUDA even where there is none."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

T = TypeVar("T")


def init_distributed(device: torch.device) -> tuple[int, int]:
    """(rank, number of processes); (0, 1) without torchrun."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return 0, 1
    if not torch.distributed.is_initialized():
        if device.type == "cuda":
            torch.cuda.set_device(local_device(device))
        backend = "nccl" if device.type == "cuda" else "gloo"
        # the others wait while the first extracts
        torch.distributed.init_process_group(backend, timeout=timedelta(days=2))
    return torch.distributed.get_rank(), torch.distributed.get_world_size()


def local_device(device: torch.device) -> torch.device:
    """The GPU of this process, where there are several."""
    rank = os.environ.get("LOCAL_RANK")
    if device.type == "cuda" and rank is not None:
        return torch.device("cuda", int(rank))
    return device


def all_reduce_mean(parameters: Iterable[nn.Parameter]) -> None:
    """Replace every gradient by the mean over the processes."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return
    size = torch.distributed.get_world_size()
    for p in parameters:
        if p.grad is not None:
            torch.distributed.all_reduce(p.grad)
            p.grad /= size


def all_reduce_sum(value: Tensor) -> Tensor:
    """The sum over the processes."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(value)
    return value


def broadcast_from_rank0(make: Callable[[], T]) -> T:
    """What the first process makes, in all of them."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return make()
    box: list[Any] = [make() if torch.distributed.get_rank() == 0 else None]
    torch.distributed.broadcast_object_list(box)
    return cast(T, box[0])


@contextmanager
def rank0_first() -> Iterator[None]:
    """The first process goes through the block alone; the others find what it left in the cache."""
    first = int(os.environ.get("RANK", "0")) == 0
    if not first:
        barrier()
    yield
    if first:
        barrier()


def barrier() -> None:
    """For all processes."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()


def sync_batch_norm(net: nn.Module) -> None:
    """Let every batch norm use the statistics of the whole batch in training, on any device."""
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            place = "norm" if hasattr(module, "norm") else "forward"
            setattr(module, place, _whole_in_training(module, getattr(module, place)))


def _whole_in_training(
    bn: nn.modules.batchnorm._BatchNorm, alone: Callable[[Tensor], Tensor]
) -> Callable[[Tensor], Tensor]:
    return lambda x: whole_batch_norm(bn, x) if bn.training else alone(x)


def whole_batch_norm(bn: nn.modules.batchnorm._BatchNorm, x: Tensor) -> Tensor:
    """Batch norm of (N, C, …) with mean and variance over all processes; running statistics as
    torch keeps them."""
    from torch.distributed.nn.functional import all_reduce

    over = [d for d in range(x.dim()) if d != 1]
    shape = [1, -1] + [1] * (x.dim() - 2)
    wide = x.float()
    count = torch.tensor([float(x.numel() // x.shape[1])], device=x.device)
    sums = torch.cat([wide.sum(over), wide.square().sum(over), count])
    sums = all_reduce(sums)
    total = sums[-1].detach()
    mean, square = sums[:-1].view(2, -1) / total
    variance = square - mean.square()
    if bn.training and bn.track_running_stats and bn.running_mean is not None:
        assert bn.running_var is not None and bn.num_batches_tracked is not None
        with torch.no_grad():
            momentum = bn.momentum or 0.1
            unbiased = variance * total / (total - 1).clamp(min=1)
            bn.running_mean.lerp_(mean.to(bn.running_mean), momentum)
            bn.running_var.lerp_(unbiased.to(bn.running_var), momentum)
            bn.num_batches_tracked += 1
    scale = torch.rsqrt(variance + bn.eps) * bn.weight
    return ((wide - mean.view(shape)) * scale.view(shape) + bn.bias.view(shape)).to(x.dtype)
