"""Which score separates known actions from others best: figures of every score, and the choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from skelact.inference.calibration import named_probabilities
from skelact.inference.ensemble import WindowOutputs
from skelact.inference.score_names import COMBINED, CONSTANT, PROBABILITY
from skelact.inference.scores import combine, combined_input
from skelact.metrics import Labels, Probabilities
from skelact.open_set_metrics import (
    auroc,
    fpr_at_tpr,
    risk_coverage,
    threshold_at_fpr,
)
from skelact.schemas import ScoreResult
from skelact.types import Floats

_BLOCKS = 10  # of negatives, for two halves
_PENALTY = 0.001  # of the squared coefficients of a combination


@dataclass(frozen=True, kw_only=True)
class Scored:
    """Samples with their probabilities (N, K) that can become a label (see `named_probabilities`),
    and the scores `names` (N, S). Where no class can become a label the scores are -inf."""

    names: tuple[str, ...]
    probabilities: Probabilities
    scores: Floats

    @classmethod
    def of(cls, outputs: WindowOutputs, names: tuple[str, ...], classes: tuple[str, ...]) -> Scored:
        """From outputs with calibrated probabilities and the scores `names`, the first of which is
        the probability: it is computed here, because that of `outputs` is 0 without a scorer."""
        named = named_probabilities(outputs.probabilities, classes)
        best, scores = named.max(axis=1), outputs.scores.copy()
        scores[:, names.index(PROBABILITY)] = best
        return cls(
            names=names,
            probabilities=named,
            scores=np.where(best[:, None] > 0, scores, np.float32(-np.inf)),
        )

    def take(self, rows: npt.NDArray[np.int64]) -> Scored:
        """Some of the samples."""
        probabilities, scores = self.probabilities[rows], self.scores[rows]
        return Scored(names=self.names, probabilities=probabilities, scores=scores)

    def with_score(self, name: str, values: Floats) -> Scored:
        """The same with one more score (N,); it stays -inf where no class can become a label."""
        column = np.where(np.isfinite(self.scores[:, 0]), values, np.float32(-np.inf))
        scores = np.column_stack([self.scores, column.astype(np.float32)])
        return replace(self, names=(*self.names, name), scores=scores)

    def combined(self, combination: Mapping[str, float]) -> Floats:
        """(N,) the combined score."""
        finite = np.nan_to_num(self.scores, neginf=0.0)
        return combine({n: finite[:, k] for k, n in enumerate(self.names)}, combination)

    def score(self, name: str) -> Floats:
        """(N,) the values of one score."""
        return self.scores[:, self.names.index(name)]


@dataclass(frozen=True, kw_only=True)
class CalibrationPart:
    """Known samples with their labels (N,), and negatives."""

    known: Scored
    labels: Labels
    negatives: Scored

    @property
    def correct(self) -> npt.NDArray[np.bool_]:
        """(N,) whether the most probable class of a known sample is right."""
        return np.asarray(self.known.probabilities.argmax(axis=1) == self.labels)

    def labelled_right(self, name: str, target_fpr: float) -> npt.NDArray[np.bool_]:
        """(N,) which known samples get a right label at the threshold of a score that at most the
        share `target_fpr` of the negatives reaches."""
        threshold = threshold_at_fpr(self.negatives.score(name), target_fpr)
        return np.asarray(self.correct & (self.known.score(name) >= threshold))


def halves(labels: Labels) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The rows of two parts of samples with labels (N,): of every class the first and the second
    half in the given order, which is that of names, so that clips of one recording mostly stay
    together. The larger half of a class with an odd number is in one part and the other by
    turns."""
    first: list[int] = []
    second: list[int] = []
    odd = 0
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label).tolist()
        middle = (len(rows) + (odd + 1) % 2) // 2
        odd += len(rows) % 2
        first += rows[:middle]
        second += rows[middle:]
    return np.array(sorted(first), np.int64), np.array(sorted(second), np.int64)


def evaluate_score(
    name: str, choosing: CalibrationPart, measuring: CalibrationPart, target_fpr: float
) -> ScoreResult:
    """The threshold of a score from one part, and its figures from another."""
    threshold = threshold_at_fpr(choosing.negatives.score(name), target_fpr)
    known, negatives, correct = (
        measuring.known.score(name),
        measuring.negatives.score(name),
        measuring.correct,
    )
    labelled = known >= threshold
    curve = risk_coverage(known, correct)
    return ScoreResult(
        name=name,
        threshold=threshold,
        chosen_by=float(choosing.labelled_right(name, target_fpr).mean()),
        auroc=auroc(known, negatives),
        fpr95=fpr_at_tpr(known, negatives),
        aurc=curve.area,
        coverage=float(labelled.mean()),
        accuracy=float(correct[labelled].mean()) if labelled.any() else None,
        negatives=float((negatives >= threshold).mean()),
        curve=curve.points(),
    )


