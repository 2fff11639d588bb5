"""Zero-phase smoothing: a weighted straight line is fitted to the frames around each frame.

The weights are a Gaussian of the distance in time multiplied by the visibility. The window is
symmetric, so that nothing lags, and a steady motion stays what it is, also at both ends of a track.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from skelact.types import Floats

_SIGMA_S = 1 / 30  # standard deviation of the Gaussian at strength 1
_REACH = 3  # standard deviations
_MIN_WEIGHT = 0.05  # of a joint that is not visible


def radius(strength: float, fps: float) -> int:
    """Frames on each side that influence a frame; 0 if the smoothing is off."""
    return math.ceil(_REACH * strength * _SIGMA_S * fps) if strength > 0 else 0


def smooth(values: Floats, score: Floats, offsets: npt.NDArray[Any], sigma: float) -> Floats:
    """The values (T, V, C) smoothed at offset 0: (V, C). `offsets` (T,) are the positions of the
    frames in time relative to that one, `sigma` is in the same unit, score (T, V) in [0, 1]. Joints
    that are missing (NaN) at offset 0 stay missing, those of other frames have no weight."""
    time = np.asarray(offsets, np.float64)
    known = np.isfinite(values).all(axis=2)
    weights = np.exp(-((time / sigma) ** 2) / 2)[:, None] * (_MIN_WEIGHT + score)
    weights = np.where(known, weights, 0)
    values = np.where(known[..., None], values, np.float32(0))
    total = np.where(known.any(axis=0), weights.sum(axis=0), 1)
    mean_time = (weights * time[:, None]).sum(axis=0) / total
    centred = time[:, None] - mean_time
    mean = np.einsum("tv,tvc->vc", weights, values) / total[:, None]
    spread = (weights * centred**2).sum(axis=0)
    slope = np.einsum("tv,tvc->vc", weights * centred, values) / np.maximum(spread, 1e-9)[:, None]
    missing = ~known.any(axis=0) | (~known[time == 0]).any(axis=0)
    smoothed = mean - slope * mean_time[:, None]
    return np.asarray(np.where(missing[:, None], np.nan, smoothed), np.float32)


def sigma_frames(strength: float, fps: float) -> float:
    """The standard deviation in frames."""
    return strength * _SIGMA_S * fps
