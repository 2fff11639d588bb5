"""UTD-MHAD (Chen et al. 2015): aA_sS_tT_skeleton.mat with d_skel (20, 3, T). Cross-subject: train
on the odd subjects, test on the even ones."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from skelact.datasets.base import Collection, DatasetSpec, Item, Protocol, by_value, spatial
from skelact.datasets.kinect import check_joints
from skelact.errors import InputError, MissingDataset
from skelact.readers.matlab import load_mat
from skelact.skeletons import SKELETONS, convert
from skelact.types import PoseSequence

LAYOUT = "aA_sS_tT_skeleton.mat, in any folders below it"
_NAME = re.compile(r"a(?P<action>\d+)_s(?P<performer>\d+)_t(?P<take>\d+)_skeleton$")


def find(root: Path) -> Collection:
    """The sequences below a folder. Raises MissingDataset if there are none."""
    items = []
    for path in sorted(root.rglob("a*_s*_t*_skeleton.mat")):
        match = _NAME.match(path.stem)
        if match:
            groups = {"performer": match["performer"], "take": path.stem}
            items.append(Item(path, f"a{int(match['action']):02d}", groups=groups))
    if not items:
        raise MissingDataset(f"{root} holds no sample of UTD-MHAD", f"Expected {LAYOUT}.")
    subsets = {str(n): "test" if n % 2 == 0 else "train" for n in range(1, 9)}
    unknown = sorted({i.groups["performer"] for i in items} - subsets.keys())
    notice = (
        f"The split xsub leaves out the performers {', '.join(unknown)}: it is defined for 1 to 8."
        if unknown
        else ""
    )
    protocols: dict[str, Protocol] = {"xsub": (by_value("performer", subsets), ("performer",))}
    return Collection(
        name="utd-mhad",
        root=root,
        items=tuple(items),
        protocols=protocols,
        notice=notice,
        read=read,
    )


def read(item: Item) -> PoseSequence:
    """A sequence in metres. Raises InputError if the file is damaged."""
    try:
        stored = np.asarray(load_mat(item.path)["d_skel"], np.float32)
        points = stored.transpose(2, 0, 1)
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(f"{item.path} holds no d_skel: {error}") from error
    points = check_joints(points, item.path)
    target = SKELETONS["kinect-20"]
    points = convert(points[None], SKELETONS["utd-mhad-20"], target)
    return spatial(points, target, 30.0)


DATASETS = (
    DatasetSpec(
        name="utd-mhad",
        title="UTD-MHAD: 27 actions, eight performers, Kinect v1",
        origin="https://personal.utdallas.edu/~kehtar/UTD-MHAD.html",
        layout=LAYOUT,
        find=find,
    ),
)
