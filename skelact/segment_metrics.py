"""Scores of the temporal segmentation of untrimmed videos.

Frame accuracy, edit score and segmental F1 are those of the evaluation of MS-TCN (Abu Farha and
Gall, CVPR 2019; first Lea et al., CVPR 2017), the mean average precision that of ActivityNet
(Heilbron et al., CVPR 2015). Labels are indices of classes; BACKGROUND is no action."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.int64]
BACKGROUND = -1
F1_OVERLAPS = (0.10, 0.25, 0.50)
MAP_OVERLAP = 0.5


@dataclass(frozen=True, kw_only=True)
class Span:
    """An action from the frame `start` to the frame before `end`; `score` is its probability."""

    label: int
    start: int
    end: int
    score: float = 1.0


@dataclass(frozen=True, kw_only=True)
class LabelledVideo:
    """One video: labels (T,) of its frames as they are and as predicted, the predicted actions with
    their probabilities, and the frame rate [Hz]."""

    truth: Frames
    predicted: Frames
    detections: tuple[Span, ...]
    fps: float


@dataclass(frozen=True, kw_only=True)
class SegmentScores:
    """Scores of untrimmed videos, as fractions.

    frame_accuracy         correct frames of all, background included
    action_accuracy        correct frames of those that show an action
    edit                   1 minus the edit distance of the two series of actions, relative to the
                           longer one; the mean over the videos
    f1                     F1 of the segments, for each of F1_OVERLAPS
    map50                  mean over the classes of the average precision at an IoU of 0.5
    found                  actions of which at least one frame has the right label
    delay_s                median time [s] from the start of an action to the first frame with its
                           label, of those that are found; None if none is
    false_per_minute       predicted segments per minute of background that do not touch an action
    confusion              (K+1, K+1) frames by true (rows) and predicted label, background last"""

    videos: int
    minutes: float
    actions: int
    frame_accuracy: float
    action_accuracy: float
    edit: float
    f1: tuple[float, ...]
    map50: float
    found: float
    delay_s: float | None
    false_per_minute: float | None
    confusion: list[list[int]]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def score_videos(videos: Sequence[LabelledVideo], classes: int) -> SegmentScores:
    """Scores of at least one video with `classes` classes."""
    confusion = np.zeros((classes + 1, classes + 1), np.int64)
    hits = np.zeros((len(F1_OVERLAPS), 3), np.int64)  # correct, predicted, true
    edits, delays, found, false, idle_s = [], [], 0, 0, 0.0
    for t in videos:
        np.add.at(confusion, (t.truth, t.predicted), 1)  # -1 is the last row
        true, predicted = spans_of(t.truth), spans_of(t.predicted)
        for n, overlap in enumerate(F1_OVERLAPS):
            hits[n] += matches(predicted, true, overlap), len(predicted), len(true)
        edits.append(edit_score([s.label for s in predicted], [s.label for s in true]))
        for span in true:
            right = np.flatnonzero(t.predicted[span.start : span.end] == span.label)
            if len(right):
                found += 1
                delays.append(float(right[0]) / t.fps)
        idle_s += int((t.truth == BACKGROUND).sum()) / t.fps
        false += sum(bool((t.truth[s.start : s.end] == BACKGROUND).all()) for s in predicted)
    actions = int(hits[0, 2])
    shown = confusion[:classes].sum()
    return SegmentScores(
        videos=len(videos),
        minutes=sum(len(t.truth) / t.fps for t in videos) / 60,
        actions=actions,
        frame_accuracy=float(confusion.trace() / max(1, confusion.sum())),
        action_accuracy=float(confusion.diagonal()[:classes].sum() / max(1, shown)),
        edit=float(np.mean(edits)),
        f1=tuple(float(2 * c / max(1, p + a)) for c, p, a in hits),
        map50=mean_average_precision(videos, classes),
        found=found / max(1, actions),
        delay_s=float(np.median(delays)) if delays else None,
        false_per_minute=60 * false / idle_s if idle_s else None,
        confusion=confusion.tolist(),
    )


def spans_of(labels: Frames) -> list[Span]:
    """The series of equal labels (T,) that are not background."""
    bounds = [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist(), len(labels)]
    return [
        Span(label=int(labels[a]), start=a, end=b)
        for a, b in pairwise(bounds)
        if a < b and labels[a] != BACKGROUND
    ]


def matches(predicted: Sequence[Span], true: Sequence[Span], overlap: float) -> int:
    """How many predicted segments are correct: in their order each takes the true segment of its
    label with the highest IoU, if that is at least `overlap` and not taken."""
    taken: set[int] = set()
    for span in predicted:
        best, index = max(
            ((_iou(span, t), n) for n, t in enumerate(true) if t.label == span.label),
            key=lambda pair: (pair[0], -pair[1]),
            default=(0.0, -1),
        )
        if best >= overlap and index not in taken:
            taken.add(index)
    return len(taken)


def edit_score(predicted: Sequence[int], true: Sequence[int]) -> float:
    """1 minus Levenshtein's distance relative to the longer sequence; 1 for two empty ones."""
    row = list(range(len(true) + 1))
    for i, label in enumerate(predicted, 1):
        previous, row[0] = row[0], i
        for j, other in enumerate(true, 1):
            change = previous + (label != other)
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, change)
    return 1 - row[-1] / max(len(predicted), len(true), 1)


def mean_average_precision(
    videos: Sequence[LabelledVideo], classes: int, overlap: float = MAP_OVERLAP
) -> float:
    """The mean of `average_precision` over the classes that occur; 0 if none does."""
    each = [average_precision(videos, label, overlap) for label in range(classes)]
    occurring = [value for value in each if value is not None]
    return float(np.mean(occurring)) if occurring else 0.0


def average_precision(
    videos: Sequence[LabelledVideo], label: int, overlap: float = MAP_OVERLAP
) -> float | None:
    """The area under the interpolated curve of precision over recall for one class; None if it does
    not occur. Detections are taken in the order of their probabilities; each is correct if its IoU
    with a segment that was not taken before is at least `overlap`."""
    true = [[s for s in spans_of(t.truth) if s.label == label] for t in videos]
    total = sum(map(len, true))
    if not total:
        return None
    ranked = sorted(
        ((s, n) for n, t in enumerate(videos) for s in t.detections if s.label == label),
        key=lambda pair: -pair[0].score,
    )
    taken: set[tuple[int, int]] = set()
    correct = np.zeros(len(ranked))
    for rank, (span, video) in enumerate(ranked):
        free = [k for k in range(len(true[video])) if (video, k) not in taken]
        best = max(free, key=lambda k: _iou(span, true[video][k]), default=None)
        if best is not None and _iou(span, true[video][best]) >= overlap:
            taken.add((video, best))
            correct[rank] = 1
    hits = correct.cumsum()
    precision = np.concatenate([hits / np.arange(1, len(hits) + 1), [0.0]])
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    recall = np.concatenate([[0.0], hits / total])
    return float((np.diff(recall) * precision[:-1]).sum())


def _iou(a: Span, b: Span) -> float:
    shared = min(a.end, b.end) - max(a.start, b.start)
    return max(0, shared) / (max(a.end, b.end) - min(a.start, b.start))
