"""Joint angles over time as a table."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from skelact.errors import InputError
from skelact.interop.poses.base import Dims, PoseFormat, Recording
from skelact.types import Floats

# name -> the joints A, B, C of the angle at B between BA and BC; for a joint with several names,
# the first that the layout has
ANGLES: dict[str, tuple[tuple[str, ...], ...]] = {
    "elbow": (("shoulder",), ("elbow",), ("wrist",)),
    "shoulder": (("hip",), ("shoulder",), ("elbow",)),
    "hip": (("shoulder",), ("hip",), ("knee",)),
    "knee": (("hip",), ("knee",), ("ankle",)),
    "ankle": (("knee",), ("ankle",), ("foot_index", "big_toe", "foot")),
    "wrist": (("elbow",), ("wrist",), ("index", "hand")),
}
TRUNK = "trunk_inclination"


def joint_angles(recording: Recording, dims: Dims) -> tuple[tuple[str, ...], Floats]:
    """The names of the angles that the layout has, and their values (M, T, A) in degrees; NaN where
    a joint is missing.

    The angle at B between the lines to A and C is acos(BA . BC / (|BA| |BC|)), from 0 to 180: 180
    is a straight limb. The inclination of the trunk is the angle between the line from the middle
    of the hips to that of the shoulders and the vertical of the image or of the 3-D axes: 0 is
    upright. Angles in pixels are those of the projection into the image."""
    points, _ = recording.points(dims)
    joints = recording.sequence.skeleton.joints
    names, columns = [], []
    for side in ("left", "right"):
        for name, parts in ANGLES.items():
            found = [
                next((f"{side}_{j}" for j in options if f"{side}_{j}" in joints), "")
                for options in parts
            ]
            if all(found):
                a, b, c = (points[:, :, joints.index(joint)] for joint in found)
                names.append(f"{side}_{name}")
                columns.append(_angle(a - b, c - b))
    ends = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
    if all(joint in joints for joint in ends):
        ls, rs, lh, rh = (points[:, :, joints.index(joint)] for joint in ends)
        names.append(TRUNK)
        columns.append(_angle((ls + rs - lh - rh) / 2, np.array((0, 1, 0), np.float32)))
    if not names:
        layout = recording.sequence.skeleton.name
        raise InputError(
            f"{recording.path}: no angle is defined for the joints of {layout}",
            "The layout needs joints such as left_hip, left_knee and left_ankle.",
        )
    return tuple(names), np.stack(columns, axis=-1)


def _angle(u: Floats, v: Floats) -> Floats:
    """Degrees between vectors (..., 3); NaN for one of length 0."""
    length = np.linalg.norm(u, axis=-1) * np.linalg.norm(v, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = np.where(length > 0, (u * v).sum(axis=-1) / length, np.nan)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1))).astype(np.float32)


def write(recording: Recording, path: Path, dims: Dims) -> None:
    """One row for each person and frame: frame, time_s, person_id, and the angles in degrees, empty
    where a joint is missing. Raises InputError if the layout has none of the angles."""
    names, values = joint_angles(recording, dims)
    sequence = recording.sequence
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("frame", "time_s", "person_id", *names))
        for m, person in enumerate(sequence.ids):
            for t, row in enumerate(values[m]):
                if np.isfinite(row).any():
                    cells = ("" if np.isnan(v) else f"{v:.2f}" for v in row)
                    writer.writerow((t, f"{t / sequence.fps:.4f}", person, *cells))


FORMATS = (
    PoseFormat(
        name="angles", suffix="csv", title="joint angles in degrees", write=write, has_dims=True
    ),
)
