"""Where results of a command may be written. Every command uses these rules: an output is never an
input, has the suffix of its format, and replaces something only if the user says so."""

from __future__ import annotations

import contextlib
import filecmp
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from skelact import temporary
from skelact.errors import OutputError

OVERWRITE = "Add --overwrite to replace it."


def check(
    *paths: Path,
    inputs: Iterable[Path] = (),
    overwrite: bool = False,
    suffixes: Sequence[str] = (),
) -> None:
    """Check that files may be written. `suffixes` are those of their format (".csv"), `inputs` the
    files that the result is made from; of a path inside a file, such as a sequence of a table, the
    file counts. Without `overwrite`, nothing that exists is replaced.

    Raises OutputError with the reason."""
    existing = [path for path in paths if os.path.lexists(path)]  # also a link without a target
    known = {_identity(path) for path in inputs} if existing else set()
    for path in paths:
        if suffixes and path.suffix.lower() not in suffixes:
            raise OutputError(
                f"The name of {path} must end in {' or '.join(suffixes)}",
                f"Write to {path.stem or 'result'}{suffixes[0]}, for example.",
            )
    for path in existing:
        if path.is_dir():
            raise OutputError(f"{path} is a folder", "Name a file.")
        if path.exists() and not path.is_file():
            raise OutputError(f"{path} is a pipe or a device", "Name a file.")
        if _identity(path) in known - {None}:
            raise OutputError(f"{path} is an input and is never replaced", "Choose another name.")
        if not overwrite:
            raise OutputError(f"{path} exists", OVERWRITE)


def check_folder(path: Path) -> None:
    """Check that `path` is a folder or can become one. Raises OutputError."""
    place = next(p for p in (path, *path.parents) if p.exists() or p == p.parent)
    if not place.is_dir():
        raise OutputError(f"{place} is not a folder", "Choose another folder.")


def check_apart(out: Path, source: Path) -> None:
    """Check that the folder `out` is not, and is not inside, a folder that is read. Raises
    OutputError."""
    if out.resolve().is_relative_to(source.resolve()):
        raise OutputError(f"{out} is a part of the input {source}", "Choose another folder.")


def _identity(path: Path) -> tuple[int, int] | None:
    """What a file has in common with all links to it, None if there is no file. Of a path inside a
    file, that of the file."""
    for place in (path, *path.parents):
        with contextlib.suppress(OSError, ValueError):
            found = place.stat()
            return (found.st_dev, found.st_ino) if place.is_file() else None
    return None


@contextlib.contextmanager
def replacing_folder(
    path: Path, is_own: Callable[[Path], bool], *, overwrite: bool = False
) -> Iterator[Path]:
    """A new folder beside `path` to write files to. Leaving the block puts it in the place of
    `path` as a whole, an exception removes it.

    A folder with equal files stays as it is. A folder with others is replaced with `overwrite`, and
    only if `is_own` recognises its content as that of an earlier result. Raises OutputError if it
    is not replaced, OSError if it cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary.sweep(path.parent)
    new = path.with_name(temporary.new_name())
    try:
        new.mkdir()
        yield new
        if not os.path.lexists(path):
            new.rename(path)
            return
        if _are_equal(path, new):
            return
        check_replaceable(path, is_own, overwrite=overwrite)
        old = path.with_name(temporary.new_name())
        path.rename(old)
        try:
            new.rename(path)
        except OSError:
            old.rename(path)
            raise
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def check_replaceable(path: Path, is_own: Callable[[Path], bool], *, overwrite: bool) -> None:
    """Check that `replacing_folder` may write `path` where its content changes. Raises
    OutputError."""
    check_folder(path)
    if path.is_symlink():
        raise OutputError(f"{path} is not a folder", "Choose another folder.")
    if not path.is_dir() or not any(path.iterdir()):
        return
    if not is_own(path):
        raise OutputError(
            f"{path} holds files that skelact did not write, so it is not replaced",
            "Choose another folder, or move it away.",
        )
    if not overwrite:
        raise OutputError(f"{path} holds another result", OVERWRITE)


def _are_equal(path: Path, new: Path) -> bool:
    """Whether two folders have the same files, without subfolders."""
    if path.is_symlink() or not path.is_dir():
        return False
    names = sorted(p.name for p in path.iterdir())
    if names != sorted(p.name for p in new.iterdir()):
        return False
    _, different, unreadable = filecmp.cmpfiles(path, new, names, shallow=False)
    return not different and not unreadable
