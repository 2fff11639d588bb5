"""What DD-Net and the random convolutions see of a clip: distances between joints, motion at two
speeds, positions, scores; rows of numbers over time, without a graph."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from skelact.skeletons import Skeleton

FEATURES = ("distances", "slow", "fast", "position", "score")


class MotionFeatures(nn.Module):
    """The `chosen` of FEATURES; `sizes` says how many rows each has. The first `dims` channels are
    coordinates. ValueError for an unknown feature, or for several streams in one input."""

    def __init__(
        self, skeleton: Skeleton, in_channels: int, dims: int, chosen: Sequence[str]
    ) -> None:
        super().__init__()
        unknown = [f for f in chosen if f not in FEATURES]
        if unknown or not chosen:
            raise ValueError(f"features are of {', '.join(FEATURES)}, got {list(chosen)}")
        if in_channels not in (dims, dims + 1):
            raise ValueError("it makes its own motion: one stream an input")
        if "score" in chosen and in_channels == dims:
            raise ValueError("there is no score among the channels")
        joints = len(skeleton.joints)
        self.dims = dims
        pairs = torch.triu_indices(joints, joints, offset=1)
        self.register_buffer("pairs", pairs, persistent=False)
        every = dict.fromkeys(FEATURES, joints * dims)
        every |= {"distances": pairs.shape[1], "score": joints * (in_channels - dims)}
        self.sizes = {name: every[name] for name in chosen}

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """x (N, T, V, C) -> each (N, size, T, 1), of the fast motion (N, size, T / 2, 1)."""
        return {name: self._one(name, x).transpose(1, 2).unsqueeze(3) for name in self.sizes}

    def _one(self, name: str, x: Tensor) -> Tensor:
        where = x[..., : self.dims]
        if name == "distances":
            first, second = self.pairs  # type: ignore[misc]
            return torch.linalg.vector_norm(where[:, :, first] - where[:, :, second], dim=-1)
        if name in ("slow", "fast"):
            where = where if name == "slow" else where[:, ::2]
            return nn.functional.pad(where.diff(dim=1), (0, 0, 0, 0, 0, 1)).flatten(2)
        return (where if name == "position" else x[..., self.dims :]).flatten(2)
