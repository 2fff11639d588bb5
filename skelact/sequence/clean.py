"""Cleaning: choose persons, remove joints with a low score, fill short gaps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from skelact.config import check_ranges, option
from skelact.types import Floats, PoseSequence


@dataclass(frozen=True, kw_only=True)
class SequenceOptions:
    """Selection of persons and cleaning of sequences."""

    persons: int | None = option(
        1,
        "Persons kept per clip, most prominent first: a number or all.",
        min=1,
        max=1000,
        none="all",
    )
    min_score: float = option(
        0.0, "Joints with a lower score are treated as missing.", min=0, below=1
    )
    max_gap_s: float = option(
        0.5, "Longest gap filled by interpolation, in seconds.", min=0, max=3600
    )

    def __post_init__(self) -> None:
        check_ranges(self)


def clean(sequence: PoseSequence, options: SequenceOptions) -> PoseSequence:
    """Choose the most prominent persons, then clean their joints."""
    sequence = choose_persons(sequence, options.persons)
    return fill_gaps(drop_low_scores(sequence, options.min_score), options.max_gap_s)


def prominence(sequence: PoseSequence) -> Floats:
    """(M,) how prominent each person is: the sum over all frames of its mean score times the square
    root of the area of its bounding box [px]; the sum of the scores in sequences without pixels."""
    if not sequence.persons:
        return np.zeros(0, np.float32)
    seen = ~np.isnan(sequence.xy).all(axis=(2, 3))  # (M, T)
    if not seen.any():
        return np.asarray(sequence.score.mean(axis=2).sum(axis=1), np.float32)
    low = np.where(np.isnan(sequence.xy), np.inf, sequence.xy).min(axis=2)
    high = np.where(np.isnan(sequence.xy), -np.inf, sequence.xy).max(axis=2)
    extent = np.where(seen[..., None], high - low, 0).clip(1, None)
    weights = seen * np.sqrt(extent.prod(axis=-1)) * sequence.score.mean(axis=2)
    return np.asarray(weights.sum(axis=1), np.float32)


def choose_persons(sequence: PoseSequence, persons: int | None) -> PoseSequence:
    """The `persons` most prominent persons (None: all), most prominent first."""
    return take_persons(sequence, rank_persons(sequence)[:persons])


def rank_persons(sequence: PoseSequence) -> list[int]:
    """All rows of the sequence, most prominent person first."""
    return [int(i) for i in np.argsort(-prominence(sequence), kind="stable")]


def take_persons(sequence: PoseSequence, rows: list[int]) -> PoseSequence:
    """The persons in these rows, in this order."""
    ids = tuple(sequence.ids[i] for i in rows)
    return sequence.with_points(lambda points: points[rows], score=sequence.score[rows], ids=ids)


def drop_low_scores(sequence: PoseSequence, min_score: float) -> PoseSequence:
    """Joints with a score below `min_score` become missing: NaN, score 0."""
    if min_score <= 0:
        return sequence
    low = sequence.score < min_score
    return sequence.with_points(
        lambda points: np.where(low[..., None], np.float32(np.nan), points),
        score=np.where(low, np.float32(0), sequence.score),
    )


def between_detections(sequence: PoseSequence) -> npt.NDArray[np.bool_]:
    """(M, T, V) whether a joint is detected in this or an earlier frame, and in this or a later
    one: the only places where `fill_gaps` may fill it."""
    known = sequence.known
    since = np.logical_or.accumulate(known, axis=1)
    until = np.logical_or.accumulate(known[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(since & until)


def fill_gaps(sequence: PoseSequence, max_gap_s: float) -> PoseSequence:
    """Fill gaps of at most `max_gap_s` seconds between two detections of a joint by linear
    interpolation. Longer gaps stay missing, and so do frames before the first and after the last
    detection."""
    longest = int(max_gap_s * sequence.fps + 1e-6)
    missing = ~sequence.known
    if longest < 1 or not missing.any():
        return sequence
    xy, score = sequence.xy.copy(), sequence.score.copy()
    xyz = None if sequence.xyz is None else sequence.xyz.copy()
    channels = [xy, score[..., None]] + ([xyz] if xyz is not None else [])
    for m, v in zip(*np.nonzero(missing.any(axis=1) & ~missing.all(axis=1)), strict=True):
        known = np.flatnonzero(~missing[m, :, v])
        for before, after in pairwise(known):
            gap = after - before - 1
            if 0 < gap <= longest:
                weight = (np.arange(1, gap + 1, dtype=np.float32) / (gap + 1))[:, None]
                for values in channels:
                    values[m, before + 1 : after, v] = (
                        values[m, before, v] * (1 - weight) + values[m, after, v] * weight
                    )
    return replace(sequence, xy=xy, score=score, xyz=xyz)
