"""Augmentation of training clips, drawn clip by clip and applied to a whole batch on its device."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from skelact.options import AugmentOptions
from skelact.types import Floats

# ST-GCN's random_move: turn [degrees], zoom, shift along x and y
_MOVES = (
    np.array([-10.0, -5, 0, 5, 10]),
    np.array([0.9, 1, 1.1]),
    np.array([-0.2, -0.1, 0, 0.1, 0.2]),
    np.array([-0.2, -0.1, 0, 0.1, 0.2]),
)
# the KTH report's: turns [degrees], shifts [pixels], zooms
_KTH_TURNS, _KTH_ZOOMS = (-15.0, -10.0, -5.0, 5.0, 10.0, 15.0), (0.95, 1.05, 1.1)
_KTH_SHIFTS = ((5.0, 5.0), (0.0, 5.0), (5.0, 0.0))


@dataclass
class AugmentParams:
    """One draw for N clips. It can be applied several times, so that the frames shown and those
    after them are changed alike."""

    flipped: npt.NDArray[np.bool_]  # (N,): left and right exchanged
    matrix: Floats  # (N, D, D), coordinates as columns
    shift: Floats  # (N, D), after the matrix
    ends: (
        Floats | None
    )  # (N, 2, 4): turn [rad], zoom, shift x, y at the clip's first and last frame
    noise: float
    dropped: npt.NDArray[np.bool_]  # (N, V): joints missing for the whole clip
    seed: torch.Generator

    @classmethod
    def draw(
        cls, options: AugmentOptions, n: int, joints: int, dims: int, rng: np.random.Generator
    ) -> AugmentParams:
        """Everything that is random but the noise of every value."""
        flipped = rng.random(n) < options.flip
        matrix = np.tile(np.eye(dims), (n, 1, 1))
        shift = np.zeros((n, dims))
        if options.rotate_rad > 0:
            matrix = _plane(rng.uniform(-options.rotate_rad, options.rotate_rad, n), dims)
        if any(options.rotate3d_rad) and dims == 3:
            largest = np.broadcast_to(options.rotate3d_rad, 3)
            matrix = _turns(rng.uniform(-1, 1, (n, 3)) * largest) @ matrix
        if options.scale > 0:
            matrix *= rng.uniform(1 - options.scale, 1 + options.scale, (n, dims, 1))
        if options.kth > 0:
            for i in np.flatnonzero(rng.random(n) < options.kth):
                turned, moved = _kth(dims, rng)
                matrix[i], shift[i] = turned @ matrix[i], moved
        ends = _ends(n, rng) if options.random_move else None
        dropped = rng.random((n, joints)) < options.drop_joint
        seed = torch.Generator().manual_seed(int(rng.integers(2**62)))
        return cls(
            flipped,
            matrix.astype(np.float32),
            shift.astype(np.float32),
            ends,
            options.noise,
            dropped,
            seed,
        )

    def apply(self, x: Tensor, mirror: Tensor, dims: int) -> Tensor:
        """x (N, M, T, V, C) with NaN for missing joints -> the same, changed. The first `dims`
        channels are coordinates; x is left/right."""
        x = x.clone()
        if self.flipped.any():
            turned = torch.from_numpy(self.flipped).to(x.device)[:, None, None, None, None]
            other = x[:, :, :, mirror].clone()
            other[..., 0] *= -1
            x = torch.where(turned, other, x)
        matrix, shift = torch.from_numpy(self.matrix).to(x), torch.from_numpy(self.shift).to(x)
        where = torch.einsum("nmtvd,ned->nmtve", x[..., :dims], matrix)
        where = where + shift[:, None, None, None]
        if self.ends is not None:
            where = self._moved(where, torch.from_numpy(self.ends).to(x))
        if self.noise > 0:
            where = where + torch.randn(where.shape, generator=self.seed).to(x) * self.noise
        x[..., :dims] = where
        if self.dropped.any():
            gone = torch.from_numpy(self.dropped).to(x.device)[:, None, None, :, None]
            x = x.masked_fill(gone, torch.nan)
        return x

    @staticmethod
    def _moved(where: Tensor, ends: Tensor) -> Tensor:
        """ST-GCN's random_move of coordinates (N, M, T, V, D): xy <- zoom R(turn) xy + shift, all
        four going linearly from one end to the other."""
        along = torch.linspace(0, 1, where.shape[2], device=where.device)[:, None]
        now = ends[:, :1] * (1 - along) + ends[:, 1:] * along  # (N, T, 4)
        turn, zoom, dx, dy = now[:, None, :, None].unbind(dim=-1)
        x, y = where[..., 0], where[..., 1]
        cos, sin = zoom * torch.cos(turn), zoom * torch.sin(turn)
        return torch.stack(
            [cos * x - sin * y + dx, sin * x + cos * y + dy, *where[..., 2:].unbind(dim=-1)], dim=-1
        )


def mixup(
    x: Tensor, labels: Tensor, classes: int, alpha: float, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Clips (N, M, T, V, C) without NaN, each blended with another of its batch, and shares of the
    classes (N, K) for their labels (N,). Zhang et al. 2018, "mixup"."""
    share = float(rng.beta(alpha, alpha))
    other = torch.from_numpy(rng.permutation(len(x))).to(x.device)
    target = F.one_hot(labels, classes).to(x.dtype)
    return torch.lerp(x[other], x, share), torch.lerp(target[other], target, share)


