"""MADS's ground truth: GTpose2 of every *_GT.mat (millimetres, 15 or 19 joints), either in 3-D or
projected into each camera by its calibration."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from skelact.datasets import mads
from skelact.datasets.base import Collection, DatasetSpec, Item, spatial
from skelact.errors import InputError, MissingDataset, reading
from skelact.readers.matlab import load_mat
from skelact.skeletons import SKELETONS, convert, layout_for
from skelact.types import PoseSequence

FILE = re.compile(r"^(?P<action>[^_]+)_(?P<seq>.+)_GT\.mat$")
FPS = 15.0
_MAX_CENTRE = 1 << 15  # pixels


def find(root: Path, projected: bool) -> Collection:
    """Every ground truth below a folder. If `projected`, there is one item for each camera whose
    calibration is in the same folder. Raises MissingDataset if there is none."""
    performers = mads.performers(root)
    items = []
    for path in sorted(root.rglob("*_GT.mat")):
        match = FILE.match(path.name)
        if match is None:
            continue
        cameras = [""]
        if projected:
            cameras = sorted(f.stem[-1] for f in path.parent.glob("Calib_Cam[0-2].mat"))
        for camera in cameras:
            groups = mads.groups_of(match, camera or "none", performers)
            items.append(Item(path, match["action"], groups=groups, key=camera))
    if not items:
        raise MissingDataset(
            f"{root} holds no ground truth of MADS",
            "Expected <Action>_<Sequence>_GT.mat" + (" and Calib_Cam0.mat" if projected else ""),
        )
    rules = {k: v for k, v in mads.PROTOCOLS.items() if projected or k != "xview"}
    name = "mads-projected" if projected else "mads-3d"
    reader = read_projected if projected else read
    return Collection(name=name, root=root, items=tuple(items), protocols=rules, read=reader)


def poses(path: Path) -> npt.NDArray[np.float64]:
    """(T, 19, 3) millimetres, world y up; joints that a 15-joint file lacks are NaN. Raises
    InputError if the file is damaged."""
    content = load_mat(path)
    with reading(
        path, InputError, "Use the original file of MADS, with GTpose2 of 15 or 19 joints."
    ):
        frames = [np.asarray(f, float) for f in content["GTpose2"]]
        joints = len(frames[0])
        stacked = np.stack(frames)
        layout = layout_for(joints, "mads")
        if stacked.shape[1:] != (joints, 3):
            raise ValueError(f"its poses have the shape {stacked.shape[1:]}")
    return np.asarray(convert(stacked, layout, SKELETONS["mads-19"]))


def read(item: Item) -> PoseSequence:
    """The take in metres, z up: (x, -z, y) / 1000."""
    x, y, z = np.moveaxis(poses(item.path), -1, 0)
    metres = np.stack([x, -z, y], axis=-1) / 1000
    return spatial(metres[None], SKELETONS["mads-19"], FPS)


def read_projected(item: Item) -> PoseSequence:
    """The take in the pixels of camera `item.key`, and in metres as `read` returns it."""
    camera = item.path.with_name(f"Calib_Cam{item.key}.mat")
    calibration = load_mat(camera)
    world = poses(item.path)
    with reading(camera, InputError):
        xy, depth = project(world, calibration)
        xy[depth <= 0] = np.nan
        centre = np.ravel(calibration["KK"])[[2, 5]].astype(float)  # the middle of the frame
        if not (centre.min() > 0 and centre.max() < _MAX_CENTRE):
            raise ValueError(f"the middle of its frame is {centre.tolist()}")
    known = ~np.isnan(xy).any(axis=-1)
    return replace(
        read(item),
        xy=xy[None].astype(np.float32),
        score=known[None].astype(np.float32),
        width=round(2 * float(centre[0])),
        height=round(2 * float(centre[1])),
    )


def project(
    world: npt.NDArray[np.float64], calibration: dict[str, Any]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Project world points (..., 3) in millimetres to pixels (..., 2) and depth (...) in
    millimetres: x = K (R X + T), with the five radial and tangential distortion coefficients kc of
    Bouguet's toolbox. Raises InputError if the calibration is incomplete."""
    import cv2

    hint = "KK, om_ext and T_ext are required."
    with reading("The calibration of a camera", InputError, hint):
        k = np.asarray(calibration["KK"], float).reshape(3, 3)
        turn, _ = cv2.Rodrigues(np.asarray(calibration["om_ext"], float).reshape(3, 1))
        shift = np.asarray(calibration["T_ext"], float).reshape(3)
        kc = np.zeros(5)
        coefficients = np.ravel(calibration.get("kc", kc))[:5]
        kc[: len(coefficients)] = coefficients
        if not all(np.isfinite(a).all() for a in (k, turn, shift, kc)):
            raise ValueError("it holds numbers that are not finite")
    camera = world @ turn.T + shift
    depth = camera[..., 2]
    with np.errstate(invalid="ignore", divide="ignore"):
        x, y = camera[..., 0] / depth, camera[..., 1] / depth
    r2 = x * x + y * y
    radial = 1 + kc[0] * r2 + kc[1] * r2**2 + kc[4] * r2**3
    u = x * radial + 2 * kc[2] * x * y + kc[3] * (r2 + 2 * x * x)
    v = y * radial + kc[2] * (r2 + 2 * y * y) + 2 * kc[3] * x * y
    pixels = np.stack([u, v, np.ones_like(u)], axis=-1) @ k.T
    return pixels[..., :2], depth


DATASETS = (
    DatasetSpec(
        name="mads-3d",
        title="MADS's ground truth in 3-D",
        origin="http://visal.cs.cityu.edu.hk/research/mads/",
        layout="<Action>_<Sequence>_GT.mat, anywhere below",
        find=lambda root: find(root, projected=False),
    ),
    DatasetSpec(
        name="mads-projected",
        title="MADS's ground truth in the pixels of each camera",
        origin="http://visal.cs.cityu.edu.hk/research/mads/",
        layout="<Action>_<Sequence>_GT.mat and Calib_Cam<0|1|2>.mat in the same folder",
        find=lambda root: find(root, projected=True),
    ),
)
