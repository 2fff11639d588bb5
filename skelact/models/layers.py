"""Graph and temporal convolutions. Activations are (N, C, T, V), kept in channels-last memory.

In that layout a 1x1 convolution is one matrix product and the sum over subsets and joints is one
batched product with contiguous operands, which is what makes these layers quicker than the usual
einsum over (n, k, c, t, v); the numbers are the same.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

Adaptive = Literal["none", "init", "offset", "importance"]


class UnitGCN(nn.Module):
    """Graph convolution: sum over subsets k of A_k-weighted joints after a 1x1 convolution per
    subset, then BN, optional residual, ReLU.

    State-dict names as in PYSKL: `A`, `PA`, `bn`, `conv`, `down.0`, `down.1`.
    """

    A: Tensor
    PA: Tensor

    def __init__(
        self,
        channels: int,
        out: int,
        adjacency: npt.NDArray[np.float32],
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
        self.bn = nn.BatchNorm2d(out)
        shape = (
            (channels, out * self.subsets) if conv_pos == "pre" else (channels * self.subsets, out)
        )
        self.conv = nn.Conv2d(*shape, 1)
        self.with_res = with_res
        if with_res and channels != out:
            self.down = nn.Sequential(nn.Conv2d(channels, out, 1), nn.BatchNorm2d(out))

    def adjacency(self) -> Tensor:
        """(K, V, V) as used now: fixed, learnt, or masked."""
        if self.adaptive == "offset":
            return self.A + self.PA
        return self.A * self.PA if self.adaptive == "importance" else self.A

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) -> (N, out, T, V)."""
        n, c, t, v = x.shape
        k, a = self.subsets, self.adjacency().to(x.dtype)
        y = x.permute(0, 2, 3, 1).reshape(n * t, v, c)
        weight = self.conv.weight.flatten(1)  # (K·out, C) or (out, K·C), k slow
        if self.conv_pos == "pre":
            z = F.linear(y, weight, self.conv.bias).view(n * t, v * k, self.out)  # (v, k) rows
            gather = a.permute(2, 1, 0).reshape(1, v, v * k).expand(n * t, -1, -1)
            y = torch.bmm(gather, z)  # matmul would copy z to fold the batch
        else:
            z = torch.matmul(a.permute(2, 0, 1).reshape(v * k, v), y).view(n * t, v, k * c)
            y = F.linear(z, weight, self.conv.bias)
        y = self.bn(y.view(n, t, v, self.out).permute(0, 3, 1, 2))
        if self.with_res:
            y = y + (self.down(x) if hasattr(self, "down") else x)
        return F.relu(y, inplace=True)


class UnitTCN(nn.Module):
    """Temporal convolution (kernel x 1), BN, dropout. Names as in PYSKL: `conv`, `bn`."""

    def __init__(
        self,
        channels: int,
        out: int,
        kernel: int = 9,
        stride: int = 1,
        dropout: float = 0.0,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        pad = (kernel + (kernel - 1) * (dilation - 1) - 1) // 2
        self.conv = nn.Conv2d(channels, out, (kernel, 1), (stride, 1), (pad, 0), (dilation, 1))
        self.bn = nn.BatchNorm2d(out)
        self.drop = nn.Dropout(dropout)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) -> (N, out, T / stride, V)."""
        return self.drop(self.bn(self.conv(x)))  # type: ignore[no-any-return]


class DataBN(nn.BatchNorm1d):
    """Batch norm of the raw input over joints x channels ('VC', shared by the persons) or persons x
    joints x channels ('MVC')."""

    def __init__(
        self, kind: Literal["VC", "MVC"], persons: int, joints: int, channels: int
    ) -> None:
        super().__init__(joints * channels * (persons if kind == "MVC" else 1))
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        """(N, M, T, V, C) -> (N·M, C, T, V) channels-last, person index innermost."""
        n, m, t, v, c = x.shape
        x = x.permute(0, 1, 3, 4, 2)  # N M V C T
        x = super().forward(
            x.reshape(n, m * v * c, t) if self.kind == "MVC" else x.reshape(n * m, v * c, t)
        )
        return (
            x.view(n * m, v, c, t).permute(0, 2, 3, 1).contiguous(memory_format=torch.channels_last)
        )
