"""The order of operations in the papers' own code, for layers that compute in a faster one.

Multiply-adds are counted and speed is measured against it. Both orders give the same numbers, up to
rounding, and have the same state dict."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skelact.models.aagcn import UnitAAGCN
from skelact.models.base import StagedBackbone
from skelact.models.ctrgcn import CTRGC
from skelact.models.esan import AttentionBlock
from skelact.models.layers import DataBN, GraphConvolution
from skelact.models.msg3d import WindowGCN
from skelact.models.sgn import SGN

Net = TypeVar("Net", bound=nn.Module)


def graph_convolution(
    self: GraphConvolution,
    x: Tensor,
    a: Tensor,
    weight: Tensor,
    bias: Tensor,
    shift: Tensor | None = None,
) -> Tensor:
    """A convolution and an einsum, in the order in which the network's code has them."""
    assert shift is None, "a network with fused batch norm has no published order"
    k, out, c = weight.shape
    n, _, t, v = x.shape
    a = a.to(x.dtype)
    graph = "nkvw" if a.dim() == 4 else "kvw"
    if bias.dim() == 2:
        z = F.conv2d(x, weight.reshape(k * out, c, 1, 1), bias.flatten()).view(n, k, out, t, v)
        return torch.einsum(f"nkctv,{graph}->nctw", z, a).contiguous()
    z = torch.einsum(f"nctv,{graph}->nkctw", x, a).reshape(n, k * c, t, v)
    return F.conv2d(z, weight.permute(1, 0, 2).reshape(out, k * c, 1, 1), bias)


def data_bn(self: DataBN, x: Tensor) -> Tensor:
    """The result is contiguous, channels first."""
    return DataBN.forward(self, x).contiguous()


def staged_backbone(self: StagedBackbone, x: Tensor) -> Tensor:
    """Empty persons are computed like all others."""
    n, m = x.shape[:2]
    rows = self.data_bn(x)
    for block in self.blocks:
        rows = block(rows)
    return rows.reshape(n, m, *rows.shape[1:])


def aagcn_embed(self: UnitAAGCN, x: Tensor) -> tuple[Tensor, Tensor]:
    """One convolution for each embedding of each subset."""
    return torch.stack([c(x) for c in self.conv_a]), torch.stack([c(x) for c in self.conv_b])


def ctrgc_embed(self: CTRGC, x: Tensor) -> tuple[Tensor, Tensor]:
    """The mean over time of the embedded frames."""
    return self.conv1(x).mean(dim=2), self.conv2(x).mean(dim=2)


def window_gcn(self: WindowGCN, x: Tensor) -> Tensor:
    """Unfolded windows, a graph convolution over all their joints, a 3D convolution."""
    n, _, _, v = x.shape
    y = self.graph(self.unfold(x)).view(n, self.out_conv.in_channels, -1, self.window, v)
    return self.out_bn(self.out_conv(y).squeeze(3))


def esan_attend(self: AttentionBlock, x: Tensor) -> Tensor:
    """Frames are dropped after the attention."""
    return self.attention(x)[:, :, :: self.stride]


def sgn_codes(self: SGN, x: Tensor) -> tuple[Tensor, Tensor]:
    """The codes are embedded at every position of every sample."""
    joints, frames = SGN.codes(self, x)
    n, _, t, v = x.shape
    return joints.expand(n, -1, t, -1), frames.expand(n, -1, -1, v)


class _Method(NamedTuple):
    """A method of a module, and the function that replaces it."""

    module: type[nn.Module]
    name: str
    function: Callable[..., Any]


_METHODS = (
    _Method(GraphConvolution, "forward", graph_convolution),
    _Method(DataBN, "forward", data_bn),
    _Method(StagedBackbone, "forward", staged_backbone),
    _Method(UnitAAGCN, "embed", aagcn_embed),
    _Method(CTRGC, "embed", ctrgc_embed),
    _Method(WindowGCN, "forward", window_gcn),
    _Method(AttentionBlock, "attend", esan_attend),
    _Method(SGN, "codes", sgn_codes),
)


def published_order(net: Net) -> Net:
    """The same network, changed in place, with the published order of operations. Copy it first to
    keep the faster one."""
    for module in net.modules():
        for method in _METHODS:
            if isinstance(module, method.module):
                setattr(module, method.name, types.MethodType(method.function, module))
    return net
