"""Kinetics-skeleton (Yan et al. 2018), OpenPose's poses of Kinetics-400: kinetics_train/*.json,
kinetics_val/*.json and the label files kinetics_{train,val}_label.json (id -> has_skeleton, label,
label_index)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from skelact import limits
from skelact.datasets.base import Collection, DatasetSpec, Item, Protocol, by_group
from skelact.errors import InputError, MissingDataset
from skelact.files import read_foreign_json
from skelact.schemas.foreign import KineticsLabel, KineticsSample
from skelact.skeletons import SKELETONS
from skelact.types import PoseSequence

_MAX_FRAMES = 100_000
LAYOUT = "kinetics_train/, kinetics_val/ and their _label.json"


def find(root: Path) -> Collection:
    """The samples below a folder. Raises MissingDataset if there are none."""
    items: list[Item] = []
    dropped = 0
    for subset in ("train", "val"):
        listing = next(iter(sorted(root.rglob(f"kinetics_{subset}_label.json"))), None)
        if listing is None:
            continue
        names = {path.stem: path for path in (listing.parent / f"kinetics_{subset}").glob("*.json")}
        for name, sample in read_foreign_json(listing, dict[str, KineticsLabel]).items():
            if sample.has_skeleton and name in names:
                groups = {"take": name, "subset": "train" if subset == "train" else "test"}
                items.append(Item(names[name], str(sample.label), groups=groups))
            else:
                dropped += 1
    if not items:
        raise MissingDataset(f"{root} holds no sample of Kinetics-skeleton", f"Expected {LAYOUT}.")
    protocols: dict[str, Protocol] = {"official": (by_group("subset", ["test"]), ("take",))}
    notice = f"{dropped} samples without a skeleton left out" if dropped else ""
    return Collection(
        name="kinetics",
        root=root,
        items=tuple(items),
        protocols=protocols,
        notice=notice,
        read=read,
    )


def read(item: Item) -> PoseSequence:
    """The two persons of each frame with the highest total score, in that order, as in ST-GCN's
    feeder. The coordinates in the file are fractions of the frame size. Raises InputError if the
    file is damaged or holds no person."""
    frames = {f.frame_index: f.skeleton for f in read_foreign_json(item.path, KineticsSample).data}
    # OpenPose counts from 0, the released files from 1
    start = min(1, *frames) if frames else 1
    length = max(frames) - start + 1 if frames else 0
    if length > _MAX_FRAMES:
        raise InputError(f"{item.path} has {length} frames, more than {_MAX_FRAMES}")
    joints = 18
    xy = np.full((2, length, joints, 2), np.nan, np.float32)
    score = np.zeros((2, length, joints), np.float32)
    for number, people in frames.items():
        ranked = sorted(people, key=lambda p: -sum(p.score))[:2]
        for row, person in enumerate(ranked):
            with np.errstate(over="ignore"):
                points = np.asarray(person.pose, np.float32).reshape(joints, 2)
                scores = np.asarray(person.score, np.float32)
            # false for NaN too
            detected = (scores > 0) & (np.abs(points) <= limits.COORDINATE).all(axis=1)
            xy[row, number - start, detected] = points[detected]
            score[row, number - start] = np.where(detected, np.minimum(scores, 1), 0)
    if not (score > 0).any():
        raise InputError(f"{item.path} holds no person")
    # a frame of 2 x 2 pixels, so that `image` normalisation maps the fractions to -1 to 1
    return PoseSequence(
        xy=xy * 2,
        score=score,
        skeleton=SKELETONS["openpose-18"],
        fps=30.0,
        width=2,
        height=2,
        ids=(0, 1),
    )


DATASETS = (
    DatasetSpec(
        name="kinetics",
        title="Kinetics-skeleton: OpenPose on Kinetics-400",
        origin="https://github.com/yysijie/st-gcn",
        layout=LAYOUT,
        find=find,
    ),
)
