"""Predictions as CSV and subtitles."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from skelact.errors import InputError
from skelact.types import Prediction


class Result(Protocol):
    """A video with its predictions."""

    path: Path
    predictions: list[Prediction]


R = TypeVar("R", bound=Result)


def targets(
    results: Sequence[R], names: Mapping[Path, Path], target: Path, suffix: str
) -> list[tuple[R, Path]]:
    """Where each result goes: `target` itself if it names a file and there is one result, else
    <target>/<video>.<suffix>.

    InputError if `target` names a file but there are several results."""
    is_file = target.suffix.lower() == f".{suffix}"
    if is_file and len(results) > 1:
        raise InputError(
            f"{len(results)} videos do not fit into the one file {target}", "name a folder instead"
        )
    out = []
    for result in results:
        path = target if is_file else target / f"{names[result.path]}.{suffix}"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot make the folder {path.parent}: {error.strerror}") from error
        out.append((result, path))
    return out


def write_csv(results: Sequence[Result], path: Path) -> None:
    """One row a segment."""
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("path", "person_id", "start_s", "end_s", "label", "probability"))
            for result in results:
                for p in result.predictions:
                    for s in p.segments:
                        writer.writerow(
                            (
                                p.path,
                                p.person_id,
                                f"{s.start_s:.3f}",
                                f"{s.end_s:.3f}",
                                s.label,
                                f"{s.probability:.4f}",
                            )
                        )
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error


def write_srt(result: Result, path: Path) -> None:
    """Subtitles; with several people each line says who."""
    several = len(result.predictions) > 1
    cues = sorted(
        (s.start_s, s.end_s, f"#{p.person_id} {s.label}" if several else s.label)
        for p in result.predictions
        for s in p.segments
    )
    text = "".join(
        f"{n}\n{_time(a)} --> {_time(b)}\n{line}\n\n" for n, (a, b, line) in enumerate(cues, 1)
    )
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error


def _time(seconds: float) -> str:
    ms = round(seconds * 1000)
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d},{ms % 1000:03d}"
