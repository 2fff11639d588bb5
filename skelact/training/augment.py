"""Augmentation of training clips: drawn for each clip, applied to a batch on its device."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from skelact.options import AugmentOptions
from skelact.sequence.input import on_device
from skelact.types import Floats

# random_move of ST-GCN (Yan et al. 2018): rotation [degrees], scale, translation along x and y
_MOVES = (
    np.array([-10.0, -5, 0, 5, 10]),
    np.array([0.9, 1, 1.1]),
    np.array([-0.2, -0.1, 0, 0.1, 0.2]),
    np.array([-0.2, -0.1, 0, 0.1, 0.2]),
)
# the KTH report: rotations [degrees], scales, translations [pixels]
_KTH_ROTATIONS, _KTH_SCALES = (-15.0, -10.0, -5.0, 5.0, 10.0, 15.0), (0.95, 1.05, 1.1)
_KTH_TRANSLATIONS = ((5.0, 5.0), (0.0, 5.0), (5.0, 0.0))


@dataclass(frozen=True, kw_only=True)
class AugmentParams:
    """The random parameters for N clips. They can be applied several times, so that a frame and the
    frame after it are changed in the same way."""

    flipped: npt.NDArray[np.bool_]  # (N,): left and right are exchanged
    matrix: Floats  # (N, D, D), applied to coordinates as column vectors
    shift: Floats  # (N, D), added after the matrix
    # (N, 2, 4): rotation [rad], scale, translation x, y at the first and the last frame
    ends: Floats | None
    noise: float  # standard deviation of the noise added to each coordinate
    dropped: npt.NDArray[np.bool_]  # (N, V): joints missing for the whole clip
    generator: torch.Generator  # of the noise on a CPU; other devices use their own

    @classmethod
    def draw(
        cls, options: AugmentOptions, n: int, joints: int, dims: int, rng: np.random.Generator
    ) -> AugmentParams:
        """Draw parameters for `n` clips with `joints` joints and `dims` coordinates per joint."""
        flipped = rng.random(n) < options.flip
        matrix = np.tile(np.eye(dims), (n, 1, 1))
        shift = np.zeros((n, dims))
        if options.rotate_rad > 0:
            matrix = _rotations_2d(rng.uniform(-options.rotate_rad, options.rotate_rad, n), dims)
        if any(options.rotate3d_rad) and dims == 3:
            largest = np.broadcast_to(options.rotate3d_rad, 3)
            matrix = _rotations_3d(rng.uniform(-1, 1, (n, 3)) * largest) @ matrix
        if options.scale > 0:
            matrix *= rng.uniform(1 - options.scale, 1 + options.scale, (n, dims, 1))
        if options.kth > 0:
            for i in np.flatnonzero(rng.random(n) < options.kth):
                kth_matrix, shift[i] = _kth(dims, rng)
                matrix[i] = kth_matrix @ matrix[i]
        ends = _random_move(n, rng) if options.random_move else None
        dropped = rng.random((n, joints)) < options.drop_joint
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        return cls(
            flipped=flipped,
            matrix=matrix.astype(np.float32),
            shift=shift.astype(np.float32),
            ends=ends,
            noise=options.noise,
            dropped=dropped,
            generator=generator,
        )

    def apply(self, x: Tensor, mirror: Tensor, dims: int) -> Tensor:
        """Augment x (N, M, T, V, C), where missing joints are NaN; returns a new tensor. The first
        `dims` channels are coordinates; `mirror` (V,) is the index of each joint's counterpart on
        the other side of the body."""
        x = x.clone()
        if self.flipped.any():
            flipped = on_device(self.flipped, x)[:, None, None, None, None]
            other = x[:, :, :, mirror].clone()
            other[..., 0] *= -1
            x = torch.where(flipped, other, x)
        matrix, shift = on_device(self.matrix, x), on_device(self.shift, x)
        position = torch.einsum("nmtvd,ned->nmtve", x[..., :dims], matrix)
        position = position + shift[:, None, None, None]
        if self.ends is not None:
            position = self._moved(position, on_device(self.ends, x))
        if self.noise > 0:
            generator = self.generator if x.device.type == "cpu" else None
            noise = torch.randn(position.shape, generator=generator, device=x.device)
            position = position + noise * self.noise
        x[..., :dims] = position
        if self.dropped.any():
            dropped = on_device(self.dropped, x)[:, None, None, :, None]
            x = x.masked_fill(dropped, torch.nan)
        return x

    @staticmethod
    def _moved(position: Tensor, ends: Tensor) -> Tensor:
        """ST-GCN's random_move of coordinates (N, M, T, V, D): xy <- scale R(rotation) xy +
        translation, with parameters (N, 2, 4) interpolated linearly from first to last frame."""
        weight = torch.linspace(0, 1, position.shape[2], device=position.device)[:, None]
        params = ends[:, :1] * (1 - weight) + ends[:, 1:] * weight  # (N, T, 4)
        rotation, scale, dx, dy = params[:, None, :, None].unbind(dim=-1)
        x, y = position[..., 0], position[..., 1]
        cos, sin = scale * torch.cos(rotation), scale * torch.sin(rotation)
        rest = position[..., 2:].unbind(dim=-1)
        return torch.stack([cos * x - sin * y + dx, sin * x + cos * y + dy, *rest], dim=-1)


def mixup(
    x: Tensor, labels: Tensor, classes: int, alpha: float, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Blend each clip of x (N, M, T, V, C), without NaN, with another clip of the batch. Returns
    the blended clips and the class proportions (N, K) that replace the labels (N,). Zhang et al.
    2018, "mixup: Beyond Empirical Risk Minimization"."""
    share = float(rng.beta(alpha, alpha))
    other = on_device(rng.permutation(len(x)), x)
    target = F.one_hot(labels, classes).to(x.dtype)
    return torch.lerp(x[other], x, share), torch.lerp(target[other], target, share)


