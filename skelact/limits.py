"""Limits for everything that is read from files, in one place, and reading within them.

A file is opened only if it is a regular file: a pipe, a device or a socket could block for ever or
never end. Its size is checked before it is read, and that of what it unpacks to before the memory
is taken. What exceeds a limit raises OSError or ValueError with the limit in the message; the
readers turn these into errors of skelact that name the file.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import glob
import math
import os
import re
import stat
import tomllib
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

MB, GB = 1 << 20, 1 << 30
TEXT_BYTES = 512 * MB  # of a text file: JSON, CSV, BVH, .skeleton, numbers
SETTINGS_BYTES = 4 * MB  # of a TOML file or a list of names
TABLE_BYTES = 64 * MB  # of labels.csv or a split file
HEAD_BYTES = MB  # of a file, to tell its format
ARRAY_BYTES = 2 * GB  # of the coordinates of one sequence, and of all arrays of one file
PICKLE_BYTES = 32 * GB  # of an annotation pickle; its arrays are stored as they are in memory
FRAMES = 5_000_000  # of one sequence: 46 hours at 30 frames per second
JOINTS = 1000  # of one person
COORDINATE = 1e9  # in any unit; larger numbers are damage
FPS = 100_000.0
BATCH_FRAMES = 20_000_000  # frames of persons in a batch: clips x draws x persons x frames
KEY_PARTS = 100  # of a key in TOML: a.b.c
MODEL_NUMBER = 100_000  # in an argument of a network
MODEL_VALUES = 1000  # in a list that is an argument of a network
UNPACKED_RATIO = 1100  # deflate reaches 1032; a larger ratio is a false statement of the size

_LONG_KEY = re.compile(
    r"""(?<![\w-])(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){""" + f"{KEY_PARTS}}}"
)
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


@contextlib.contextmanager
def memory(more: int) -> Iterator[None]:
    """Raise ValueError where this process would take more than so many bytes in addition to what it
    has; for parsers that take memory before they look at the content. Has no effect where the
    system cannot limit the memory of a process (outside Linux)."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    allowed = int(statm.read_text().split()[0]) * resource.getpagesize() + more
    bounds = [b for b in (soft, hard, allowed) if b != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min(bounds), hard))
    try:
        yield
    except MemoryError as error:
        raise ValueError(f"it takes more than {size_text(more)} of memory") from error
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def size_text(size: float) -> str:
    """A number of bytes in words."""
    return f"{size / GB:,.1f} GB" if size >= GB else f"{size / MB:,.1f} MB"


def open_file(path: Path, limit: int | None = None) -> BinaryIO:
    """Open a regular file of at most `limit` bytes for reading. Never waits: a pipe without a
    writer does not block. Raises OSError."""
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0)
    flags |= getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
    number = os.open(path, flags)
    try:
        found = os.fstat(number)
        if not stat.S_ISREG(found.st_mode):
            kind = next((name for test, name in _KINDS if test(found.st_mode)), "something else")
            raise OSError(errno.EINVAL, f"it is {kind}, not a regular file", str(path))
        if limit is not None and found.st_size > limit:
            text = f"it has {size_text(found.st_size)}, the limit is {size_text(limit)}"
            raise OSError(errno.EFBIG, text, str(path))
        return os.fdopen(number, "rb")
    except BaseException:
        os.close(number)
        raise


def read_bytes(path: Path, limit: int = TEXT_BYTES) -> bytes:
    """The content of a regular file of at most `limit` bytes. Raises OSError."""
    with open_file(path, limit) as file:
        content = file.read(os.fstat(file.fileno()).st_size + 1)
        while more := file.read(MB):  # it grew, or states no size, as files of /proc
            content += more
            if len(content) > limit:
                raise OSError(errno.EFBIG, f"it has more than {size_text(limit)}", str(path))
    return content


def read_text(
    path: Path, limit: int = TEXT_BYTES, encoding: str = "utf-8-sig", errors: str = "strict"
) -> str:
    """The text of a regular file, with line breaks as '\\n'. Raises OSError and
    UnicodeDecodeError."""
    text = read_bytes(path, limit).decode(encoding, errors)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_toml(path: Path, limit: int = SETTINGS_BYTES) -> dict[str, Any]:
    """The content of a TOML file. Raises OSError, ValueError, RecursionError."""
    return parse_toml(read_text(path, limit))


def parse_toml(text: str) -> dict[str, Any]:
    """The content of TOML text. Raises ValueError and RecursionError. A key of very many parts is
    refused first: the time for it grows with the square of their number."""
    if _LONG_KEY.search(text):
        raise ValueError(f"it has a key of more than {KEY_PARTS} parts")
    return tomllib.loads(text)


def head(path: Path, size: int = HEAD_BYTES) -> str:
    """The first `size` bytes of a text file; empty if it cannot be read or is not UTF-8."""
    try:
        with open_file(path) as file:
            content = file.read(size)
        return codecs.getincrementaldecoder("utf-8-sig")().decode(content, final=False)
    except (OSError, UnicodeDecodeError):
        return ""


def expand(pattern: str) -> list[Path]:
    """The paths that a glob pattern matches, in order, without hidden ones unless the pattern names
    them. `**` does not follow links to folders: two that lead upwards would have no end."""
    parts = Path(pattern).parts
    first = next((n for n, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    base, rest = Path(*parts[:first]), parts[first:]
    if not rest:
        return [base] if base.exists() else []
    try:
        found = sorted(base.glob(str(Path(*rest))))
    except (ValueError, OSError):  # not a pattern of pathlib, such as "**a"
        return []
    names_hidden = any(part.startswith(".") for part in rest)
    return [
        path
        for path in found
        if names_hidden or not any(p.startswith(".") for p in path.relative_to(base).parts)
    ]


def check_array(shape: Sequence[int], item_bytes: int = 4) -> None:
    """Raise ValueError if an array would be larger than ARRAY_BYTES."""
    size = math.prod(map(int, shape)) * item_bytes
    if size > ARRAY_BYTES:
        raise ValueError(
            f"an array of shape {tuple(shape)} needs {size_text(size)}, the limit is "
            f"{size_text(ARRAY_BYTES)}"
        )


def check_frames(count: float) -> None:
    """Raise ValueError if a sequence would have more than FRAMES frames."""
    if count > FRAMES:
        raise ValueError(f"it spans more than {FRAMES:,} frames, which is the limit")


def check_joints(count: int) -> None:
    """Raise ValueError if a person would have more than JOINTS joints."""
    if count > JOINTS:
        raise ValueError(f"it has {count:,} joints, the limit is {JOINTS:,}")


def check_archive(archive: zipfile.ZipFile, limit: int) -> None:
    """Raise ValueError if the members of a ZIP archive state that they unpack to more than `limit`
    bytes in total, or to more than their packed size allows."""
    members = archive.infolist()
    total = sum(member.file_size for member in members)
    if total > limit:
        raise ValueError(f"it unpacks to {size_text(total)}, the limit is {size_text(limit)}")
    for member in members:
        if member.file_size > UNPACKED_RATIO * member.compress_size + 1024:
            raise ValueError(f"its member {member.filename!r} states a false size")
