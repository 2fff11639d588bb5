"""Colours of a person's body, to tell two persons apart who overlap."""

from __future__ import annotations

import numpy as np

from skelact.pose.blazepose.landmarks import SKELETON
from skelact.types import Floats
from skelact.video.decode import Frame

# pairs of joints between which the colour of a part is sampled
_PARTS = (
    (("left_shoulder", "right_hip"), ("right_shoulder", "left_hip")),
    (("left_hip", "left_knee"), ("right_hip", "right_knee")),
    (("left_knee", "left_ankle"), ("right_knee", "right_ankle")),
)
_PAIRS = np.array([[[SKELETON.index(j) for j in pair] for pair in part] for part in _PARTS])
_STEPS = np.linspace(0.15, 0.85, 8, dtype=np.float32)


def colours(image: Frame, xy: Floats) -> Floats:
    """(3, 3) median BGR of trunk, thighs and shins in [0, 1], of a person (33, 2) in pixels."""
    ends = xy[_PAIRS]  # parts, limbs, ends, xy
    lines = ends[:, :, :1] + (ends[:, :, 1:] - ends[:, :, :1]) * _STEPS[:, None]
    height, width = image.shape[:2]
    columns = np.clip(np.nan_to_num(lines[..., 0]), 0, width - 1).astype(int)
    rows = np.clip(np.nan_to_num(lines[..., 1]), 0, height - 1).astype(int)
    samples = image[rows, columns].reshape(len(_PARTS), -1, 3)
    return np.asarray(np.median(samples, axis=1) / 255, np.float32)


def difference(a: Floats, b: Floats) -> float:
    """Mean distance of the colours of two persons, 0 if they are equal."""
    return float(np.linalg.norm(a - b, axis=1).mean())
