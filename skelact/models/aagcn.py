"""AAGCN (Shi et al. 2020, multi-stream adaptive graph networks) as in PYSKL. Without attention it
is 2s-AGCN as in mmaction2; with `original=True` the graph is that of the 2s-AGCN authors' own code
(Shi et al. 2019, two-stream adaptive graph networks)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skelact.models.base import StagedBackbone, stage_plan
from skelact.models.foreign import ForeignFormat, read_staged, rename_blocks
from skelact.models.graph import adjacency
from skelact.models.layers import DataBN, GraphConvolution, UnitTCN, projection
from skelact.models.specs import HALF_WIDTH, ModelSpec, SmallVariant
from skelact.models.stgcn import STGCNBlock
from skelact.skeletons import Skeleton


class UnitAAGCN(nn.Module):
    """y = ReLU(BN(sum_k d_k(x (A_k + alpha C_k))) + down(x)), where C_k is the
    tanh of the similarity of the embedded joints; then spatial, temporal and channel attention,
    each y (1 + sigmoid). With `original` the graph is A_k + PA_k + softmax of the similarity over
    the senders. State-dict names as in PYSKL."""

    A: Tensor

    def __init__(
        self, channels: int, out: int, a: Any, attention: bool, original: bool = False
    ) -> None:
        super().__init__()
        graph = torch.from_numpy(a.copy())
        subsets, joints = graph.shape[:2]
        self.original = original
        if original:
            self.register_buffer("A", graph)
            self.PA = nn.Parameter(torch.full_like(graph, 1e-6))
        else:
            self.A = nn.Parameter(graph)
            self.alpha = nn.Parameter(torch.zeros(1))
        embed = out // 4
        self.conv_a = nn.ModuleList(nn.Conv2d(channels, embed, 1) for _ in range(subsets))
        self.conv_b = nn.ModuleList(nn.Conv2d(channels, embed, 1) for _ in range(subsets))
        self.conv_d = nn.ModuleList(nn.Conv2d(channels, out, 1) for _ in range(subsets))
        self.graph_convolution = GraphConvolution()
        self.attention = attention
        if attention:
            kernel = joints - (joints + 1) % 2
            self.conv_sa = nn.Conv1d(out, 1, kernel, padding=(kernel - 1) // 2)
            self.conv_ta = nn.Conv1d(out, 1, 9, padding=4)
            self.fc1c = nn.Linear(out, out // 2)
            self.fc2c = nn.Linear(out // 2, out)
        self.down = projection(channels, out)
        self.bn = nn.BatchNorm2d(out)
        self._initialise(subsets)

    def _initialise(self, subsets: int) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        nn.init.constant_(self.bn.weight, 1e-6)
        for conv in self.conv_d:
            assert isinstance(conv, nn.Conv2d)
            nn.init.normal_(conv.weight, 0, (2 / (conv.weight.numel() * subsets)) ** 0.5)
        if self.attention:
            nn.init.xavier_normal_(self.conv_sa.weight)
            nn.init.kaiming_normal_(self.fc1c.weight)
            zero = (self.conv_sa.bias, self.conv_ta.weight, self.conv_ta.bias)
            for p in (*zero, self.fc1c.bias, self.fc2c.weight, self.fc2c.bias):
                nn.init.zeros_(p)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) -> (N, out, T, V)."""
        weight, bias = _stacked(self.conv_d)
        graph = self.graph(*self.embed(x))
        y = self.bn(self.graph_convolution(x, graph, weight, bias.sum(dim=0)))
        y = F.relu(y + self.down(x))
        return self._attend(y) if self.attention else y

    def embed(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C, T, V) -> the joints as senders and as receivers, each (K, N, E, T, V)."""
        # one matrix product for both embeddings of all subsets
        (w_a, b_a), (w_b, b_b) = _stacked(self.conv_a), _stacked(self.conv_b)
        weight = torch.cat([w_a.flatten(0, 1), w_b.flatten(0, 1)])
        bias = torch.cat([b_a.flatten(), b_b.flatten()])
        embedded = F.linear(x.permute(0, 2, 3, 1), weight, bias)
        senders, receivers = embedded.unflatten(3, (2, len(w_a), -1)).permute(3, 4, 0, 5, 1, 2)
        return senders, receivers

    def graph(self, senders: Tensor, receivers: Tensor) -> Tensor:
        """Embedded joints, each (K, N, E, T, V) -> (N, K, V, V)."""
        size = senders.shape[2] * senders.shape[3]
        rows = senders.permute(1, 0, 4, 2, 3).flatten(3)
        similarity = rows @ receivers.transpose(0, 1).flatten(2, 3) / size
        if self.original:
            return self.A + self.PA + torch.softmax(similarity, dim=-2)
        return self.A + self.alpha * torch.tanh(similarity)

    def _attend(self, y: Tensor) -> Tensor:
        y = y * (1 + torch.sigmoid(self.conv_sa(y.mean(dim=2))).unsqueeze(2))
        y = y * (1 + torch.sigmoid(self.conv_ta(y.mean(dim=3))).unsqueeze(3))
        channel = torch.sigmoid(self.fc2c(F.relu(self.fc1c(y.mean(dim=(2, 3))))))
        return y * (1 + channel[:, :, None, None])


def _stacked(convs: nn.ModuleList) -> tuple[Tensor, Tensor]:
    """Weights (K, out, C) and biases (K, out) of 1x1 convolutions."""
    weights = torch.stack([c.weight.flatten(1) for c in convs])  # type: ignore[operator]
    return weights, torch.stack([c.bias for c in convs])  # type: ignore[misc]


class AAGCN(StagedBackbone):
    """The backbone: the blocks of `stage_plan`."""

    def __init__(
        self,
        skeleton: Skeleton,
        in_channels: int = 3,
        persons: int = 1,
        base_channels: int = 64,
        num_stages: int = 10,
        inflate_stages: Sequence[int] = (5, 8),
        down_stages: Sequence[int] = (5, 8),
        attention: bool = True,
        original: bool = False,
        tcn_dropout: float = 0.0,
    ) -> None:
        a = adjacency(skeleton, "spatial")
        plan = stage_plan(in_channels, base_channels, 2.0, num_stages, inflate_stages, down_stages)
        blocks: list[nn.Module] = []
        for n, s in enumerate(plan):
            gcn = UnitAAGCN(s.channels, s.out, a, attention, original)
            tcn = UnitTCN(s.out, s.out, 9, s.stride, tcn_dropout if n else 0.0)
            blocks.append(STGCNBlock(gcn, tcn, stage=s))
        data_bn = DataBN("MVC", persons, len(skeleton.joints), in_channels)
        super().__init__(data_bn, blocks, s.out)


_read = partial(read_staged, blocks="gcn", bn="gcn.bn", graph="gcn.A", conv="gcn.conv_d.0")
_authors_names = partial(rename_blocks, blocks="gcn", parts={"gcn1.": "gcn.", "tcn1.": "tcn."})

SPECS = (
    ModelSpec(
        name="agcn",
        backbone=AAGCN,
        summary="2s-AGCN in its authors' form: a fixed, a learnt and a data-dependent graph",
        paper="Shi et al. 2019, Two-Stream Adaptive Graph Convolutional Networks",
        accuracy="NTU60, 2 streams: 88.5 xsub, 95.1 xview",
        source="the paper",
        reference="the authors' code",
        kwargs={"attention": False, "original": True},
        small=SmallVariant(sections={"model": HALF_WIDTH}),
        foreign=(
            ForeignFormat(
                key="l1.gcn1.PA",
                absent=("l1.gcn1.alpha",),
                read=partial(_read, graph="gcn.PA"),
                authors="2s-AGCN",
                rename=_authors_names,
                layouts={25: "ntu-25-thumb"},
                sampling={"method": "wrap", "length": 300},
            ),
        ),
    ),
    ModelSpec(
        name="2s-agcn",
        backbone=AAGCN,
        summary="2s-AGCN in mmaction2's form: AAGCN without attention",
        paper="Shi et al. 2019, Two-Stream Adaptive Graph Convolutional Networks, mmaction2's form",
        accuracy="2D: joint 88.60, 4 streams 92.34",
        source="mmaction2 model zoo: NTU60 xsub",
        reference="PYSKL's AAGCN without its attention",
        kwargs={"attention": False},
        small=SmallVariant(sections={"model": HALF_WIDTH}),
        foreign=(ForeignFormat(key="gcn.0.gcn.alpha", absent=("gcn.0.gcn.conv_sa.",), read=_read),),
    ),
    ModelSpec(
        name="aagcn",
        backbone=AAGCN,
        summary="AAGCN: data-dependent graphs, attention over joints, frames and channels",
        paper="Shi et al. 2020, Multi-Stream Adaptive Graph Convolutional Networks",
        accuracy="NTU60, 4 streams: 90.0 xsub, 96.2 xview",
        source="the paper",
        reference="PYSKL",
        small=SmallVariant(sections={"model": HALF_WIDTH}),
        foreign=(ForeignFormat(key="gcn.0.gcn.conv_sa.", read=_read),),
    ),
)
