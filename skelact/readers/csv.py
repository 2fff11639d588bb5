"""CSV with named columns: one line per frame with joint_x, joint_y and optionally joint_z and
joint_score, and columns for frame, time, person and the like; and DeepLabCut's with three or four
header lines. CSV without names is read as a table of numbers."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np

from skelact import limits
from skelact.escaping import from_csv
from skelact.readers import tables
from skelact.readers.base import RawSequence, SkeletonReader, first_lines
from skelact.readers.description import COLUMNS, Description
from skelact.types import Floats

_COORDINATE = re.compile(
    r"(?P<joint>.+?)[ _.:/-]?(?P<axis>x|y|z|score|conf|confidence|likelihood|visibility|c|v)$",
    re.IGNORECASE,
)
_AXES = {"x": 0, "y": 1, "z": 2}
_OTHER_NAMES = {
    **{"frame_index": "frame", "frame_number": "frame", "frame_id": "frame", "frames": "frame"},
    **{"frame_idx": "frame", "track": "person"},
    **{"t": "time", "timestamp": "time", "time_s": "time", "seconds": "time"},
    **{"person_id": "person", "track_id": "person", "individual": "person", "id": "person"},
    **{"class": "label", "action": "label", "actor": "subject", "video": "sequence"},
}
_DEEPLABCUT = ("scorer", "individuals", "bodyparts", "coords")


def accepts(path: Path) -> bool:
    """Whether the first lines are those of DeepLabCut, or name coordinates, or are numbers."""
    lines = first_lines(path)
    if not lines:
        return False
    try:
        cells = _cells(lines[0])
    except csv.Error:
        return False
    if cells[0].strip().lower() == "scorer":
        return True
    return len(_joints(cells)) > 1 or tables.accepts(path)


def _cells(line: str) -> list[str]:
    return [c.strip() for c in next(csv.reader([line], delimiter=_delimiter(line)), [""])] or [""]


def _delimiter(line: str) -> str:
    return max(",;\t", key=line.count)


def _joints(names: list[str]) -> dict[str, dict[int, int]]:
    """Joint -> channel (x, y, z, and 3 for the score) -> column, for joints with x and y."""
    out: dict[str, dict[int, int]] = {}
    for column, name in enumerate(names):
        match = _COORDINATE.match(name)
        if match and match["joint"].lower() not in (*COLUMNS, *_OTHER_NAMES):
            out.setdefault(match["joint"], {})[_AXES.get(match["axis"].lower(), 3)] = column
    return {joint: found for joint, found in out.items() if {0, 1} <= found.keys()}


def read(
    files: tuple[Path, ...], description: Description, joints: int | None
) -> list[RawSequence]:
    """The sequences of a CSV file."""
    (path,) = files
    text = limits.read_text(path)
    first = text.split("\n", 1)[0].rstrip("\r")
    cells = _cells(first)
    if cells[0].lower() != "scorer" and not _joints(cells):
        return tables.read(files, description, joints)
    rows = list(csv.reader(io.StringIO(text), delimiter=_delimiter(first)))
    if cells[0].lower() == "scorer":
        return [_deeplabcut(rows)]
    return _wide([c.strip() for c in rows[0]], rows[1:], description)


def _wide(names: list[str], rows: list[list[str]], description: Description) -> list[RawSequence]:
    found = _joints(names)
    channels = sorted(set().union(*(c.keys() for c in found.values())))
    limits.check_joints(len(found))
    table = _floats(rows, len(names))
    points = np.full((len(rows), len(found), len(channels)), np.nan, np.float32)
    for v, column_of in enumerate(found.values()):
        for n, channel in enumerate(channels):
            if channel in column_of:
                points[:, v, n] = table[:, column_of[channel]]
    columns: dict[str, list[str]] = {}
    for n, name in enumerate(names):
        meaning = _OTHER_NAMES.get(name.lower(), name.lower())
        if meaning in COLUMNS and meaning != "-":
            columns[meaning] = [from_csv(row[n].strip()) for row in rows]
    return [
        RawSequence(
            values=s.values,
            joints=tuple(found),
            has_score=3 in channels,
            fps=s.fps,
            key=s.key,
            groups=s.groups,
        )
        for s in tables.sequences(points, columns, description)
    ]


def _deeplabcut(rows: list[list[str]]) -> RawSequence:
    """DeepLabCut's table: rows scorer, (individuals,) bodyparts and coords, then one per frame,
    whose first cell is its number."""
    heads: dict[str, list[str]] = {}
    for row in rows[: len(_DEEPLABCUT)]:
        if row and row[0].strip().lower() in _DEEPLABCUT:
            heads[row[0].strip().lower()] = [c.strip() for c in row[1:]]
    if not {"bodyparts", "coords"} <= heads.keys():
        raise ValueError("DeepLabCut's header lines bodyparts and coords are missing")
    people = heads.get("individuals", [""] * len(heads["bodyparts"]))
    body = [row for row in rows[len(heads) :] if row]
    table = _floats([row[1:] for row in body], len(heads["coords"]))
    joints = list(dict.fromkeys(heads["bodyparts"]))
    persons = {name: n for n, name in enumerate(dict.fromkeys(people))}
    kinds = [c for c in ("x", "y", "z", "likelihood") if c in heads["coords"]]
    shape = (len(persons), len(body), len(joints), len(kinds))
    limits.check_joints(len(joints))
    limits.check_array(shape)
    values = np.full(shape, np.nan, np.float32)
    columns = zip(people, heads["bodyparts"], heads["coords"], strict=True)
    for n, (person, joint, kind) in enumerate(columns):
        if kind not in kinds:
            raise ValueError(f"unknown coordinate {kind!r}")
        values[persons[person], :, joints.index(joint), kinds.index(kind)] = table[:, n]
    return RawSequence(values=values, joints=tuple(joints), has_score="likelihood" in kinds)


def _floats(rows: list[list[str]], width: int) -> Floats:
    """(rows, width) with NaN for empty cells and for cells that are not numbers."""
    out = np.full((len(rows), width), np.nan, np.float32)
    for n, row in enumerate(rows):
        if len(row) != width:
            raise ValueError(
                f"the {n + 1}th line below the header has {len(row)} cells, not {width}"
            )
        for k, cell in enumerate(row):
            try:
                out[n, k] = float(cell)
            except ValueError:
                continue
    return out


READERS = (
    SkeletonReader(
        name="csv",
        title="CSV with columns joint_x, joint_y",
        suffixes=(".csv",),
        read=read,
        accepts=accepts,
        certain=False,
    ),
)
