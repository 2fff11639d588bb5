"""One's own footage: a folder for every class, or a table of labels."""

from __future__ import annotations

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from skelact.datasets.base import Collection, Item, Protocol
from skelact.errors import DatasetError, InputError, MissingDataset
from skelact.video.probe import VIDEO_SUFFIXES

COLUMNS = ("path", "label", "start", "end", "subject", "camera", "person", "source", "subset")
_COPY = re.compile(r"[ _-]*(\(\d+\)|copy)$", re.IGNORECASE)


def folder(root: Path) -> Collection:
    """<root>/<class>/…/video: the first folder is the label. MissingDataset if there is none."""
    if not root.is_dir():
        raise MissingDataset(f"{root}: no such folder", "one folder for every class")
    items = []
    for path in sorted(p for p in root.rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES):
        parts = path.relative_to(root).parts
        if len(parts) > 1:
            items.append(Item(path, parts[0], {"take": _COPY.sub("", path.stem)}))
    if not items:
        raise MissingDataset(
            f"no class folder with videos in {root}", f"{root}/<class>/<video>.mp4"
        )
    return Collection(name=root.name, root=root, items=tuple(items), protocols=protocols(items))


def table(file: Path) -> Collection:
    """labels.csv: path, label, and optional start, end [s], subject, camera, person, source (what
    was filmed in one go), subset (train, val, test). InputError, naming the line, for what cannot
    be used."""
    if not file.is_file():
        raise MissingDataset(f"{file}: no such file", f"a table of {', '.join(COLUMNS)}")
    with file.open(encoding="utf-8-sig", newline="") as stream:
        rows = csv.DictReader(stream)
        names = [n.strip() for n in rows.fieldnames or ()]
        unknown = [n for n in names if n not in COLUMNS]
        if unknown or not {"path", "label"} <= set(names):
            raise InputError(
                f"{file}: columns {', '.join(names) or '(none)'}",
                f"path and label are needed, known are {', '.join(COLUMNS)}",
            )
        rows.fieldnames = names
        items = [_row(file, rows.line_num, row) for row in rows]
    if not items:
        raise InputError(f"{file} has no row")
    return Collection(
        name=file.stem, root=file.parent, items=tuple(items), protocols=protocols(items)
    )


def _row(file: Path, line: int, row: dict[str, str | None]) -> Item:
    given = {k: (v or "").strip() for k, v in row.items() if k is not None}
    if not given.get("path") or not given.get("label"):
        raise InputError(f"{file}, line {line}: path or label is empty")
    path = Path(given["path"])
    path = path if path.is_absolute() else file.parent / path
    groups = {k: given[k] for k in ("subject", "camera", "person", "subset") if given.get(k)}
    groups["take"] = given.get("source") or _COPY.sub("", path.stem)
    if groups.get("subset", "train") not in ("train", "val", "test"):
        raise InputError(f"{file}, line {line}: subset {groups['subset']!r}", "train, val or test")
    return Item(path, given["label"], groups, span_s=_span(file, line, given))


def _span(file: Path, line: int, given: dict[str, str]) -> tuple[float, float | None] | None:
    if not given.get("start") and not given.get("end"):
        return None
    try:
        start = float(given.get("start") or 0)
        end = float(given["end"]) if given.get("end") else None
    except ValueError as error:
        raise InputError(f"{file}, line {line}: {error}", "seconds, as 12.5") from error
    if start < 0 or (end is not None and end <= start):
        raise InputError(f"{file}, line {line}: from {start:g} to {end} s does not run forward")
    return start, end


