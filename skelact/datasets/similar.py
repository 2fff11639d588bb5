"""Items of nearly the same content: copies that were re-encoded, resized or trimmed, and clips that
were cut from one recording and overlap. They are found by their motion, not by their names.

Every item is a track (T, D) at 10 samples per second: joint coordinates, or small grey images. Two
tracks are similar if, at some offset, their deviations from the own mean agree over an overlap."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from skelact.datasets.base import Item
from skelact.types import Floats, VideoInfo
from skelact.video.decode import read_frames

RATE = 10.0  # samples per second
MAX_SAMPLES = 100  # of a track; the rest of a long item is not compared
MAX_COMPARED = 20_000  # tracks; the time grows with the square of their number
_MIN_OVERLAP = 8  # samples
_MIN_SHARE = 0.5  # overlap relative to the shorter track
_AGREEMENT = 0.985  # cosine of the motion of both tracks over the overlap
_TOLERANCE = 0.1  # mean squared distance of two tracks, relative to the energy of their motion
_MIN_MOTION = 1e-3
_GRID = 16  # pixels per side of the grey images


def pose_track(points: Floats, fps: float) -> Floats:
    """The track of one person: points (T, V, C) with NaN for missing joints -> (T', V * C),
    relative to the mean of the joints of each frame: all who cross a room move alike."""
    times = np.arange(0, len(points), max(1.0, fps / RATE))[:MAX_SAMPLES].astype(int)
    sampled = points[times]
    known = np.isfinite(sampled).all(axis=-1, keepdims=True)
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    centre = np.where(known, sampled, 0).sum(axis=1, keepdims=True) / count
    track: Floats = np.where(known, sampled - centre, 0).astype(np.float32)
    return track.reshape(len(times), -1)


def video_track(info: VideoInfo, span_s: tuple[float, float | None] | None) -> Floats:
    """The track of a video or a part of it: (T', 256) grey values 0 to 1. Raises InputError."""
    import cv2

    fps, (start, end) = info.fps, span_s or (0.0, None)
    rows, due = [], round(start * fps)
    step = max(1.0, fps / RATE)
    for number, frame in enumerate(read_frames(info)):
        if end is not None and number >= end * fps:
            break
        if number < due:
            continue
        grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        small = cv2.resize(grey, (_GRID, _GRID), interpolation=cv2.INTER_AREA)
        rows.append(small.reshape(-1).astype(np.float32) / 255)
        due = round(start * fps + len(rows) * step)
        if len(rows) == MAX_SAMPLES:
            break
    return np.stack(rows) if rows else np.zeros((0, _GRID * _GRID), np.float32)


def first_rows(items: Sequence[int], most: int = MAX_COMPARED) -> list[int]:
    """The rows to compare, in order: all, or the first ones of every item, `most` in total.
    `items` are the numbers of the items that the rows belong to."""
    seen: Counter[int] = Counter()
    ranks = []
    for row, item in enumerate(items):
        ranks.append((seen[item], row))
        seen[item] += 1
    return sorted(row for _, row in sorted(ranks)[:most])


def similar_pairs(tracks: Sequence[Floats]) -> list[tuple[int, int]]:
    """The positions of all similar pairs (a, b), a < b, of tracks (T, D)."""
    usable = [
        n for n, t in enumerate(tracks) if len(t) >= _MIN_OVERLAP and _motion(t) > _MIN_MOTION
    ]
    if len(usable) < 2:
        return []
    frames = np.concatenate([tracks[n] for n in usable])
    squares = (frames**2).sum(axis=1)
    starts = np.cumsum([0, *(len(tracks[n]) for n in usable[:-1])])
    energy = np.array([_energy(tracks[n]) for n in usable])
    out = set()
    for k, a in enumerate(usable):
        # an overlap of half of the shorter track contains its middle frame
        middle = tracks[a][len(tracks[a]) // 2]
        nearest = np.minimum.reduceat(squares - 2 * (frames @ middle), starts) + middle @ middle
        for j in np.flatnonzero(nearest < _TOLERANCE * np.maximum(energy, energy[k])):
            b = usable[int(j)]
            pair = (min(a, b), max(a, b))
            is_new = a != b and len(tracks[a]) <= len(tracks[b]) and pair not in out
            if is_new and _is_similar(tracks[a], tracks[b]):
                out.add(pair)
    return sorted(out)


def limit_notice(compared: int, count: int, unit: str) -> str:
    """That not all of `count` items were compared."""
    return (
        f"{compared:,} of the {count:,} {unit} were compared to find copies; a copy among the "
        "others may be in another subset. The column source of a labels.csv keeps clips together."
    )


def _motion(track: Floats) -> float:
    return float(track.std(axis=0).mean())


def _is_similar(a: Floats, b: Floats) -> bool:
    """Whether there is an offset with an overlap of similar motion."""
    least = max(_MIN_OVERLAP, round(_MIN_SHARE * min(len(a), len(b))))
    squares_a, squares_b = (a**2).sum(axis=1), (b**2).sum(axis=1)
    distances = squares_a[:, None] + squares_b[None] - 2 * (a @ b.T)
    limit = _TOLERANCE * max(_energy(a), _energy(b))
    for offset in range(least - len(a), len(b) - least + 1):
        diagonal = np.diagonal(distances, offset)
        if float(diagonal.mean()) < limit:
            first = a[max(0, -offset) :][: len(diagonal)]
            second = b[max(0, offset) :][: len(diagonal)]
            if _agreement(first, second) > _AGREEMENT:
                return True
    return False


def _energy(track: Floats) -> float:
    """The mean squared distance of the samples from their mean."""
    return float(track.var(axis=0).sum())


def _agreement(a: Floats, b: Floats) -> float:
    """The cosine of the deviations of two tracks (T, D) from their means."""
    first, second = a - a.mean(axis=0), b - b.mean(axis=0)
    norm = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float((first * second).sum()) / norm if norm > 0 else 0.0


def overlapping(items: Sequence[Item]) -> list[tuple[int, int]]:
    """Pairs of items that are parts of one file and overlap in time."""
    by_path: dict[Path, list[int]] = {}
    for n, item in enumerate(items):
        if not item.key:
            by_path.setdefault(item.path, []).append(n)
    out = []
    for rows in by_path.values():
        spans = [(items[n].span_s or (0.0, None), n) for n in rows]
        spans.sort(key=lambda pair: pair[0][0])
        for (first, a), (second, b) in pairwise(spans):
            if first[1] is None or second[0] < first[1]:
                out.append((a, b))
    return out
