"""Numbers for the page of a run that follow from its predictions of the test clips."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from skelact.errors import InputError
from skelact.schemas import Predictions

_Z = 1.959964  # the 97.5 % quantile of the normal distribution
_BINS = 10
_MOST_VALUES = 40  # of a group that are listed
Interval = tuple[float, float]
Groups = Mapping[str, Mapping[str, str]]  # sample id -> name of a group, such as camera -> value


def wilson(correct: int, samples: int) -> Interval:
    """The 95 % confidence interval of a share, by E. B. Wilson (1927); (0, 1) without samples. It
    assumes that the samples are independent."""
    if not samples:
        return 0.0, 1.0
    p, z2 = correct / samples, _Z**2 / samples
    centre = p + z2 / 2
    half = _Z * np.sqrt(p * (1 - p) / samples + z2 / (4 * samples))
    low, high = (centre - half) / (1 + z2), (centre + half) / (1 + z2)
    return max(0.0, float(low)), min(1.0, float(high))


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """Samples of one class that got the label of another: their ids, the most confident first."""

    label: str
    predicted: str
    share: float  # of the samples of the class
    samples: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class GroupScore:
    """The accuracy of the samples with one value of a group, such as one camera."""

    value: str
    correct: int
    samples: int


class TestOutcome:
    """The predictions of the test clips in arrays: `names` (N,), true and predicted classes (N,),
    and the probability of the prediction (N,). Raises InputError if their classes are others."""

    __test__ = False  # no test class of pytest

    def __init__(self, predictions: Predictions, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        known = predictions.samples
        if any(
            s.label not in self.classes or len(s.probabilities) != len(self.classes)
            for s in known.values()
        ):
            raise InputError("The predictions have other classes than the run", predictions.hint)
        rows = np.array([s.probabilities for s in known.values()], np.float64)
        rows = rows.reshape(len(known), len(self.classes))
        self.names = tuple(known)
        self.labels = np.array([self.classes.index(s.label) for s in known.values()], np.int64)
        self.predicted = rows.argmax(axis=1)
        self.confidence = rows.max(axis=1)
        self.correct: npt.NDArray[np.bool_] = self.labels == self.predicted

    def confusions(self, most: int) -> list[Confusion]:
        """The pairs of classes that are confused most often, at most `most` of them."""
        pairs: dict[tuple[int, int], list[int]] = defaultdict(list)
        for n in np.flatnonzero(~self.correct):
            pairs[int(self.labels[n]), int(self.predicted[n])].append(int(n))
        counts = np.bincount(self.labels, minlength=len(self.classes))
        ranked = sorted(pairs.items(), key=lambda pair: (-len(pair[1]), pair[0]))
        return [
            Confusion(
                label=self.classes[true],
                predicted=self.classes[guess],
                share=len(rows) / int(counts[true]),
                samples=tuple(self.names[n] for n in sorted(rows, key=self._rank)),
            )
            for (true, guess), rows in ranked[:most]
        ]

    def _rank(self, n: int) -> float:
        return -float(self.confidence[n])

    def by_group(self, groups: Groups) -> dict[str, list[GroupScore]]:
        """Accuracy by the values of each group that has from 2 to 40 of them among these samples,
        fewer than one for every two samples, the lowest accuracy first."""
        found: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
        for name, correct in zip(self.names, self.correct, strict=True):
            for group, value in groups.get(name, {}).items():
                found[group][value].append(bool(correct))
        tables = {}
        for group, values in found.items():
            if 2 <= len(values) <= min(_MOST_VALUES, len(self.names) // 2):
                rows = [
                    GroupScore(value=v, correct=sum(c), samples=len(c)) for v, c in values.items()
                ]
                rows.sort(key=lambda row: (row.correct / row.samples, row.value))
                tables[group] = rows
        return tables

    def reliability(self) -> list[tuple[float, float, int]]:
        """Mean confidence, accuracy and number of samples of ten equal ranges of confidence; those
        without samples are left out."""
        bins = np.minimum((self.confidence * _BINS).astype(int), _BINS - 1)
        rows = []
        for b in range(_BINS):
            inside = bins == b
            if inside.any():
                mean, accuracy = self.confidence[inside].mean(), self.correct[inside].mean()
                rows.append((float(mean), float(accuracy), int(inside.sum())))
        return rows

    def calibration_error(self) -> float:
        """The expected calibration error: the mean distance of confidence and accuracy in the
        ranges of `reliability`, weighted by their samples (C. Guo et al., 2017)."""
        total = sum(count for _, _, count in self.reliability())
        weighted = sum(abs(mean - acc) * count for mean, acc, count in self.reliability())
        return weighted / total if total else 0.0

    def coverage(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Shares of the samples from the most confident on, (N,), and the accuracy of each such
        part, (N,)."""
        order = np.argsort(-self.confidence, kind="stable")
        counts = np.arange(1, len(order) + 1)
        return counts / max(len(order), 1), np.cumsum(self.correct[order]) / counts
