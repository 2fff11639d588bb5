"""Small collections of skeleton files: NW-UCLA, UTD-MHAD, Kinetics-skeleton."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skelact.datasets.base import Collection, Item, Protocol, by_group, spatial
from skelact.errors import InputError, MissingDataset
from skelact.skeletons import SKELETONS
from skelact.types import PoseSequence

_UCLA = re.compile(r"a(?P<action>\d+)_s(?P<performer>\d+)_e(?P<take>\d+)_v(?P<camera>\d+)$")
_UTD = re.compile(r"a(?P<action>\d+)_s(?P<performer>\d+)_t(?P<take>\d+)_skeleton$")
UCLA_ACTIONS = (
    *("pick up with one hand", "pick up with two hands", "drop trash", "walk around", "sit down"),
    *("stand up", "donning", "doffing", "throw", "carry"),
)
# UTD-MHAD stores Kinect v1's joints in this order
_UTD_ORDER = (
    "head spine_shoulder spine_mid pelvis left_shoulder left_elbow left_wrist left_hand "
    "right_shoulder right_elbow right_wrist right_hand left_hip left_knee left_ankle left_foot "
    "right_hip right_knee right_ankle right_foot"
)
_UTD_JOINTS = tuple(_UTD_ORDER.split())


def nw_ucla(root: Path) -> Collection:
    """NW-UCLA as processed for CTR-GCN: one JSON a sequence (file_name, skeletons [T][20][3],
    label 1 to 10), aAA_sSS_eEE_vVV. Cross-view: train on cameras 1 and 2, test on 3."""
    items = []
    for path in sorted(root.rglob("a*_s*_e*_v*.json")):
        match = _UCLA.match(path.stem)
        if match:
            known = match.groupdict()
            groups = {k: known[k] for k in ("performer", "camera")}
            groups["take"] = path.stem.rsplit("_", 1)[0]
            items.append(Item(path, _ucla_label(int(known["action"])), groups))
    _some(items, root, "NW-UCLA", "aAA_sSS_eEE_vVV.json, in any folders below it")
    protocols: dict[str, Protocol] = {
        "xview": (by_group("camera", ["03"]), ("camera",)),
        "xsub": (by_group("performer", ["02", "04", "06", "08", "10"]), ("performer", "take")),
        # across views without camera 3, on which xview tests: for choosing settings
        "view1to2": (_from_to("01", "02"), ("camera",)),
        "view2to1": (_from_to("02", "01"), ("camera",)),
    }
    choosing = ("view1to2", "view2to1")
    return Collection(
        name="nw-ucla",
        root=root,
        items=tuple(items),
        protocols=protocols,
        read=_read_ucla,
        dev_protocols=choosing,
    )


def _from_to(train: str, test: str) -> Callable[[Sequence[Item]], list[str]]:
    """The rule that trains on one camera, tests on another and leaves the rest out."""
    subsets = {train: "train", test: "test"}
    return lambda items: [subsets.get(i.groups["camera"], "none") for i in items]


def _ucla_label(action: int) -> str:
    """Actions 7 and 10 do not exist: 1 to 6, 8, 9, 11, 12 are the ten."""
    numbers = (1, 2, 3, 4, 5, 6, 8, 9, 11, 12)
    return UCLA_ACTIONS[numbers.index(action)] if action in numbers else f"a{action:02d}"


def _read_ucla(item: Item) -> PoseSequence:
    content = _json(item.path)
    try:
        points = np.asarray(content["skeletons"], np.float32)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{item.path} holds no skeletons: {error}") from error
    return spatial(_checked(points, item.path)[None], SKELETONS["kinect-20"], 30.0)


def utd_mhad(root: Path) -> Collection:
    """UTD-MHAD: aA_sS_tT_skeleton.mat with d_skel (20, 3, T). Cross-subject: train on the odd
    subjects, test on the even ones."""
    items = []
    for path in sorted(root.rglob("a*_s*_t*_skeleton.mat")):
        match = _UTD.match(path.stem)
        if match:
            groups = {"performer": match["performer"], "take": path.stem}
            items.append(Item(path, f"a{int(match['action']):02d}", groups))
    _some(items, root, "UTD-MHAD", "aA_sS_tT_skeleton.mat, in any folders below it")
    even = [str(n) for n in range(2, 10, 2)]
    protocols: dict[str, Protocol] = {"xsub": (by_group("performer", even), ("performer",))}
    return Collection(
        name="utd-mhad", root=root, items=tuple(items), protocols=protocols, read=_read_utd
    )


def _read_utd(item: Item) -> PoseSequence:
    from scipy.io import loadmat

    try:
        stored = np.asarray(loadmat(item.path)["d_skel"], np.float32)
        points = stored.transpose(2, 0, 1)
    except Exception as error:  # scipy raises anything for a damaged file
        raise InputError(f"{item.path} holds no d_skel: {error}") from error
    skeleton = SKELETONS["kinect-20"]
    points = _checked(points, item.path)
    order = [_UTD_JOINTS.index(joint) for joint in skeleton.joints]
    return spatial(points[None, :, order], skeleton, 30.0)


def _checked(points: Any, path: Path) -> Any:
    """(T, 20, 3) with NaN for joints that are all zero. InputError for anything else."""
    if points.ndim != 3 or points.shape[1:] != (20, 3) or not len(points):
        raise InputError(f"{path}: skeletons of shape {points.shape}, expected (frames, 20, 3)")
    if not np.isfinite(points).all():
        raise InputError(f"{path}: coordinates that are not numbers")
    return np.where(points.any(axis=-1, keepdims=True), points, np.float32(np.nan))


def kinetics(root: Path) -> Collection:
    """Kinetics-skeleton: kinetics_train/*.json, kinetics_val/*.json and the two label files
    kinetics_{train,val}_label.json (id -> has_skeleton, label, label_index)."""
    items: list[Item] = []
    left_out = 0
    for subset in ("train", "val"):
        listing = next(iter(sorted(root.rglob(f"kinetics_{subset}_label.json"))), None)
        if listing is None:
            continue
        for name, about in _json(listing).items():
            path = listing.parent / f"kinetics_{subset}" / f"{name}.json"
            if about.get("has_skeleton") and path.is_file():
                groups = {"take": name, "subset": "train" if subset == "train" else "test"}
                items.append(Item(path, str(about["label"]), groups))
            else:
                left_out += 1
    layout = "kinetics_train_label.json beside kinetics_train/, the same for val"
    _some(items, root, "Kinetics-skeleton", layout)
    protocols: dict[str, Protocol] = {"official": (by_group("subset", ["test"]), ("take",))}
    notice = f"{left_out} samples without a skeleton left out" if left_out else ""
    return Collection(
        name="kinetics",
        root=root,
        items=tuple(items),
        protocols=protocols,
        notice=notice,
        read=_read_kinetics,
    )


def _read_kinetics(item: Item) -> PoseSequence:
    """Coordinates are shares of the frame; the two people of every frame with the highest total
    score, in that order, as in ST-GCN's feeder."""
    content = _json(item.path)
    try:
        frames = {int(f["frame_index"]): f["skeleton"] for f in content["data"]}
        start = (
            min(1, *frames) if frames else 1
        )  # OpenPose counts from 0, the released files from 1
        length = max(frames) - start + 1 if frames else 0
        joints = 18
        xy = np.full((2, length, joints, 2), np.nan, np.float32)
        score = np.zeros((2, length, joints), np.float32)
        for number, people in frames.items():
            ranked = sorted(people, key=lambda p: -float(np.sum(p["score"])))[:2]
            for row, person in enumerate(ranked):
                where = np.asarray(person["pose"], np.float32).reshape(joints, 2)
                sure = np.asarray(person["score"], np.float32)
                seen = sure > 0
                xy[row, number - start, seen] = where[seen]
                score[row, number - start] = sure
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{item.path} is no Kinetics-skeleton file: {error!r}") from error
    if not (score > 0).any():
        raise InputError(f"{item.path} holds nobody")
    # pixels of a frame of 2 x 2, so that `image` normalisation gives the shares from -1 to 1
    return PoseSequence(
        xy=xy * 2,
        score=score,
        skeleton=SKELETONS["openpose-18"],
        fps=30.0,
        width=2,
        height=2,
        ids=(0, 1),
    )


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not JSON: {error}") from error


def _some(items: Sequence[Item], root: Path, what: str, layout: str) -> None:
    if not items:
        raise MissingDataset(f"no sample of {what} in {root}", layout)
