"""Which score separates known actions from others best: figures of every score, and the choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from skelact.inference.calibration import named_probabilities
from skelact.inference.ensemble import WindowOutputs
from skelact.inference.scores import PROBABILITY
from skelact.metrics import Labels, Probabilities
from skelact.open_set_metrics import (
    auroc,
    fpr_at_tpr,
    risk_coverage,
    threshold_at_fpr,
)
from skelact.schemas import ScoreResult
from skelact.types import Floats


@dataclass(frozen=True, kw_only=True)
class Scored:
    """Samples with their probabilities (N, K) that can become a label (see `named_probabilities`),
    and the scores `names` (N, S). Where no class can become a label the scores are -inf."""

    names: tuple[str, ...]
    probabilities: Probabilities
    scores: Floats

    @classmethod
    def of(cls, outputs: WindowOutputs, names: tuple[str, ...], classes: tuple[str, ...]) -> Scored:
        """From outputs with calibrated probabilities and the scores `names`; that of the
        probability is filled in."""
        named = named_probabilities(outputs.probabilities, classes)
        best, scores = named.max(axis=1), outputs.scores.copy()
        if PROBABILITY in names:
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

    def score(self, name: str) -> Floats:
        """(N,) the values of one score."""
        return self.scores[:, self.names.index(name)]


@dataclass(frozen=True, kw_only=True)
class Part:
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


def evaluate_score(name: str, choosing: Part, measuring: Part, target_fpr: float) -> ScoreResult:
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


def choose(part: Part, names: Sequence[str], target_fpr: float) -> str:
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
