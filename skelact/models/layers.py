"""Graph and temporal convolutions. Activations are (N, C, T, V) in channels-last memory.

In that layout a 1x1 convolution is one matrix product, and the sum over subsets and joints is one
batched product with contiguous operands. This is faster than the einsum over (n, k, c, t, v) of the
published code and gives the same numbers; `reference.py` holds the published order of operations.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

Adaptive = Literal["none", "init", "offset", "importance"]


class GraphConvolution(nn.Module):
    """The product of features with weights and graphs that the caller holds: no parameters."""

    def forward(
        self, x: Tensor, a: Tensor, weight: Tensor, bias: Tensor, shift: Tensor | None = None
    ) -> Tensor:
        """sum over k and v of A_k[v, w] (W_k x_v + b_k).

        x (N, C, T, V); a (K, V, V), or (N, K, V, V) with graphs for each sample; weight
        (K, out, C); bias (K, out), or (out,) if it is added once -> (N, out, T, V). `shift`
        (V, out) replaces the bias term.

        The graph is applied where there are fewer features: before or after the weights."""
        n, c, t, v = x.shape
        k, out = weight.shape[:2]
        a = a.to(x.dtype)
        if shift is None:
            once = bias.dim() == 1
            shift = bias.expand(v, out) if once else torch.einsum("...kvw,ko->...wo", a, bias.to(a))
        if shift.dim() == 3:  # one for each sample: repeat it for the sample's frames
            shift = _for_each_frame(shift, n, t)
        y = x.permute(0, 2, 3, 1).reshape(n * t, v, c)
        if out <= c:
            # rows are (v, k): matmul would copy z to fold the batch
            z = F.linear(y, weight.reshape(k * out, c)).view(n * t, v * k, out)
            graph = a.movedim((-1, -2, -3), (-3, -2, -1)).reshape(-1, v, v * k)
            y = torch.baddbmm(shift.to(z.dtype), _for_each_frame(graph, n, t), z)
        else:
            graph = a.movedim((-1, -3, -2), (-3, -2, -1)).reshape(-1, v * k, v)
            z = torch.bmm(_for_each_frame(graph, n, t), y).view(n * t, v, k * c)
            y = F.linear(z, weight.permute(1, 0, 2).reshape(out, k * c))
            y = y + shift.to(y.dtype)
        return y.view(n, t, v, out).permute(0, 3, 1, 2)


def _for_each_frame(a: Tensor, n: int, t: int) -> Tensor:
    """(1 or N, ...) -> (N T, ...)."""
    # for torch.onnx: shape[0], because len makes the number of samples a constant, and no
    # repeat_interleave, which it writes with a wrong shape
    if a.shape[0] == 1:
        return a.expand(n * t, -1, -1)
    return a[:, None].expand(-1, t, -1, -1).reshape(n * t, *a.shape[1:])


def projection(channels: int, out: int) -> nn.Module:
    """The residual connection of a graph convolution: the input itself, or a 1x1 convolution with
    BN where the number of channels changes. State-dict names as in PYSKL: `0`, `1`."""
    if channels == out:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(channels, out, 1), nn.BatchNorm2d(out))


class UnitGCN(nn.Module):
    """Graph convolution, BN, optional residual, ReLU, with a 1x1 convolution for each subset k of
    the graph: before the joints are gathered (`conv_pos="pre"`) or after.

    State-dict names as in PYSKL: `A`, `PA`, `bn`, `conv`, `down.0`, `down.1`."""

    A: Tensor
    PA: Tensor
    shift: Tensor | None  # of the fused batch norm, (V, out)

    def __init__(
        self,
        channels: int,
        out: int,
        adjacency: npt.NDArray[np.float32],
        *,
        adaptive: Adaptive = "importance",
        conv_pos: Literal["pre", "post"] = "pre",
        with_res: bool = False,
    ) -> None:
        super().__init__()
        a = torch.from_numpy(adjacency.copy())
        self.subsets, self.out, self.adaptive, self.conv_pos = len(a), out, adaptive, conv_pos
        if adaptive == "init":
            self.A = nn.Parameter(a)
        else:
            self.register_buffer("A", a)
        if adaptive == "offset":
            self.PA = nn.Parameter(torch.empty_like(a).uniform_(-1e-6, 1e-6))
        elif adaptive == "importance":
            self.PA = nn.Parameter(torch.ones_like(a))
        elif adaptive not in ("none", "init"):
            raise ValueError(f"unknown adaptive mode {adaptive!r}")
        self.bn: nn.Module = nn.BatchNorm2d(out)
        pre, post = (1, self.subsets) if conv_pos == "post" else (self.subsets, 1)
        self.conv = nn.Conv2d(channels * post, out * pre, 1)
        self.graph_convolution = GraphConvolution()
        self.register_buffer("shift", None, persistent=False)  # moves to other devices with it
        self.down = projection(channels, out) if with_res else None

    def adjacency(self) -> Tensor:
        """(K, V, V): fixed, learnt, or fixed with a learnt offset or mask."""
        if self.adaptive == "offset":
            return self.A + self.PA
        return self.A * self.PA if self.adaptive == "importance" else self.A

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) -> (N, out, T, V)."""
        y = self.graph_convolution(x, self.adjacency(), *self.per_subset(), self.shift)
        y = self.bn(y)
        return F.relu(y if self.down is None else y + self.down(x), inplace=True)

    def fuse_bn(self) -> None:
        """Fuse mask, bias and BN into the graph and the convolution, for evaluation only."""
        bn, a = self.bn, self.adjacency()
        assert isinstance(bn, nn.BatchNorm2d) and bn.running_var is not None
        assert bn.running_mean is not None and self.conv.bias is not None
        gain = bn.weight * torch.rsqrt(bn.running_var + bn.eps)
        _, bias = self.per_subset()
        pre = bias.dim() == 2
        total = torch.einsum("kvw,ko->wo", a, bias) if pre else bias.expand(a.shape[1], -1)
        self.shift = gain * (total - bn.running_mean) + bn.bias
        self.conv.weight *= gain.repeat(self.subsets if pre else 1)[:, None, None, None]
        del self.A
        self.register_buffer("A", a)
        self.adaptive, self.bn = "none", nn.Identity()

    def per_subset(self) -> tuple[Tensor, Tensor]:
        """Weight (K, out, C) and bias of the 1x1 convolution, as `GraphConvolution` expects them; k
        is the slow index of its rows (pre) or columns (post)."""
        assert self.conv.bias is not None
        weight, bias = self.conv.weight, self.conv.bias
        if self.conv_pos == "pre":
            shape = (self.subsets, self.out)
            return weight.view(*shape, -1), bias.view(shape)
        return weight.view(self.out, self.subsets, -1).transpose(0, 1), bias


