"""ST-GCN (Yan, Xiong, Lin 2018) and ST-GCN++ (Duan et al. 2022), compatible with the published
weights of PYSKL and mmaction2."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from torch import Tensor, nn
from torch.nn import functional as F

from skelact.models.base import BlockSpec, StagedBackbone, stage_plan
from skelact.models.foreign import (
    ForeignArguments,
    ForeignFormat,
    State,
    count_children,
    read_data_bn,
    read_stages,
)
from skelact.models.graph import adjacency
from skelact.models.layers import Adaptive, DataBN, FlattenPersons, Residual, UnitGCN, UnitTCN
from skelact.models.multiscale import DilatedTCN
from skelact.models.specs import HALF_WIDTH, PYSKL_ZOO, ModelSpec, SmallVariant
from skelact.skeletons import Skeleton


class STGCNBlock(Residual):
    """Graph convolution, temporal convolution, residual, ReLU. State-dict names as in PYSKL: `gcn`,
    `tcn`, `residual`."""

    def __init__(self, gcn: nn.Module, tcn: nn.Module, *, stage: BlockSpec) -> None:
        super().__init__()
        self.gcn = gcn
        self.tcn = tcn
        self.add_residual(stage.channels, stage.out, stage.stride, stage.residual)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) -> (N, out, T / stride, V)."""
        return F.relu(self.plus_residual(self.tcn(self.gcn(x)), x), inplace=True)


class STGCN(StagedBackbone):
    """The backbone: the blocks of `stage_plan`."""

    def __init__(
        self,
        skeleton: Skeleton,
        in_channels: int = 3,
        persons: int = 1,
        base_channels: int = 64,
        ch_ratio: float = 2.0,
        num_stages: int = 10,
        inflate_stages: Sequence[int] = (5, 8),
        down_stages: Sequence[int] = (5, 8),
        graph_mode: str = "stgcn_spatial",
        max_hop: int = 1,
        true_centre: bool = False,
        adaptive: Adaptive = "importance",
        conv_pos: Literal["pre", "post"] = "pre",
        with_res: bool = False,
        data_bn_type: Literal["VC", "MVC", "none"] = "VC",
        tcn_type: Literal["unit", "dilated"] = "unit",
        tcn_kernel: int = 9,
        tcn_dropout: float = 0.0,
    ) -> None:
        a = adjacency(skeleton, graph_mode, max_hop, true_centre)
        plan = stage_plan(
            in_channels, base_channels, ch_ratio, num_stages, inflate_stages, down_stages
        )
        blocks: list[nn.Module] = []
        for n, s in enumerate(plan):
            gcn = UnitGCN(
                s.channels, s.out, a, adaptive=adaptive, conv_pos=conv_pos, with_res=with_res
            )
            dropout = tcn_dropout if n else 0.0
            tcn = (
                UnitTCN(s.out, s.out, tcn_kernel, s.stride, dropout)
                if tcn_type == "unit"
                else DilatedTCN(s.out, s.stride, dropout)
            )
            blocks.append(STGCNBlock(gcn, tcn, stage=s))
        data_bn: nn.Module = FlattenPersons()
        if data_bn_type != "none":
            data_bn = DataBN(data_bn_type, persons, len(skeleton.joints), in_channels)
        super().__init__(data_bn, blocks, s.out)