def _plane(angles: npt.NDArray[np.float64], dims: int) -> npt.NDArray[np.float64]:
    """(N, D, D) turns in the plane of the first two coordinates."""
    matrix = np.tile(np.eye(dims), (len(angles), 1, 1))
    matrix[:, 0, 0] = matrix[:, 1, 1] = np.cos(angles)
    matrix[:, 0, 1], matrix[:, 1, 0] = -np.sin(angles), np.sin(angles)
    return matrix


def _turns(angles: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(N, 3) angles -> (N, 3, 3) turns Rz Ry Rx, as in SGN's code (rows [1, 0, 0], [0, c, s],
    [0, -s, c] for x, and so on)."""
    cos, sin = np.cos(angles), np.sin(angles)
    out = np.tile(np.eye(3), (len(angles), 1, 1))
    for axis, (i, j) in enumerate(((1, 2), (2, 0), (0, 1))):
        one = np.tile(np.eye(3), (len(angles), 1, 1))
        one[:, i, i] = one[:, j, j] = cos[:, axis]
        one[:, i, j], one[:, j, i] = sin[:, axis], -sin[:, axis]
        out = one @ out
    return out


def _ends(n: int, rng: np.random.Generator) -> Floats:
    """(N, 2, 4) both ends of random_move."""
    drawn = np.stack([rng.choice(values, (n, 2)) for values in _MOVES], axis=-1)
    drawn[..., 0] = np.deg2rad(drawn[..., 0])
    return drawn.astype(np.float32)


def _kth(
    dims: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Two of turn, shift, zoom and flip, drawn with replacement as the report's code does, as one
    matrix and shift. (Its shifts did nothing: it multiplied [x, y, 0] by a homogeneous matrix.)"""
    whole = np.eye(3)
    for kind in rng.integers(0, 4, 2):
        one = np.eye(3)
        if kind == 0:
            angle = math.radians(float(rng.choice(_KTH_TURNS)))
            one[:2, :2] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
        elif kind == 1:
            one[:2, 2] = _KTH_SHIFTS[int(rng.integers(len(_KTH_SHIFTS)))]
        elif kind == 2:
            one[:2, :2] *= float(rng.choice(_KTH_ZOOMS))
        else:
            one[0, 0] = -1
        whole = one @ whole
    matrix, shift = np.eye(dims), np.zeros(dims)
    matrix[:2, :2], shift[:2] = whole[:2, :2], whole[:2, 2]
    return matrix, shift
