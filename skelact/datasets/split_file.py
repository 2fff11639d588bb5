"""A split that the user wrote: the subset of each item, by name."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from skelact import limits
from skelact.datasets.base import Item, SplitRule
from skelact.errors import InputError, reading
from skelact.escaping import from_csv

SUFFIXES = (".csv", ".json", ".toml")
_SUBSETS = ("train", "val", "test")
_FORM = (
    'Expected CSV with the columns path and subset, or JSON or TOML with lists: {"train": [...], '
    '"val": [...], "test": [...]}; val can be left out.'
)


def split_file(path: Path, root: Path) -> SplitRule:
    """The rule of a split file. An item is named by its path below the dataset's folder `root` (as
    in split.json of a run), by its path without the suffix, or by its key; items that are not named
    are left out. Raises InputError if the file cannot be read, names an item twice, or names none
    or something else."""
    wanted = _read(path)

    def rule(items: Sequence[Item]) -> list[str]:
        subsets, found = [], set()
        for item in items:
            name = next((n for n in _names(item, root) if n in wanted), "")
            found.add(name)
            subsets.append(wanted.get(name, "none"))
        unknown = sorted(set(wanted) - found)
        if unknown:
            raise InputError(
                f"{path} names {len(unknown)} items that the dataset does not have: "
                f"{', '.join(unknown[:3])}",
                f"Paths are relative to {root}; the dataset has, for example, "
                f"{items[0].name(root)}.",
            )
        return subsets

    return rule


def _names(item: Item, root: Path) -> list[str]:
    full = item.name(root)
    path = item.path.relative_to(root) if item.path.is_relative_to(root) else item.path
    return [full, path.as_posix(), path.with_suffix("").as_posix(), *filter(None, [item.key])]


def _read(path: Path) -> dict[str, str]:
    """Name -> subset."""
    with reading(f"The split file {path}", InputError, _FORM):
        text = limits.read_text(path, limits.TABLE_BYTES)
        rows = _table(text) if path.suffix == ".csv" else _lists(path, text)
    out: dict[str, str] = {}
    for name, subset in rows:
        if subset not in (*_SUBSETS, "none"):
            raise InputError(f"{path}: {name} is in the subset {subset!r}", _FORM)
        if out.setdefault(name, subset) != subset:
            raise InputError(
                f"{path}: {name} is in the subsets {out[name]} and {subset}", "Keep one of them."
            )
    if not out:
        raise InputError(f"The split file {path} names no item", _FORM)
    return out


def _table(text: str) -> list[tuple[str, str]]:
    rows = csv.DictReader(text.splitlines())
    if not {"path", "subset"} <= {n.strip() for n in rows.fieldnames or ()}:
        raise ValueError(f"its columns are {', '.join(rows.fieldnames or ()) or '(none)'}")
    rows.fieldnames = [n.strip() for n in rows.fieldnames or ()]
    return [(_plain(from_csv(row["path"] or "")), (row["subset"] or "").strip()) for row in rows]


def _lists(path: Path, text: str) -> list[tuple[str, str]]:
    content: Any = json.loads(text) if path.suffix == ".json" else limits.parse_toml(text)
    if isinstance(content, dict) and isinstance(content.get("videos"), dict):
        content = content["videos"]  # split.json of a run
    if not isinstance(content, dict) or not set(content) <= set(_SUBSETS):
        raise ValueError("it does not hold the lists train, val and test")
    rows = []
    for subset, names in content.items():
        if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
            raise ValueError(f"{subset} is not a list of paths")
        rows += [(_plain(n), subset) for n in names]
    return rows


def _plain(name: str) -> str:
    return name.strip().replace("\\", "/").removeprefix("./")
