"""ST-GCN (Yan, Xiong, Lin 2018) in the form of PYSKL and mmaction2, whose published weights it
loads."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skelact.models.graph import adjacency
from skelact.models.layers import Adaptive, DataBN, UnitGCN, UnitTCN
from skelact.skeletons import Skeleton


class STGCNBlock(nn.Module):
    """Graph convolution, temporal convolution, residual, ReLU. Names as in PYSKL: `gcn`, `tcn`,
    `residual`."""

    def __init__(
        self,
        channels: int,
        out: int,
        a: Any,
        stride: int,
        residual: bool,
        dropout: float,
        kernel: int,
        **gcn: Any,
    ) -> None:
        super().__init__()
        self.gcn = UnitGCN(channels, out, a, **gcn)
        self.tcn = UnitTCN(out, out, kernel, stride, dropout)
        self.with_residual = residual
        if residual and (channels != out or stride != 1):
            self.residual = UnitTCN(channels, out, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) -> (N, out, T / stride, V)."""
        y = self.tcn(self.gcn(x))
        if self.with_residual:
            y = y + (self.residual(x) if hasattr(self, "residual") else x)
        return F.relu(y, inplace=True)


class STGCN(nn.Module):
    """The backbone: data BN and `num_stages` blocks; the width doubles and the rate halves at
    `inflate_stages` and `down_stages` (1-based)."""

    def __init__(
        self,
        skeleton: Skeleton,
        in_channels: int = 3,
        persons: int = 1,
        base_channels: int = 64,
        ch_ratio: float = 2.0,
        num_stages: int = 10,
        inflate_stages: tuple[int, ...] = (5, 8),
        down_stages: tuple[int, ...] = (5, 8),
        graph_mode: str = "stgcn_spatial",
        max_hop: int = 1,
        true_centre: bool = False,
        adaptive: Adaptive = "importance",
        conv_pos: Literal["pre", "post"] = "pre",
        with_res: bool = False,
        data_bn_type: Literal["VC", "MVC"] = "VC",
        tcn_kernel: int = 9,
        tcn_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        a = adjacency(skeleton, graph_mode, max_hop, true_centre)
        self.data_bn = DataBN(data_bn_type, persons, len(skeleton.joints), in_channels)
        gcn = {"adaptive": adaptive, "conv_pos": conv_pos, "with_res": with_res}
        blocks, width, inflated = [], in_channels, 0
        if in_channels != base_channels:
            blocks.append(
                STGCNBlock(in_channels, base_channels, a, 1, False, 0.0, tcn_kernel, **gcn)
            )
            width = base_channels
        for stage in range(2, num_stages + 1):
            inflated += stage in inflate_stages
            out = int(base_channels * ch_ratio**inflated + 1e-4)
            stride = 2 if stage in down_stages else 1
            blocks.append(STGCNBlock(width, out, a, stride, True, tcn_dropout, tcn_kernel, **gcn))
            width = out
        self.gcn = nn.ModuleList(blocks)
        self.out_channels = width

    def forward(self, x: Tensor) -> Tensor:
        """(N, M, T, V, C) -> (N, M, C', T', V)."""
        n, m = x.shape[:2]
        x = self.data_bn(x)
        for block in self.gcn:
            x = block(x)
        return x.reshape(n, m, *x.shape[1:])


class GCNHead(nn.Module):
    """Mean over time and joints, mean over persons, dropout, linear. State-dict name `fc`. An empty
    second person is averaged in, as published."""

    def __init__(self, channels: int, classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.fc = nn.Linear(channels, classes)
        nn.init.normal_(self.fc.weight, std=0.01)
        nn.init.zeros_(self.fc.bias)

    def forward(self, features: Tensor) -> Tensor:
        """(N, M, C, T, V) -> (N, classes)."""
        return self.fc(self.drop(features.mean(dim=(3, 4)).mean(dim=1)))  # type: ignore[no-any-return]


class Recogniser(nn.Module):
    """A backbone and a head: (N, M, T, V, C) float32 -> logits (N, classes)."""

    def __init__(self, backbone: STGCN, classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.backbone = backbone
        self.cls_head = GCNHead(backbone.out_channels, classes, dropout)

    def features(self, x: Tensor) -> Tensor:
        """The map before pooling, (N, M, C', T', V)."""
        return self.backbone(x)  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        return self.cls_head(self.features(x))  # type: ignore[no-any-return]


def stgcn(
    classes: int,
    skeleton: Skeleton,
    in_channels: int = 3,
    persons: int = 1,
    dropout: float = 0.0,
    **kwargs: Any,
) -> Recogniser:
    """ST-GCN with its head; `dropout` is the head's."""
    net = Recogniser(STGCN(skeleton, in_channels, persons, **kwargs), classes, dropout)
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net
