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
        self.dims, self.joints = dims, joints
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

    def to_joints(self, rows: Tensor) -> Tensor:
        """Amounts of the time series (N, R, T), in the order of `sizes` -> (N, T, V): each is
        divided equally among the two joints of a distance, or the two frames of a motion. The fast
        motion has another frame rate and is not supported."""
        parts = rows.split(list(self.sizes.values()), dim=1)
        out = rows.new_zeros(len(rows), rows.shape[2], self.joints)
        for name, part in zip(self.sizes, parts, strict=True):
            each = part.transpose(1, 2)
            if name == "distances":
                for ends in self.pairs:  # type: ignore[union-attr]
                    out.index_add_(2, ends, each / 2)
                continue
            each = each.unflatten(2, (self.joints, -1)).sum(dim=3)
            if name == "slow":
                out[:, 1:] += each[:, :-1] / 2
                out[:, :-1] += each[:, :-1] / 2
            else:
                out += each
        return out
