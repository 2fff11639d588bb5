"""Smoothing of joints as they arrive: the one-euro filter, which needs no later frames.

Casiez, Roussel, Vogel 2012, "1 € Filter". A low-pass filter whose cutoff frequency grows with the
speed: joints at rest do not tremble, and fast ones do not lag.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from skelact.types import Floats

# chosen by `python -m benchmarks live causal` on the videos named there
MIN_CUTOFF_HZ = 1.5  # of a joint at rest, at strength 1
BETA = 8.0  # growth of the cutoff [Hz] with the speed [body sizes/s]
_SPEED_CUTOFF_HZ = 2.0
_FORGET_S = 0.3  # after a longer gap, a joint starts again


class OneEuro:
    """Smooths the joints of one person. `strength` 0 changes nothing, 2 halves the cutoff of joints
    at rest."""

    def __init__(
        self, strength: float = 1.0, min_cutoff: float = MIN_CUTOFF_HZ, beta: float = BETA
    ) -> None:
        self.strength, self.min_cutoff, self.beta = strength, min_cutoff, beta
        self._time = -math.inf
        self._values: npt.NDArray[np.float64] | None = None
        self._speed: npt.NDArray[np.float64] | None = None

    def __call__(self, values: Floats, time_s: float, size: float) -> Floats:
        """The joints (V, C) at a time that is later than the last one. `size` is that of the body
        in the same unit. Missing joints (NaN) stay missing."""
        if self.strength <= 0:
            return values
        step = time_s - self._time
        now = values.astype(np.float64)
        before, speed = self._values, self._speed
        if before is None or speed is None or step > _FORGET_S:
            before, speed = np.full_like(now, np.nan), np.zeros_like(now)
            step = 1.0
        fresh = np.isnan(before).any(axis=1)
        raw = (now - before) / step / max(size, 1e-6)
        share = _share(np.float64(_SPEED_CUTOFF_HZ), step)
        speed = np.where(np.isfinite(raw), speed + share * (raw - speed), 0.0)
        pace = np.linalg.norm(speed, axis=1, keepdims=True)
        cutoff = (self.min_cutoff + self.beta * pace) / self.strength
        smoothed = before + _share(cutoff, step) * (now - before)
        smoothed = np.where(fresh[:, None], now, smoothed)
        self._time, self._values, self._speed = time_s, smoothed, speed
        return np.asarray(smoothed, np.float32)


def _share(cutoff: npt.NDArray[np.float64] | np.float64, step_s: float) -> npt.NDArray[np.float64]:
    """The weight of the new value in a low-pass filter with this cutoff frequency [Hz]."""
    return np.asarray(1 / (1 + 1 / (2 * np.pi * cutoff * step_s)))
