"""Scores of a model, from probabilities and true labels."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int64]
Probabilities = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Accuracy of one subset, as fractions: `top1`; `mean_class`, the mean recall of the classes;
    `majority`, what predicting the most frequent training class for every sample would score;
    `top5`, None with five classes or fewer. `confusion` (K, K) counts samples by true class (rows)
    and predicted class (columns); it is empty where it was not kept."""

    top1: float
    mean_class: float
    majority: float
    top5: float | None
    samples: int
    confusion: list[list[int]] = field(default_factory=list)

    def check(self) -> None:
        """Raises ValueError if a value is not a fraction, or is not that of the confusion matrix.
        Reading does it: a damaged digit gives another accuracy."""
        shares = (self.top1, self.mean_class, self.majority, self.top5 or 0.0)
        if not all(0 <= share <= 1 for share in shares) or self.samples < 0:
            raise ValueError("a score is not between 0 and 1")
        if not self.confusion:
            return
        if any(n < 0 for row in self.confusion for n in row):
            raise ValueError("the confusion matrix has negative numbers")
        recalls = [row[k] / sum(row) for k, row in enumerate(self.confusion) if sum(row)]
        correct = sum(row[k] for k, row in enumerate(self.confusion))
        if sum(map(sum, self.confusion)) != self.samples or not recalls:
            raise ValueError(f"the confusion matrix does not count {self.samples} samples")
        scores = (self.top1, self.mean_class)
        of_matrix = (correct / self.samples, sum(recalls) / len(recalls))
        if max(abs(a - b) for a, b in zip(scores, of_matrix, strict=True)) > 1e-4:
            raise ValueError("the scores are not those of the confusion matrix")

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def score(probabilities: Probabilities, labels: Labels, majority_class: int) -> Scores:
    """Scores of probabilities (N, K) against labels (N,)."""
    k = probabilities.shape[1]
    guess = probabilities.argmax(axis=1)
    confusion = np.zeros((k, k), np.int64)
    np.add.at(confusion, (labels, guess), 1)
    present = confusion.sum(axis=1) > 0
    recall = confusion.diagonal()[present] / confusion.sum(axis=1)[present]
    top5 = (
        float((np.argsort(-probabilities, axis=1)[:, :5] == labels[:, None]).any(axis=1).mean())
        if k > 5
        else None
    )
    return Scores(
        top1=float((guess == labels).mean()),
        mean_class=float(recall.mean()),
        majority=float((labels == majority_class).mean()),
        top5=top5,
        confusion=confusion.tolist(),
        samples=len(labels),
    )


@dataclass(frozen=True, kw_only=True)
class ClassScore:
    """Precision, recall and F1 of one class (each 0 where undefined), and its number of samples."""

    precision: float
    recall: float
    f1: float
    samples: int


def per_class(confusion: list[list[int]]) -> list[ClassScore]:
    """Scores of each class from a confusion matrix, rows true, columns predicted."""
    scores = []
    for k, row in enumerate(confusion):
        correct, samples, predicted = row[k], sum(row), sum(r[k] for r in confusion)
        precision, recall = correct / max(predicted, 1), correct / max(samples, 1)
        f1 = 2 * precision * recall / (precision + recall) if correct else 0.0
        scores.append(ClassScore(precision=precision, recall=recall, f1=f1, samples=samples))
    return scores
