"""Segments as CSV."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from skelact.errors import escaped
from skelact.report.writers.base import Result, Writer

COLUMNS = ("path", "person_id", "start_s", "end_s", "label", "probability")


def write(results: Sequence[Result], path: Path) -> None:
    """One row per segment."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for result in results:
            for p in result.predictions:
                who = (escaped(p.path), p.person_id)
                for s in p.segments:
                    times = (f"{s.start_s:.3f}", f"{s.end_s:.3f}")
                    writer.writerow((*who, *times, s.label, f"{s.probability:.4f}"))


WRITERS = (
    Writer(
        name="csv",
        suffix="csv",
        help="Write the segments of all videos to a CSV file.",
        write=write,
        single_file=True,
    ),
)
