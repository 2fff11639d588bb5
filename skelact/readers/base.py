"""The interface of readers of skeleton files, and their discovery.

Every module of this package that reads a format declares it in `READERS`, a tuple of
SkeletonReader.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

import skelact.readers
from skelact import limits
from skelact.discovery import declared
from skelact.errors import InputError, reading
from skelact.readers.description import Description
from skelact.skeletons import Skeleton
from skelact.types import Floats


@dataclass(frozen=True, kw_only=True)
class RawSequence:
    """One sequence as its file states it. `values` (M, T, V, C) float32 are the coordinates in the
    unit and axes of the file, followed by a score if C is one more than the dimensions; NaN where
    the file has no value. The other fields are None or empty where the file does not state them:
    `joints` are the names of the V joints, `skeleton` is their layout, `has_score` says whether the
    last channel is a score, `pixels` (M, T, V, 2) are coordinates in an image of `size` (width,
    height) beside 3-D ones. `key` and `groups` (label, subject ...) belong to one of several
    sequences in a file."""

    values: Floats
    joints: tuple[str, ...] = ()
    skeleton: Skeleton | None = None
    fps: float | None = None
    unit: str | None = None
    has_score: bool | None = None
    size: tuple[int, int] | None = None
    pixels: Floats | None = None
    key: str = ""
    groups: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SequenceFile:
    """A file with one or more sequences, or the JSON files of the frames of one sequence. `path`
    names it: the file, or the folder of the frames."""

    path: Path
    reader: SkeletonReader
    files: tuple[Path, ...]

    def read(self, description: Description, joints: int | None = None) -> list[RawSequence]:
        """The sequences; `joints` is the number of joints of the layout if it is known. Raises
        InputError if the file is damaged or has another structure."""
        # numbers that are too large for their type become infinite, which is missing
        with np.errstate(all="ignore"), reading(f"{self.path} ({self.reader.title})", InputError):
            sequences = self.reader.read(self.files, description, joints)
        if not sequences or any(not s.values.size for s in sequences):
            raise InputError(f"{self.path} holds no frames")
        for sequence in sequences:
            _check(sequence, self.path)
        return sequences


def _check(sequence: RawSequence, path: Path) -> None:
    """Raise InputError for numbers that no sequence has: they would overflow in computations, or
    fill the memory."""
    frames, joints = sequence.values.shape[1:3]
    if joints > limits.JOINTS:
        raise InputError(f"{path} has {joints} joints, the limit is {limits.JOINTS}")
    if frames > limits.FRAMES:
        raise InputError(f"{path} has {frames:,} frames, the limit is {limits.FRAMES:,}")
    fps = sequence.fps
    if fps is not None and not 0 < fps <= limits.FPS:
        raise InputError(f"{path} states {fps:g} frames per second")
    for values in (sequence.values, sequence.pixels):
        if values is None:
            continue
        largest = float(np.abs(values, where=np.isfinite(values), out=np.zeros_like(values)).max())
        if largest > limits.COORDINATE:
            raise InputError(f"{path} holds the coordinate {largest:g}, which is damaged")


@dataclass(frozen=True, kw_only=True)
class SkeletonReader:
    """A file format. `suffixes` are in lower case; `accepts` tells by the content whether a file
    with such a suffix has this format. `read` gets the files of a sequence (one, or one per frame
    if `per_frame`), and raises InputError, or ValueError and its like, for a damaged file. A reader
    is `certain` if no other kind of file has its suffixes."""

    name: str
    title: str
    suffixes: tuple[str, ...]
    read: Callable[[tuple[Path, ...], Description, int | None], list[RawSequence]]
    accepts: Callable[[Path], bool] = lambda path: True
    certain: bool = True
    per_frame: bool = False


@cache
def readers() -> dict[str, SkeletonReader]:
    """All readers by name."""
    return declared(skelact.readers.__name__, skelact.readers.__path__, "READERS")


def suffixes(*, certain: bool = False) -> frozenset[str]:
    """The suffixes of all skeleton files, or only those that no other kind of file has."""
    return frozenset(s for r in readers().values() if r.certain or not certain for s in r.suffixes)


def first_lines(path: Path, count: int = 8) -> list[str]:
    """The first lines of a text file, or none if it is not text."""
    text = limits.head(path)
    return [line.rstrip("\r") for line in text.split("\n")[:count]] if text else []


def unreadable(path: Path) -> SequenceFile:
    """A stand-in for a file that is missing or of no known format: reading it raises InputError
    with the reason."""

    def read(
        files: tuple[Path, ...], description: Description, joints: int | None
    ) -> list[RawSequence]:
        if not path.exists():
            raise InputError(f"{path}: no such file")
        raise InputError(
            f"{path} is not a skeleton file of a known format",
            f"Known are {', '.join(sorted(suffixes()))}.",
        )

    reader = SkeletonReader(name="unreadable", title="a skeleton file", suffixes=(), read=read)
    return SequenceFile(path=path, reader=reader, files=(path,))
