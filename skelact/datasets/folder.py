"""Your own videos: a folder for each class, or a table of labels."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from pathlib import Path

from skelact.datasets.base import Collection, DatasetSpec, Item, Protocol, stratified
from skelact.errors import InputError, MissingDataset
from skelact.video.probe import VIDEO_SUFFIXES

COLUMNS = ("path", "label", "start", "end", "subject", "camera", "person", "source", "subset")
_COPY = re.compile(r"[ _-]*(\(\d+\)|copy)$", re.IGNORECASE)


def folder(root: Path) -> Collection:
    """Videos in <root>/<class>/…: the first folder is the label. Copies of a video belong to the
    take of the original. Raises MissingDataset if there is no such video."""
    if not root.is_dir():
        raise MissingDataset(f"{root}: no such folder", "One folder for each class is expected.")
    items = []
    for path in sorted(p for p in root.rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES):
        parts = path.relative_to(root).parts
        if len(parts) > 1:
            items.append(Item(path, parts[0], groups={"take": _COPY.sub("", path.stem)}))
    if not items:
        raise MissingDataset(
            f"{root} holds no class folder with videos", f"{root}/<class>/<video>.mp4"
        )
    return Collection(
        name=root.name,
        root=root,
        items=tuple(items),
        protocols=protocols(items),
        merge_similar=True,
    )


def table(file: Path) -> Collection:
    """The videos of a CSV file with the columns path, label, and optionally start and end [s],
    subject, camera, person, source (the recording it was cut from) and subset (train, val, test).

    Raises MissingDataset if there is no such file, InputError with the line for invalid rows."""
    if not file.is_file():
        raise MissingDataset(f"{file}: no such file", f"Its columns are {', '.join(COLUMNS)}.")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not encoded in UTF-8", "Save it as CSV UTF-8.") from error
    rows = csv.DictReader(io.StringIO(text))
    names = [n.strip() for n in rows.fieldnames or ()]
    if not set(names) <= set(COLUMNS) or not {"path", "label"} <= set(names):
        raise InputError(
            f"{file} has the columns {', '.join(names) or '(none)'}",
            f"path and label are required; the known columns are {', '.join(COLUMNS)}.",
        )
    rows.fieldnames = names
    items = [_row(file, rows.line_num, row) for row in rows]
    if not items:
        raise InputError(f"{file} has no rows")
    return Collection(
        name=file.stem,
        root=file.parent,
        items=tuple(items),
        protocols=protocols(items),
        merge_similar=True,
    )


def _row(file: Path, line: int, row: dict[str, str | None]) -> Item:
    values = {k: (v or "").strip() for k, v in row.items() if k is not None}
    if not values.get("path") or not values.get("label"):
        raise InputError(f"{file}, line {line}: path or label is empty")
    path = Path(values["path"])
    path = path if path.is_absolute() else file.parent / path
    groups = {k: values[k] for k in ("subject", "camera", "person", "subset") if values.get(k)}
    groups["take"] = groups["source"] = values.get("source") or _COPY.sub("", path.stem)
    if groups.get("subset", "train") not in ("train", "val", "test"):
        raise InputError(
            f"{file}, line {line}: subset {groups['subset']!r}", "Use train, val or test."
        )
    return Item(path, values["label"], groups=groups, span_s=_span(file, line, values))


def _span(file: Path, line: int, values: dict[str, str]) -> tuple[float, float | None] | None:
    if not values.get("start") and not values.get("end"):
        return None
    try:
        start = float(values.get("start") or 0)
        end = float(values["end"]) if values.get("end") else None
    except ValueError as error:
        raise InputError(f"{file}, line {line}: {error}", "Write seconds, such as 12.5.") from error
    if not 0 <= start < (math.inf if end is None else end):
        raise InputError(
            f"{file}, line {line}: start {start:g} s, end {end} s",
            "The end must be after the start, which must not be negative.",
        )
    return start, end


def protocols(items: Sequence[Item]) -> dict[str, Protocol]:
    """The protocols that the groups allow: `own` if every row names its subset, by takes, by
    subjects, by cameras."""
    out: dict[str, Protocol] = {}
    if all("subset" in i.groups for i in items):
        disjoint_groups = ["source"] + ["subject"] * all("subject" in i.groups for i in items)
        out["own"] = (lambda items: [i.groups["subset"] for i in items], tuple(disjoint_groups))
    out["takes"] = (stratified("take"), ("take",))
    for group, name in (("subject", "xsub"), ("person", "xsub"), ("camera", "xview")):
        if name not in out and all(group in i.groups for i in items):
            out[name] = (stratified(group), (group,))
    return out


DATASETS = (
    DatasetSpec(
        name="folder",
        title="your own videos: one folder for each class",
        origin="your own recordings",
        layout="<class>/…/<video>",
        find=folder,
    ),
    DatasetSpec(
        name="labels",
        title="your own videos: a table of labels",
        origin="your own recordings",
        layout="labels.csv: " + ", ".join(COLUMNS),
        find=table,
    ),
)
