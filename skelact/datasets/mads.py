"""MADS, the Martial Arts, Dancing and Sports dataset (Zhang et al. 2017), multi-view part; and the
sample set that skelact ships in its shape.

Layout: <Action>/<Action>_<Sequence>_C{0,1,2}.avi anywhere below the root. Who performs what, MADS
does not say: a performers.json beside the data ({"Kata_F2": "master_1", …}) makes the cross-subject
split possible.
"""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from skelact.config import shipped
from skelact.datasets.base import Collection, Item, Protocol
from skelact.errors import DatasetError, MissingDataset

VIDEO = re.compile(r"^(?P<action>[^_]+)_(?P<seq>.+)_C(?P<camera>[0-2])\.avi$")
DATA_VARIABLE = "SKELACT_DATA"
LEFT_OUT = ("Sports",)  # as in the thesis: its sub-actions have nothing in common
PERFORMERS = "performers.json"


def places(data: Path | None) -> list[Path]:
    """Where MADS is looked for, in order."""
    if data is not None:
        return [data]
    variable = os.environ.get(DATA_VARIABLE)
    return [*([Path(variable) / "mads"] if variable else []), Path("data/mads")]


def find_below(place: Path) -> Collection:
    """MADS in that very place. MissingDataset if it is not there."""
    return find(place, None)


def find(data: Path | None, classes: Sequence[str] | None) -> Collection:
    """MADS below `data`, else $SKELACT_DATA/mads, else ./data/mads; else, with a notice, the
    shipped sample set.

    MissingDataset if `data` was given and holds none; ConfigError if a class is not there."""
    for place in places(data):
        items = scan(place)
        if items:
            sample = place.resolve() == shipped("sample_videos").resolve()
            return _collect("mads-sample" if sample else "mads", place, items, classes, "")
    looked = ", ".join(map(str, places(data)))
    if data is not None:
        raise MissingDataset(
            f"no MADS video in {looked}", "files must be called <Action>_<Sequence>_C<0|1|2>.avi"
        )
    root = shipped("sample_videos")
    notice = (
        f"MADS was not found (looked in {looked}). Training on the small rendered sample set "
        "that comes with skelact instead: mads-sample."
    )
    return _collect("mads-sample", root, scan(root), classes, notice)


def performers(root: Path) -> dict[str, str]:
    """Who performs which take, from performers.json; empty where there is none."""
    file = next(iter(sorted(root.rglob(PERFORMERS))), None)
    try:
        content = json.loads(file.read_bytes()) if file else {}
    except ValueError as error:
        raise DatasetError(f"{file} is not JSON: {error}") from error
    return {str(k): str(v) for k, v in content.items()}


def scan(root: Path) -> list[Item]:
    """Every multi-view video below the root."""
    known = performers(root)
    items = []
    for path in sorted(root.rglob("*.avi")):
        match = VIDEO.match(path.name)
        if match:
            take = f"{match['action']}_{match['seq']}"
            groups = {"take": take, "camera": match["camera"]}
            if take in known:
                groups["performer"] = known[take]
            items.append(Item(path, match["action"], groups))
    return items


def _collect(
    name: str, root: Path, items: list[Item], classes: Sequence[str] | None, notice: str
) -> Collection:
    whole = Collection(name=name, root=root, items=tuple(items), protocols=PROTOCOLS, notice=notice)
    return whole.select_classes(
        classes or [label for label in whole.classes if label not in LEFT_OUT]
    )


def by_camera(items: Sequence[Item]) -> list[str]:
    """Cross-view: train on cameras 1 and 2, test on camera 0."""
    return ["test" if i.groups["camera"] == "0" else "train" for i in items]


def by_sequence(items: Sequence[Item]) -> list[str]:
    """Cross-sequence: of each action's sequences in alphabetical order, every third from the second
    on is for testing, with all its cameras."""
    takes: dict[str, set[str]] = defaultdict(set)
    for i in items:
        takes[i.label].add(i.groups["take"])
    test = {take for names in takes.values() for n, take in enumerate(sorted(names)) if n % 3 == 1}
    return ["test" if i.groups["take"] in test else "train" for i in items]


def by_performer(items: Sequence[Item]) -> list[str]:
    """Cross-subject: the last half of the performers, in alphabetical order, is for testing."""
    unknown = [i for i in items if "performer" not in i.groups]
    if unknown:
        raise DatasetError(
            f"who performs {unknown[0].groups['take']} is not known, so there is no "
            "cross-subject split",
            f"write {PERFORMERS} into the data folder: "
            f'{{"{unknown[0].groups["take"]}": "name", …}}; or --split xseq',
        )
    names = sorted({i.groups["performer"] for i in items})
    test = set(names[(len(names) + 1) // 2 :])
    return ["test" if i.groups["performer"] in test else "train" for i in items]


PROTOCOLS: dict[str, Protocol] = {
    "xseq": (by_sequence, ("take",)),
    "xview": (by_camera, ("camera",)),
    "xsub": (by_performer, ("performer", "take")),
}
