"""Output formats of predictions. A format is one module of this package that declares it in
`WRITERS`, a tuple of Writer; the command line offers it as an option of `skelact predict`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from skelact import outputs
from skelact.discovery import declared
from skelact.errors import InputError, OutputError
from skelact.files import replacing
from skelact.report.writers.base import Result, Writer

__all__ = ["Result", "Writer", "load_writers", "plan", "write"]


def load_writers() -> dict[str, Writer]:
    """All output formats by name."""
    return declared(__name__, __path__, "WRITERS")


def plan(
    writer: Writer,
    videos: Sequence[Path],
    names: Mapping[Path, Path],
    target: Path,
    *,
    inputs: Sequence[Path] = (),
    overwrite: bool = False,
) -> dict[Path, Path]:
    """The file that the result of each video is written to.

    It is `target` for a format with one file for all results, and for a single video if `target`
    has the suffix of the format. Otherwise it is <target>/<name>.<suffix>, where `names` maps the
    video to its name without suffix.

    Raises OutputError if a file may not be written (see `outputs.check`; the videos and the files
    `inputs` are not replaced), or if `target` is one file and there are several videos."""
    suffix = f".{writer.suffix}"
    is_file = writer.single_file or (target.suffix.lower() == suffix and not target.is_dir())
    if is_file and not writer.single_file and len(videos) > 1:
        raise OutputError(
            f"{target} is one file, but there are {len(videos)} videos", "Give a folder instead."
        )
    if not is_file and not target.is_dir() and any(map(str.isalpha, target.suffix)):
        raise OutputError(
            f"{target} is neither a folder nor a {suffix} file",
            f"Name a file that ends in {suffix}, or create the folder {target} first.",
        )
    if not is_file:
        outputs.check_folder(target)
    files = {v: target if is_file else target / f"{names[v]}{suffix}" for v in videos}
    outputs.check(
        *(dict.fromkeys(files.values()) or [target] * is_file),
        inputs=[*videos, *inputs],
        overwrite=overwrite,
        suffixes=(suffix,),
    )
    return files


def write(
    writer: Writer,
    results: Sequence[Result],
    names: Mapping[Path, Path],
    target: Path,
    *,
    inputs: Sequence[Path] = (),
    overwrite: bool = False,
    options: Any = None,
) -> list[Path]:
    """Write results in one format to the files that `plan` tells, and return these. Each file is
    written beside its place and renamed. `options` are those of a format that has some. Raises
    OutputError as `plan`, InputError if a file cannot be written."""
    videos = [r.path for r in results]
    files = plan(writer, videos, names, target, inputs=inputs, overwrite=overwrite)
    jobs = [(results, target)] if writer.single_file else [([r], files[r.path]) for r in results]
    extra = () if writer.options is None else (options or writer.options(),)
    for part, path in jobs:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary:
                writer.write(part, temporary, *extra)
        except OSError as error:
            raise InputError(f"Cannot write {path}: {error.strerror or error}") from error
    return [path for _, path in jobs]
