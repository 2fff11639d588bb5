"""Tables of numbers in text: one line per frame or per joint, separated by white space, commas or
semicolons, as MSR-Action3D, UTKinect and Florence 3D have them. The columns are declared under
[table] in skeletons.toml; without it, all columns are coordinates, or the first counts frames."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
from msgspec import structs

from skelact import limits
from skelact.readers.arrays import split_columns
from skelact.readers.base import RawSequence, SkeletonReader, first_lines
from skelact.readers.description import Description
from skelact.types import Floats

_SEPARATORS = re.compile(r"[\s,;]+")
_LARGEST_GAP = 100_000  # frames; a larger step in the frame numbers is a damaged file
_LARGEST_JOINTS = 133
Numbers = npt.NDArray[np.float64]


def accepts(path: Path) -> bool:
    """Whether one of the first lines has at least two numbers and nothing else."""
    return any(numbers_of(line) is not None for line in first_lines(path, 6))


def numbers_of(line: str) -> list[float] | None:
    """The numbers of a line; None if it holds anything else or fewer than two."""
    words = [w for w in _SEPARATORS.split(line.strip()) if w]
    try:
        return [float(w) for w in words] if len(words) > 1 else None
    except ValueError:
        return None


def read(
    files: tuple[Path, ...], description: Description, joints: int | None
) -> list[RawSequence]:
    """The sequences of a file: several if a column tells them apart."""
    (path,) = files
    lines = limits.read_text(path).splitlines()[description.table.header_lines :]
    rows, texts = [], []
    names = description.table.columns
    at = names.index("joints") if names else 0
    after = len(names) - at - 1 if names else 0
    for number, line in enumerate(lines, description.table.header_lines + 1):
        words = [w for w in _SEPARATORS.split(line.strip()) if w]
        if not words:
            continue
        texts.append((words[:at], words[len(words) - after :] if after else []))
        try:
            rows.append([float(w) for w in words[at : len(words) - after]])
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error
    if not rows:
        return []
    widths = {len(r) for r in rows}
    if len(widths) > 1 or 0 in widths:
        first = next(n for n, r in enumerate(rows) if len(r) != len(rows[0]))
        raise ValueError(
            f"its lines have {len(rows[0])} and {len(rows[first])} columns, "
            f"from line {first + 1} of the numbers on"
        )
    numbers = np.array(rows)
    columns = {
        name: [(left + right)[n] for left, right in texts]
        for n, name in enumerate(name for name in names if name != "joints")
    }
    if not names and description.table.rows != "joint" and counts_frames(numbers, description):
        columns = {"frame": [str(v) for v in numbers[:, 0]]}
        numbers = numbers[:, 1:]
    is_joints = description.table.rows == "joint" or (
        description.table.rows is None and not columns and numbers.shape[1] <= 4
    )
    if is_joints:
        points, columns = _join_lines(numbers, columns, joints)
    else:
        described = _with_dims(description, numbers, joints)
        points = split_columns(numbers.astype(np.float32), described)
    return sequences(points, columns, description)


def _with_dims(description: Description, numbers: Numbers, joints: int | None) -> Description:
    """The description, with `dims` from the number of joints if it does not state it."""
    if description.dims is not None or joints is None or numbers.shape[1] % joints:
        return description
    channels = numbers.shape[1] // joints
    if channels not in (2, 3, 4):
        return description
    return structs.replace(description, dims=min(channels, 3), score=channels == 4)


def counts_frames(numbers: Numbers, description: Description) -> bool:
    """Whether the first column is the number of the frame: whole numbers that never decrease, and
    the others divide into joints while all of them do not."""
    first, width = numbers[:, 0], numbers.shape[1]
    increases = bool((np.diff(first) >= 0).all()) and first[-1] > first[0]
    channels = (description.dims or 3) + bool(description.score)
    return bool(
        width > 4 and increases and (first == np.round(first)).all() and width % channels == 1
    )


def _join_lines(
    numbers: Numbers, columns: dict[str, list[str]], joints: int | None
) -> tuple[Floats, dict[str, list[str]]]:
    """Lines of one joint each -> frames (T, V, C). Raises ValueError if the lines are not a
    multiple of the joints."""
    count = joints or period(numbers)
    if len(numbers) % count:
        raise ValueError(f"{len(numbers)} lines are not a multiple of {count} joints")
    points = numbers.reshape(len(numbers) // count, count, -1).astype(np.float32)
    return points, {name: values[::count] for name, values in columns.items()}


def period(numbers: Numbers) -> int:
    """The number of joints in a table with one line per joint: the distance at which lines are most
    similar, because joints move little from frame to frame. Raises ValueError if none divides the
    number of lines."""
    points = numbers[:, : min(3, numbers.shape[1])]
    found = [n for n in range(5, _LARGEST_JOINTS + 1) if len(points) % n == 0 and len(points) > n]
    if not found:
        raise ValueError(f"{len(points)} lines of {numbers.shape[1]} numbers: how many joints?")
    steps = {n: float(np.median(np.abs(points[n:] - points[:-n]).sum(axis=1))) for n in found}
    best = min(steps.values())
    return min(n for n, step in steps.items() if step <= 1.5 * best)


def sequences(
    points: Floats, columns: dict[str, list[str]], description: Description
) -> list[RawSequence]:
    """Frames (T, V, C) with further columns as sequences: split by `sequence`, with persons by
    `person`, and at their place in time by `frame` or `time`."""
    keys = columns.get("sequence")
    if keys is None:
        return [_sequence(points, columns, description)]
    out = []
    names = np.array(keys)
    for key in dict.fromkeys(keys):
        rows = np.flatnonzero(names == key)
        part = {name: [values[r] for r in rows] for name, values in columns.items()}
        out.append(_sequence(points[rows], part, description, key))
    return out


def _sequence(
    points: Floats, columns: dict[str, list[str]], description: Description, key: str = ""
) -> RawSequence:
    frames, fps = _frame_numbers(points, columns, description)
    persons = columns.get("person") or ["0"] * len(points)
    ids = {name: n for n, name in enumerate(dict.fromkeys(persons))}
    length = int(frames.max()) + 1
    if length > len(points) + _LARGEST_GAP:
        raise ValueError(f"the numbers of {len(points)} frames go up to {length}")
    shape = (len(ids), length, *points.shape[1:])
    limits.check_array(shape)
    values = np.full(shape, np.nan, np.float32)
    values[[ids[p] for p in persons], frames] = points
    labels = ("label", "subject", "camera", "take")
    groups = {name: columns[name][0] for name in labels if name in columns}
    return RawSequence(values=values, key=key, groups=groups, fps=fps)


def _frame_numbers(
    points: Floats, columns: dict[str, list[str]], description: Description
) -> tuple[npt.NDArray[np.int64], float | None]:
    """The frame of every line, from 0 on, and the frame rate if the table states times."""
    fps = None
    if "frame" in columns:
        numbers = np.array([float(v) for v in columns["frame"]])
    elif "time" in columns:
        times = np.array([float(v) for v in columns["time"]])
        steps = np.diff(np.unique(times))
        if not len(steps):
            return np.zeros(len(points), np.int64), None
        fps = description.fps or round(1 / float(np.median(steps)), 3)
        numbers = times * fps
    elif "person" in columns:
        raise ValueError("a column of persons needs one of frames or times")
    else:
        return np.arange(len(points)), None
    if not np.isfinite(numbers).all():
        raise ValueError("a frame number or time is missing")
    numbers = np.round(numbers - numbers.min())
    limits.check_frames(float(numbers.max()))
    return numbers.astype(np.int64), fps


READERS = (
    SkeletonReader(
        name="text",
        title="a table of numbers",
        suffixes=(".txt", ".dat", ".tsv"),
        read=read,
        accepts=accepts,
        certain=False,
    ),
)