class FrameConv(nn.Conv2d):
    """A 1x1 convolution of every `every`-th frame. Frames are selected first, because the strided
    1x1 convolution of torch 2.13 writes out of bounds in bfloat16 on CPUs."""

    def __init__(self, channels: int, out: int, every: int = 1) -> None:
        super().__init__(channels, out, 1)
        self.every = every

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) -> (N, out, T / every, V)."""
        return super().forward(x[:, :, :: self.every] if self.every > 1 else x)


class UnitTCN(nn.Module):
    """Temporal convolution, BN, dropout. State-dict names as in PYSKL: `conv`, `bn`."""

    def __init__(
        self,
        channels: int,
        out: int,
        kernel: int = 9,
        stride: int = 1,
        dropout: float = 0.0,
        *,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        pad = (kernel + (kernel - 1) * (dilation - 1) - 1) // 2
        self.conv: nn.Conv2d
        if kernel == 1:
            self.conv = FrameConv(channels, out, stride)
        else:
            self.conv = nn.Conv2d(channels, out, (kernel, 1), (stride, 1), (pad, 0), (dilation, 1))
        self.bn: nn.Module = nn.BatchNorm2d(out)
        self.drop = nn.Dropout(dropout)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) -> (N, out, T / stride, V)."""
        return self.drop(self.bn(self.conv(x)))


class Residual(nn.Module):
    """Base class of blocks with a residual connection: the input itself, a 1x1 convolution with BN
    where the shape changes, or nothing. State-dict name as in PYSKL: `residual`."""

    def add_residual(self, channels: int, out: int, stride: int, enabled: bool = True) -> None:
        """Create the connection. To be called in the constructor."""
        self.residual: nn.Module | None = nn.Identity() if enabled else None
        if enabled and (channels != out or stride != 1):
            self.residual = UnitTCN(channels, out, 1, stride)

    def plus_residual(self, y: Tensor, x: Tensor) -> Tensor:
        """y + residual(x)."""
        return y if self.residual is None else y + self.residual(x)


class FlattenPersons(nn.Module):
    """(N, M, T, V, C) -> (N·M, C, T, V), person index innermost: the replacement of DataBN in
    networks that do not normalise their input."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(0, 1).permute(0, 3, 1, 2)


class DataBN(nn.BatchNorm1d):
    """Batch norm of the input over joints x channels ('VC', shared by the persons) or persons x
    joints x channels ('MVC'). The state dict has the features in that order, or, with
    `channels_first`, as channels x joints (SGN)."""

    def __init__(
        self,
        kind: Literal["VC", "MVC"],
        persons: int,
        joints: int,
        channels: int,
        channels_first: bool = False,
    ) -> None:
        super().__init__(joints * channels * (persons if kind == "MVC" else 1))
        self.kind, self.channels_first = kind, channels_first

    def norm(self, rows: Tensor) -> Tensor:
        """Normalise (B, features)."""
        return super().forward(rows)

    def forward(self, x: Tensor) -> Tensor:
        """(N, M, T, V, C) -> (N·M, C, T, V) channels-last, person index innermost."""
        n, m, t, v, c = x.shape
        if self.kind == "MVC":
            rows = self.norm(x.transpose(1, 2).reshape(n * t, m * v * c))
            x = rows.view(n, t, m, v, c).transpose(1, 2)
        elif self.channels_first:
            x = self.norm(x.transpose(3, 4).reshape(n * m * t, c * v))
            x = x.view(n, m, t, c, v).transpose(3, 4)
        else:
            x = self.norm(x.reshape(n * m * t, v * c))
        return x.reshape(n * m, t, v, c).permute(0, 3, 1, 2)
