"""Calibration of probabilities: a temperature, and the threshold below which the label is
"unknown"."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from msgspec import structs
from scipy.optimize import minimize_scalar

from skelact.metrics import Labels, Probabilities
from skelact.schemas import Calibration, ThresholdPoint
from skelact.types import UNKNOWN

_MIN_TEMPERATURE, _MAX_TEMPERATURE = 0.1, 10.0


def apply_temperature(probs: Probabilities, temperature: float) -> Probabilities:
    """softmax(log p / temperature) of probabilities (N, K). A temperature below 1 makes them more
    confident, one above 1 less; the order of the classes does not change. Guo et al. 2017, "On
    Calibration of Modern Neural Networks"."""
    if temperature == 1:
        return probs
    logits = np.log(np.maximum(probs.astype(np.float64), 1e-9)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def fit_temperature(probs: Probabilities, labels: Labels) -> float:
    """The temperature with the smallest log loss for probabilities (N, K) and labels (N,)."""
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        p = apply_temperature(probs, math.exp(log_temperature))[rows, labels]
        return float(-np.log(np.maximum(p, 1e-9)).mean())

    bounds = (math.log(_MIN_TEMPERATURE), math.log(_MAX_TEMPERATURE))
    return float(math.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def named_probabilities(probs: Probabilities, classes: tuple[str, ...]) -> Probabilities:
    """The probabilities (N, K) that can become a label: if one of the classes is "unknown", its
    column is 0, and so is every row in which it is the most probable one."""
    if UNKNOWN not in classes:
        return probs
    own = classes.index(UNKNOWN)
    named = np.where(np.arange(len(classes)) == own, np.float32(0), probs)
    return np.where(probs[:, own, None] > named.max(axis=1, keepdims=True), np.float32(0), named)


def threshold_for(negatives: Probabilities, target_fpr: float) -> float:
    """The smallest threshold for the highest class probability at which no more than the share
    `target_fpr` of the negatives (N, K) gets a label."""
    best = np.sort(negatives.max(axis=1))[::-1]
    allowed = math.floor(target_fpr * len(best))
    return float(np.nextafter(best[allowed], np.float32(2))) if allowed < len(best) else 0.0


def evaluate_threshold(
    threshold: float, probs: Probabilities, labels: Labels, negatives: Probabilities
) -> ThresholdPoint:
    """The effect of a threshold on known samples (N, K) with labels (N,) and on negatives
    (N', K). A row of zeros (see `named_probabilities`) never gets a label."""
    labelled = _is_labelled(probs, threshold)
    correct = probs.argmax(axis=1) == labels
    return ThresholdPoint(
        threshold=threshold,
        coverage=float(labelled.mean()),
        accuracy=float(correct[labelled].mean()) if labelled.any() else None,
        negatives=float(_is_labelled(negatives, threshold).mean()),
    )


def _is_labelled(probs: Probabilities, threshold: float) -> npt.NDArray[np.bool_]:
    best = probs.max(axis=1)
    return np.asarray((best >= threshold) & (best > 0))


def by_probability(calibration: Calibration | None) -> Calibration | None:
    """The calibration with its threshold of the probability instead of that of another score, which
    needs more of a network than its probabilities."""
    if calibration is None:
        return None
    return structs.replace(calibration, score="probability", scores=(), combination={})
