"""Several datasets of 2-D poses as one, with one set of classes."""

from __future__ import annotations

import csv
import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from skelact import limits
from skelact.datasets import folder
from skelact.datasets.base import Collection, Item
from skelact.datasets.pose_folder import check_target, description, labels_table
from skelact.errors import ConfigError, DatasetError, InputError, nearest
from skelact.files import write_bytes
from skelact.readers.description import FILE_NAME
from skelact.readers.find import LABELS
from skelact.skeletons import SKELETONS, Skeleton

ANY, KEEP, DROP = "*", "keep", "drop"


@dataclass(frozen=True, kw_only=True)
class Joined:
    """What was written: clips by dataset and by class, labels that were left out, and notices."""

    datasets: dict[str, int]
    classes: dict[str, int]
    left_out: dict[str, int] = field(default_factory=dict)
    notices: tuple[str, ...] = ()


def read_classes(path: Path) -> dict[tuple[str, str], str]:
    """(dataset, label) -> class from a CSV file with these columns; a dataset or label of * stands
    for all others, an empty class leaves the clips out. Raises InputError with the line."""
    try:
        rows = csv.DictReader(limits.read_text(path, limits.TABLE_BYTES).splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    rows.fieldnames = [n.strip() for n in rows.fieldnames or ()]
    if not {"dataset", "label", "class"} <= set(rows.fieldnames):
        raise InputError(
            f"{path} has the columns {', '.join(rows.fieldnames) or '(none)'}",
            "Expected dataset, label and class; * stands for any dataset or label.",
        )
    out: dict[tuple[str, str], str] = {}
    for row in rows:
        dataset, label, name = ((row[k] or "").strip() for k in ("dataset", "label", "class"))
        if not dataset or not label:
            raise InputError(f"{path}, line {rows.line_num}: dataset or label is empty")
        if out.setdefault((dataset, label), name) != name:
            raise InputError(
                f"{path}, line {rows.line_num}: {label} of {dataset} has two classes, "
                f"{out[dataset, label]!r} and {name!r}",
                "Keep one of the lines.",
            )
    return out


def join(
    places: Sequence[Path],
    out: Path,
    *,
    classes: Path | None = None,
    other: str = KEEP,
    most: Mapping[str, int] = {},
    seed: int = 0,
    overwrite: bool = False,
) -> Joined:
    """Write labels.csv and skeletons.toml to `out`, with the clips of datasets that `project` or
    `export` wrote to `places`; the files themselves stay where they are.

    Labels become classes by the table `classes`; those that it does not name are kept (`other` is
    keep), left out (drop) or become the class `other`. Of a dataset in `most`, at most so many
    clips of each class are taken, drawn by `seed`. Subjects and recordings get the name of their
    dataset in front. If one dataset states subsets, the clips of the others are for training.

    Raises ConfigError for datasets with the same name, or names in `most` and in the table that are
    none, DatasetError if a place is no such dataset or the layouts differ."""
    check_target(out, overwrite)
    if any(out.resolve() in (p.resolve(), p.resolve().parent) for p in places):
        raise ConfigError(f"{out} is one of the datasets to join", "Choose another --out.")
    table = read_classes(classes) if classes is not None else {}
    found = _find(places)
    named = {dataset for dataset, _ in table} - {ANY} | set(most)
    for name in sorted(named - found.keys()):
        raise ConfigError(
            f"No dataset is called {name!r}{nearest(name, found)}",
            f"The datasets are {', '.join(found)}.",
        )
    rng = np.random.default_rng(seed)
    rows: list[dict[str, str]] = []
    left_out: Counter[str] = Counter()
    with_subsets = any("subset" in i.groups for c in found.values() for i in c.items)
    for name, collection in found.items():
        by_class: dict[str, list[Item]] = defaultdict(list)
        for item in collection.items:
            label = _class_of(table, name, item.label, other)
            if label:
                by_class[label].append(item)
            else:
                left_out[f"{name}/{item.label}"] += 1
        for label, items in by_class.items():
            kept = sorted(rng.permutation(len(items))[: most.get(name, len(items))])
            rows += [_row(items[int(n)], name, label, out, with_subsets) for n in kept]
    if not rows:
        raise DatasetError("No clip is left", "Correct the table of classes.")
    skeleton = _layout(found)
    out.mkdir(parents=True, exist_ok=True)
    write_bytes(out / FILE_NAME, description(skeleton, out).encode())
    write_bytes(out / LABELS, labels_table(rows).encode())
    labels = {(r["dataset"], r["label"]) for r in rows}
    unused = [f"{label} of {d}" for d, label in table if not _is_used(found, d, label)]
    notices = [f"no clip has the label {text}" for text in unused]
    for label in sorted({label for _, label in labels}):
        where = sorted(d for d, other_label in labels if other_label == label)
        if len(where) == 1 and len(found) > 1:
            notices.append(f"{label} occurs in {where[0]} only")
    return Joined(
        datasets=dict(Counter(r["dataset"] for r in rows)),
        classes=dict(sorted(Counter(r["label"] for r in rows).items())),
        left_out=dict(left_out),
        notices=tuple(notices),
    )


def _find(places: Sequence[Path]) -> dict[str, Collection]:
    """The datasets by the names of their folders."""
    found: dict[str, Collection] = {}
    for place in places:
        path = place / LABELS if place.is_dir() else place
        collection = folder.table(path) if path.is_file() else None
        if collection is None or collection.format is None or collection.format.dims != 2:
            raise DatasetError(
                f"{place} does not hold 2-D poses",
                "Write them with `skelact datasets project` (3-D skeletons) or `skelact datasets "
                "export --format files` (videos and others).",
            )
        name = path.resolve().parent.name
        if name in found:
            raise ConfigError(f"Two datasets are called {name}", "Rename one of the folders.")
        found[name] = collection
    return found


def _class_of(table: Mapping[tuple[str, str], str], dataset: str, label: str, other: str) -> str:
    """The class of a label, the most specific line first; empty if it is left out."""
    for key in ((dataset, label), (ANY, label), (dataset, ANY), (ANY, ANY)):
        if key in table:
            return table[key]
    return {KEEP: label, DROP: ""}.get(other, other)


def _is_used(found: Mapping[str, Collection], dataset: str, label: str) -> bool:
    chosen = found.values() if dataset == ANY else [found[dataset]]
    return label == ANY or any(i.label == label for c in chosen for i in c.items)


def _row(item: Item, dataset: str, label: str, out: Path, with_subsets: bool) -> dict[str, str]:
    path = Path(os.path.relpath(item.path.resolve(), out.resolve())).as_posix()
    row = {"path": path, "label": label, "dataset": dataset}
    row["source"] = f"{dataset}/{item.groups['take']}"
    # without a subject, each recording counts as one
    subject = item.groups.get("subject")
    row["subject"] = f"{dataset}/{subject}" if subject else row["source"]
    row["camera"] = item.groups.get("camera", "")
    if with_subsets:
        row["subset"] = item.groups.get("subset", "train")
    if item.span_s is not None:
        row["start"] = f"{item.span_s[0]:g}"
        row["end"] = "" if item.span_s[1] is None else f"{item.span_s[1]:g}"
    return row


def _layout(found: Mapping[str, Collection]) -> Skeleton:
    layouts = {name: c.format.skeleton for name, c in found.items() if c.format is not None}
    first = next(iter(layouts.values()))
    for name, skeleton in layouts.items():
        if skeleton != first:
            raise DatasetError(
                f"{name} has the layout {skeleton.name}, {next(iter(layouts))} has {first.name}",
                "Write both with the same --layout or dataset.skeleton.",
            )
    return SKELETONS.get(first.name, first)
