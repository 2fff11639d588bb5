"""Penn Action's annotated 2-D joints as if they were estimated. skelact imitates an estimator on
complete bodies only, so the face is derived here from the marked head and the shoulders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from skelact.sequence.imitate import imitate
from skelact.skeletons import SKELETONS
from skelact.types import PoseSequence

_SKELETON = SKELETONS["coco-17"]
_NOISE = 0.7  # the marks of people have errors of their own
# along the shoulders, up the neck and forward, in torso lengths from the middle of the shoulders
_FACE = {
    "nose": (0.0, 0.40, 0.25),
    "left_eye": (0.035, 0.46, 0.19),
    "right_eye": (-0.035, 0.46, 0.19),
    "left_ear": (0.152, 0.37, 0.0),
    "right_ear": (-0.152, 0.37, 0.0),
}
_SHOULDERS = 0.68  # width in torso lengths

Maker = Callable[[np.random.Generator], PoseSequence | None]


def clips(path: Path) -> list[tuple[str, str, Maker]]:
    """The label and the subset (train, test) of every clip, and a function that makes it."""
    stored = dict(np.load(path))
    return [
        (str(label), "train" if train > 0 else "test", _maker(stored, n))
        for n, (label, train) in enumerate(zip(stored["label"], stored["train"], strict=True))
    ]


def _maker(stored: dict[str, Any], n: int) -> Maker:
    return lambda rng: _estimated(stored, n, rng)


def _estimated(stored: dict[str, Any], n: int, rng: np.random.Generator) -> PoseSequence | None:
    """The clip number n, or None if its joints are not marked or too small."""
    rows = slice(stored["starts"][n], stored["starts"][n] + stored["lengths"][n])
    height, width = map(int, stored["size_hw"][n])
    marked = stored["keypoints"][rows].astype(np.float32)
    marked[(marked <= 1).all(axis=-1)] = np.nan  # joints that were not marked
    xy = np.full((len(marked), len(_SKELETON.joints), 2), np.nan, np.float32)
    hidden = np.zeros(xy.shape[:2], bool)
    names = [str(j) for j in stored["joint_names"]]
    for v, name in enumerate(names):
        if name != "head":
            xy[:, _SKELETON.index(name)] = marked[:, v]
            hidden[:, _SKELETON.index(name)] = stored["visible"][rows, v] == 0
    left, right = (xy[:, _SKELETON.index(f"{s}_shoulder")] for s in ("left", "right"))
    shoulders = (left + right) / 2
    hips = xy[:, _SKELETON.find("left_hip", "right_hip")].mean(axis=1)
    torso = np.linalg.norm(shoulders - hips, axis=-1)
    if not np.isfinite(torso).any():
        return None
    torso = np.maximum(torso, np.nanpercentile(torso, 75))  # a torso that is seen from its end
    unit = float(np.nanmedian(torso))
    if unit <= 8:
        return None
    neck = marked[:, names.index("head")] - shoulders
    neck /= np.maximum(np.linalg.norm(neck, axis=-1, keepdims=True), 1e-6)
    side = np.stack([-neck[:, 1], neck[:, 0]], axis=-1)
    across = ((left - right) * side).sum(axis=-1, keepdims=True) / (unit * _SHOULDERS)
    to_camera = np.sqrt(np.clip(1 - across**2, 0, 1))
    forward = {"left": -1, "right": 1}.get(str(stored["viewpoint"][n]), 0)
    ahead = forward * to_camera * side * np.sign(side[:, :1] + 1e-9)
    for name, (x, y, z) in _FACE.items():
        xy[:, _SKELETON.index(name)] = shoulders + unit * (y * neck + x * across * side + z * ahead)
    with np.errstate(invalid="ignore"):
        outside = ((xy < 0) | (xy >= [width, height])).any(axis=-1)
    estimated, score = imitate(
        xy[None],
        hidden[None],
        outside[None],
        np.nan_to_num(torso, nan=unit)[None].astype(np.float32),
        _SKELETON,
        30.0,  # not stated; web videos have about 30
        _NOISE,
        rng,
    )
    return PoseSequence(
        xy=estimated,
        score=score,
        skeleton=_SKELETON,
        fps=30.0,
        width=width,
        height=height,
        ids=(0,),
    )
