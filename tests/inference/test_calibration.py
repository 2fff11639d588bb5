from __future__ import annotations

import numpy as np
import pytest

from skelact.inference.calibration import (
    apply_temperature,
    evaluate_threshold,
    fit_temperature,
    named_probabilities,
    threshold_for,
)

RNG = np.random.default_rng(0)


def softmax(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True), np.float32)


def test_the_temperature_of_overconfident_probabilities_is_found() -> None:
    logits = RNG.normal(size=(4000, 5))
    labels = np.array([RNG.choice(5, p=p / p.sum()) for p in softmax(logits).astype(float)])
    overconfident = softmax(logits * 3)
    temperature = fit_temperature(overconfident, labels)
    assert temperature == pytest.approx(3, rel=0.1)
    np.testing.assert_allclose(
        apply_temperature(overconfident, 3.0), softmax(logits), rtol=1e-3, atol=1e-5
    )
    assert fit_temperature(softmax(logits), labels) == pytest.approx(1, rel=0.1)


def test_sharpening_keeps_the_order_and_the_sum() -> None:
    probs = softmax(RNG.normal(size=(50, 7)))
    for temperature in (0.3, 1.0, 4.0):
        out = apply_temperature(probs, temperature)
        np.testing.assert_allclose(out.sum(axis=1), 1, rtol=1e-5)
        np.testing.assert_array_equal(out.argsort(axis=1), probs.argsort(axis=1))
    sure = np.array([[1.0, 0.0]], np.float32)
    assert np.isfinite(apply_temperature(sure, 0.1)).all()


@pytest.mark.parametrize(("target_fpr", "count"), [(0.0, 0), (0.1, 1), (0.25, 2), (0.99, 9)])
def test_the_threshold_lets_so_much_background_through(target_fpr: float, count: int) -> None:
    best = np.linspace(0.5, 0.95, 10, dtype=np.float32)
    negatives = np.stack([best, 1 - best], axis=1)
    threshold = threshold_for(negatives, target_fpr)
    assert (negatives.max(axis=1) >= threshold).sum() == count


def test_a_point_of_the_curve() -> None:
    probs = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.55, 0.45]], np.float32)
    labels = np.array([0, 1, 1, 0])
    found = evaluate_threshold(0.58, probs, labels, probs[:2])
    assert (found.coverage, found.accuracy, found.negatives) == (0.75, pytest.approx(2 / 3), 1.0)
    assert evaluate_threshold(0.99, probs, labels, probs).accuracy is None


def test_a_class_of_other_actions_is_never_a_label() -> None:
    classes = ("a", "unknown", "b")
    probs = np.array([[0.5, 0.4, 0.1], [0.3, 0.5, 0.2], [0.1, 0.1, 0.8]], np.float32)
    named = named_probabilities(probs, classes)
    np.testing.assert_array_equal(named, np.float32([[0.5, 0, 0.1], [0, 0, 0], [0.1, 0, 0.8]]))
    found = evaluate_threshold(0.0, named, np.array([0, 0, 2]), named)
    assert (found.coverage, found.accuracy) == (pytest.approx(2 / 3), 1.0)
    assert found.negatives == pytest.approx(2 / 3)
    np.testing.assert_array_equal(named_probabilities(probs, ("a", "b", "c")), probs)
