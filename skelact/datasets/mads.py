"""MADS, the Martial Arts, Dancing and Sports dataset (Zhang et al. 2017), multi-view part; and the
sample set of the same layout that comes with skelact.

Layout: <Action>_<Sequence>_C{0,1,2}.avi anywhere below the root. MADS does not name its performers;
a file performers.json in the data folder ({"Kata_F2": "master_1", …}) allows the cross-subject
split.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from skelact.config import shipped
from skelact.datasets.base import Collection, DatasetSpec, Item, Protocol
from skelact.errors import DatasetError, MissingDataset

VIDEO = re.compile(r"^(?P<action>[^_]+)_(?P<seq>.+)_C(?P<camera>[0-2])\.avi$")
OPTIONAL = ("Sports",)  # left out by the thesis, because its actions have little in common
PERFORMERS = "performers.json"


def find(root: Path) -> Collection:
    """MADS below a folder; `mads-sample` if that is the sample set. Raises MissingDataset if there
    is no such video."""
    items = scan(root)
    if not items:
        raise MissingDataset(
            f"no MADS video in {root}", "expected files <Action>_<Sequence>_C<0|1|2>.avi"
        )
    is_sample = root.resolve() == shipped("sample_videos").resolve()
    return Collection(
        name="mads-sample" if is_sample else "mads",
        root=root,
        items=tuple(i for i in items if i.label not in OPTIONAL),
        optional=tuple(i for i in items if i.label in OPTIONAL),
        protocols=PROTOCOLS,
    )


def performers(root: Path) -> dict[str, str]:
    """The performer of each take, from performers.json; empty if there is none. Raises DatasetError
    if it is not JSON."""
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
            items.append(Item(path, match["action"], groups=groups))
    return items


def by_camera(items: Sequence[Item]) -> list[str]:
    """Cross-view: train on cameras 1 and 2, test on camera 0."""
    return ["test" if i.groups["camera"] == "0" else "train" for i in items]


def by_sequence(items: Sequence[Item]) -> list[str]:
    """Cross-sequence: test on every third sequence of each action, from the second on in
    alphabetical order, with all cameras."""
    takes: dict[str, set[str]] = defaultdict(set)
    for i in items:
        takes[i.label].add(i.groups["take"])
    test = {take for names in takes.values() for n, take in enumerate(sorted(names)) if n % 3 == 1}
    return ["test" if i.groups["take"] in test else "train" for i in items]


def by_performer(items: Sequence[Item]) -> list[str]:
    """Cross-subject: test on the last half of the performers in alphabetical order."""
    unknown = [i for i in items if "performer" not in i.groups]
    if unknown:
        raise DatasetError(
            f"the performer of {unknown[0].groups['take']} is unknown, so there is no "
            "cross-subject split",
            f"add {PERFORMERS} to the data folder: "
            f'{{"{unknown[0].groups["take"]}": "name", …}}; or use --split xseq',
        )
    names = sorted({i.groups["performer"] for i in items})
    test = set(names[(len(names) + 1) // 2 :])
    return ["test" if i.groups["performer"] in test else "train" for i in items]


PROTOCOLS: dict[str, Protocol] = {
    "xseq": (by_sequence, ("take",)),
    "xview": (by_camera, ("camera",)),
    "xsub": (by_performer, ("performer", "take")),
}

DATASETS = (
    DatasetSpec(
        name="mads",
        title="MADS: martial arts, dancing, sports; video",
        origin="http://visal.cs.cityu.edu.hk/research/mads/",
        layout="<Action>_<Sequence>_C<0|1|2>.avi, anywhere below",
        find=find,
        fallback=lambda: find(shipped("sample_videos")),
    ),
)
