"""CTR-GCN (Chen et al. 2021): channel-wise topology refinement, as in PYSKL; with `original=True`
as in the authors' own code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skelact.models.base import BlockSpec, StagedBackbone, stage_plan
from skelact.models.foreign import (
    ForeignArguments,
    ForeignFormat,
    State,
    read_staged,
    rename_blocks,
)
from skelact.models.graph import adjacency
from skelact.models.layers import DataBN, Residual, projection
from skelact.models.multiscale import MultiScaleTCN
from skelact.models.specs import HALF_WIDTH, ModelSpec, SmallVariant
from skelact.skeletons import Skeleton


class CTRGC(nn.Module):
    """One branch, with a graph for every channel: A + alpha conv4(tanh(x1_u - x2_v)), where x1 and
    x2 are embedded means over time (eq. 4 to 6 of the paper). In PYSKL row u of the graph sends to
    column v; in the authors' code (`original`) row u receives from column v, and only an input of 3
    or 9 channels is embedded in 8. State-dict names as in both: `conv1` to `conv4`."""

    def __init__(self, channels: int, out: int, original: bool = False) -> None:
        super().__init__()
        narrow = channels in (3, 9) if original else channels <= 16
        squeezed = 8 if narrow else max(1, channels // 8)
        self.original = original
        self.conv1 = nn.Conv2d(channels, squeezed, 1)
        self.conv2 = nn.Conv2d(channels, squeezed, 1)
        self.conv3 = nn.Conv2d(channels, out, 1)
        self.conv4 = nn.Conv2d(squeezed, out, 1)

    def embed(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The two embedded time means of (N, C, T, V), each (N, E, V)."""
        mean = x.mean(dim=2, keepdim=True)  # its convolution is the mean of the convolution
        return self.conv1(mean).squeeze(2), self.conv2(mean).squeeze(2)

    def forward(self, x: Tensor, a: Tensor, alpha: Tensor) -> Tensor:
        """x (N, C, T, V), a (V, V) -> (N, out, T, V)."""
        x1, x2 = self.embed(x)
        graph = self.conv4(torch.tanh(x1.unsqueeze(-1) - x2.unsqueeze(-2))) * alpha + a
        if self.original:
            graph = graph.transpose(-1, -2)
        return torch.matmul(self.conv3(x).contiguous(), graph.contiguous())


class UnitCTRGCN(nn.Module):
    """Sum of three branches, BN, residual, ReLU. State-dict names as in PYSKL: `A` (`PA` with
    `original`), `alpha`, `convs`, `down`, `bn`."""

    def __init__(self, channels: int, out: int, a: Any, original: bool = False) -> None:
        super().__init__()
        self.original = original
        self.register_parameter("PA" if original else "A", nn.Parameter(torch.from_numpy(a.copy())))
        self.alpha = nn.Parameter(torch.zeros(1))
        self.convs = nn.ModuleList(CTRGC(channels, out, original) for _ in range(len(a)))
        self.down = projection(channels, out)
        self.bn = nn.BatchNorm2d(out)
        nn.init.constant_(self.bn.weight, 1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) -> (N, out, T, V)."""
        total = None
        graphs = self.get_parameter("PA" if self.original else "A")
        for conv, a in zip(self.convs, graphs, strict=True):
            z = conv(x, a, self.alpha)
            total = z if total is None else total + z
        return F.relu(self.bn(total) + self.down(x))


class CTRGCNBlock(Residual):
    """State-dict names as in PYSKL: `gcn1`, `tcn1`, `residual`. PYSKL has a ReLU after the temporal
    convolution, the authors' code (`original`) has none."""

    def __init__(self, stage: BlockSpec, a: Any, original: bool = False) -> None:
        super().__init__()
        out, stride = stage.out, stage.stride
        self.gcn1 = UnitCTRGCN(stage.channels, out, a, original)
        self.tcn1 = MultiScaleTCN(
            out,
            out,
            stride,
            kernel=5,
            dilations=(1, 2),
            residual=False,
            activate=not original,
        )
        self.add_residual(stage.channels, out, stride, stage.residual)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) -> (N, out, T / stride, V)."""
        return F.relu(self.plus_residual(self.tcn1(self.gcn1(x)), x))


class CTRGCN(StagedBackbone):
    """The backbone: the blocks of `stage_plan`, under the state-dict name `net`."""

    # every channel has its own graph: with channels last, each matrix product would copy its input
    memory_format = torch.contiguous_format

    def __init__(
        self,
        skeleton: Skeleton,
        in_channels: int = 3,
        persons: int = 1,
        base_channels: int = 64,
        num_stages: int = 10,
        inflate_stages: Sequence[int] = (5, 8),
        down_stages: Sequence[int] = (5, 8),
        original: bool = False,
    ) -> None:
        a = adjacency(skeleton, "spatial")
        plan = stage_plan(in_channels, base_channels, 2.0, num_stages, inflate_stages, down_stages)
        blocks: list[nn.Module] = []
        for s in plan:
            blocks.append(CTRGCNBlock(s, a, original))
        data_bn = DataBN("MVC", persons, len(skeleton.joints), in_channels)
        super().__init__(data_bn, blocks, s.out, blocks_name="net")


def _read(state: State) -> ForeignArguments:
    return read_staged(state, blocks="net", bn="gcn1.bn", graph="gcn1.A", conv="gcn1.convs.0.conv1")


def _read_original(state: State) -> ForeignArguments:
    found = read_staged(
        state, blocks="net", bn="gcn1.bn", graph="gcn1.PA", conv="gcn1.convs.0.conv1"
    )
    return replace(found, kwargs=found.kwargs | {"original": True})


SPECS = (
    ModelSpec(
        name="ctrgcn",
        backbone=CTRGCN,
        summary="CTR-GCN: a graph for every channel, 1.4 million parameters",
        paper="Chen et al. 2021, Channel-wise Topology Refinement",
        accuracy="4 streams: NTU60 92.4 xsub, 96.8 xview; NW-UCLA 96.5",
        source="the paper",
        reference="PYSKL, and the authors' code",
        small=SmallVariant(sections={"model": HALF_WIDTH, "train": {"epochs": 16, "lr": 0.2}}),
        foreign=(
            ForeignFormat(key="net.0.gcn1.convs.", read=_read),
            ForeignFormat(
                key="l1.gcn1.convs.",
                read=_read_original,
                authors="CTR-GCN",
                rename=partial(rename_blocks, blocks="net"),
                layouts={25: "ntu-25-thumb", 20: "kinect-20"},
                sampling={"method": "linspace", "length": 64},
            ),
        ),
    ),
)