def protocols(items: Sequence[Item]) -> dict[str, Protocol]:
    """`own` where the table says who is on which subset; then what the groups allow: by takes, by
    subjects, by cameras. No take is ever on two subsets."""
    out: dict[str, Protocol] = {}
    if all("subset" in i.groups for i in items):
        disjoint_groups = ["take"] + ["subject"] * all("subject" in i.groups for i in items)
        out["own"] = (lambda some: [i.groups["subset"] for i in some], tuple(disjoint_groups))
    out["takes"] = (by_share("take"), ("take",))
    for group, name in (("subject", "xsub"), ("person", "xsub"), ("camera", "xview")):
        if name not in out and all(group in i.groups for i in items):
            out[name] = (split_half(group), (group,))
    return out


def by_share(group: str) -> Callable[[Sequence[Item]], list[str]]:
    """Of every class's groups in alphabetical order, every third from the second on is tested."""

    def rule(items: Sequence[Item]) -> list[str]:
        labels: dict[str, set[str]] = defaultdict(set)
        for i in items:
            labels[i.label].add(i.groups[group])
        test: set[str] = set()
        for names in labels.values():
            free = sorted(names - test)
            test.update(free[1::3])
        return ["test" if i.groups[group] in test else "train" for i in items]

    return rule


def all_but_one(group: str) -> Callable[[Sequence[Item]], list[str]]:
    """The smallest group of each action is tested."""

    def rule(items: Sequence[Item]) -> list[str]:
        sizes = Counter((i.label, i.groups[group]) for i in items)
        smallest: dict[str, str] = {}
        for (label, name), _ in sorted(sizes.items(), key=lambda pair: (pair[1], pair[0])):
            smallest.setdefault(label, name)
        return ["test" if smallest[i.label] == i.groups[group] else "train" for i in items]

    return rule


def split_half(group: str) -> Callable[[Sequence[Item]], list[str]]:
    """The last half of the groups, in alphabetical order, is tested."""

    def rule(items: Sequence[Item]) -> list[str]:
        names = sorted({i.groups[group] for i in items})
        if len(names) < 2:
            raise DatasetError(f"there is only one {group}, {names[0]}", "choose another --split")
        test = set(names[(len(names) + 1) // 2 :])
        return ["test" if i.groups[group] in test else "train" for i in items]

    return rule


def jhmdb(root: Path) -> Collection:
    """JHMDB: <class>/<clip>.avi (or .mp4) anywhere below the root and the official files
    <class>_test_split<1|2|3>.txt (clip, 1 train or 2 test). What was cut from one film is one
    take. Besides the official splits `most`: all but one small take of each action is trained on,
    for a recogniser to be used, not to be measured."""
    subsets: dict[str, dict[str, str]] = defaultdict(dict)
    for file in sorted(root.rglob("*_test_split[123].txt")):
        label, number = file.stem.rsplit("_test_split", 1)
        for line in file.read_text(encoding="utf-8").splitlines():
            name, _, subset = line.strip().rpartition(" ")
            if subset in ("1", "2"):
                subsets[number][f"{label}/{Path(name).stem}"] = "train" if subset == "1" else "test"
    listed = {key for names in subsets.values() for key in names}
    items = []
    for path in sorted(p for p in root.rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES):
        key = f"{path.parent.name}/{path.stem}"
        if key in listed:
            take = f"{path.parent.name}/{re.sub(r'_[0-9]+$', '', path.stem)}"
            items.append(Item(path, path.parent.name, {"take": take, "clip": key}))
    if not items:
        raise MissingDataset(
            f"no clip of JHMDB in {root}",
            "<class>/<clip>.avi and <class>_test_split1.txt, in any folders below it",
        )

    def split(number: str) -> Callable[[Sequence[Item]], list[str]]:
        known = subsets[number]
        return lambda some: [known.get(i.groups["clip"], "none") for i in some]

    # the official splits are kept as they are, whatever they share
    protocols_: dict[str, Protocol] = {f"split{n}": (split(n), ("clip",)) for n in sorted(subsets)}
    protocols_["most"] = (all_but_one("take"), ("take",))
    return Collection(
        name="jhmdb", root=root, items=tuple(items), protocols=protocols_, dev_protocols=("most",)
    )
