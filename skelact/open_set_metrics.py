"""How well a score separates known samples from others, and probabilities that are right from
those that are wrong. Higher scores mean: rather known.

No function of this module needs more than NumPy; a sample without a score (NaN) raises
ValueError."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.floating[Any]]
Flags = npt.NDArray[np.bool_]
BINS = 15  # of the calibration error, as in Guo et al. 2017


def auroc(known: Values, negatives: Values) -> float:
    """The area under the ROC curve, from the scores of known samples (N,) and of negatives (N',).

    It is the probability that a random known sample has a higher score than a random negative,
    where equal scores count one half (Hanley and McNeil 1982): U / (N * N') with the rank sum
    statistic U of Mann and Whitney. 0.5 for scores that say nothing."""
    _check(known, negatives)
    ordered = np.sort(negatives)
    below = np.searchsorted(ordered, known, side="left")
    up_to = np.searchsorted(ordered, known, side="right")
    return float((below + up_to).mean() / (2 * len(negatives)))


def threshold_at_tpr(known: Values, tpr: float = 0.95) -> float:
    """The highest threshold that at least the share `tpr` of known samples (N,) reaches."""
    _check(known)
    needed = max(1, int(np.ceil(tpr * len(known) - 1e-9)))
    return float(np.sort(known)[::-1][needed - 1])


def fpr_at_tpr(known: Values, negatives: Values, tpr: float = 0.95) -> float:
    """The share of negatives (N',) that reach the highest threshold which at least the share `tpr`
    of known samples (N,) reaches (FPR at 95 % TPR, Liang et al. 2018, ODIN)."""
    _check(known, negatives)
    return float((negatives >= threshold_at_tpr(known, tpr)).mean())


def threshold_at_fpr(negatives: Values, fpr: float) -> float:
    """The smallest threshold that no more than the share `fpr` of negatives (N',) reaches. It is
    the number that follows a score of a negative, or the lowest float for a share of 1."""
    _check(negatives)
    best = np.sort(negatives)[::-1]
    allowed = int(np.floor(fpr * len(best) + 1e-9))
    if allowed >= len(best):
        return float(np.finfo(best.dtype).min)
    return float(np.nextafter(best[allowed], np.array(np.inf, best.dtype)))


def correct_at_fpr(known: Values, correct: Flags, negatives: Values, fpr: float) -> float:
    """The share of known samples (N,) that keep a label and whose label is correct (N,), at the
    smallest threshold that no more than the share `fpr` of negatives (N',) reaches: the correct
    classification rate of the open-set classification rate curve (Dhamija et al. 2018)."""
    _check(known)
    return float((correct & (known >= threshold_at_fpr(negatives, fpr))).mean())


@dataclass(frozen=True, kw_only=True)
class RiskCoverage:
    """The risk-coverage curve: for every number n of samples with the highest scores, `coverage`
    (N,), n / N, and `risk` (N,), the share of wrong labels among them."""

    coverage: npt.NDArray[np.float64]
    risk: npt.NDArray[np.float64]

    @property
    def area(self) -> float:
        """The area under the curve (AURC): the mean risk over all numbers of samples (Geifman et
        al. 2019, "Bias-Reduced Uncertainty Estimation for Deep Neural Classifiers"). 0 if every
        label is correct."""
        return float(self.risk.mean())

    def points(self, most: int = 40) -> tuple[tuple[float, float], ...]:
        """At most so many points (coverage, risk), evenly spaced, with the first and the last."""
        rows = np.unique(np.linspace(0, len(self.risk) - 1, most).round().astype(int))
        return tuple((float(self.coverage[n]), float(self.risk[n])) for n in rows)


def risk_coverage(scores: Values, correct: Flags) -> RiskCoverage:
    """The curve of samples with scores (N,) whose labels are correct (N,) or not (El-Yaniv and
    Wiener 2010; Geifman and El-Yaniv 2017). Among samples with equal scores every order is as
    likely, so their mean risk is used."""
    _check(scores)
    order = np.argsort(-scores, kind="stable")
    wrong = (~correct[order]).astype(np.float64)
    _, first, counts = np.unique(-scores[order], return_index=True, return_counts=True)
    means = np.add.reduceat(wrong, first) / counts
    numbers = np.arange(1, len(scores) + 1)
    return RiskCoverage(
        coverage=numbers / len(scores), risk=np.cumsum(np.repeat(means, counts)) / numbers
    )


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """Samples in bins of equal width of the highest probability: of each bin the number of samples,
    their mean probability and the share of correct labels, both 0 in an empty bin."""

    counts: tuple[int, ...]
    confidence: tuple[float, ...]
    accuracy: tuple[float, ...]

    @property
    def error(self) -> float:
        """The expected calibration error: the mean over samples of the distance between accuracy
        and mean probability of their bin (Naeini et al. 2015; Guo et al. 2017)."""
        gaps = np.abs(np.subtract(self.confidence, self.accuracy))
        return float((gaps * self.counts).sum() / max(1, sum(self.counts)))


def reliability(
    probabilities: Values, labels: npt.NDArray[np.int64], bins: int = BINS
) -> Reliability:
    """The bins of probabilities (N, K) against labels (N,). Bin number b of B holds the samples
    whose highest probability is in (b / B, (b + 1) / B]."""
    best = probabilities.max(axis=1).astype(np.float64)
    _check(best)
    correct = probabilities.argmax(axis=1) == labels
    # float32 rounds 0.2 up to 0.200000003, which belongs to the bin that ends at 0.2
    number = np.clip(np.ceil(best * bins - 1e-6).astype(int) - 1, 0, bins - 1)
    counts = np.bincount(number, minlength=bins)
    sums = (np.bincount(number, weights=v, minlength=bins) for v in (best, correct.astype(float)))
    confidence, accuracy = (s / np.maximum(counts, 1) for s in sums)
    return Reliability(
        counts=tuple(counts.tolist()),
        confidence=tuple(confidence.tolist()),
        accuracy=tuple(accuracy.tolist()),
    )


def _check(*arrays: Values) -> None:
    for values in arrays:
        if not len(values) or np.isnan(values).any():
            raise ValueError("a score of every sample is needed, and at least one sample")
