"""Output formats of predictions. A format is one module of this package that declares it in
`WRITERS`, a tuple of Writer; the command line offers it as an option of `skelact predict`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from skelact import files
from skelact.discovery import declared
from skelact.errors import InputError
from skelact.report.writers.base import Result, Writer

__all__ = ["Result", "Writer", "load_writers", "write"]


def load_writers() -> dict[str, Writer]:
    """All output formats by name."""
    return declared(__name__, __path__, "WRITERS")


def write(
    writer: Writer, results: Sequence[Result], names: Mapping[Path, Path], target: Path
) -> list[Path]:
    """Write results in one format and return the files.

    A format with one file for all results, or a single result with a target that has the suffix of
    the format, is written to `target`. Otherwise each result is written to
    <target>/<name>.<suffix>, where `names` maps its video to its name without suffix. Each file is
    replaced atomically.

    Raises InputError if a file cannot be written or is an input video, or if `target` is a file and
    there are several results."""
    is_file = writer.single_file or target.suffix.lower() == f".{writer.suffix}"
    if is_file and not writer.single_file and len(results) > 1:
        raise InputError(
            f"{target} is one file, but there are {len(results)} videos", "Give a folder instead."
        )
    if writer.single_file:
        jobs = [(results, target)]
    else:
        jobs = [
            ([r], target if is_file else target / f"{names[r.path]}.{writer.suffix}")
            for r in results
        ]
    inputs = {result.path for result in results}
    for part, path in jobs:
        if files.is_input(path, inputs):
            raise InputError(f"{path} is an input file and is not overwritten")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with files.replacing(path) as temporary:
                writer.write(part, temporary)
        except OSError as error:
            raise InputError(f"Cannot write {path}: {error.strerror or error}") from error
    return [path for _, path in jobs]
