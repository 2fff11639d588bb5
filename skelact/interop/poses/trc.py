"""TRC, the marker files of OpenSim: tab-separated text, one line per frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from skelact.escaping import for_terminal
from skelact.interop.poses.base import Dims, PoseFormat, Recording


def write(recording: Recording, path: Path, dims: Dims) -> None:
    """The joints of one person as markers, in millimetres; pixels with z = 0 if there are no 3-D
    joints. The cells of a missing joint are empty."""
    points, unit = recording.points(dims)
    sequence, values = recording.sequence, points[0]
    rate, frames = f"{sequence.fps:g}", len(values)
    joints = [for_terminal(joint) for joint in sequence.skeleton.joints]
    names = (
        *("DataRate", "CameraRate", "NumFrames", "NumMarkers", "Units", "OrigDataRate"),
        *("OrigDataStartFrame", "OrigNumFrames"),
    )
    axes = (f"{axis}{n + 1}" for n in range(len(joints)) for axis in "XYZ")
    lines = [
        ("PathFileType", "4", "(X/Y/Z)", f"{for_terminal(recording.path.stem)}.trc"),
        names,
        (rate, rate, str(frames), str(len(joints)), unit, rate, "1", str(frames)),
        ("Frame#", "Time", *(cell for joint in joints for cell in (joint, "", ""))),
        ("", "", *axes),
        (),
    ]
    for t, row in enumerate(values):
        cells = ("" if np.isnan(v) else f"{v:.3f}" for v in row.ravel())
        lines.append((str(t + 1), f"{t / sequence.fps:.6f}", *cells))
    text = "\n".join("\t".join(line) for line in lines) + "\n"
    path.write_text(text, encoding="utf-8", newline="\n")


FORMATS = (
    PoseFormat(
        name="trc",
        suffix="trc",
        title="OpenSim's marker files",
        write=write,
        per_person=True,
        has_dims=True,
    ),
)
