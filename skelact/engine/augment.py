"""Augmentation of training clips, drawn clip by clip and applied to a whole batch on its device."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from skelact.engine.options import AugmentOptions
from skelact.types import Floats


@dataclass
class Change:
    """One draw for N clips. It can be applied several times, so that the frames shown and those
    after them are changed alike."""

    flipped: npt.NDArray[np.bool_]  # (N,) bool: left and right exchanged
    matrix: Floats  # (N, D, D), coordinates as columns
    noise: float
    dropped: npt.NDArray[np.bool_]  # (N, V) bool: joints missing for the whole clip
    seed: torch.Generator

    @classmethod
    def draw(
        cls, options: AugmentOptions, n: int, joints: int, dims: int, rng: np.random.Generator
    ) -> Change:
        """Everything that is random but the noise of every value."""
        flipped = rng.random(n) < options.flip
        matrix = np.tile(np.eye(dims, dtype=np.float32), (n, 1, 1))
        if options.rotate_rad > 0:
            angle = rng.uniform(-options.rotate_rad, options.rotate_rad, n)
            matrix[:, 0, 0] = matrix[:, 1, 1] = np.cos(angle)
            matrix[:, 0, 1], matrix[:, 1, 0] = -np.sin(angle), np.sin(angle)
        if options.scale > 0:
            low, high = 1 - options.scale, 1 + options.scale
            matrix *= rng.uniform(low, high, (n, dims, 1)).astype(np.float32)
        dropped = rng.random((n, joints)) < options.drop_joint
        seed = torch.Generator().manual_seed(int(rng.integers(2**62)))
        return cls(flipped, matrix, options.noise, dropped, seed)

    def apply(self, x: Tensor, mirror: Tensor, dims: int) -> Tensor:
        """x (N, M, T, V, C) with NaN for missing joints -> the same, changed. The first `dims`
        channels are coordinates; x is left/right."""
        x = x.clone()
        if self.flipped.any():
            turned = torch.from_numpy(self.flipped).to(x.device)[:, None, None, None, None]
            other = x[:, :, :, mirror].clone()
            other[..., 0] *= -1
            x = torch.where(turned, other, x)
        matrix = torch.from_numpy(self.matrix).to(x)
        where = torch.einsum("nmtvd,ned->nmtve", x[..., :dims], matrix)
        if self.noise > 0:
            where = where + torch.randn(where.shape, generator=self.seed).to(x) * self.noise
        x[..., :dims] = where
        if self.dropped.any():
            gone = torch.from_numpy(self.dropped).to(x.device)[:, None, None, :, None]
            x = x.masked_fill(gone, torch.nan)
        return x
