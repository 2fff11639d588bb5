"""DD-Net (Yang et al. 2019, "Make Skeleton-based Action Recognition Model Smaller, Faster and
Better"): convolutions over time of the distances between joints, which do not change if the body is
moved, turned or mirrored, and of motion at two speeds.

`features` can add what the paper does not use: the positions and the scores."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from skelact.models.base import Backbone
from skelact.models.kinematic_features import KinematicFeatures
from skelact.models.specs import ModelSpec, SmallVariant
from skelact.skeletons import Skeleton


class ConvBlock(nn.Sequential):
    """Convolution over `kernel` frames, BN, leaky ReLU: (N, C, T, 1) -> (N, out, T, 1)."""

    def __init__(self, channels: int, out: int, kernel: int) -> None:
        conv = nn.Conv2d(channels, out, (kernel, 1), padding=(kernel // 2, 0), bias=False)
        super().__init__(conv, nn.BatchNorm2d(out), nn.LeakyReLU(0.2))


class DDNet(Backbone):
    """The backbone. The first `dims` channels are coordinates; `width` is the paper's number of
    filters (16, 32 or 64), `hidden` the size of the two fully connected layers before the head.
    Raises ValueError as `KinematicFeatures` does."""

    def __init__(
        self,
        skeleton: Skeleton,
        in_channels: int = 3,
        persons: int = 1,
        dims: int = 2,
        width: int = 32,
        hidden: int = 128,
        dropout: float = 0.5,
        channel_dropout: float = 0.1,
        features: Sequence[str] = ("distances", "slow", "fast"),
    ) -> None:
        super().__init__()
        self.features = KinematicFeatures(skeleton, in_channels, dims, features)
        self.out_channels = hidden
        f = width
        # the fast motion is not pooled: it already has half the frames
        self.branches = nn.ModuleDict(
            {
                name: nn.Sequential(
                    nn.BatchNorm2d(size),
                    ConvBlock(size, 2 * f, 1),
                    nn.Dropout2d(channel_dropout),
                    ConvBlock(2 * f, f, 3),
                    nn.Dropout2d(channel_dropout),
                    ConvBlock(f, f, 1),
                    nn.Identity() if name == "fast" else nn.MaxPool2d((2, 1)),
                    nn.Dropout2d(channel_dropout),
                )
                for name, size in self.features.sizes.items()
            }
        )
        self.body = nn.Sequential(
            ConvBlock(f * len(self.branches), 2 * f, 3),
            ConvBlock(2 * f, 2 * f, 3),
            nn.MaxPool2d((2, 1)),
            nn.Dropout2d(channel_dropout),
            ConvBlock(2 * f, 4 * f, 3),
            ConvBlock(4 * f, 4 * f, 3),
            nn.MaxPool2d((2, 1)),
            nn.Dropout2d(channel_dropout),
            ConvBlock(4 * f, 8 * f, 3),
            ConvBlock(8 * f, 8 * f, 3),
            nn.Dropout2d(channel_dropout),
        )
        self.hidden = nn.Sequential(
            ConvBlock(8 * f, hidden, 1),
            nn.Dropout(dropout),
            ConvBlock(hidden, hidden, 1),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, M, T, V, C) -> (N, M, C', 1, 1), the maximum over time. The last frame is repeated if
        there are fewer than eight frames or an odd number of them."""
        n, m, t = x.shape[:3]
        length = max(8, t + t % 2)
        x = x[:, :, torch.arange(length, device=x.device).clamp(max=t - 1)].flatten(0, 1)
        y = torch.cat([self.branches[k](v) for k, v in self.features(x).items()], dim=1)
        y = self.hidden(self.body(y).amax(dim=2, keepdim=True))
        return y.reshape(n, m, *y.shape[1:])


SPECS = (
    ModelSpec(
        name="ddnet",
        backbone=DDNet,
        summary="DD-Net with 32 filters: distances between joints, and motion at two speeds",
        paper="Yang et al. 2019, DD-Net: joint distances and motion at two speeds",
        accuracy="JHMDB, annotated joints: 78.0",
        source="the authors' repository, 0.50 M parameters (32 filters)",
        clip_shape=(1, 32, 3),
        small=SmallVariant(
            training="modern",
            sections={
                "sampling": {"length": 64},
                "train": {
                    "optimiser": "adamw",
                    "lr": 2e-3,
                    "base_batch_size": 0,
                    "weight_decay": 1e-2,
                },
            },
        ),
        data_arguments=frozenset({"dims"}),
    ),
)
