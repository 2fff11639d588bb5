"""Training in several processes that torchrun starts, each of which computes a part of every batch.
Gradients are averaged and batch norm uses the statistics of the complete batch, so the result is
that of one process with the complete batch.

Only the first process reads and writes the run folder. mmengine's launcher is not used because it
needs CUDA.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from skelact.errors import ConfigError, DatasetError
from skelact.models.layers import DataBN
from skelact.training.peers import TIMEOUT, Peers, reaching

T = TypeVar("T")

_peers: Peers | None = None  # of this process; None without torchrun
_OTHERS = "another process of this training"


def init_distributed(device: torch.device) -> tuple[int, int]:
    """Join the process group of torchrun. Returns the rank of this process and the number of
    processes, (0, 1) without torchrun. Raises ProcessLost and ConfigError as `Peers`, ConfigError
    if there are more processes than GPUs."""
    global _peers
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return 0, 1
    if _peers is None:
        backend = "nccl" if device.type == "cuda" else "gloo"
        if device.type == "cuda":
            _check_gpu(local_device(device))
            torch.cuda.set_device(local_device(device))
        peers = Peers(backend)
        with reaching(_OTHERS):
            torch.distributed.init_process_group(
                backend,
                store=peers.store,
                rank=peers.rank,
                world_size=peers.size,
                timeout=TIMEOUT,
            )
        _peers = peers
    return _peers.rank, _peers.size


def _check_gpu(device: torch.device) -> None:
    count = torch.cuda.device_count()
    if device.index is not None and device.index >= count:
        raise ConfigError(
            f"Process {device.index + 1} on this machine has no GPU: there are {count}",
            f"Use torchrun --nproc-per-node {count}, or --device cpu.",
        )


def local_device(device: torch.device) -> torch.device:
    """The GPU of this process under torchrun; otherwise `device`."""
    rank = os.environ.get("LOCAL_RANK")
    if device.type == "cuda" and rank is not None:
        return torch.device("cuda", int(rank))
    return device


def is_restart() -> bool:
    """In the first process: whether torchrun has started the processes again, because one of them
    ended or machines were added."""
    return _peers is not None and _peers.is_restart


def all_reduce_mean(parameters: Iterable[nn.Parameter], clips: int) -> None:
    """Replace every gradient by its mean over the clips of all processes; it is the mean over
    `clips` clips of this one."""
    if _peers is None:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    count = torch.ones(1, device=gradients[0].device)
    total = all_reduce_sum(torch.cat([*(g.flatten() for g in gradients), count]) * clips)
    sums = (total[:-1] / total[-1]).split([g.numel() for g in gradients])
    for gradient, mean in zip(gradients, sums, strict=True):
        gradient.copy_(mean.view_as(gradient))


def all_reduce_sum(value: Tensor) -> Tensor:
    """The sum over the processes, in place. Raises ProcessLost."""
    if _peers is not None:
        with reaching(_OTHERS):
            torch.distributed.all_reduce(value)
    return value


def on_rank0(compute: Callable[[], T]) -> T:
    """Call a function in the first process and return its result in all processes; the others wait,
    however long it takes. Its error is raised in the first process, ProcessLost in the others."""
    if _peers is None:
        return compute()
    values: list[T | None] = [None]
    with _peers.task() as task:
        if _peers.rank == 0:
            values = [compute()]
            _peers.announce(task)
        else:
            _peers.wait(task, [0])
    with reaching(_OTHERS):
        torch.distributed.broadcast_object_list(values)
    return cast(T, values[0])


@contextmanager
def in_turn() -> Iterator[None]:
    """Run a block in the first process, then in the first one of each other machine, then in all
    others, which find its results in the cache. No process continues before all have finished,
    however long it takes."""
    if _peers is None:
        yield
        return
    with _peers.task() as task:
        _peers.wait(task, sorted({0, _peers.first_here} - {_peers.rank}))
        yield
        _peers.announce(task)
        if _peers.rank == 0:
            _peers.wait(task, range(1, _peers.size))
            _peers.announce(task, "all")
        else:
            _peers.wait(task, [0], "all")


def rank0_last() -> None:
    """Wait in the first process until all others have come here: it can hold the store."""
    if _peers is None:
        return
    with _peers.task() as task:
        if _peers.rank == 0:
            _peers.wait(task, range(1, _peers.size))
        else:
            _peers.announce(task)


def check_same(value: object) -> None:
    """Raises DatasetError if a value, a description of the clips and settings, is not the same in
    all processes."""
    if _peers is None:
        return
    values: list[Any] = [None] * _peers.size
    with reaching(_OTHERS):
        torch.distributed.all_gather_object(values, value)
    others = [str(n + 1) for n, other in enumerate(values) if other != values[0]]
    if others:
        raise DatasetError(
            f"The processes {', '.join(others)} have other clips or settings than the first one",
            "All machines need the same data, the same skelact, and the same command.",
        )


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


class _SumOverProcesses(torch.autograd.Function):
    """The sum over the processes, whose gradient is the sum over them as well."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        return all_reduce_sum(value.clone())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return all_reduce_sum(gradients[0].clone())


def global_batch_norm(bn: _BatchNorm, x: Tensor) -> Tensor:
    """Batch norm of x (N, C, ...) with mean and variance over all processes. Running statistics are
    updated as torch.nn.BatchNorm does."""
    dims = [d for d in range(x.dim()) if d != 1]
    shape = [1, -1] + [1] * (x.dim() - 2)
    x32 = x.float()
    count = torch.tensor([float(x.numel() // x.shape[1])], device=x.device)
    sums = torch.cat([x32.sum(dims), x32.square().sum(dims), count])
    sums = cast(Tensor, _SumOverProcesses.apply(sums))
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
