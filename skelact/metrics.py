"""Numbers to judge a recogniser by, from probabilities and true labels."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Scores:
    """top1, mean_class (mean of the classes' recalls), majority (what always guessing the commonest
    training class would score), top5 only where there are more than five classes; confusion (K, K):
    rows true, columns predicted."""

    top1: float
    mean_class: float
    majority: float
    top5: float | None
    confusion: list[list[int]]
    samples: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def score(probabilities: npt.NDArray[np.float32], labels: Labels, majority_class: int) -> Scores:
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


@dataclass(frozen=True)
class ClassScore:
    """Of one class: how many of its guesses are right, how many of its clips are found, their
    harmonic mean (each 0 where undefined), and how many clips it has."""

    precision: float
    recall: float
    f1: float
    samples: int


def per_class(confusion: list[list[int]]) -> list[ClassScore]:
    """From a confusion matrix, rows true, columns predicted."""
    out = []
    for k, row in enumerate(confusion):
        right, clips, guesses = row[k], sum(row), sum(r[k] for r in confusion)
        precision, recall = right / max(guesses, 1), right / max(clips, 1)
        f1 = 2 * precision * recall / (precision + recall) if right else 0.0
        out.append(ClassScore(precision, recall, f1, clips))
    return out
