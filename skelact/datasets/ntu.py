"""NTU RGB+D 60 and 120 (Shahroudy et al. 2016, Liu et al. 2019) with the official protocols:
Kinect's .skeleton files, or the RGB videos, whose poses are extracted, or an annotation pickle of
PYSKL."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

from skelact.datasets import pyskl
from skelact.datasets.base import Collection, DatasetSpec, Item, Protocol, by_group, by_value
from skelact.datasets.ntu_names import item_of
from skelact.errors import MissingDataset
from skelact.readers.kinect import read_sequence
from skelact.types import PoseSequence

TRAIN_60 = (1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38)
TRAIN_120 = (
    *TRAIN_60,
    *(45, 46, 47, 49, 50, 52, 53, 54, 55, 56, 57, 58, 59, 70, 74, 78, 80, 81, 82, 83, 84, 85, 86),
    *(89, 91, 92, 93, 94, 95, 97, 98, 100, 103),
)


@cache
def missing_samples() -> frozenset[str]:
    """Names of the samples whose skeletons are missing or wrong (535, of which 302 in NTU60), as
    listed by the authors."""
    text = files("skelact.datasets").joinpath("ntu_missing.txt").read_text(encoding="ascii")
    return frozenset(text.split())


def protocols(actions: int) -> dict[str, Protocol]:
    """The official splits of NTU60 (60 actions) or NTU120."""
    train = TRAIN_60 if actions == 60 else TRAIN_120
    subjects = by_value("performer", {f"{n:03d}": "train" for n in train}, other="test")
    if actions == 60:
        second, rule = "xview", (by_group("camera", ["001"]), ("camera",))
    else:  # odd setups test
        second, rule = (
            "xset",
            (by_group("setup", [f"{n:03d}" for n in range(1, 33, 2)]), ("setup",)),
        )
    return {"xsub": (subjects, ("performer",)), second: rule}


def find(root: Path, actions: int, denoise: bool = False) -> Collection:
    """The .skeleton files below a folder, or, if there are none, its videos; if `root` is a pickle,
    its annotations. Raises MissingDataset if there are none of these."""
    if root.suffix in pyskl.SUFFIXES:
        return pyskl.find(root, f"ntu{actions}")
    paths = sorted(root.rglob("*.skeleton"))
    is_video = not paths
    if is_video:
        paths = sorted(p for p in root.rglob("*_rgb.*") if p.suffix in (".avi", ".mp4"))
    listed = [i for p in paths if (i := item_of(p, p.stem)) and int(i.label[1:]) <= actions]
    items = [i for i in listed if is_video or i.path.stem not in missing_samples()]
    if not items:
        raise MissingDataset(
            f"{root} holds no sample of NTU{actions}",
            "Expected SsssCcccPpppRrrrAaaa.skeleton or …_rgb.avi, in any folders below it.",
        )
    dropped = len(listed) - len(items)
    notice = f"{dropped} samples with missing skeletons left out" if dropped else ""

    def read(item: Item) -> PoseSequence:
        return read_sequence(item.path, denoise)

    reader = None if is_video else read
    return Collection(
        name=f"ntu{actions}",
        root=root,
        items=tuple(items),
        protocols=protocols(actions),
        notice=notice,
        read=reader,
    )


def _spec(name: str, title: str, actions: int, denoise: bool = False) -> DatasetSpec:
    return DatasetSpec(
        name=name,
        title=title,
        origin="https://rose1.ntu.edu.sg/dataset/actionRecognition/",
        layout="SsssCcccPpppRrrrAaaa.skeleton, or …_rgb.avi, or a pickle of PYSKL",
        find=lambda root: find(root, actions, denoise),
    )


DATASETS = (
    _spec("ntu60", "NTU RGB+D: 60 actions, Kinect v2", 60),
    _spec("ntu120", "NTU RGB+D 120", 120),
    _spec(
        "ntu60-denoised", "NTU RGB+D, persons chosen as in PYSKL (ntu_preproc)", 60, denoise=True
    ),
)
