"""From the probabilities of windows to segments: spans of time with one label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from skelact.inference.decode import decode_frames
from skelact.inference.windows import Window
from skelact.options import THRESHOLD, VITERBI
from skelact.schemas import ClassDuration
from skelact.types import UNKNOWN, Segment


@dataclass(frozen=True, kw_only=True)
class WindowProbabilities:
    """Windows of one length over a track, in frames of the video, their probabilities (W, K), and
    the weight of the networks that see windows of this length."""

    windows: list[Window]
    probabilities: npt.NDArray[np.float32]
    weight: float = 1.0


def combine_per_frame(parts: Sequence[WindowProbabilities], frames: int) -> npt.NDArray[np.float64]:
    """(frames, K): the weighted mean over window lengths of each frame's probabilities; NaN where
    no window of any length covers the frame."""
    each = np.stack([per_frame(p.probabilities, p.windows, frames) for p in parts])
    weights = np.array([p.weight for p in parts])[:, None, None] * ~np.isnan(each)
    total = weights.sum(axis=0)
    summed = (weights * np.nan_to_num(each)).sum(axis=0)
    return np.divide(summed, total, out=np.full_like(summed, np.nan), where=total > 0)


def per_frame(
    probabilities: npt.NDArray[np.float32], windows: Sequence[Window], frames: int
) -> npt.NDArray[np.float64]:
    """(frames, K): the mean of each frame over the windows that cover it; NaN where none does. The
    weight of a window falls linearly with the distance of the frame from the window's middle."""
    total, weight = np.zeros((frames, probabilities.shape[1])), np.zeros((frames, 1))
    for p, (a, b) in zip(probabilities, windows, strict=True):
        w = 1.05 - np.abs(np.linspace(-1, 1, b - a))[:, None]
        total[a:b] += w * p
        weight[a:b] += w
    return np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 0)


_REJECTED = 2.0  # as a probability of "unknown": above that of every class
MIN_LABEL_SHARE = 0.2  # of a person's time, for a label of the clip; below it the clip is unknown


def label_of(parts: Sequence[Segment]) -> tuple[str, float]:
    """The label of a clip from its segments, and its probability: the mean over the time of the
    segments with that label.

    It is the label that most of the time has, not counting "unknown"; of two labels with equally
    much time, the more probable one. A person who waits, acts and leaves gets the action: it needs
    only MIN_LABEL_SHARE of the time. The label is "unknown" if no action lasts that long; the
    probability is then that of the most probable class over the whole time."""
    time: dict[str, float] = {}
    weighted: dict[str, float] = {}
    for part in parts:
        length = part.end_s - part.start_s
        time[part.label] = time.get(part.label, 0.0) + length
        weighted[part.label] = weighted.get(part.label, 0.0) + length * part.probability
    total = sum(time.values())
    mean = {label: weighted[label] / time[label] for label in time}
    known = [label for label in time if label != UNKNOWN]
    best = max(known, key=lambda label: (round(time[label], 6), mean[label]), default=UNKNOWN)
    if best != UNKNOWN and time[best] >= MIN_LABEL_SHARE * total - 1e-9:
        return best, mean[best]
    lengths = [p.end_s - p.start_s for p in parts]
    overall = np.average([p.probabilities for p in parts], axis=0, weights=lengths)
    return UNKNOWN, float(overall.max())


