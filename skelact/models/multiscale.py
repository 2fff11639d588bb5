"""Temporal convolutions with several branches: that of ST-GCN++, and that of MS-G3D and CTR-GCN."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skelact.models.layers import FrameConv, Residual, UnitTCN


class DilatedTCN(nn.Module):
    """ST-GCN++ (Duan et al. 2022, sec. 3.2): four dilated branches, a pooled and a plain one, then
    BN, ReLU, a 1x1 convolution, BN, dropout. The first branch gets the remainder of the division of
    the channels by six. State-dict names as in PYSKL: `branches`, `transform`, `bn`."""

    def __init__(self, channels: int, stride: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        width = channels // 6
        first = channels - 5 * width
        branches: list[nn.Module] = []
        for dilation in (1, 2, 3, 4):
            out = first if dilation == 1 else width
            conv = _Named(nn.Conv2d(out, out, (3, 1), (stride, 1), (dilation, 0), (dilation, 1)))
            branches.append(nn.Sequential(*_squeeze(channels, out), conv))
        pool = nn.MaxPool2d((3, 1), (stride, 1), (1, 0))
        branches.append(nn.Sequential(*_squeeze(channels, width), pool))
        branches.append(FrameConv(channels, width, stride))
        self.branches = nn.ModuleList(branches)
        self.transform = nn.Sequential(
            nn.BatchNorm2d(channels), nn.ReLU(inplace=True), nn.Conv2d(channels, channels, 1)
        )
        self.bn = nn.BatchNorm2d(channels)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) -> (N, C, T / stride, V)."""
        y = torch.cat([branch(x) for branch in self.branches], dim=1)
        return self.drop(self.bn(self.transform(y)))


class MultiScaleTCN(Residual):
    """MS-G3D (Liu et al. 2020, sec. 3.3): branches with BN, a residual connection, ReLU. CTR-GCN
    has kernel 5, two dilations and no residual. The last, plain branch gets the remainder of the
    division of the channels by the number of branches."""

    def __init__(
        self,
        channels: int,
        out: int,
        stride: int = 1,
        *,
        kernel: int = 3,
        dilations: Sequence[int] = (1, 2, 3, 4),
        residual: bool = True,
        activate: bool = True,
    ) -> None:
        super().__init__()
        width = out // (len(dilations) + 2)
        last = out - width * (len(dilations) + 1)
        branches = [
            nn.Sequential(
                *_squeeze(channels, width), UnitTCN(width, width, kernel, stride, dilation=d)
            )
            for d in dilations
        ]
        pool = nn.MaxPool2d((3, 1), (stride, 1), (1, 0))
        branches.append(nn.Sequential(*_squeeze(channels, width), pool, nn.BatchNorm2d(width)))
        plain = FrameConv(channels, last, stride)
        branches.append(nn.Sequential(plain, nn.BatchNorm2d(last)))
        self.branches = nn.ModuleList(branches)
        self.activate = activate
        self.add_residual(channels, out, stride, residual)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) -> (N, out, T / stride, V)."""
        y = torch.cat([branch(x) for branch in self.branches], dim=1)
        y = self.plus_residual(y, x)
        return F.relu(y) if self.activate else y


def _squeeze(channels: int, out: int) -> list[nn.Module]:
    return [nn.Conv2d(channels, out, 1), nn.BatchNorm2d(out), nn.ReLU(inplace=True)]


class _Named(nn.Module):
    """A convolution with the state-dict name that it has in PYSKL: `conv`."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)
