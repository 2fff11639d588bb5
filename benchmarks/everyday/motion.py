"""Motion capture and Kinect skeletons of `everyday`: their recordings, and the parts of these that
show the label."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skelact.datasets.nw_ucla import ACTIONS
from skelact.skeletons import SKELETONS, Skeleton
from skelact.types import Floats

FPS = 30.0
_FILES = {
    "cmu": "cmu-mocap/cmu_mocap.npz",
    "bandai": "bandai-namco/bandai_namco.npz",
    "hdm05": "hdm05/hdm05.npz",
    "utd-mhad": "utd-mhad/utd_mhad.npz",
    "deepmimic": "deepmimic/deepmimic.npz",
}
_JOINTS = {
    "cmu": {"hips": "pelvis", "spine": "spine_mid"},
    "bandai": {
        "Hips": "pelvis", "Spine": "spine_mid", "Chest": "chest", "Neck": "neck", "Head": "head",
    },
    "hdm05": {"root": "pelvis", "upperback": "spine_mid", "thorax": "chest", "upperneck": "neck"},
    "utd-mhad": {"shoulder_center": "spine_shoulder", "spine": "spine_mid", "hip_center": "pelvis"},
    "deepmimic": {"root": "pelvis", "chest": "spine_mid"},
}  # fmt: skip
# joints of one side without its mark; HDM05 names a joint by the bone that ends there
_LIMBS = {
    "cmu": {"toe": "foot"},
    "bandai": {
        "Shoulder": "clavicle", "UpperArm": "shoulder", "LowerArm": "elbow", "Hand": "wrist",
        "UpperLeg": "hip", "LowerLeg": "knee", "Foot": "ankle", "Toes": "foot",
    },
    "hdm05": {
        "hipjoint": "hip", "femur": "knee", "tibia": "ankle", "foot": "foot", "toes": "toes",
        "clavicle": "shoulder", "humerus": "elbow", "radius": "wrist", "wrist": "wrist_end",
        "hand": "hand", "thumb": "thumb_end", "fingers": "fingers",
    },
}  # fmt: skip
_LONGEST, _PART = 100, 60  # frames: longer recordings are cut into parts
_TORSO_M = (0.2, 1.2)  # other recordings are damaged
# CMU's labels with few, long recordings, which are filmed once
FILMED_ONCE = (
    *("dance", "climb", "basketball_signal", "directing_traffic", "wash", "martial_arts", "sword"),
    "other",
)


@dataclass(frozen=True, kw_only=True)
class Recording:
    """points (T, V, 3) in metres, y up, at FPS."""

    points: Floats
    skeleton: Skeleton
    label: str
    subject: str


def recordings(dataset: str, data: Path) -> Iterator[Recording]:
    """The recordings of a dataset below `data`."""
    if dataset == "nw-ucla":
        yield from _nw_ucla(data / "nw-ucla" / "all_sqe.tar.gz")
        return
    stored = np.load(data / "more" / _FILES[dataset])
    joints = [_joint(dataset, str(j)) for j in stored["joint_names"]]
    parents = [joints[p] if p >= 0 else joints[v] for v, p in enumerate(stored["parents"])]
    skeleton = Skeleton.from_dict(
        {"name": dataset, "joints": joints, "parents": parents, "centre": joints[0]}
    )
    positions = stored["positions"]
    styles = stored["style"] if "style" in stored.files else None
    for n, (start, length) in enumerate(zip(stored["starts"], stored["lengths"], strict=True)):
        subject = str(stored["subject"][n])
        yield Recording(
            points=positions[start : start + length].astype(np.float32),
            skeleton=skeleton,
            label=str(stored["label"][n]),
            subject=subject if styles is None else f"{subject}_{styles[n]}",
        )


def _nw_ucla(path: Path) -> Iterator[Recording]:
    with tarfile.open(path) as archive:
        for member in archive:
            name = Path(member.name)
            if name.suffix != ".json" or name.name.startswith("."):
                continue
            file = archive.extractfile(member)
            assert file is not None
            content = json.load(file)
            points = np.asarray(content["skeletons"], np.float32)
            if len(points) >= 10:
                yield Recording(
                    points=points,
                    skeleton=SKELETONS["kinect-20"],
                    label=ACTIONS[int(content["label"]) - 1].replace(" ", "_"),
                    subject=content["file_name"][4:7],  # a01_s01_e00_v01
                )


def _joint(dataset: str, name: str) -> str:
    """The name of a joint as in skelact's layouts."""
    fixed, limbs = _JOINTS[dataset], _LIMBS.get(dataset, {})
    if name in fixed:
        return fixed[name]
    for side in ("left", "right"):
        mark = side[0]
        if dataset == "cmu" and name.startswith(f"{mark}_"):
            return f"{side}_{limbs.get(name[2:], name[2:])}"
        if dataset == "bandai" and name.endswith(f"_{mark.upper()}"):
            return f"{side}_{limbs[name[:-2]]}"
        if dataset == "hdm05" and name[0] == mark and name[1:] in limbs:
            return f"{side}_{limbs[name[1:]]}"
    return name


def parts(dataset: str, recording: Recording) -> list[tuple[int, int]]:
    """The parts [start, end) in frames of a recording that show its label: two seconds of a long
    one. Walkers must move by 0.35 m/s and runners by 1.3 m/s, and the hips of CMU's jumpers must
    rise by 0.12 m; the gestures of Bandai-Namco are in the middle."""
    points, label = recording.points, recording.label
    frames = len(points)
    hips, shoulders = (
        np.nanmean(points[:, recording.skeleton.find(f"left_{j}", f"right_{j}")], axis=1)
        for j in ("hip", "shoulder")
    )
    torso = float(np.nanmedian(np.linalg.norm(shoulders - hips, axis=-1)))
    if not _TORSO_M[0] < torso < _TORSO_M[1]:
        return []
    if frames <= _LONGEST:
        found = [(0, frames)]
    else:
        step = 30 if frames < 400 else 45
        found = [(s, s + _PART) for s in range(0, frames - _PART + 1, step)]
    moves = dataset in ("cmu", "bandai", "deepmimic") or (dataset, label) == ("hdm05", "jog")
    slowest = 0.0
    if moves and label.startswith("walk"):
        slowest = 0.35
    elif moves and label in ("run", "dash") and dataset != "deepmimic":
        slowest = 1.3
    kept = []
    for start, end in found:
        part = hips[start:end]
        step = round(FPS / 4)
        moved = np.linalg.norm((part[step:] - part[:-step])[:, [0, 2]], axis=1) * FPS / step
        if slowest and not (len(moved) and np.median(moved) >= slowest):
            continue
        rise = part[:, 1].max() - np.median(part[:, 1])
        if (dataset, label) == ("cmu", "jump") and rise < 0.12:
            continue
        gesture = dataset == "bandai" and not label.startswith(("walk", "run", "dash", "dance"))
        if gesture and frames > _LONGEST and abs(start + end - frames) > frames / 2:
            continue
        kept.append((start, end))
    return kept
