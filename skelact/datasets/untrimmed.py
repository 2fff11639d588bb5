"""The true segments of untrimmed videos: a table of labels, or one CSV file beside each video."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from skelact.datasets.base import Item
from skelact.datasets.folder import labelled_row, labelled_rows
from skelact.errors import InputError, PathMissing
from skelact.video.probe import VIDEO_SUFFIXES

_COLUMNS = {"label", "start", "end"}
_NAMES = {"start_s": "start", "end_s": "end"}


@dataclass(frozen=True, kw_only=True)
class TrueSegment:
    """An action from `start_s` to `end_s` [s]; infinity is the end of the video."""

    label: str
    start_s: float
    end_s: float


def true_segments(source: Path) -> dict[Path, tuple[TrueSegment, ...]]:
    """The segments of each video, by their start: from a labels.csv (path, label, start, end), or
    from the CSV files (label, start, end) beside the videos of a folder. Time without a segment is
    background.

    Raises PathMissing if `source` does not exist, InputError for invalid rows, for segments of one
    video that overlap, and for a folder without such files."""
    if source.is_dir():
        videos = (p for p in sorted(source.rglob("*")) if p.suffix.lower() in VIDEO_SUFFIXES)
        items = [i for v in videos if v.with_suffix(".csv").is_file() for i in _beside(v)]
        if not items:
            raise InputError(
                f"{source} holds no video with a CSV file of the same name beside it",
                "The columns of the CSV file are label, start and end (in seconds).",
            )
    elif source.is_file():
        items = labelled_rows(source)
    else:
        raise PathMissing(f"{source}: no such file or folder")
    found: dict[Path, list[TrueSegment]] = {}
    for item in items:
        start, end = item.span_s or (0.0, None)
        end = math.inf if end is None else end
        found.setdefault(item.path, []).append(
            TrueSegment(label=item.label, start_s=start, end_s=end)
        )
    return {path: _in_order(path, segments) for path, segments in found.items()}


def _in_order(path: Path, segments: list[TrueSegment]) -> tuple[TrueSegment, ...]:
    ordered = sorted(segments, key=lambda s: s.start_s)
    for a, b in pairwise(ordered):
        if b.start_s < a.end_s:
            raise InputError(
                f"{path}: {a.label} ({a.start_s:g} to {a.end_s:g} s) and {b.label} "
                f"({b.start_s:g} to {b.end_s:g} s) overlap",
                "One action at a time can be evaluated: correct the times.",
            )
    return tuple(ordered)


def _beside(video: Path) -> list[Item]:
    """The rows of the CSV file beside a video."""
    file = video.with_suffix(".csv")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not encoded in UTF-8", "Save it as CSV UTF-8.") from error
    rows = csv.DictReader(io.StringIO(text))
    names = [_NAMES.get(n.strip(), n.strip()) for n in rows.fieldnames or ()]
    if not names or not set(names) >= _COLUMNS:
        raise InputError(
            f"{file} has the columns {', '.join(names) or '(none)'}",
            "It needs the columns label, start and end (in seconds).",
        )
    rows.fieldnames = names
    return [
        labelled_row(file, rows.line_num, {**{c: row[c] for c in _COLUMNS}, "path": video.name})
        for row in rows
    ]
