"""Forecasts of poses without a network: zero and constant velocity, and a linear map that is fitted
in closed form; and the errors of forecasts.

Arrays are float32 in pixels or metres. `past` is (N, K, V, D), K frames of N persons, the last of
them now; a forecast is (N, H, V, D). A missing joint is NaN; one that was seen in `past` keeps its
last position."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from skelact.skeletons import Skeleton
from skelact.types import Floats, PoseSequence

Floats64 = npt.NDArray[np.float64]
ZERO_VELOCITY, CONSTANT_VELOCITY, LINEAR = "zero-velocity", "constant-velocity", "linear"
CONTEXT_S = 1 / 3  # of the linear map
VELOCITY_S = 0.1  # over which the constant velocity is measured


def coordinates(sequence: PoseSequence, dims: int) -> Floats:
    """(T, V, D) of the first person: metres if `dims` is 3, pixels if it is 2."""
    points = sequence.xyz if dims == 3 else sequence.xy
    assert points is not None, "the caller checks that there are 3-D joints"
    return np.asarray(points[0], np.float32)


def stack_pasts(pasts: Sequence[PoseSequence], dims: int, frames: int) -> Floats:
    """(N, frames, V, D): the last frames of each sequence, its first frame repeated before a
    shorter one. A joint that is missing keeps the position in which it was seen last."""
    rows = []
    for past in pasts:
        points = held(coordinates(past, dims))
        rows.append(points[np.maximum(np.arange(len(points) - frames, len(points)), 0)])
    return np.stack(rows)


def held(points: Floats) -> Floats:
    """(T, V, D) with the last known position of each joint where it is missing; NaN before it is
    seen."""
    known = ~np.isnan(points).any(axis=-1)
    last = np.where(known, np.arange(len(points))[:, None], 0)
    last = np.maximum.accumulate(last, axis=0)
    return np.asarray(np.take_along_axis(points, last[..., None], axis=0), np.float32)


def zero_velocity(past: Floats, frames: int) -> Floats:
    """The last pose."""
    return np.asarray(np.repeat(past[:, -1:], frames, axis=1), np.float32)


def constant_velocity(past: Floats, frames: int, fps: float) -> Floats:
    """The last pose, moving on with the mean velocity of the last 0.1 s."""
    span = min(max(1, round(VELOCITY_S * fps)), past.shape[1] - 1)
    if span < 1:
        return zero_velocity(past, frames)
    velocity = np.nan_to_num((past[:, -1:] - past[:, -1 - span, None]) / span)
    steps = np.arange(1, frames + 1, dtype=np.float32)[None, :, None, None]
    return np.asarray(past[:, -1:] + velocity * steps, np.float32)


def body_size(past: Floats, skeleton: Skeleton) -> Floats:
    """(N, 1, 1, 1) the median distance from the middle of the shoulders to the middle of the hips;
    if these are never known, twice the largest standard deviation of all joints."""
    ends = [skeleton.find(f"left_{part}", f"right_{part}") for part in ("shoulder", "hip")]
    flat = past.reshape(len(past), -1, past.shape[-1])
    size = 2 * np.nan_to_num(_nan("std", flat, 1)).max(axis=-1)
    if all(len(pair) == 2 for pair in ends):
        a, b = (past[:, :, pair].mean(axis=2) for pair in ends)
        torso = _nan("median", np.linalg.norm(a - b, axis=-1), 1)
        size = np.where(torso > 0, torso, size)
    return np.asarray(np.maximum(size, 1e-6)[:, None, None, None], np.float32)


def _nan(name: str, values: Floats, axis: int) -> Floats:
    """nanmean, nanmedian or nanstd; NaN without a warning where there is no value."""
    filled = np.where(np.isnan(values).all(axis=axis, keepdims=True), 0, values)
    result = getattr(np, f"nan{name}")(filled, axis=axis)
    return np.asarray(np.where(np.isnan(values).all(axis=axis), np.nan, result))


def features(past: Floats, size: Floats) -> Floats64:
    """(N, F) of the linear map, F = K V D: the displacements of all frames from the last one, and
    the last pose relative to the mean of its joints, both in body sizes; 0 for missing joints."""
    last = past[:, -1:]
    pose = last - _nan("mean", last, 2)[:, :, None]
    parts = np.concatenate([past[:, :-1] - last, pose], axis=1) / size
    return np.nan_to_num(parts).reshape(len(past), -1).astype(np.float64)


@dataclass(frozen=True, kw_only=True)
class Ridge:
    """A fitted linear map: displacements (N, H V D) in body sizes = (features - mean) @ weights +
    offset."""

    weights: Floats
    mean: Floats
    offset: Floats

    def __call__(self, past: Floats, skeleton: Skeleton) -> Floats:
        """The forecast (N, H, V, D) after `past` (N, K, V, D)."""
        size = body_size(past, skeleton)
        moved = (features(past, size) - self.mean) @ self.weights + self.offset
        shape = (len(past), -1, *past.shape[2:])
        return np.asarray(past[:, -1:] + moved.reshape(shape) * size, np.float32)


class RidgeFit:
    """Ridge regression of the displacements after `past` (N, K, V, D) on its features; `future` (N,
    H, V, D). The products of matrices are computed once for all penalties. A joint that is missing
    in the future is taken to stay where it is."""

    def __init__(self, past: Floats, future: Floats, skeleton: Skeleton) -> None:
        size = body_size(past, skeleton)
        x = features(past, size)
        y = np.nan_to_num((future - past[:, -1:]) / size).reshape(len(past), -1).astype(np.float64)
        self.mean, self.offset = x.mean(axis=0), y.mean(axis=0)
        x -= self.mean
        self.gram, self.product = x.T @ x, x.T @ (y - self.offset)

    def solve(self, alpha: float) -> Ridge:
        """The map for one penalty, relative to the mean variance of the features."""
        count = len(self.gram)
        penalty = max(alpha * float(np.trace(self.gram)) / count, 1e-9)
        weights = np.linalg.solve(self.gram + penalty * np.eye(count), self.product)
        return Ridge(
            weights=weights.astype(np.float32),
            mean=self.mean.astype(np.float32),
            offset=self.offset.astype(np.float32),
        )


def at_times(future: Floats, last: Floats, fps: float, times_s: Sequence[float]) -> Floats:
    """(N, len(times), V, D): poses at times after the last pose (N, 1, V, D), between the frames of
    `future` (N, H, V, D) by linear interpolation."""
    poses = np.concatenate([last, future], axis=1)
    at = np.minimum(np.asarray(times_s) * fps, poses.shape[1] - 1)
    low = np.floor(at + 1e-6).astype(np.int64)
    high = np.minimum(low + 1, poses.shape[1] - 1)
    weight = (at - low).clip(0, 1).astype(np.float32)[None, :, None, None]
    return np.asarray(poses[:, low] + weight * (poses[:, high] - poses[:, low]), np.float32)


def mean_errors(forecast: Floats, truth: Floats) -> tuple[float, ...]:
    """The mean distance of the joints at each time, of (N, times, V, D); joints that are missing in
    either do not count. NaN if none is left."""
    distance = np.linalg.norm(forecast - truth, axis=-1)
    by_time = distance.swapaxes(0, 1).reshape(distance.shape[1], -1)
    return tuple(float(v) for v in _nan("mean", by_time, 1))
