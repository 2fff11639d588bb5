"""What all networks share: the plan of their stages, the head, backbone and head as one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from skelact.models.layers import is_published


@dataclass(frozen=True)
class Stage:
    """One block of a backbone: channels in and out, temporal stride, with or without residual."""

    channels: int
    out: int
    stride: int
    residual: bool


def stage_plan(
    in_channels: int,
    base_channels: int = 64,
    ch_ratio: float = 2.0,
    num_stages: int = 10,
    inflate_stages: Sequence[int] = (5, 8),
    down_stages: Sequence[int] = (5, 8),
) -> Iterator[Stage]:
    """PYSKL's plan: the first block widens the input without a residual; the width doubles and the
    rate halves at `inflate_stages` and `down_stages` (counted from 1)."""
    width, inflated = in_channels, 0
    if in_channels != base_channels:
        yield Stage(in_channels, base_channels, 1, False)
        width = base_channels
    for number in range(2, num_stages + 1):
        inflated += number in inflate_stages
        out = int(base_channels * ch_ratio**inflated + 1e-4)
        yield Stage(width, out, 2 if number in down_stages else 1, True)
        width = out


class StagedBackbone(nn.Module):
    """Data BN and a row of blocks, the last of which gives `out_channels`. `blocks_name` is what
    the published checkpoints call the row."""

    def __init__(
        self,
        data_bn: nn.Module,
        blocks: list[nn.Module],
        out_channels: int,
        blocks_name: str = "gcn",
    ) -> None:
        super().__init__()
        self.data_bn = data_bn
        self.out_channels = out_channels
        self._blocks_name = blocks_name
        self.add_module(blocks_name, nn.ModuleList(blocks))

    def stages(self) -> list[nn.Module]:
        """The blocks, in order."""
        return list(self.get_submodule(self._blocks_name).children())

    def forward(self, x: Tensor) -> Tensor:
        """(N, M, T, V, C) -> (N, M, C', T', V)."""
        n, m = x.shape[:2]
        back: Tensor | None = None
        rows = self.data_bn(x)
        if m > 1 and not self.training and not is_published():
            keep, back = distinct_people(x)
            rows = rows[keep].contiguous(memory_format=torch.channels_last)
            if hasattr(self, "channels_first"):
                rows = rows.contiguous()
        for block in self.stages():
            rows = block(rows)
        rows = rows if back is None else rows[back]
        return rows.reshape(n, m, *rows.shape[1:])


def distinct_people(x: Tensor) -> tuple[Tensor, Tensor]:
    """x (N, M, T, V, C) -> rows of (N·M) to compute, and for every row its place among them. In
    evaluation all empty people of the same place m give the same, so one of them stands for all:
    in most clips of two-person datasets the second is empty."""
    n, m = x.shape[:2]
    empty = ~x.flatten(2).any(dim=2)
    number = torch.arange(n * m, device=x.device).view(n, m)
    first = torch.where(empty, number, n * m).amin(dim=0)  # the first empty one of each place
    stands = torch.where(empty, first, number).flatten()
    keep, back = torch.unique(stands, return_inverse=True)
    return keep, back


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
        return self.fc(self.drop(self.pool(features)))

    @staticmethod
    def pool(features: Tensor) -> Tensor:
        """(N, M, C, T, V) -> (N, C), what the linear layer sees."""
        return features.mean(dim=(3, 4)).mean(dim=1)


class ActionClassifier(nn.Module):
    """A backbone and a head: (N, M, T, V, C) float32 -> logits (N, classes). The backbone gives
    (N, M, C', T', V) and names its `out_channels`. Weights lie channels-last unless it says
    `channels_first`."""

    def __init__(self, backbone: nn.Module, classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.backbone = backbone
        self.cls_head = GCNHead(int(backbone.out_channels), classes, dropout)  # type: ignore[arg-type]
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and not hasattr(backbone, "channels_first"):
                module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def features(self, x: Tensor) -> Tensor:
        """The map before pooling, (N, M, C', T', V)."""
        return self.backbone(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.cls_head(self.features(x))

    def training_output(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, and what the network adds to the loss of its own accord (AS-GCN: the cost of its
        forecast), a scalar."""
        if hasattr(self.backbone, "train_features"):
            features, extra = self.backbone.train_features(x)  # type: ignore[operator]
            return self.cls_head(features), extra
        return self(x), x.new_zeros(())

    @property
    def pretrains(self) -> bool:
        """Whether training starts with a phase of its own: the backbone then has
        `pretraining_loss(x)`, `pretraining_parameters()` and `frozen_parameters()`."""
        return hasattr(self.backbone, "pretraining_loss")
