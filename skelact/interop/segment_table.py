"""Tables of segments: labels.csv, and what `skelact predict --csv` writes."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from skelact.errors import InputError
from skelact.escaping import for_csv, from_csv
from skelact.interop.annotations import AnnotationFormat, FrameRate, LabelledSpan

_NAMES = {"start_s": "start", "end_s": "end", "video": "path", "file": "path"}
_COLUMNS = ("path", "label", "start", "end", "person_id")


def read(text: str, rate: FrameRate) -> list[LabelledSpan]:
    """The rows of a table with the columns label, start, end (in seconds; also start_s and end_s),
    and maybe path and person_id (-1 or empty: everybody)."""
    rows = csv.DictReader(io.StringIO(text.lstrip("\ufeff")))
    rows.fieldnames = [_NAMES.get(n.strip(), n.strip()) for n in rows.fieldnames or ()]
    if not set(rows.fieldnames) >= {"label", "start", "end"}:
        raise InputError(
            f"It has the columns {', '.join(rows.fieldnames) or '(none)'}",
            "It needs label, start and end, in seconds.",
        )
    spans = []
    for row in rows:
        cells = {k: from_csv((v or "").strip()) for k, v in row.items() if k is not None}
        person = cells.get("person_id", "")
        spans.append(
            LabelledSpan(
                video=cells.get("path", ""),
                label=cells["label"],
                start_s=float(cells["start"] or 0),
                end_s=float(cells["end"]) if cells["end"] else None,
                person_id=int(person) if person and int(person) >= 0 else None,
            )
        )
    return spans


def write(spans: Sequence[LabelledSpan], rate: FrameRate) -> str:
    """A labels.csv."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for s in spans:
        end = "" if s.end_s is None else f"{s.end_s:.10g}"
        person = "" if s.person_id is None else str(s.person_id)
        row = (s.video, s.label, f"{s.start_s:.10g}", end, person)
        writer.writerow([for_csv(cell) for cell in row])
    return out.getvalue()


FORMATS = (
    AnnotationFormat(name="csv", title="a table (CSV)", suffix=".csv", read=read, write=write),
)
