"""MADS, the Martial Arts, Dancing and Sports dataset (Zhang et al. 2017), multi-view part; and the
sample set of the same layout that comes with skelact.

Layout: <Action>_<Sequence>_C{0,1,2}.avi anywhere below the root. MADS does not name its performers;
a file performers.json in the data folder ({"Kata_F2": "master_1", …}) allows the cross-subject
split.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from skelact.config import shipped
from skelact.datasets.base import (
    Collection,
    DatasetSpec,
    Item,
    Protocol,
    by_group,
    every_third,
    split_half,
)
from skelact.errors import DatasetError, MissingDataset
from skelact.files import read_foreign_json
from skelact.schemas.foreign import Label

VIDEO = re.compile(r"^(?P<action>[^_]+)_(?P<seq>.+)_C(?P<camera>[0-2])\.avi$")
OPTIONAL = ("Sports",)  # left out by the thesis, because its actions have little in common
PERFORMERS = "performers.json"


def find(root: Path) -> Collection:
    """MADS below a folder; `mads-sample` if that is the sample set. Raises MissingDataset if there
    is no such video."""
    items = scan(root)
    if not items:
        raise MissingDataset(
            f"{root} holds no video of MADS", "Expected <Action>_<Sequence>_C<0|1|2>.avi."
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
    """The performer of each take, from performers.json; empty if there is none. Raises InputError
    if it is not a JSON object of names."""
    file = next(iter(sorted(root.rglob(PERFORMERS))), None)
    content = read_foreign_json(file, dict[str, Label]) if file else {}
    return {take: str(name) for take, name in content.items()}


def scan(root: Path) -> list[Item]:
    """Every multi-view video below the root."""
    known = performers(root)
    matches = ((path, VIDEO.match(path.name)) for path in sorted(root.rglob("*.avi")))
    return [
        Item(path, match["action"], groups=groups_of(match, match["camera"], known))
        for path, match in matches
        if match
    ]


def groups_of(name: re.Match[str], camera: str, performers: dict[str, str]) -> dict[str, str]:
    """The groups of a file, from the action and the sequence in its name."""
    take = f"{name['action']}_{name['seq']}"
    groups = {"take": take, "camera": camera}
    return groups | {"performer": performers[take]} if take in performers else groups


def by_performer(items: Sequence[Item]) -> list[str]:
    """Cross-subject: test on the last half of the performers in alphabetical order."""
    unknown = [i for i in items if "performer" not in i.groups]
    if unknown:
        raise DatasetError(
            f"The performer of {unknown[0].groups['take']} is unknown, so there is no "
            "cross-subject split",
            f"Add {PERFORMERS} to the data folder: "
            f'{{"{unknown[0].groups["take"]}": "name", …}}; or use --split xseq.',
        )
    return split_half("performer")(items)


PROTOCOLS: dict[str, Protocol] = {
    "xseq": (every_third("take"), ("take",)),
    "xview": (by_group("camera", ["0"]), ("camera",)),  # train on cameras 1 and 2
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