def _rotations_2d(angles: npt.NDArray[np.float64], dims: int) -> npt.NDArray[np.float64]:
    """(N, D, D) rotations of the first two coordinates by angles (N,) in radians."""
    matrix = np.tile(np.eye(dims), (len(angles), 1, 1))
    matrix[:, 0, 0] = matrix[:, 1, 1] = np.cos(angles)
    matrix[:, 0, 1], matrix[:, 1, 0] = -np.sin(angles), np.sin(angles)
    return matrix


def _rotations_3d(angles: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(N, 3, 3) rotations Rz Ry Rx by angles (N, 3) in radians, with the sign convention of SGN's
    code: Rx has the rows [1, 0, 0], [0, c, s], [0, -s, c], and so on."""
    cos, sin = np.cos(angles), np.sin(angles)
    out = np.tile(np.eye(3), (len(angles), 1, 1))
    for axis, (i, j) in enumerate(((1, 2), (2, 0), (0, 1))):
        one = np.tile(np.eye(3), (len(angles), 1, 1))
        one[:, i, i] = one[:, j, j] = cos[:, axis]
        one[:, i, j], one[:, j, i] = sin[:, axis], -sin[:, axis]
        out = one @ out
    return out


def _random_move(n: int, rng: np.random.Generator) -> Floats:
    """(N, 2, 4) parameters of random_move at the first and the last frame."""
    drawn = np.stack([rng.choice(values, (n, 2)) for values in _MOVES], axis=-1)
    drawn[..., 0] = np.deg2rad(drawn[..., 0])
    return drawn.astype(np.float32)


def _kth(
    dims: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Matrix (D, D) and shift (D,) of two operations out of rotation, translation, scaling and
    flip, drawn with replacement as in the code of the KTH report. (Translations have no effect
    there, because it multiplies [x, y, 0] by a homogeneous matrix.)"""
    combined = np.eye(3)
    for kind in rng.integers(0, 4, 2):
        one = np.eye(3)
        if kind == 0:
            angle = math.radians(float(rng.choice(_KTH_ROTATIONS)))
            one[:2, :2] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
        elif kind == 1:
            one[:2, 2] = _KTH_TRANSLATIONS[int(rng.integers(len(_KTH_TRANSLATIONS)))]
        elif kind == 2:
            one[:2, :2] *= float(rng.choice(_KTH_SCALES))
        else:
            one[0, 0] = -1
        combined = one @ combined
    matrix, shift = np.eye(dims), np.zeros(dims)
    matrix[:2, :2], shift[:2] = combined[:2, :2], combined[:2, 2]
    return matrix, shift
