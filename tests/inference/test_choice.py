"""The choice of a score, with samples whose figures can be computed by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from skelact.inference.choice import (
    CalibrationPart,
    Scored,
    choose,
    evaluate_score,
    fit_combination,
    halves,
    with_combination,
)
from skelact.inference.ensemble import WindowOutputs
from skelact.inference.scores import combine

NAMES, CLASSES = ("probability", "energy"), ("a", "b")


def scored(best: list[float], energies: list[float], first: bool = True) -> Scored:
    """Samples whose most probable class is "a", or "b"."""
    p = np.array(best, np.float32)
    pairs = np.stack([p, 1 - p] if first else [1 - p, p], axis=1)
    scores = np.stack([np.zeros(len(p)), np.array(energies)], axis=1).astype(np.float32)
    return Scored.of(WindowOutputs(probabilities=pairs, scores=scores), NAMES, CLASSES)


def test_scores_of_samples() -> None:
    found = scored([0.9, 0.6], [3.0, 1.0])
    np.testing.assert_allclose(found.score("probability"), [0.9, 0.6])
    np.testing.assert_allclose(found.score("energy"), [3, 1])
    np.testing.assert_allclose(found.take(np.array([1])).score("energy"), [1])


def test_a_sample_of_other_actions_has_the_lowest_score() -> None:
    probabilities = np.array([[0.6, 0.3, 0.1], [0.3, 0.6, 0.1]], np.float32)
    outputs = WindowOutputs(probabilities=probabilities, scores=np.ones((2, 1), np.float32))
    outputs = replace(outputs, scores=np.ones((2, 2), np.float32))
    found = Scored.of(outputs, NAMES, ("unknown", "a", "b"))
    np.testing.assert_array_equal(found.score("energy"), [-np.inf, 1])
    more = found.with_score("combined", np.zeros(2, np.float32))
    np.testing.assert_array_equal(more.score("combined"), [-np.inf, 0])


def test_halves_have_the_same_classes() -> None:
    labels = np.array([0] * 4 + [1] * 3 + [2] * 5 + [3])
    first, second = halves(labels)
    assert sorted([*first, *second]) == list(range(13))
    np.testing.assert_array_equal(np.bincount(labels[first], minlength=4), [2, 2, 2, 1])
    assert first.tolist()[:2] == [0, 1] and second.tolist()[:2] == [2, 3]  # neighbours


def part(known: Scored, labels: list[int], negatives: Scored) -> CalibrationPart:
    return CalibrationPart(known=known, labels=np.array(labels), negatives=negatives)


def test_figures_of_a_score() -> None:
    choosing = part(scored([0.9], [1.0]), [0], scored([0.5, 0.6, 0.7, 0.8], [0] * 4))
    known = scored([0.95, 0.85, 0.75, 0.65], [0] * 4)
    measuring = part(known, [0, 1, 0, 0], scored([0.9, 0.6], [0, 0]))
    found = evaluate_score("probability", choosing, measuring, 0.25)
    # one of the four negatives is allowed: the threshold is just above 0.7
    assert found.threshold == pytest.approx(0.7) and found.threshold > 0.7
    assert found.chosen_by == 1
    assert (found.coverage, found.accuracy, found.negatives) == (0.75, pytest.approx(2 / 3), 0.5)
    assert found.auroc == pytest.approx((2 + 1 + 1 + 1) / 8) and found.fpr95 == 0.5
    assert found.aurc == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 4) / 4)
    assert found.curve[0] == (0.25, 0.0) and found.curve[-1] == (1.0, 0.25)


def test_the_better_score_is_chosen() -> None:
    best = [0.9, 0.8, 0.7, 0.6] * 5
    negatives = scored([0.85, 0.75] * 5, [0.1, 0.2] * 5)
    useful = part(scored(best, [0.9, 0.8, 0.7, 0.6] * 5), [0] * 20, negatives)
    assert choose(useful, NAMES, 0.0) == "energy"
    useless = part(scored(best, [0.1, 0.2, 0.0, 0.0] * 5), [0] * 20, negatives)
    assert choose(useless, NAMES, 0.0) == "probability"


def test_a_small_difference_is_not_enough() -> None:
    """One sample more of 20 is within two standard errors; five are not."""
    negatives = scored([0.8], [0.8])
    for more, expected in ((1, "probability"), (5, "energy")):
        best = [0.9] * 10 + [0.7] * 10
        energies = [0.9] * (10 + more) + [0.7] * (10 - more)
        known = scored(best, energies)
        assert choose(part(known, [0] * 20, negatives), NAMES, 0.0) == expected


def test_a_combination_is_a_logistic_regression() -> None:
    """Of two scores, each with half of the information, the sum separates better than either."""
    rng = np.random.default_rng(0)
    truth = np.repeat([1.0, 0.0], 400)
    log_odds, energies = (truth * 2 + rng.normal(size=800) for _ in range(2))
    best = 1 / (1 + np.exp(-log_odds - 2))  # above a half, so that the first class is the label
    keep = best > 0.5
    rows = [np.flatnonzero(keep & (truth == t)) for t in (1, 0)]
    known, negatives = (scored(best[r].tolist(), energies[r].tolist()) for r in rows)
    whole = part(known, [0] * len(rows[0]), negatives)
    parameters = fit_combination(whole)
    assert list(parameters) == ["probability", "energy", "constant"]
    # equal variances: the log-odds of a normal distribution are 2 for each unit of both
    assert parameters["energy"] == pytest.approx(2, abs=0.6)
    assert parameters["probability"] == pytest.approx(2, abs=0.6)
    first, second, again = with_combination(whole, whole)
    assert again == parameters
    figures = {n: evaluate_score(n, first, second, 0.1) for n in (*NAMES, "combined")}
    assert figures["combined"].auroc > max(figures[n].auroc for n in NAMES)  # type: ignore[operator, type-var]
    inputs = {n: known.score(n) for n in NAMES}
    np.testing.assert_allclose(
        second.known.score("combined"), combine(inputs, parameters), rtol=1e-5
    )


def test_a_combination_of_one_side_is_the_probability() -> None:
    right = part(scored([0.9, 0.8], [1, 2]), [1, 1], scored([0.7], [0]))
    assert fit_combination(right) == {
        "constant": 0.0,
        "probability": 1.0,
        "energy": 0.0,
    }