def fit_combination(part: CalibrationPart) -> dict[str, float]:
    """The parameters of the score "combined": a logistic regression that tells known samples with
    a right label from those with a wrong one and from negatives. Both sides have the same weight,
    and standardised coefficients the penalty _PENALTY times their sum of squares."""
    names = part.known.names
    usable = [np.isfinite(s.scores[:, 0]) for s in (part.known, part.negatives)]
    rows = np.concatenate(
        [
            np.stack([combined_input(n, s.score(n)[u]) for n in names], axis=1)
            for s, u in zip((part.known, part.negatives), usable, strict=True)
        ]
    )
    right = np.concatenate([part.correct[usable[0]], np.zeros(int(usable[1].sum()), bool)])
    if not right.any() or right.all():
        return {CONSTANT: 0.0, **dict.fromkeys(names, 0.0), PROBABILITY: 1.0}
    mean, deviation = rows.mean(axis=0), rows.std(axis=0) + 1e-9
    x = np.column_stack([(rows - mean) / deviation, np.ones(len(rows))])
    weights = np.where(right, 0.5 / right.sum(), 0.5 / (~right).sum())
    sign = np.where(right, 1.0, -1.0)

    def loss(b: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        margin = sign * (x @ b)
        slope = -weights * sign / (1 + np.exp(np.minimum(margin, 500)))
        penalty = np.append(b[:-1], 0.0)
        value = (weights * np.logaddexp(0, -margin)).sum() + _PENALTY * (penalty**2).sum()
        return float(value), x.T @ slope + 2 * _PENALTY * penalty

    found = minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B").x
    slopes = found[:-1] / deviation
    parameters = {n: float(v) for n, v in zip(names, slopes, strict=True)}
    return {**parameters, CONSTANT: float(found[-1] - slopes @ mean)}


def with_combination(
    choosing: CalibrationPart, measuring: CalibrationPart
) -> tuple[CalibrationPart, CalibrationPart, dict[str, float]]:
    """Both parts with the score "combined", and its parameters, which are fitted to the first part.
    The values of that part are those of parameters that were fitted to the other half of it, so
    that its threshold is not too low."""
    combination = fit_combination(choosing)
    known, negatives = _cross_fitted(choosing)
    own = measuring.known, measuring.negatives
    others = [s.with_score(COMBINED, s.combined(combination)) for s in own]
    return (
        replace(
            choosing,
            known=choosing.known.with_score(COMBINED, known),
            negatives=choosing.negatives.with_score(COMBINED, negatives),
        ),
        replace(measuring, known=others[0], negatives=others[1]),
        combination,
    )


def _cross_fitted(part: CalibrationPart) -> tuple[Floats, Floats]:
    """The combined scores of known samples and of negatives, each by the parameters of the other
    half. Negatives are divided into blocks, so that windows of a video mostly stay together and
    both halves have windows of all folders."""
    blocks = np.array_split(np.arange(len(part.negatives.scores)), _BLOCKS)
    rows = halves(part.labels), (np.concatenate(blocks[::2]), np.concatenate(blocks[1::2]))
    known, negatives = (np.zeros(len(s.scores), np.float32) for s in (part.known, part.negatives))
    for fitted, used in ((0, 1), (1, 0)):
        k, n = (pair[fitted] for pair in rows)
        combination = fit_combination(
            CalibrationPart(
                known=part.known.take(k), labels=part.labels[k], negatives=part.negatives.take(n)
            )
        )
        k, n = (pair[used] for pair in rows)
        known[k] = part.known.take(k).combined(combination)
        negatives[n] = part.negatives.take(n).combined(combination)
    return known, negatives


def choose(part: CalibrationPart, names: Sequence[str], target_fpr: float) -> str:
    """The score that labels most known samples of the part right at the target false positive
    rate (`open_set_metrics.correct_at_fpr`). Another score than the first one is chosen only if the
    difference is larger than twice its standard error, because the best of several is often only
    the luckiest."""
    first = part.labelled_right(names[0], target_fpr)
    best, most = names[0], 0.0
    for name in names[1:]:
        gain = part.labelled_right(name, target_fpr).astype(np.float64) - first
        mean, error = float(gain.mean()), float(gain.std() / np.sqrt(len(gain)))
        if mean > max(most, 2 * error):
            best, most = name, mean
    return best
