"""Every dataset by name: what it is, where to get it, how it must lie, how it is found."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from skelact.datasets import folder, kth, mads, mads_truth, ntu, pyskl, skeleton_files
from skelact.datasets.base import Collection
from skelact.errors import ConfigError, MissingDataset
from skelact.types import nearest

DATA_VARIABLE = "SKELACT_DATA"


@dataclass(frozen=True)
class DatasetSpec:
    """A dataset of the table. `find` takes the place it lies at."""

    name: str
    title: str
    origin: str
    layout: str
    find: Callable[[Path], Collection]


def _ntu(actions: int, denoise: bool = False) -> Callable[[Path], Collection]:
    def find(place: Path) -> Collection:
        if place.suffix in (".pkl", ".pickle"):
            return pyskl.find(place, f"ntu{actions}")
        return ntu.find(place, actions, denoise)

    return find


DATASETS = {
    s.name: s
    for s in (
        DatasetSpec(
            "folder",
            "own footage: a folder for every class",
            "your camera",
            "<class>/…/<video>",
            folder.folder,
        ),
        DatasetSpec(
            "labels",
            "own footage: a table of labels",
            "your camera",
            "labels.csv: " + ", ".join(folder.COLUMNS),
            folder.table,
        ),
        DatasetSpec(
            "mads",
            "MADS: martial arts, dancing, sports; video",
            "http://visal.cs.cityu.edu.hk/research/mads/",
            "<Action>_<Sequence>_C<0|1|2>.avi, anywhere below",
            mads.find_below,
        ),
        DatasetSpec(
            "mads-3d",
            "MADS's ground truth in 3-D",
            "http://visal.cs.cityu.edu.hk/research/mads/",
            "<Action>_<Sequence>_GT.mat, anywhere below",
            lambda place: mads_truth.find(place, projected=False),
        ),
        DatasetSpec(
            "mads-projected",
            "MADS's ground truth in each camera's picture",
            "http://visal.cs.cityu.edu.hk/research/mads/",
            "the same with Calib_Cam<0|1|2>.mat beside them",
            lambda place: mads_truth.find(place, projected=True),
        ),
        DatasetSpec(
            "kth",
            "KTH actions: six actions, 25 people",
            "https://www.csc.kth.se/cvap/actions/",
            "personXX_<action>_dY_uncomp.avi or OpenPose JSON of that name; 00sequences.txt",
            kth.find,
        ),
        DatasetSpec(
            "ntu60",
            "NTU RGB+D: 60 actions, Kinect v2",
            "https://rose1.ntu.edu.sg/dataset/actionRecognition/",
            "SsssCcccPpppRrrrAaaa.skeleton, or …_rgb.avi, or a pickle of PYSKL",
            _ntu(60),
        ),
        DatasetSpec(
            "ntu120",
            "NTU RGB+D 120",
            "https://rose1.ntu.edu.sg/dataset/actionRecognition/",
            "as ntu60",
            _ntu(120),
        ),
        DatasetSpec(
            "ntu60-denoised",
            "NTU RGB+D, bodies chosen as by PYSKL (ntu_preproc)",
            "https://rose1.ntu.edu.sg/dataset/actionRecognition/",
            "SsssCcccPpppRrrrAaaa.skeleton",
            _ntu(60, denoise=True),
        ),
        DatasetSpec(
            "kinetics",
            "Kinetics-skeleton: OpenPose on Kinetics-400",
            "https://github.com/yysijie/st-gcn",
            "kinetics_train/, kinetics_val/ and their _label.json",
            skeleton_files.kinetics,
        ),
        DatasetSpec(
            "jhmdb",
            "JHMDB: 21 everyday actions, 928 clips",
            "http://jhmdb.is.tue.mpg.de/",
            "<class>/<clip>.avi and <class>_test_split<1|2|3>.txt",
            folder.jhmdb,
        ),
        DatasetSpec(
            "nw-ucla",
            "NW-UCLA: ten actions, three cameras, Kinect v1",
            "https://github.com/Uason-Chen/CTR-GCN",
            "aAA_sSS_eEE_vVV.json, anywhere below",
            skeleton_files.nw_ucla,
        ),
        DatasetSpec(
            "utd-mhad",
            "UTD-MHAD: 27 actions, eight people, Kinect v1",
            "https://personal.utdallas.edu/~kehtar/UTD-MHAD.html",
            "aA_sS_tT_skeleton.mat, anywhere below",
            skeleton_files.utd_mhad,
        ),
        DatasetSpec(
            "pyskl",
            "an annotation pickle of PYSKL or mmaction2",
            "https://github.com/kennymckormick/pyskl",
            "one .pkl file",
            pyskl.find,
        ),
    )
}


def places(name: str, data: Path | None) -> list[Path]:
    """Where a dataset is looked for, in order."""
    if data is not None:
        return [data]
    variable = os.environ.get(DATA_VARIABLE)
    return [*([Path(variable) / name] if variable else []), Path("data") / name]


def kind_of(place: Path) -> str:
    """The dataset that a place is by its form: a pickle, a table, or a folder of class folders."""
    if place.suffix in (".pkl", ".pickle"):
        return "pyskl"
    return "labels" if place.suffix == ".csv" else "folder"


def named(name: str) -> DatasetSpec:
    """The entry of the table. ConfigError for an unknown name."""
    if name not in DATASETS:
        raise ConfigError(
            f"no dataset is called {name!r}{nearest(name, DATASETS)}",
            f"one of {', '.join(DATASETS)}",
        )
    return DATASETS[name]


def find(name: str, data: Path | None, classes: tuple[str, ...] | None) -> Collection:
    """The dataset of that name at `data`, else $SKELACT_DATA/<name>, else ./data/<name>. MADS
    falls back to the shipped sample set, with a notice. ConfigError for an unknown name,
    MissingDataset if it is in none of these places."""
    source = named(name)
    if name == "mads":
        return mads.find(data, classes)
    looked = places(name, data)
    for place in looked:
        if place.exists():
            return source.find(place).select_classes(classes)
    raise MissingDataset(
        f"{name} is not in {' or '.join(map(str, looked))}",
        f"--data PLACE; it must lie as {source.layout}; it comes from {source.origin}",
    )
