"""Figures of scores, compared with cases that are computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from skelact.open_set_metrics import (
    auroc,
    correct_at_fpr,
    fpr_at_tpr,
    reliability,
    risk_coverage,
    threshold_at_fpr,
    threshold_at_tpr,
)


def array(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


@pytest.mark.parametrize(
    ("known", "negatives", "expected"),
    [
        # of the six pairs 0.9 > 0.5, 0.9 > 0.2, 0.6 > 0.5, 0.6 > 0.2, 0.3 < 0.5, 0.3 > 0.2
        (array(0.9, 0.6, 0.3), array(0.5, 0.2), 5 / 6),
        (array(0.8, 0.5), array(0.5, 0.1), 3.5 / 4),  # one pair of four is equal
        (array(2, 3), array(0, 1), 1.0),
        (array(0, 1), array(2, 3), 0.0),
        (array(1, 1, 1), array(1, 1), 0.5),
    ],
)
def test_auroc(known: np.ndarray, negatives: np.ndarray, expected: float) -> None:
    assert auroc(known, negatives) == pytest.approx(expected)
    assert auroc(-known, -negatives) == pytest.approx(1 - expected)


def test_fpr_at_95_percent_tpr() -> None:
    known = array(*range(1, 21))  # 19 of the 20 are at least 2
    assert threshold_at_tpr(known) == 2
    assert fpr_at_tpr(known, array(0, 1, 1.9, 2, 5)) == pytest.approx(2 / 5)
    # 95 % of three samples are all three
    assert fpr_at_tpr(array(3, 4, 5), array(1, 3)) == pytest.approx(1 / 2)


@pytest.mark.parametrize(("fpr", "allowed"), [(0.0, 0), (0.1, 1), (0.25, 2), (0.99, 9), (1, 10)])
def test_threshold_at_fpr(fpr: float, allowed: int) -> None:
    negatives = np.linspace(-3, 4, 10, dtype=np.float32)
    assert (negatives >= threshold_at_fpr(negatives, fpr)).sum() == allowed


def test_correct_at_fpr() -> None:
    known, correct = array(0.9, 0.7, 0.6, 0.2), np.array([True, False, True, True])
    negatives = array(0.65, 0.3, 0.1, 0.1)
    # nothing above 0.65: 0.9 (right) and 0.7 (wrong) remain; with one negative also 0.6 (right)
    assert correct_at_fpr(known, correct, negatives, 0.0) == 0.25
    assert correct_at_fpr(known, correct, negatives, 0.25) == 0.5


def test_risk_coverage() -> None:
    curve = risk_coverage(array(0.9, 0.8, 0.7, 0.6), np.array([True, False, True, False]))
    np.testing.assert_allclose(curve.coverage, [0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(curve.risk, [0, 1 / 2, 1 / 3, 2 / 4])
    assert curve.area == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4)


def test_risk_of_equal_scores_does_not_depend_on_their_order() -> None:
    scores = array(0.9, 0.5, 0.5, 0.1)
    # between the two equal ones, one of which is wrong, every order is as likely
    expected = [0, 0.25, 1 / 3, 0.5]
    for correct in ([True, True, False, False], [True, False, True, False]):
        np.testing.assert_allclose(risk_coverage(scores, np.array(correct)).risk, expected)


def test_expected_calibration_error() -> None:
    best = array(0.95, 0.93, 0.55, 0.52)
    probabilities = np.stack([best, 1 - best], axis=1)
    labels = np.array([0, 1, 0, 0])
    bins = reliability(probabilities, labels, bins=10)
    assert bins.counts == (0, 0, 0, 0, 0, 2, 0, 0, 0, 2)
    assert bins.accuracy[9] == 0.5 and bins.accuracy[5] == 1
    # |0.94 - 0.5| and |0.535 - 1|, each for half of the samples
    assert bins.error == pytest.approx(0.5 * 0.44 + 0.5 * 0.465, abs=1e-6)


def test_borders_of_the_bins() -> None:
    """A bin contains its upper border; 1 is in the last one."""
    probabilities = np.array([[0.2] * 5, [0.4, 0.2, 0.2, 0.1, 0.1], [1, 0, 0, 0, 0]], np.float32)
    assert reliability(probabilities, np.zeros(3, np.int64), bins=5).counts == (1, 1, 0, 0, 1)
    assert len(reliability(probabilities, np.zeros(3, np.int64)).counts) == 15


def test_samples_without_a_score_are_refused() -> None:
    for bad in (array(), array(1, np.nan)):
        with pytest.raises(ValueError, match="score"):
            auroc(bad, array(1))
        with pytest.raises(ValueError, match="score"):
            auroc(array(1), bad)
