"""A packed dataset on the device: batches are gathered, augmented and masked there, many clips at
once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from skelact.datasets.packed import Packed
from skelact.options import AugmentOptions
from skelact.sequence import streams
from skelact.sequence.sampling import (
    Indices,
    Positions,
    SamplingOptions,
    testing_indices,
    training_indices,
)
from skelact.training.augment import AugmentParams


def build_input(
    take: Callable[[Positions], Tensor],
    frames: Positions,
    ends: Indices,
    names: tuple[str, ...],
    parents: Tensor,
    dims: int,
    minmax: bool,
) -> Tensor:
    """What a network sees, (N, M, L, V, C·streams) without NaN: the named streams of `frames`
    (N, L), -1 for empty. `take` gives frames as (N, M, L, V, C) with NaN for missing joints, `ends`
    (N, 1) is the last frame of each clip."""
    x = take(frames)
    following = last = None
    if streams.needs_next_frame(names):
        following = take(np.where(frames < 0, -1, np.minimum(frames + 1, ends)))
        last = torch.from_numpy(frames >= ends).to(x.device)[:, None, :, None, None]
    if minmax:
        empty = torch.from_numpy(frames < 0).to(x.device)
        x, following = minmax_scale(x, following, empty[:, None, :, None, None], dims)
    return torch.nan_to_num_(
        torch.cat(streams.parts(x, following, last, parents, dims, names), dim=-1)
    )


def interpolate_frames(take: Callable[[Indices], Tensor], at: Positions, ends: Indices) -> Tensor:
    """`take` at whole frames (N, L), or at positions between them: linear from one frame to the
    next, and the one where a joint is known where it is missing in the other."""
    if not np.issubdtype(at.dtype, np.floating):
        return take(at.astype(np.int64))
    low = np.floor(at).astype(np.int64)
    before, after = take(low), take(np.minimum(low + 1, ends))
    weight = torch.from_numpy((at - low).astype(np.float32)).to(before.device)
    mixed = torch.lerp(before, after, weight[:, None, :, None, None])
    return torch.where(before.isnan(), after, torch.where(after.isnan(), before, mixed))


def flip_input(x: Tensor, mirror: Tensor, streams: int) -> Tensor:
    """What a network sees (N, M, L, V, C·streams), left and right exchanged."""
    x = x[:, :, :, mirror].unflatten(-1, (streams, -1)).clone()
    x[..., 0] *= -1
    return x.flatten(-2)


def minmax_scale(
    x: Tensor, following: Tensor | None, empty: Tensor, dims: int
) -> tuple[Tensor, Tensor | None]:
    """x (N, M, L, V, C) with each of its first `dims` channels scaled to -1..1 over a clip, and
    the frames after them scaled alike. Frames under the mask `empty` stay 0."""
    where = x[..., :dims]
    unseen = where.isnan() | empty
    low = where.masked_fill(unseen, torch.inf).amin(dim=(1, 2, 3), keepdim=True)
    high = where.masked_fill(unseen, -torch.inf).amax(dim=(1, 2, 3), keepdim=True)
    reach = (high - low).clamp(min=1e-6)

    def stretch(values: Tensor) -> Tensor:
        out = values.clone()
        out[..., :dims] = ((values[..., :dims] - low) / reach * 2 - 1).masked_fill(empty, 0)
        return out

    return stretch(x), None if following is None else stretch(following)


class DeviceClips:
    """All clips of a packed dataset in the memory of one device."""

    def __init__(self, packed: Packed, device: torch.device) -> None:
        # (F, M, V, C); on a CPU the file itself, of which only what is read comes into memory
        self.values = torch.from_numpy(packed.keypoints).to(device)
        self.offsets, self.lengths = packed.offsets, packed.lengths
        self.labels = torch.from_numpy(packed.labels).to(device)
        self.mirror = torch.from_numpy(packed.skeleton.flip_index).to(device)
        self.parents = torch.from_numpy(packed.skeleton.parent_indices).to(device)
        self.dims, self.minmax = int(packed.meta["dims"]), bool(packed.meta.get("minmax"))
        self.device = device

    def gather(self, samples: Indices, frames: Indices) -> Tensor:
        """samples (N,), frames (N, L) with -1 for empty -> (N, M, L, V, C); missing joints are
        still NaN, empty frames 0."""
        rows = torch.from_numpy(self.offsets[samples][:, None] + np.maximum(frames, 0)).to(
            self.device
        )
        x = self.values[rows]  # (N, L, M, V, C)
        empty = torch.from_numpy(frames < 0).to(self.device)
        if empty.any():
            x = x.masked_fill(empty[:, :, None, None, None], 0.0)
        return x.transpose(1, 2)

    def build_input(
        self,
        samples: Indices,
        frames: Positions,
        names: tuple[str, ...],
        params: AugmentParams | None = None,
    ) -> Tensor:
        """The named streams of those frames, (N, M, L, V, C·streams) without NaN."""
        ends = self.lengths[samples][:, None] - 1

        def take(wanted: Positions) -> Tensor:
            x = interpolate_frames(lambda whole: self.gather(samples, whole), wanted, ends)
            return x if params is None else params.apply(x, self.mirror, self.dims)

        return build_input(take, frames, ends, names, self.parents, self.dims, self.minmax)

    def training(
        self,
        samples: Indices,
        sampling: SamplingOptions,
        augment: AugmentOptions,
        rng: np.random.Generator,
    ) -> tuple[Tensor, Tensor]:
        """An augmented batch: x (N, M, L, V, C) without NaN, labels (N,)."""
        frames = np.stack([training_indices(int(self.lengths[i]), sampling, rng) for i in samples])
        params = AugmentParams.draw(augment, len(samples), len(self.mirror), self.dims, rng)
        x = self.build_input(samples, frames, streams.parse(sampling.streams), params)
        return x, self.labels[torch.from_numpy(samples).to(self.device)]

    def testing(self, samples: Indices, sampling: SamplingOptions) -> tuple[Tensor, int]:
        """x (N·clips, M, L, V, C) without NaN, clips of a sample next to each other; and the number
        of clips, mirrored ones counted."""
        frames = np.stack(
            [testing_indices(int(self.lengths[i]), sampling) for i in samples]
        )  # (N, clips, L)
        clips = frames.shape[1]
        flat = frames.reshape(-1, frames.shape[2])
        names = streams.parse(sampling.streams)
        x = self.build_input(np.repeat(samples, clips), flat, names)
        if sampling.test_flip:
            both = torch.stack([x, flip_input(x, self.mirror, len(names))], dim=1)
            return both.flatten(0, 1), 2 * clips
        return x, clips
