"""Your own videos or skeleton files: a folder for each class, or a table of labels."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from skelact import limits
from skelact.datasets import skeleton_files
from skelact.datasets.base import (
    WITHOUT,
    Collection,
    DatasetSpec,
    Item,
    Protocol,
    by_group,
    stratified,
)
from skelact.datasets.skeleton_files import Entry, Source
from skelact.errors import DatasetError, InputError, MissingDataset, reading
from skelact.escaping import from_csv
from skelact.readers.base import SequenceFile, unreadable
from skelact.readers.base import suffixes as known_suffixes
from skelact.readers.find import find_files, sequence_file
from skelact.schemas import Sections
from skelact.video.probe import VIDEO_SUFFIXES

COLUMNS = (
    *("path", "label", "start", "end", "subject", "camera", "person", "source", "subset"),
    *("dataset", "person_id"),
)
_GROUPS = ("subject", "camera", "person", "subset", "dataset")
_COPY = re.compile(r"[ _-]*(\(\d+\)|copy)$", re.IGNORECASE)


def folder(root: Path) -> Collection:
    """Videos in <root>/<class>/…: the first folder is the label. Copies of a video belong to the
    take of the original. Or skeleton files, whose label may also be in their names or in a column.
    Raises MissingDataset if there is neither, DatasetError if there are both."""
    if not root.is_dir():
        raise MissingDataset(f"{root}: no such folder", "One folder for each class is expected.")
    items = []
    for path in sorted(p for p in root.rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES):
        parts = path.relative_to(root).parts
        if len(parts) > 1:
            items.append(Item(path, parts[0], groups={"take": _COPY.sub("", path.stem)}))
    files = find_files(root, certain=bool(items))
    if items and files:
        raise DatasetError(
            f"{root} holds videos, such as {items[0].path.name}, and skeleton files, such as "
            f"{files[0].path.name}",
            "Train on one kind at a time: move the others to a folder of their own.",
        )
    if files:
        return _skeleton_folder(root, files)[0]
    if not items:
        raise MissingDataset(
            f"{root} holds no class folder with videos, and no skeleton files",
            f"{root}/<class>/<video>.mp4, or {root}/<class>/<sequence>.npy (also .npz, .csv, "
            ".json, .txt, .bvh, .c3d, .skeleton)",
        )
    return Collection(
        name=root.name,
        root=root,
        items=tuple(items),
        protocols=protocols(items),
        merge_similar=True,
    )


def _skeleton_folder(root: Path, files: Sequence[SequenceFile]) -> tuple[Collection, Source]:
    entries = []
    for file in files:
        parts = file.path.relative_to(root).parts
        entries.append(Entry(file=file, label=parts[0] if len(parts) > 1 else "", groups={}))
    collection, source = skeleton_files.collection(root.name, root, entries)
    items = collection.items
    return replace(collection, protocols=protocols(items), merge_similar=True), source


def _folder_defaults(root: Path) -> Sections:
    """Options that follow from skeleton files; none for videos."""
    if not root.is_dir() or any(p.suffix.lower() in VIDEO_SUFFIXES for p in root.rglob("*")):
        return {}
    files = find_files(root)
    if not files:
        return {}
    collection, source = _skeleton_folder(root, files)
    return skeleton_files.defaults(source, collection.items)


def table(file: Path) -> Collection:
    """The videos or skeleton files of a CSV file with the columns path, label, and optionally start
    and end [s], subject, camera, person, source (the recording it was cut from), subset (train,
    val, test), dataset (where it comes from) and person_id (the tracked person of a video).

    Raises MissingDataset if there is no such file, InputError with the line for invalid rows."""
    items = labelled_rows(file)
    found = _skeleton_table(file, items)
    if found is not None:
        return found[0]
    return Collection(
        name=file.stem,
        root=file.parent,
        items=tuple(items),
        protocols=protocols(items),
        merge_similar=not _is_written(items),
        whole_actions=_are_segments(items),
    )


def _are_segments(items: Sequence[Item]) -> bool:
    """Whether every row states where the action starts and ends."""
    return all(i.span_s is not None and i.span_s[1] is not None for i in items)


def _is_written(items: Sequence[Item]) -> bool:
    """Whether skelact wrote the table, with the recording of every clip, so that views of one
    recording need not be looked for."""
    return all("dataset" in i.groups for i in items)


def labelled_rows(file: Path) -> list[Item]:
    """The rows of a table of labels; errors as for `table`."""
    if not file.is_file():
        raise MissingDataset(f"{file}: no such file", f"Its columns are {', '.join(COLUMNS)}.")
    with reading(file, InputError):
        try:
            text = limits.read_text(file, limits.TABLE_BYTES)
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
    try:
        items = [labelled_row(file, rows.line_num, row) for row in rows]
    except csv.Error as error:
        raise InputError(f"{file}, line {rows.line_num}: {error}") from error
    if not items:
        raise InputError(f"{file} has no rows")
    return items


def _skeleton_table(file: Path, items: Sequence[Item]) -> tuple[Collection, Source] | None:
    """The skeleton files of a table; None if it lists videos. Raises DatasetError if it lists
    both."""
    files = {path: sequence_file(path) for path in dict.fromkeys(i.path for i in items)}
    suffixes = known_suffixes()
    skeletons = [p for p, f in files.items() if f is not None or p.suffix.lower() in suffixes]
    if not skeletons:
        return None
    others = files.keys() - set(skeletons)
    videos = sorted(p for p in others if p.suffix.lower() in VIDEO_SUFFIXES)
    if videos:
        raise DatasetError(
            f"{file} lists videos, such as {videos[0].name}, and skeleton files, such as "
            f"{skeletons[0].name}",
            "Train on one kind at a time: make a table for each.",
        )
    if any(i.person_id is not None for i in items):
        raise DatasetError(
            f"{file} has a person_id for skeleton files",
            "It stands for a person who was tracked in a video: leave it out.",
        )
    entries = [
        Entry(
            file=files[i.path] or unreadable(i.path),
            label=i.label,
            groups={k: v for k, v in i.groups.items() if k != "take"}
            | {"source": i.groups["take"]},
            span_s=i.span_s,
        )
        for i in items
    ]
    collection, source = skeleton_files.collection(file.stem, file.parent, entries)
    collection = replace(
        collection,
        protocols=protocols(collection.items),
        merge_similar=not _is_written(collection.items),
        whole_actions=_are_segments(items),
    )
    return collection, source


def _table_defaults(file: Path) -> Sections:
    """Options that follow from skeleton files; none for videos."""
    if not file.is_file():
        return {}
    found = _skeleton_table(file, labelled_rows(file))
    return skeleton_files.defaults(found[1], found[0].items) if found is not None else {}


def labelled_row(file: Path, line: int, row: dict[str, str | None]) -> Item:
    """The item of one row. Raises InputError with the line if it is invalid."""
    values = {k: from_csv((v or "").strip()) for k, v in row.items() if k is not None}
    if not values.get("path") or not values.get("label"):
        raise InputError(f"{file}, line {line}: path or label is empty")
    path = Path(values["path"])
    path = path if path.is_absolute() else file.parent / path
    with reading(f"{file}, line {line}: the path", InputError):
        path.exists()  # the system refuses names that are too long
    groups = {k: values[k] for k in _GROUPS if values.get(k)}
    groups["take"] = groups["source"] = values.get("source") or _COPY.sub("", path.stem)
    if groups.get("subset", "train") not in ("train", "val", "test"):
        raise InputError(
            f"{file}, line {line}: subset {groups['subset']!r}", "Use train, val or test."
        )
    return Item(
        path,
        values["label"],
        groups=groups,
        span_s=_span(file, line, values),
        person_id=_person_id(file, line, values),
    )


def _person_id(file: Path, line: int, values: dict[str, str]) -> int | None:
    text = values.get("person_id", "")
    if not text:
        return None
    if not text.isdecimal() or len(text) > 9:
        raise InputError(
            f"{file}, line {line}: person_id {text!r}",
            "Write the number of a person, as `skelact predict` shows it, or leave it empty.",
        )
    return int(text)


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
    subjects, by cameras, and `without-<dataset>`, which tests on one of several datasets and trains
    on the others."""
    out: dict[str, Protocol] = {}
    if all("subset" in i.groups for i in items):
        # skeleton files have the source as their take
        recording = "source" if all("source" in i.groups for i in items) else "take"
        disjoint_groups = [recording] + ["subject"] * all("subject" in i.groups for i in items)
        out["own"] = (lambda items: [i.groups["subset"] for i in items], tuple(disjoint_groups))
    out["takes"] = (stratified("take"), ("take",))
    for group, name in (("subject", "xsub"), ("person", "xsub"), ("camera", "xview")):
        if name not in out and all(group in i.groups for i in items):
            out[name] = (stratified(group), (group,))
    names = sorted({i.groups.get("dataset", "") for i in items})
    if len(names) > 1 and all(names):
        for name in names:
            out[f"{WITHOUT}{name}"] = (by_group("dataset", [name]), ("dataset",))
    return out


DATASETS = (
    DatasetSpec(
        name="folder",
        title="your own videos or skeleton files: one folder for each class",
        origin="your own recordings",
        layout="<class>/…/<video or skeleton file>",
        find=folder,
        defaults=_folder_defaults,
    ),
    DatasetSpec(
        name="labels",
        title="your own videos or skeleton files: a table of labels",
        origin="your own recordings",
        layout="labels.csv: " + ", ".join(COLUMNS),
        find=table,
        defaults=_table_defaults,
    ),
)
