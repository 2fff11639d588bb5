"""Poses at irregular times, or at another rate -> poses at a constant rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from skelact.types import Floats, PoseSequence

_SAME_RATE = 0.01
_LONGEST_STEP_S = 0.5  # over longer steps between two frames, nothing is interpolated


def resample(
    sequence: PoseSequence, times: Sequence[float], end_s: float, length_s: float, fps: float
) -> PoseSequence:
    """The poses of the last `length_s` seconds before `end_s` at `fps` frames per second, from
    frames at irregular, growing `times` (T,) in seconds.

    A joint is interpolated linearly between two frames that follow each other; where it is missing
    in one of them, it is that of the nearer frame. Where the next frame is more than 0.5 s away,
    and before the first and after the last frame, everything is missing: a gap in which nothing was
    seen stays a gap."""
    count = max(1, round(length_s * fps))
    grid = end_s - (count - 1 - np.arange(count)) / fps
    known = np.asarray(times, np.float64)
    after = np.clip(np.searchsorted(known, grid - 1e-9), 0, len(known) - 1)
    before = np.maximum(after - 1, 0)
    exact = np.abs(known[after] - grid) < 1e-6
    before = np.where(exact, after, before)
    step = known[after] - known[before]
    weight = np.where(step > 0, (grid - known[before]) / np.where(step > 0, step, 1), 0.0)
    outside = (grid < known[0] - 1e-6) | (grid > known[-1] + 1e-6) | (step > _LONGEST_STEP_S)

    def take(values: Floats) -> Floats:
        """(M, T, V, C) -> (M, T', V, C)."""
        a, b = values[:, before], values[:, after]
        w = weight[None, :, None, None].astype(np.float32)
        mixed = a + w * (b - a)
        mixed = np.where(np.isnan(mixed), np.where(w < 0.5, a, b), mixed)
        mixed[:, outside] = np.nan
        return np.asarray(mixed, np.float32)

    points = sequence.with_points(take, score=sequence.score[:, after], fps=fps)
    score = np.where(points.known, take(sequence.score[..., None])[..., 0], 0)
    return replace(points, score=np.nan_to_num(score).astype(np.float32))


def is_same_rate(first: float, second: float) -> bool:
    """Whether two frame rates differ by at most 1 %, such as 29.97 and 30 Hz."""
    return abs(first - second) <= _SAME_RATE * second


def at_rate(sequence: PoseSequence, fps: float) -> PoseSequence:
    """The sequence at another frame rate [Hz]: linear interpolation at times that are counted back
    from the last frame; unchanged if that is the same rate. Where a joint is missing in one of the
    two neighbouring frames, the other one is used."""
    if is_same_rate(sequence.fps, fps):
        return sequence
    step = sequence.fps / fps
    count = int((sequence.frames - 1) / step + 1e-6) + 1
    at = sequence.frames - 1 - step * np.arange(count)[::-1]
    low = np.floor(at + 1e-6).astype(np.int64)
    high = np.minimum(low + 1, sequence.frames - 1)
    weight = (at - low).clip(0, 1).astype(np.float32)[None, :, None]

    def between(values: Floats) -> Floats:
        a, b, w = values[:, low], values[:, high], weight.reshape(1, -1, *[1] * (values.ndim - 2))
        mixed = a + w * (b - a)
        return np.where(np.isnan(a), np.where(w > 0, b, a), np.where(np.isnan(mixed), a, mixed))

    return replace(sequence.with_points(between, score=between(sequence.score)), fps=float(fps))
