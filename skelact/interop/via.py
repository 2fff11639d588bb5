"""VIA 3 (VGG Image Annotator): its two kinds of CSV with temporal segments. The header lines that
start with # name the columns and, as JSON, the attributes with their options."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from skelact.errors import InputError
from skelact.interop.annotations import AnnotationFormat, FrameRate, LabelledSpan, person_of

_HEADER, _ATTRIBUTE = "# CSV_HEADER = ", "# ATTRIBUTE = "
_COLUMNS = (
    *("metadata_id", "file_list", "flags", "temporal_coordinates", "spatial_coordinates"),
    "metadata",
)
_LABEL, _PERSON = "1", "2"  # ids of the attributes that `write` uses


def read(text: str, rate: FrameRate) -> list[LabelledSpan]:
    """The temporal segments; still frames and regions without a label are left out."""
    lines = text.splitlines()
    header = next((line for line in lines if line.startswith(_HEADER)), None)
    if header is None:
        raise InputError("It has no line # CSV_HEADER = ...")
    columns = [c.strip() for c in header.removeprefix(_HEADER).split(",") if c.strip()]
    stated = next((line for line in lines if line.startswith(_ATTRIBUTE)), None)
    attributes = json.loads(stated.removeprefix(_ATTRIBUTE)) if stated else {}
    rows = csv.reader(io.StringIO("\n".join(line for line in lines if not line.startswith("#"))))
    spans = []
    for row in rows:
        if row:
            cells = dict(zip(columns, row, strict=False))
            spans += _row(cells, attributes)
    return spans


def _row(cells: dict[str, str], attributes: dict[str, Any]) -> list[LabelledSpan]:
    files = json.loads(cells["file_list"])
    if "temporal_coordinates" in cells:
        times = json.loads(cells["temporal_coordinates"])
    else:
        times = [cells["temporal_segment_start"], cells["temporal_segment_end"]]
    if len(times) != 2 or not files:
        return []
    label, person = "", None
    for key, value in json.loads(cells["metadata"]).items():
        attribute = attributes.get(key) or {}
        name = str(attribute.get("aname", key))
        text = str((attribute.get("options") or {}).get(str(value), value)).strip()
        if name.lower() in ("person", "person_id"):
            person = int(text) if text.isdecimal() else person_of(text)
        elif not label and text not in ("", "_DEFAULT"):
            label = text
    if not label:
        return []
    start, end = float(times[0]), float(times[1])
    return [
        LabelledSpan(video=str(files[0]), label=label, start_s=start, end_s=end, person_id=person)
    ]


def write(spans: Sequence[LabelledSpan], rate: FrameRate) -> str:
    """A CSV file as VIA exports it, with the attributes label and person."""
    text = {"type": 1, "desc": "", "options": {}, "default_option_id": ""}
    anchor = {"anchor_id": "FILE1_Z2_XY0"}
    attributes = {
        _LABEL: {"aname": "label", **anchor, **text},
        _PERSON: {"aname": "person", **anchor, **text},
    }
    out = io.StringIO()
    out.write("# Exported by skelact in the format of VGG Image Annotator\n")
    out.write(_ATTRIBUTE + json.dumps(attributes) + "\n")
    out.write(_HEADER + ",".join(_COLUMNS) + "\n")
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    for n, span in enumerate(spans, 1):
        if span.end_s is None:
            raise InputError(f"{span.video}: {span.label} has no end", "VIA needs one.")
        metadata = {_LABEL: span.label}
        if span.person_id is not None:
            metadata[_PERSON] = str(span.person_id)
        times = [round(span.start_s, 3), round(span.end_s, 3)]
        cells = (json.dumps([span.video], ensure_ascii=False), 0, json.dumps(times), "[]")
        writer.writerow((f"1_s{n}", *cells, json.dumps(metadata, ensure_ascii=False)))
    return out.getvalue()


FORMATS = (
    AnnotationFormat(name="via", title="VIA 3 (CSV)", suffix=".csv", read=read, write=write),
)
