"""NW-UCLA (Wang et al. 2014) as processed for CTR-GCN: one JSON file per sequence (file_name,
skeletons [T][20][3], label 1 to 10), named aAA_sSS_eEE_vVV. Cross-view: train on cameras 1 and 2,
test on camera 3."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from skelact.datasets.base import (
    Collection,
    DatasetSpec,
    Item,
    Protocol,
    by_group,
    by_value,
    spatial,
)
from skelact.datasets.kinect import check_joints
from skelact.errors import InputError, MissingDataset, reading
from skelact.files import read_foreign_json
from skelact.schemas.foreign import NwUclaSample
from skelact.skeletons import SKELETONS
from skelact.types import PoseSequence

LAYOUT = "aAA_sSS_eEE_vVV.json, in any folders below it"
_NAME = re.compile(r"a(?P<action>\d+)_s(?P<performer>\d+)_e(?P<take>\d+)_v(?P<camera>\d+)$")
ACTIONS = (
    *("pick up with one hand", "pick up with two hands", "drop trash", "walk around", "sit down"),
    *("stand up", "donning", "doffing", "throw", "carry"),
)


def find(root: Path) -> Collection:
    """The sequences below a folder. Raises MissingDataset if there are none."""
    items = []
    for path in sorted(root.rglob("a*_s*_e*_v*.json")):
        match = _NAME.match(path.stem)
        if match:
            named = match.groupdict()
            groups = {k: named[k] for k in ("performer", "camera")}
            groups["take"] = path.stem.rsplit("_", 1)[0]
            items.append(Item(path, _label(int(named["action"])), groups=groups))
    if not items:
        raise MissingDataset(f"{root} holds no sample of NW-UCLA", f"Expected {LAYOUT}.")
    protocols: dict[str, Protocol] = {
        "xview": (by_group("camera", ["03"]), ("camera",)),
        "xsub": (by_group("performer", ["02", "04", "06", "08", "10"]), ("performer", "take")),
        # between the training cameras of xview, to choose settings without its test camera
        "view1to2": (by_value("camera", {"01": "train", "02": "test"}), ("camera",)),
        "view2to1": (by_value("camera", {"02": "train", "01": "test"}), ("camera",)),
    }
    return Collection(
        name="nw-ucla",
        root=root,
        items=tuple(items),
        protocols=protocols,
        read=read,
        dev_protocols=("view1to2", "view2to1"),
        whole_actions=True,
    )


def _label(action: int) -> str:
    """The name of an action number. Actions 7 and 10 do not exist."""
    numbers = (1, 2, 3, 4, 5, 6, 8, 9, 11, 12)
    return ACTIONS[numbers.index(action)] if action in numbers else f"a{action:02d}"


def read(item: Item) -> PoseSequence:
    """A sequence in metres. Raises InputError if the file is damaged."""
    skeletons = read_foreign_json(item.path, NwUclaSample).skeletons
    with reading(item.path, InputError), np.errstate(over="ignore"):
        points = np.asarray(skeletons, np.float32)
    return spatial(check_joints(points, item.path)[None], SKELETONS["kinect-20"], 30.0)


DATASETS = (
    DatasetSpec(
        name="nw-ucla",
        title="NW-UCLA: ten actions, three cameras, Kinect v1",
        origin="https://github.com/Uason-Chen/CTR-GCN",
        layout=LAYOUT,
        find=find,
    ),
)
