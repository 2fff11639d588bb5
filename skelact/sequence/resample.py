"""Sequences at another frame rate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from skelact.types import Floats, PoseSequence

_SAME_RATE = 0.01


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
