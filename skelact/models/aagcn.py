"""AAGCN (Shi et al. 2020, multi-stream adaptive graph networks), PYSKL's form; without attention it
is what mmaction2 calls 2s-AGCN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skelact.models.graph import adjacency
from skelact.models.layers import DataBN, UnitTCN
from skelact.models.recogniser import StagedBackbone, stage_plan
from skelact.models.stgcn import STGCNBlock
from skelact.skeletons import Skeleton


class UnitAAGCN(nn.Module):
    """y = ReLU(BN(sum_k d_k(x (A_k + alpha C_k))) + down(x)), C_k = tanh of the joints' embedded
    likeness; then spatial, temporal and channel attention, each y (1 + sigmoid). Names as in
    PYSKL."""

    def __init__(self, channels: int, out: int, a: Any, attention: bool) -> None:
        super().__init__()
        self.A = nn.Parameter(torch.from_numpy(a.copy()))
        subsets, joints = self.A.shape[:2]
        self.alpha = nn.Parameter(torch.zeros(1))
        embed = out // 4
        self.conv_a = nn.ModuleList(nn.Conv2d(channels, embed, 1) for _ in range(subsets))
        self.conv_b = nn.ModuleList(nn.Conv2d(channels, embed, 1) for _ in range(subsets))
        self.conv_d = nn.ModuleList(nn.Conv2d(channels, out, 1) for _ in range(subsets))
        self.attention = attention
        if attention:
            kernel = joints - (joints + 1) % 2
            self.conv_sa = nn.Conv1d(out, 1, kernel, padding=(kernel - 1) // 2)
            self.conv_ta = nn.Conv1d(out, 1, 9, padding=4)
            self.fc1c = nn.Linear(out, out // 2)
            self.fc2c = nn.Linear(out // 2, out)
        if channels != out:
            self.down = nn.Sequential(nn.Conv2d(channels, out, 1), nn.BatchNorm2d(out))
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
        n, c, t, v = x.shape
        total = None
        for k, (conv_a, conv_b, conv_d) in enumerate(
            zip(self.conv_a, self.conv_b, self.conv_d, strict=True)
        ):
            left = conv_a(x).permute(0, 3, 1, 2).reshape(n, v, -1)
            right = conv_b(x).reshape(n, -1, v)
            likeness = torch.tanh(left @ right / left.shape[-1])
            graph = self.A[k] + self.alpha * likeness
            z = conv_d((x.reshape(n, c * t, v) @ graph.to(x.dtype)).view(n, c, t, v))
            total = z if total is None else total + z
        assert total is not None
        y = F.relu(self.bn(total) + (self.down(x) if hasattr(self, "down") else x))
        return self._attend(y) if self.attention else y

    def _attend(self, y: Tensor) -> Tensor:
        y = y * (1 + torch.sigmoid(self.conv_sa(y.mean(dim=2))).unsqueeze(2))
        y = y * (1 + torch.sigmoid(self.conv_ta(y.mean(dim=3))).unsqueeze(3))
        channel = torch.sigmoid(self.fc2c(F.relu(self.fc1c(y.mean(dim=(2, 3))))))
        return y * (1 + channel[:, :, None, None])


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
        tcn_dropout: float = 0.0,
    ) -> None:
        a = adjacency(skeleton, "spatial")
        plan = stage_plan(in_channels, base_channels, 2.0, num_stages, inflate_stages, down_stages)
        blocks: list[nn.Module] = []
        for n, s in enumerate(plan):
            gcn = UnitAAGCN(s.channels, s.out, a, attention)
            tcn = UnitTCN(s.out, s.out, 9, s.stride, tcn_dropout if n else 0.0)
            blocks.append(STGCNBlock(s.channels, s.out, gcn, tcn, s.stride, s.residual))
        data_bn = DataBN("MVC", persons, len(skeleton.joints), in_channels)
        super().__init__(data_bn, blocks, s.out)
