"""What all networks share: the backbone's interface, the widths of its blocks, and the classifier
that joins a backbone and a head."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn


class Backbone(nn.Module):
    """Base class of every network without its head: (N, M, T, V, C) float32 -> features
    (N, M, out_channels, T', V').

    A subclass sets `out_channels`, implements `forward`, and declares what else it can do by the
    class attributes below, together with the methods that each one requires."""

    memory_format: ClassVar[torch.memory_format] = torch.channels_last
    """Memory layout of the activations and of the convolutions' weights."""

    closed_form: ClassVar[bool] = False
    """No parameter of the backbone is trained: the head is fitted in closed form, after
    `fit_scaler`."""

    has_pretraining: ClassVar[bool] = False
    """Training starts with a phase of its own. Requires `pretraining_loss`,
    `pretraining_parameters` and `frozen_parameters`."""

    has_forecast: ClassVar[bool] = False
    """The network forecasts poses. Requires `forecast`, `horizon` (frames) and `fps` (the frame
    rate of the training clips [Hz], 0 if it is not known)."""

    horizon: int = 0
    fps: float = 0.0

    out_channels: int
    """Channels of the features."""

    def forward_train(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """The features of (N, M, T, V, C) in training, and a scalar auxiliary loss that is added to
        the classification loss, or None."""
        return self(x), None

    def stages(self) -> list[list[nn.Module]]:
        """The modules of each stage, from the input on, so that the first n can be frozen. Empty if
        the backbone can only be frozen as a unit."""
        return []

    def fit_scaler(self, clips: Iterable[Tensor]) -> None:
        """Estimate the statistics of the input from training clips, each (N, M, T, V, C). Required
        by `closed_form`."""
        raise NotImplementedError

    def contributions(self, x: Tensor, weight: Tensor) -> Tensor:
        """(N, M, T, V): what each joint of (N, M, T, V, C) contributes at each time to the product
        of `weight` (C',) with the features, averaged over the persons, exactly: the sum is the
        difference to the features of an input of zeros. Required by `closed_form`."""
        raise NotImplementedError

    def held(self, x: Tensor) -> Callable[[Tensor], Tensor]:
        """`forward`, with everything through which no gradient passes kept as it is for `x` (N, M,
        T, V, C). The function takes inputs of N clips, or of several times N."""
        return self

    def pretraining_loss(self, x: Tensor) -> Tensor:
        """The scalar loss of the first phase for (N, M, T, V, C). Required by `has_pretraining`."""
        raise NotImplementedError

    def pretraining_parameters(self) -> list[nn.Parameter]:
        """The parameters that the first phase trains. Required by `has_pretraining`."""
        raise NotImplementedError

    def forecast(self, x: Tensor) -> Tensor:
        """The next `horizon` poses after x (N, M, T, V, C), in its coordinates: (N, M, horizon, V,
        C). Required by `has_forecast`."""
        raise NotImplementedError

    def frozen_parameters(self) -> list[nn.Parameter]:
        """The parameters that are not trained after the first phase."""
        return []


@dataclass(frozen=True, kw_only=True)
class BlockSpec:
    """One block of a backbone: input and output channels, temporal stride, with or without a
    residual connection."""

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
) -> Iterator[BlockSpec]:
    """PYSKL's blocks: the first one widens the input and has no residual connection. The width is
    multiplied by `ch_ratio` at `inflate_stages` and the frame rate halves at `down_stages` (both
    counted from 1)."""
    width, inflated = in_channels, 0
    if in_channels != base_channels:
        yield BlockSpec(channels=in_channels, out=base_channels, stride=1, residual=False)
        width = base_channels
    for number in range(2, num_stages + 1):
        inflated += number in inflate_stages
        out = int(base_channels * ch_ratio**inflated + 1e-4)
        stride = 2 if number in down_stages else 1
        yield BlockSpec(channels=width, out=out, stride=stride, residual=True)
        width = out


class StagedBackbone(Backbone):
    """Input batch norm followed by a list of blocks. `blocks_name` is the name of the list in the
    state dicts of the published checkpoints."""

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

    @property
    def blocks(self) -> nn.ModuleList:
        """The blocks, in order."""
        blocks = self.get_submodule(self._blocks_name)
        assert isinstance(blocks, nn.ModuleList)
        return blocks

    def stages(self) -> list[list[nn.Module]]:
        return [[block] for block in self.blocks]

    def forward(self, x: Tensor) -> Tensor:
        """(N, M, T, V, C) -> (N, M, C', T', V)."""
        n, m = x.shape[:2]
        inverse: Tensor | None = None
        rows = self.data_bn(x).contiguous(memory_format=self.memory_format)
        if m > 1 and not self.training and not is_recorded():
            keep, inverse = unique_persons(x)
            rows = rows[keep].contiguous(memory_format=self.memory_format)
        for block in self.blocks:
            rows = block(rows)
        rows = rows if inverse is None else rows[inverse]
        return rows.reshape(n, m, *rows.shape[1:])


def is_recorded() -> bool:
    """Whether the operations are being compiled, exported or recorded as a CUDA graph, so that
    their shapes cannot depend on the values."""
    if torch.compiler.is_compiling():
        return True
    return torch.cuda.is_available() and torch.cuda.is_current_stream_capturing()


def unique_persons(x: Tensor) -> tuple[Tensor, Tensor]:
    """x (N, M, T, V, C) -> indices of the persons (N·M) to compute, and for every person the
    position of its result among them.

    In evaluation all empty persons with the same index m have the same features, so only the first
    one is computed: in most clips of two-person datasets the second person is empty."""
    n, m = x.shape[:2]
    empty = ~x.flatten(2).any(dim=2)
    number = torch.arange(n * m, device=x.device).view(n, m)
    first_empty = torch.where(empty, number, n * m).amin(dim=0)  # for each person index m
    representative = torch.where(empty, first_empty, number).flatten()
    keep, inverse = torch.unique(representative, return_inverse=True)
    return keep, inverse


class GCNHead(nn.Module):
    """Mean over time and joints, mean over persons, dropout, linear layer (state-dict name `fc`).
    An empty second person counts in the mean, as in PYSKL."""

    def __init__(self, channels: int, classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.fc = nn.Linear(channels, classes)
        nn.init.normal_(self.fc.weight, std=0.01)
        nn.init.zeros_(self.fc.bias)

    def forward(self, features: Tensor) -> Tensor:
        """(N, M, C, T, V) -> logits (N, classes)."""
        return self.classify(self.pool(features))

    def classify(self, x: Tensor) -> Tensor:
        """Pooled features (N, C) -> logits (N, classes)."""
        return self.fc(self.drop(x))

    @staticmethod
    def pool(features: Tensor) -> Tensor:
        """(N, M, C, T, V) -> (N, C), the input of the linear layer."""
        return features.mean(dim=(3, 4)).mean(dim=1)


class ActionClassifier(nn.Module):
    """A backbone and a head: (N, M, T, V, C) float32 -> logits (N, classes)."""

    def __init__(self, backbone: Backbone, classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.backbone = backbone
        self.cls_head = GCNHead(backbone.out_channels, classes, dropout)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                module.to(memory_format=backbone.memory_format)  # type: ignore[call-overload]

    def features(self, x: Tensor) -> Tensor:
        """The features before pooling, (N, M, C', T', V')."""
        return self.backbone(x)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes)."""
        return self.cls_head(self.features(x))

    def training_output(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N, classes) and the backbone's auxiliary loss, a scalar (0 if it has none)."""
        features, auxiliary = self.backbone.forward_train(x)
        return self.cls_head(features), x.new_zeros(()) if auxiliary is None else auxiliary