def segments(
    frame_probs: npt.NDArray[np.float64],
    fps: float,
    classes: tuple[str, ...],
    min_segment_s: float,
    unknown_threshold: float = 0.0,
    frame_scores: npt.NDArray[np.float64] | None = None,
    method: str = THRESHOLD,
    durations: Mapping[str, ClassDuration] = MappingProxyType({}),
) -> tuple[Segment, ...]:
    """Consecutive frames with the same most probable class, as segments; frames without
    probabilities (NaN) belong to none. Where no class reaches `unknown_threshold` the label is
    "unknown". A segment shorter than `min_segment_s` is merged with the adjacent one whose class
    has the higher mean probability in it, unless the mean probability of the result would be below
    the threshold: no segment below it has a label. If it cannot be merged with either it becomes
    "unknown". So is a frame whose most probable class is itself called "unknown": a class of other
    actions that was trained like any other.

    With the method "viterbi", the segments are the most probable series instead (`decode_frames`),
    in which "unknown" has the probability of the threshold, or of the class of that name if it is
    higher. `durations` are those of the classes, if they are known; `min_segment_s` is not used
    for these. A segment whose mean probability is below the threshold is "unknown" too.

    frame_probs (frames, K). With `frame_scores` (frames,) the threshold is one of these scores, not
    of the probability of the class."""
    threshold = np.full(len(frame_probs), unknown_threshold)
    if frame_scores is not None:
        threshold = np.where(frame_scores < unknown_threshold, _REJECTED, 0.0)
    known = ~np.isnan(frame_probs[:, 0])
    named = frame_probs
    if UNKNOWN in classes:
        own = classes.index(UNKNOWN)
        threshold = np.maximum(threshold, frame_probs[:, own])
        named = np.where(np.arange(len(classes)) == own, -1.0, frame_probs)
    scores = np.column_stack([named, threshold])  # unknown as class K
    best = np.where(known, np.nan_to_num(scores).argmax(axis=1), -1)
    compared = scores
    if frame_scores is not None:
        compared = np.repeat(frame_scores[:, None], scores.shape[1], axis=1)
    if method == VITERBI:
        known_durations = [durations.get(c) for c in classes]
        _decode_known(
            best, scores, compared, fps, min_segment_s, unknown_threshold, known_durations
        )
    else:
        _merge_short(best, scores, compared, min_segment_s * fps, unknown_threshold)
    runs = _runs(best)
    out = []
    for start, end, label in runs:
        if label >= 0:
            mean = frame_probs[start:end, : len(classes)].mean(axis=0)
            is_unknown = label == len(classes)
            out.append(
                Segment(
                    start_s=start / fps,
                    end_s=end / fps,
                    label=UNKNOWN if is_unknown else classes[label],
                    probability=float(mean.max() if is_unknown else mean[label]),
                    probabilities=tuple(mean.tolist()),
                )
            )
    return tuple(out)


def _decode_known(
    best: npt.NDArray[np.int64],
    scores: npt.NDArray[np.float64],
    compared: npt.NDArray[np.float64],
    fps: float,
    shortest_s: float,
    threshold: float,
    durations: Sequence[ClassDuration | None],
) -> None:
    """Decode each series of frames with probabilities by itself, in place. The last column of
    scores is the probability of "unknown"; `compared` are the values of each class that are
    compared with the threshold."""
    unknown = scores.shape[1] - 1
    for start, end, has_scores in _runs((best >= 0).astype(np.int64)):
        if has_scores:
            best[start:end] = decode_frames(scores[start:end], fps, shortest_s, durations)
    for start, end, label in _runs(best):
        if 0 <= label < unknown and compared[start:end, label].mean() < threshold:
            best[start:end] = unknown


def _merge_short(
    best: npt.NDArray[np.int64],
    frame_probs: npt.NDArray[np.float64],
    compared: npt.NDArray[np.float64],
    shortest: float,
    threshold: float,
) -> None:
    """Merge the runs of `best` that have fewer than `shortest` frames, in place. The last column of
    frame_probs is the probability of "unknown", at least the threshold; `compared` are the values
    of each class that are compared with the threshold."""
    unknown = frame_probs.shape[1] - 1
    while True:
        runs = _runs(best)
        options: dict[int, list[int]] = {}
        for i, (start, end, label) in enumerate(runs):
            neighbours = _adjacent_labels(runs, i) if label >= 0 and end - start < shortest else []
            options[i] = [
                other
                for other in neighbours
                if other == unknown or _merged(runs, i, other, compared) >= threshold - 1e-9
            ]
            if neighbours and not options[i] and label != unknown:
                options[i] = [unknown]
        short = [i for i, labels in options.items() if labels]
        if not short:
            return
        i = min(short, key=lambda k: runs[k][1] - runs[k][0])
        start, end, _ = runs[i]
        part = frame_probs[start:end]
        best[start:end] = max(options[i], key=lambda label: part[:, label].mean())


def _merged(
    runs: list[tuple[int, int, int]], i: int, label: int, frame_probs: npt.NDArray[np.float64]
) -> float:
    """The mean of a label's column over run `i` and the runs beside it that have the label."""
    near = [k for k in (i - 1, i + 1) if 0 <= k < len(runs) and runs[k][2] == label]
    spans = [runs[k][:2] for k in (i, *near)]
    return float(np.concatenate([frame_probs[a:b, label] for a, b in spans]).mean())


def _runs(labels: npt.NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """(start, end, label) of each series of equal labels."""
    bounds = [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist(), len(labels)]
    return [(a, b, int(labels[a])) for a, b in pairwise(bounds) if a < b]


def _adjacent_labels(runs: list[tuple[int, int, int]], i: int) -> list[int]:
    """The labels of the runs before and after number `i`, of those that have one (-1: none)."""
    return [runs[k][2] for k in (i - 1, i + 1) if 0 <= k < len(runs) and runs[k][2] >= 0]
