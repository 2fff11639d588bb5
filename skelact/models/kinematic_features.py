"""The input of DD-Net and of the random convolutions: distances between joints, motion at two
speeds, positions and scores as time series, without a graph."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from skelact.skeletons import Skeleton

FEATURES = ("distances", "slow", "fast", "position", "score")


class KinematicFeatures(nn.Module):
    """The features named in `chosen` (see FEATURES); `sizes` is the number of time series of each.
    The first `dims` of the `in_channels` channels are coordinates. Raises ValueError for an unknown
    feature, or for several streams in one input."""

    def __init__(
        self, skeleton: Skeleton, in_channels: int, dims: int, chosen: Sequence[str]
    ) -> None:
        super().__init__()
        unknown = [f for f in chosen if f not in FEATURES]
        if unknown or not chosen:
            raise ValueError(f"features must be among {', '.join(FEATURES)}, got {list(chosen)}")
        if in_channels not in (dims, dims + 1):
            raise ValueError(
                f"the input must be one stream of {dims} coordinates, with or without a score, "
                f"got {in_channels} channels"
            )
        if "score" in chosen and in_channels == dims:
            raise ValueError("the feature 'score' needs an input with scores")
        joints = len(skeleton.joints)
        self.dims = dims
        pairs = torch.triu_indices(joints, joints, offset=1)
        self.register_buffer("pairs", pairs, persistent=False)
        sizes = dict.fromkeys(FEATURES, joints * dims)
        sizes |= {"distances": pairs.shape[1], "score": joints * (in_channels - dims)}
        self.sizes = {name: sizes[name] for name in chosen}

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """x (N, T, V, C) -> (N, size, T, 1) for each feature; the fast motion has T / 2 frames."""
        return {name: self._feature(name, x).transpose(1, 2).unsqueeze(3) for name in self.sizes}

    def _feature(self, name: str, x: Tensor) -> Tensor:
        position = x[..., : self.dims]
        if name == "distances":
            first, second = self.pairs  # type: ignore[misc]
            return torch.linalg.vector_norm(position[:, :, first] - position[:, :, second], dim=-1)
        if name in ("slow", "fast"):
            position = position if name == "slow" else position[:, ::2]
            return nn.functional.pad(position.diff(dim=1), (0, 0, 0, 0, 0, 1)).flatten(2)
        return (position if name == "position" else x[..., self.dims :]).flatten(2)
