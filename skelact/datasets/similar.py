"""Items of nearly the same content: copies that were re-encoded, resized or trimmed, and clips that
were cut from one recording and overlap. They are found by their motion, not by their names.

Every item is a track (T, D) at 10 samples per second: joint coordinates, or small grey images. Two
tracks are similar if, at some offset, their deviations from the own mean agree over an overlap."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from skelact import sandbox
from skelact.datasets.base import Item
from skelact.types import Floats
from skelact.video.decode import read_frames
from skelact.video.probe import probe

RATE = 10.0  # samples per second
MAX_SAMPLES = 100  # of a track; the rest of a long item is not compared
MAX_COMPARED = 20_000  # tracks; the time grows with the square of their number
_MIN_OVERLAP = 8  # samples
_MIN_SHARE = 0.5  # overlap relative to the shorter track
_AGREEMENT = 0.985  # cosine of the motion of both tracks over the overlap
_TOLERANCE = 0.1  # mean squared distance of two tracks, relative to the energy of their motion
_MIN_MOTION = 1e-3
_GRID = 16  # pixels per side of the grey images
_COMPARED = 1 << 24  # distances between frames that are computed at once
_MOST_COMPARED = 64  # tracks that one track is compared with at all offsets, the nearest ones


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


def video_track(path: Path, span_s: tuple[float, float | None] | None) -> Floats:
    """The track of a video or a part of it: (T', 256) grey values 0 to 1, read in a child process.
    Raises InputError."""
    start, end = span_s or (0.0, None)
    return np.asarray(sandbox.call(_video_track, path, start, end), np.float32)


def _video_track(path: Path, start: float, end: float | None) -> Floats:
    import cv2

    info = probe(path)
    fps = info.fps
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
    """Positions (a, b), a < b, of similar tracks (T, D): enough pairs to connect all tracks that
    are similar, directly or through others. Of n copies of one track there are n - 1 pairs."""
    usable = [
        n for n, t in enumerate(tracks) if len(t) >= _MIN_OVERLAP and _motion(t) > _MIN_MOTION
    ]
    if len(usable) < 2:
        return []
    stored = _Tracks([tracks[n] for n in usable])
    group = np.arange(len(usable))  # of tracks that are connected
    out = set()
    for first in range(0, len(usable), stored.block):
        for k, near in enumerate(stored.near(first), first):
            longer = stored.lengths[near] >= stored.lengths[k]
            apart = near[longer & (group[near] != group[k])]
            for j in stored.similar_to(k, apart[:_MOST_COMPARED]):
                if group[j] != group[k]:
                    group[group == group[j]] = group[k]
                    out.add((min(usable[k], usable[j]), max(usable[k], usable[j])))
    return sorted(out)


def limit_notice(compared: int, count: int, unit: str) -> str:
    """That not all of `count` items were compared."""
    return (
        f"{compared:,} of the {count:,} {unit} were compared to find copies; a copy among the "
        "others may be in another subset. The column source of a labels.csv keeps clips together."
    )


class _Tracks:
    """Tracks one after the other in one array, and what is compared first."""

    def __init__(self, tracks: list[Floats]) -> None:
        self.tracks = tracks
        self.lengths = np.array([len(t) for t in tracks])
        self.frames = np.concatenate(tracks)
        self.squares = (self.frames**2).sum(axis=1)
        self.starts = np.cumsum([0, *self.lengths[:-1]])
        self.energy = np.array([float(t.var(axis=0).sum()) for t in tracks], np.float32)
        self.block = max(1, _COMPARED // len(self.frames))  # tracks that `near` looks at together

    def near(self, first: int) -> Iterator[npt.NDArray[np.int64]]:
        """For each track of a block, the other tracks with a frame near its middle one, the nearest
        first: an overlap of half of the shorter track contains its middle frame."""
        block = range(first, min(first + self.block, len(self.tracks)))
        middles = np.stack([self.tracks[k][len(self.tracks[k]) // 2] for k in block])
        distances = self.squares - 2 * (middles @ self.frames.T)  # (block, frames)
        nearest = np.minimum.reduceat(distances, self.starts, axis=1)
        nearest += (middles**2).sum(axis=1)[:, None]
        for row, k in zip(nearest, block, strict=True):
            is_near = row < _TOLERANCE * np.maximum(self.energy, self.energy[k])
            is_near[k] = False
            found = np.flatnonzero(is_near)
            yield found[np.argsort(row[found], kind="stable")]

    def similar_to(self, k: int, others: npt.NDArray[np.int64]) -> list[int]:
        """Those of `others`, which are not shorter, that are similar to track k at some offset."""
        if not len(others):
            return []
        a, lengths = self.tracks[k], self.lengths[others]
        least = max(_MIN_OVERLAP, round(_MIN_SHARE * len(a)))
        steps = np.arange(lengths.max())
        at = self.starts[others, None] + np.minimum(steps, lengths[:, None] - 1)
        b, is_frame = self.frames[at], steps < lengths[:, None]  # (K, T, D), (K, T)
        distances = (
            (a**2).sum(axis=1)[:, None] + self.squares[at][:, None] - 2 * (a @ b.transpose(0, 2, 1))
        )
        distances *= is_frame[:, None]
        limit = _TOLERANCE * np.maximum(self.energy[others], self.energy[k])
        found = np.zeros(len(others), bool)
        for offset in range(least - len(a), len(steps) - least + 1):
            diagonals = np.diagonal(distances, offset, axis1=1, axis2=2)
            begin = max(0, offset)
            count = is_frame[:, begin : begin + diagonals.shape[1]].sum(axis=1)
            is_close = diagonals.sum(axis=1) < limit * count
            for n in np.flatnonzero(is_close & (count >= least) & ~found):
                first = a[max(0, -offset) :][: count[n]]
                found[n] = _agreement(first, b[n, begin : begin + count[n]]) > _AGREEMENT
        return [int(n) for n in others[found]]


def _motion(track: Floats) -> float:
    return float(track.std(axis=0).mean())


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
