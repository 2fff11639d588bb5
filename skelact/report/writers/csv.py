"""Segments as CSV."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from skelact.errors import escaped
from skelact.escaping import for_csv
from skelact.report.writers.base import Result, Writer
from skelact.types import ROW_COLUMNS


def write(results: Sequence[Result], path: Path) -> None:
    """One row per segment. Paths and labels that a spreadsheet would take as formulas get an
    apostrophe in front."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(ROW_COLUMNS)
        for result in results:
            for p in result.predictions:
                who = (for_csv(escaped(p.path)), p.person_id)
                for s in p.segments:
                    times = (f"{s.start_s:.3f}", f"{s.end_s:.3f}")
                    values = (for_csv(s.label), f"{s.probability:.4f}", f"{s.score:.4f}", s.reason)
                    writer.writerow((*who, *times, *values))


WRITERS = (
    Writer(
        name="csv",
        suffix="csv",
        help="Write the segments of all videos to a CSV file.",
        write=write,
        single_file=True,
    ),
)
