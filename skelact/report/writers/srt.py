"""Segments as subtitles (SubRip)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from skelact.escaping import for_subtitle
from skelact.report.writers.base import Result, Writer


def write(results: Sequence[Result], path: Path) -> None:
    """One subtitle per segment, with the person's id if there are several persons."""
    (result,) = results
    several = len(result.predictions) > 1
    subtitles = sorted(
        (s.start_s, s.end_s, for_subtitle(f"#{p.person_id} {s.label}" if several else s.label))
        for p in result.predictions
        for s in p.segments
    )
    text = "".join(
        f"{number}\n{_time(start)} --> {_time(end)}\n{line}\n\n"
        for number, (start, end, line) in enumerate(subtitles, 1)
    )
    path.write_text(text, encoding="utf-8")


def _time(seconds: float) -> str:
    ms = round(seconds * 1000)
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d},{ms % 1000:03d}"


WRITERS = (
    Writer(
        name="srt",
        suffix="srt",
        help="Write subtitles: a file for one video, a folder for several.",
        write=write,
    ),
)
