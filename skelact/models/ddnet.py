"""DD-Net (Yang et al. 2019, "Make Skeleton-based Action Recognition Model Smaller, Faster and
Better"): distances between joints, which no shift, turn or mirror changes, and motion at two
speeds, through convolutions over time alone.

`features` may add what the paper leaves out: the positions themselves, and the score."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from skelact.models.base import Backbone
from skelact.models.kinematic_features import MotionFeatures
from skelact.models.specs import ModelSpec
from skelact.skeletons import Skeleton


class ConvBlock(nn.Sequential):
    """Convolution over `kernel` frames, BN, leaky ReLU: (N, C, T, 1) -> (N, out, T, 1)."""

    def __init__(self, channels: int, out: int, kernel: int) -> None:
        conv = nn.Conv2d(channels, out, (kernel, 1), padding=(kernel // 2, 0), bias=False)
        super().__init__(conv, nn.BatchNorm2d(out), nn.LeakyReLU(0.2))


class DDNet(Backbone):
    """The backbone. The first `dims` channels are coordinates; `width` is the paper's number of
    filters (16, 32 or 64), `hidden` the size of the two fully connected layers before the head.
    ValueError for an unknown feature, or for several streams in one input."""

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
        self.features = MotionFeatures(skeleton, in_channels, dims, features)
        self.out_channels = hidden
        f = width
        # the fast motion has half the frames already
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
        """(N, M, T, V, C) -> (N, M, C', 1, 1): the time is pooled by its maximum. The last frame
        stands still where there are fewer than eight, or an odd number."""
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
        data_arguments=frozenset({"dims"}),
    ),
)
