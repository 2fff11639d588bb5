"""A packed dataset on the device: batches are gathered, augmented and masked there, many clips at
once."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from skelact.datasets.packed import Packed
from skelact.engine.options import AugmentOptions
from skelact.sequence.sampling import Indices, SamplingOptions, testing_indices, training_indices


class DeviceClips:
    """All clips of a packed dataset in the memory of one device."""

    def __init__(self, packed: Packed, device: torch.device) -> None:
        self.values = torch.from_numpy(np.array(packed.keypoints)).to(device)  # (F, M, V, C)
        self.offsets, self.lengths = packed.offsets, packed.lengths
        self.labels = torch.from_numpy(packed.labels).to(device)
        self.mirror = torch.from_numpy(packed.skeleton.mirror).to(device)
        self.dims = int(packed.meta["dims"])
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

    def training(
        self,
        samples: Indices,
        sampling: SamplingOptions,
        augment: AugmentOptions,
        rng: np.random.Generator,
    ) -> tuple[Tensor, Tensor]:
        """An augmented batch: x (N, M, L, V, C) without NaN, labels (N,)."""
        frames = np.stack([training_indices(int(self.lengths[i]), sampling, rng) for i in samples])
        x = augmented(self.gather(samples, frames), augment, self.mirror, self.dims, rng)
        return torch.nan_to_num_(x), self.labels[torch.from_numpy(samples).to(self.device)]

    def testing(self, samples: Indices, sampling: SamplingOptions) -> tuple[Tensor, int]:
        """x (N·clips, M, L, V, C) without NaN, clips of a sample next to each other; and the number
        of clips."""
        frames = np.stack(
            [testing_indices(int(self.lengths[i]), sampling) for i in samples]
        )  # (N, clips, L)
        clips = frames.shape[1]
        x = self.gather(np.repeat(samples, clips), frames.reshape(-1, frames.shape[2]))
        return torch.nan_to_num(x), clips


def augmented(
    x: Tensor, options: AugmentOptions, mirror: Tensor, dims: int, rng: np.random.Generator
) -> Tensor:
    """x (N, M, T, V, C) with NaN for missing joints -> the same, changed clip by clip. The first
    `dims` channels are coordinates; x is left/right."""
    n = len(x)
    x = x.clone()
    if options.flip > 0:
        turned = torch.from_numpy(rng.random(n) < options.flip).to(x.device)
        flipped = x[:, :, :, mirror].clone()
        flipped[..., 0] *= -1
        x = torch.where(turned[:, None, None, None, None], flipped, x)
    where = x[..., :dims]
    matrix = np.tile(np.eye(dims, dtype=np.float32), (n, 1, 1))
    if options.rotate_rad > 0:
        angle = rng.uniform(-options.rotate_rad, options.rotate_rad, n)
        matrix[:, 0, 0] = matrix[:, 1, 1] = np.cos(angle)
        matrix[:, 0, 1], matrix[:, 1, 0] = -np.sin(angle), np.sin(angle)
    if options.scale > 0:
        matrix *= rng.uniform(1 - options.scale, 1 + options.scale, (n, dims, 1)).astype(np.float32)
    where = torch.einsum("nmtvd,ned->nmtve", where, torch.from_numpy(matrix).to(x))
    if options.noise > 0:
        seed = torch.Generator().manual_seed(int(rng.integers(2**62)))
        where = where + torch.randn(where.shape, generator=seed).to(x) * options.noise
    x[..., :dims] = where
    if options.drop_joint > 0:
        gone = torch.from_numpy(rng.random((n, 1, 1, x.shape[3], 1)) < options.drop_joint).to(
            x.device
        )
        x = x.masked_fill(gone, 0.0)
    return x


def cosine(step: int, total: int, warmup: int) -> float:
    """Factor of the learning rate at an iteration: linear warm-up, then half a cosine to 0."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))
