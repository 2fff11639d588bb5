"""How far probabilities can be trusted: a temperature, and the threshold below which a recogniser
says that it does not know."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

Probabilities = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
_SHARPEST, _FLATTEST = 0.1, 10.0


@dataclass(frozen=True)
class Point:
    """One threshold: the shares of known samples that get a label, of those that get the right one,
    and of negatives samples that get any."""

    threshold: float
    coverage: float
    accuracy: float | None  # none where nothing gets a label
    negatives: float


def apply_temperature(probs: Probabilities, temperature: float) -> Probabilities:
    """(N, K) probabilities as softmax(log p / temperature): surer below 1, less sure above. The
    order of the classes stays. Guo et al. 2017, "On Calibration of Modern Neural Networks"."""
    if temperature == 1:
        return probs
    logits = np.log(np.maximum(probs.astype(np.float64), 1e-9)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def fit_temperature(probs: Probabilities, labels: Labels) -> float:
    """The temperature with the least log loss on these samples (N, K), (N,)."""
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        p = apply_temperature(probs, math.exp(log_temperature))[rows, labels]
        return float(-np.log(np.maximum(p, 1e-9)).mean())

    bounds = (math.log(_SHARPEST), math.log(_FLATTEST))
    return float(math.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def threshold_for(negatives: Probabilities, target_fpr: float) -> float:
    """What the likeliest class must reach so that at most the share `target_fpr` of negatives
    samples (N, K) gets a label."""
    best = np.sort(negatives.max(axis=1))[::-1]
    allowed = math.floor(target_fpr * len(best))
    return float(np.nextafter(best[allowed], np.float32(2))) if allowed < len(best) else 0.0


def point(
    threshold: float, probs: Probabilities, labels: Labels, negatives: Probabilities
) -> Point:
    """What that threshold does to known samples (N, K), (N,) and to negatives ones."""
    sure = probs.max(axis=1) >= threshold
    right = probs.argmax(axis=1) == labels
    return Point(
        threshold,
        float(sure.mean()),
        float(right[sure].mean()) if sure.any() else None,
        float((negatives.max(axis=1) >= threshold).mean()),
    )