def _read(state: State) -> ForeignArguments:
    """What the weights of ST-GCN and ST-GCN++ have in common."""
    a, conv = state["gcn.0.gcn.A"], state["gcn.0.gcn.conv.weight"]
    subsets, joints = a.shape[:2]
    channels = conv.shape[1] // (subsets if _is_post(state) else 1)
    data_bn_type, persons = read_data_bn(state, joints, channels)
    kwargs = read_stages(state, "gcn", "gcn.bn")
    kwargs |= {"max_hop": max(1, (subsets - 1) // 2), "data_bn_type": data_bn_type}
    return ForeignArguments(kwargs=kwargs, joints=joints, channels=channels, persons=persons)


def _read_stgcn(state: State) -> ForeignArguments:
    common, mask = _read(state), state.get("gcn.0.gcn.PA")
    adaptive = "init" if mask is None else "importance" if mask.median() > 0.5 else "offset"
    form = {
        "adaptive": adaptive,
        "conv_pos": "post" if _is_post(state) else "pre",
        "with_res": "gcn.0.gcn.down.0.weight" in state,
    }
    subsets = len(state["gcn.0.gcn.A"])
    graphs: list[dict[str, Any]] = [{"graph_mode": "uniform"}]
    if subsets > 1:
        graphs = [{"graph_mode": "distance", "max_hop": subsets - 1}]
    if subsets > 2:
        graphs = [{"graph_mode": "stgcn_spatial"}, {"graph_mode": "spatial"}, *graphs]
    return replace(common, kwargs=common.kwargs | form, graphs=tuple(graphs))


def _authors_names(state: State) -> dict[str, Tensor]:
    """The names of yysijie/st-gcn and of mmaction2 0.x, which have one graph for all blocks."""
    out: dict[str, Tensor] = {}
    for key, value in state.items():
        block = re.match(r"st_gcn_networks\.(\d+)\.(.*)", key)
        mask = re.match(r"edge_importance\.(\d+)$", key)
        if block:
            rest = block[2]
            for theirs, ours in _PARTS.items():
                rest = re.sub(f"^{re.escape(theirs)}", ours, rest)
            out[f"gcn.{block[1]}.{rest}"] = value
        elif mask:
            out[f"gcn.{mask[1]}.gcn.PA"] = value
        elif key == "A":
            for n in range(count_children(state, "st_gcn_networks")):
                out[f"gcn.{n}.gcn.A"] = value
        else:
            out[key] = value
    return out


_PARTS = {
    "tcn.0.": "gcn.bn.",
    "tcn.2.": "tcn.conv.",
    "tcn.3.": "tcn.bn.",
    "residual.0.": "residual.conv.",
    "residual.1.": "residual.bn.",
}


def _is_post(state: State) -> bool:
    """Whether the convolution comes after the joints are gathered (`conv_pos`)."""
    outputs, width = len(state["gcn.0.gcn.conv.weight"]), len(state["gcn.0.gcn.bn.weight"])
    return outputs == width and len(state["gcn.0.gcn.A"]) > 1


_STGCN = ModelSpec(
    name="stgcn",
    backbone=STGCN,
    summary="ST-GCN as in PYSKL: 10 blocks, 64 to 256 channels, 3.1 million parameters",
    paper="Yan et al. 2018, Spatial Temporal Graph Convolutional Networks",
    accuracy="2D: joint 88.95, 4 streams 92.34; 3D: joint 88.11, 4 streams 90.39",
    source=PYSKL_ZOO,
    reference="PYSKL, and the authors' code",
    foreign=(
        ForeignFormat(key="gcn.0.tcn.conv.", absent=("gcn.0.gcn.conv_a.",), read=_read_stgcn),
        ForeignFormat(
            key="st_gcn_networks.0.gcn.conv.",
            read=_read_stgcn,
            authors="ST-GCN",
            rename=_authors_names,
            layouts={25: "ntu-25-thumb"},
            sampling={"method": "wrap", "length": 300},
        ),
    ),
)
SPECS = (
    _STGCN,
    replace(
        _STGCN,
        name="stgcn_small",
        summary="ST-GCN with half the channels and 6 blocks, for small datasets and machines",
        accuracy="none",
        source="not published",
        reference="",
        kwargs=HALF_WIDTH,
        foreign=(),
    ),
    ModelSpec(
        name="stgcnpp",
        backbone=STGCN,
        summary="ST-GCN++: learnt adjacency, six temporal branches, 1.4 million parameters",
        paper="Duan et al. 2022, PYSKL (ST-GCN++)",
        accuracy="2D: joint 89.29, 4 streams 92.77; 3D: joint 89.14, 4 streams 91.87",
        source=PYSKL_ZOO,
        reference="PYSKL",
        kwargs={
            "graph_mode": "spatial",
            "adaptive": "init",
            "with_res": True,
            "tcn_type": "dilated",
        },
        small=SmallVariant(sections={"model": HALF_WIDTH}),
        foreign=(ForeignFormat(key="gcn.0.tcn.branches.", read=_read),),
    ),
)
