"""ST-GCN (Yan, Xiong, Lin 2018) and ST-GCN++ (Duan et al. 2022) in the form of PYSKL and mmaction2,
whose published weights they load."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from skelact.models.base import StagedBackbone, stage_plan
from skelact.models.graph import adjacency
from skelact.models.layers import Adaptive, DataBN, FlattenPersons, Residual, UnitGCN, UnitTCN
from skelact.models.multiscale import DilatedTCN
from skelact.skeletons import Skeleton


class STGCNBlock(Residual):
    """Graph convolution, temporal convolution, residual, ReLU. Names as in PYSKL: `gcn`, `tcn`,
    `residual`."""

    def __init__(
        self, channels: int, out: int, gcn: nn.Module, tcn: nn.Module, stride: int, residual: bool
    ) -> None:
        super().__init__()
        self.gcn = gcn
        self.tcn = tcn
        self.add_residual(channels, out, stride, residual)

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
            gcn = UnitGCN(s.channels, s.out, a, adaptive, conv_pos, with_res)
            dropout = tcn_dropout if n else 0.0
            tcn = (
                UnitTCN(s.out, s.out, tcn_kernel, s.stride, dropout)
                if tcn_type == "unit"
                else DilatedTCN(s.out, s.stride, dropout)
            )
            blocks.append(STGCNBlock(s.channels, s.out, gcn, tcn, s.stride, s.residual))
        data_bn: nn.Module = FlattenPersons()
        if data_bn_type != "none":
            data_bn = DataBN(data_bn_type, persons, len(skeleton.joints), in_channels)
        super().__init__(data_bn, blocks, s.out)


# what makes an ST-GCN an ST-GCN++: a learnt adjacency, residuals inside the graph convolution, six
# temporal branches
PLUS_PLUS = {
    "graph_mode": "spatial",
    "adaptive": "init",
    "with_res": True,
    "tcn_type": "dilated",
}
