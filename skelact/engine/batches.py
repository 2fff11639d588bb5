"""A packed dataset on the device: batches are gathered, augmented and masked there, many clips at
once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from skelact.datasets.packed import Packed
from skelact.engine.augment import Change
from skelact.engine.options import AugmentOptions
from skelact.sequence import streams
from skelact.sequence.sampling import Indices, SamplingOptions, testing_indices, training_indices


def shown(
    take: Callable[[Indices], Tensor],
    frames: Indices,
    ends: Indices,
    names: tuple[str, ...],
    parents: Tensor,
    dims: int,
    fit: bool,
) -> Tensor:
    """What a network sees, (N, M, L, V, C·streams) without NaN: the named streams of `frames`
    (N, L), -1 for empty. `take` gives frames as (N, M, L, V, C) with NaN for missing joints, `ends`
    (N, 1) is the last frame of each clip."""
    x = take(frames)
    following = last = None
    if streams.needs_next(names):
        following = take(np.where(frames < 0, -1, np.minimum(frames + 1, ends)))
        last = torch.from_numpy(frames >= ends).to(x.device)[:, None, :, None, None]
    if fit:
        empty = torch.from_numpy(frames < 0).to(x.device)
        x, following = fitted(x, following, empty[:, None, :, None, None], dims)
    return torch.nan_to_num_(
        torch.cat(streams.parts(x, following, last, parents, dims, names), dim=-1)
    )


def fitted(
    x: Tensor, following: Tensor | None, empty: Tensor, dims: int
) -> tuple[Tensor, Tensor | None]:
    """x (N, M, L, V, C) with each of its first `dims` channels stretched to -1..1 over a clip, and
    the frames after them stretched alike. Frames under the mask `empty` stay 0."""
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
        self.mirror = torch.from_numpy(packed.skeleton.mirror).to(device)
        self.parents = torch.from_numpy(packed.skeleton.parent_indices).to(device)
        self.dims, self.fit = int(packed.meta["dims"]), bool(packed.meta.get("fit"))
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

    def shown(
        self,
        samples: Indices,
        frames: Indices,
        names: tuple[str, ...],
        change: Change | None = None,
    ) -> Tensor:
        """The named streams of those frames, (N, M, L, V, C·streams) without NaN."""
        ends = self.lengths[samples][:, None] - 1

        def take(wanted: Indices) -> Tensor:
            x = self.gather(samples, wanted)
            return x if change is None else change.apply(x, self.mirror, self.dims)

        return shown(take, frames, ends, names, self.parents, self.dims, self.fit)

    def training(
        self,
        samples: Indices,
        sampling: SamplingOptions,
        augment: AugmentOptions,
        rng: np.random.Generator,
    ) -> tuple[Tensor, Tensor]:
        """An augmented batch: x (N, M, L, V, C) without NaN, labels (N,)."""
        frames = np.stack([training_indices(int(self.lengths[i]), sampling, rng) for i in samples])
        change = Change.draw(augment, len(samples), len(self.mirror), self.dims, rng)
        x = self.shown(samples, frames, streams.parse(sampling.streams), change)
        return x, self.labels[torch.from_numpy(samples).to(self.device)]

    def testing(self, samples: Indices, sampling: SamplingOptions) -> tuple[Tensor, int]:
        """x (N·clips, M, L, V, C) without NaN, clips of a sample next to each other; and the number
        of clips."""
        frames = np.stack(
            [testing_indices(int(self.lengths[i]), sampling) for i in samples]
        )  # (N, clips, L)
        clips = frames.shape[1]
        flat = frames.reshape(-1, frames.shape[2])
        names = streams.parse(sampling.streams)
        return self.shown(np.repeat(samples, clips), flat, names), clips
