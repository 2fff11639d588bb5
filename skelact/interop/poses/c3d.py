"""C3D, the binary files of motion capture, with the package c3d (extra "mocap")."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from skelact.interop.poses.base import Dims, PoseFormat, Recording


def write(recording: Recording, path: Path, dims: Dims) -> None:
    """The joints of one person as points, as in TRC; missing joints have a residual of -1."""
    import c3d

    points, unit = recording.points(dims)
    sequence = recording.sequence
    writer = c3d.Writer(point_rate=sequence.fps, point_units=unit.ljust(4))
    writer.set_point_labels(list(sequence.skeleton.joints))
    missing = np.isnan(points[0]).any(axis=-1)
    values = np.zeros((*missing.shape, 5), np.float32)
    values[..., :3] = np.nan_to_num(points[0])
    values[missing, 3] = -1
    analog = np.zeros((0, 0), np.float32)
    writer.add_frames([(frame, analog) for frame in values])
    with path.open("wb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about points without analog channels
        writer.write(file)


FORMATS = (
    PoseFormat(
        name="c3d",
        suffix="c3d",
        title="motion capture, for one person",
        write=write,
        per_person=True,
        has_dims=True,
        packages=("c3d",),
        extra="mocap",
    ),
)
