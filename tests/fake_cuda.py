"""Tensors that claim to be on a GPU, on a machine without one: FakeTensorMode knows their shapes
and devices, but not their values. It raises if an operation gets tensors of different devices, and
if the program needs a value, for which a real GPU would have to finish all its work first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

CUDA = torch.device("cuda")
_aten = torch.ops.aten


@contextmanager
def fake_cuda() -> Iterator[None]:
    """Every new tensor is fake in this context, without gradients."""
    with FakeTensorMode(), torch.no_grad(), _WithoutDeviceGuard():
        yield


def to_fake_cuda(net: nn.Module) -> nn.Module:
    """Replace all parameters and buffers, in place. `net.to("cuda")` needs a real GPU."""
    for module in net.modules():
        for name, p in module._parameters.items():
            if p is not None:
                module._parameters[name] = nn.Parameter(_fake(p), requires_grad=False)
        for name, b in module._buffers.items():
            module._buffers[name] = b if b is None else _fake(b)
    return net


def _fake(x: Tensor) -> Tensor:
    return torch.empty_strided(x.shape, x.stride(), dtype=x.dtype, device=CUDA)


class _WithoutDeviceGuard(TorchFunctionMode):
    """Calls operations of the dispatcher instead of Python methods that first select the device,
    which a build without CUDA cannot."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        return _REPLACED.get(func, func)(*args, **(kwargs or {}))


def _getitem(x: Tensor, index: Any) -> Tensor:
    x, tensors = _views(x, index)
    return _aten.index(x, tensors) if tensors else x


def _setitem(x: Tensor, index: Any, value: Any) -> None:
    x, tensors = _views(x, index)
    value = value if isinstance(value, Tensor) else x.new_full((), value)
    if tensors:
        _aten.index_put_(x, tensors, value)
    else:
        _aten.copy_(x, value)


def _views(x: Tensor, index: Any) -> tuple[Tensor, list[Tensor | None]]:
    """x after all integers, slices and None of an index, and the tensors among it."""
    parts = list(index) if isinstance(index, tuple) else [index]
    if Ellipsis in [p for p in parts if not isinstance(p, Tensor)]:
        at = next(n for n, p in enumerate(parts) if p is Ellipsis)
        used = sum(p is not None for p in parts) - 1
        parts[at : at + 1] = [slice(None)] * (x.dim() - used)
    dim = 0
    tensors: list[Tensor | None] = []
    for part in parts:
        if part is None:
            x = x.unsqueeze(dim)
        elif isinstance(part, int):
            x = x.select(dim, part)
            continue
        elif isinstance(part, slice):
            x = _aten.slice(x, dim, part.start, part.stop, part.step or 1)
        else:
            assert part.device == x.device, "an index on another device is copied, which waits"
            tensors += [None] * (dim - len(tensors)) + [part]
        dim += 1
    return x, tensors


def _batch_norm(
    x: Tensor,
    mean: Tensor | None,
    variance: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """With given statistics: those of the batch have the same shapes and devices."""
    return torch.batch_norm(x, weight, bias, mean, variance, False, momentum, eps, False)


def _contiguous(x: Tensor, memory_format: torch.memory_format = torch.contiguous_format) -> Tensor:
    return _aten.clone(x, memory_format=memory_format)


def _to(x: Tensor, *args: Any, device: Any = None, dtype: Any = None, **kwargs: Any) -> Tensor:
    for arg in args:
        if isinstance(arg, torch.dtype):
            dtype = arg
        else:
            device = arg.device if isinstance(arg, Tensor) else torch.device(arg)
            dtype = arg.dtype if isinstance(arg, Tensor) else dtype
    return _aten._to_copy(x, device=device, dtype=dtype, **kwargs)


_REPLACED: dict[Any, Callable[..., Any]] = {
    Tensor.__getitem__: _getitem,
    Tensor.__setitem__: _setitem,
    Tensor.__invert__: _aten.bitwise_not,
    Tensor.copy_: _aten.copy_,
    Tensor.contiguous: _contiguous,
    Tensor.to: _to,
    F.batch_norm: _batch_norm,
}
