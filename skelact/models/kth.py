"""The ST-GCN of the KTH report: four ways to partition the neighbours, plain or full pre-activation
residual layers, edge importance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skelact.models.base import StagedBackbone
from skelact.models.graph import Matrix, kth_normalise, kth_partition
from skelact.models.layers import FlattenPersons, FrameConv, GraphConvolution
from skelact.models.specs import ModelSpec, SmallVariant
from skelact.skeletons import Skeleton

# widths of the layers by depth; the frame rate halves where the width doubles
_WIDTHS = {
    9: (64, 64, 64, 64, 128, 128, 128, 256, 256, 256),
    12: (64, 64, 64, 64, 64, 128, 128, 128, 128, 256, 256),
}


class KTHLayer(nn.Module):
    """Plain layer: BN, graph convolution, temporal convolution, BN, ReLU, dropout. Residual layer:
    BN, ReLU, graph convolution, BN, ReLU, temporal convolution, plus the input (through a 1x1
    convolution where the shape changes), ReLU, dropout.

    `bn` selects the batch norms of the plain layer: both, only the first, or swapped (the second
    one after the ReLU). `edge_importance` multiplies the fixed `A` by a learnt mask `M`. With
    `learn_adjacency`, as in the published code, `A` itself is learnt. Raises ValueError for an
    unknown `bn`."""

    A: Tensor

    def __init__(
        self,
        channels: int,
        out: int,
        *,
        a: Matrix,
        stride: int,
        residual: bool,
        dropout: float,
        bn: Literal["both", "first", "swapped"],
        edge_importance: bool,
        learn_adjacency: bool,
        final_relu: bool,
        kernel: int,
    ) -> None:
        super().__init__()
        graph = torch.from_numpy(a).float()
        if learn_adjacency:
            self.A = nn.Parameter(graph)
        else:
            self.register_buffer("A", graph)
        self.M = nn.Parameter(torch.ones_like(graph)) if edge_importance else None
        self.bn1 = nn.BatchNorm2d(channels)
        self.graph = nn.Conv2d(channels, out * len(graph), 1)
        self.temporal = nn.Conv2d(out, out, (kernel, 1), (stride, 1), ((kernel - 1) // 2, 0))
        if bn not in ("both", "first", "swapped"):
            raise ValueError(f"bn must be both, first or swapped, got {bn!r}")
        self.bn2 = nn.BatchNorm2d(out) if residual or bn != "first" else nn.Identity()
        self.residual, self.placement, self.final_relu = residual, bn, final_relu
        self.shortcut: nn.Module = nn.Identity()
        if residual and (channels != out or stride != 1):
            self.shortcut = FrameConv(channels, out, stride)
        self.drop = nn.Dropout(dropout)
        self.graph_convolution = GraphConvolution()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) -> (N, out, T / stride, V)."""
        if self.residual:
            y = self._gather(F.relu(self.bn1(x)))
            y = self.temporal(F.relu(self.bn2(y))) + self.shortcut(x)
            return self.drop(F.relu(y) if self.final_relu else y)
        y = self.temporal(self._gather(self.bn1(x)))
        y = F.relu(self.bn2(y)) if self.placement == "both" else self.bn2(F.relu(y))
        return self.drop(y)

    def _gather(self, x: Tensor) -> Tensor:
        a = self.A if self.M is None else self.A * self.M
        assert self.graph.bias is not None
        weight = self.graph.weight.view(len(a), -1, x.shape[1])
        return self.graph_convolution(x, a, weight, self.graph.bias.view(len(a), -1))


class KTHNet(StagedBackbone):
    """The backbone: an input layer and nine more (depth 9), or the report's deeper network
    (depth 12). Raises ValueError for another depth, and ConfigError as `kth_partition` and
    `kth_normalise` do.

    `distances` (V,), for partition `spatial`, is each joint's mean distance to the centre of the
    body over the training set; training computes it."""

    def __init__(
        self,
        skeleton: Skeleton,
        in_channels: int = 2,
        persons: int = 1,
        partition: Literal["uni", "distance", "spatial", "symmetrical"] = "spatial",
        norm: Literal["report", "row", "published"] = "report",
        residual: bool = True,
        edge_importance: bool = True,
        learn_adjacency: bool = False,
        layer_dropout: float = 0.0,
        bn: Literal["both", "first", "swapped"] = "both",
        final_relu: bool = True,
        depth: int = 9,
        base_channels: int = 64,
        kernel: int = 9,
        distances: Sequence[float] | None = None,
    ) -> None:
        if depth not in _WIDTHS:
            raise ValueError(f"depth must be one of {', '.join(map(str, _WIDTHS))}, got {depth}")
        a = kth_normalise(kth_partition(skeleton, partition, distances), norm)
        blocks: list[nn.Module] = []
        channels = in_channels
        for number, width in enumerate(_WIDTHS[depth]):
            out = width * base_channels // 64
            stride = 2 if number and out != channels else 1
            blocks.append(
                KTHLayer(
                    channels,
                    out,
                    a=a,
                    stride=stride,
                    residual=residual,
                    dropout=layer_dropout,
                    bn=bn,
                    edge_importance=edge_importance,
                    learn_adjacency=learn_adjacency,
                    final_relu=final_relu,
                    kernel=kernel,
                )
            )
            channels = out
        super().__init__(FlattenPersons(), blocks, channels, blocks_name="layers")


SPECS = (
    ModelSpec(
        name="stgcn-kth",
        backbone=KTHNet,
        summary="the ST-GCN of the KTH report: spatial partition, residual layers, edge importance",
        paper="KTH report: ST-GCN with four partitions, residual layers, edge importance",
        accuracy="KTH, 6 actions: 77.34 plain with augmentation, 80.47 residual",
        source="the report's final table, spatial partition",
        reference="the report's code",
        clip_shape=(1, 100, 2),
        small=SmallVariant(sections={"model": {"base_channels": 32, "dropout": 0.2}}),
        data_arguments=frozenset({"distances"}),
    ),
)
