"""Neurodata Without Borders, with the packages pynwb and ndx-pose (extra "nwb")."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from skelact import __version__
from skelact.escaping import for_terminal
from skelact.interop.poses.base import MM, Dims, PoseFormat, Recording

_CORNER = "(0, 0) is the upper left corner of the picture; x points right, y points down"
_HIPS = "(0, 0, 0) is the middle of the hips in every frame; x points right, y up, z to the camera"
_FILE = "(0, 0, 0) is the origin of the file; x points right, y up"


def write(recording: Recording, path: Path, dims: Dims) -> None:
    """The joints of one person, the subject of the file, as a PoseEstimation of the extension
    ndx-pose: one series for each joint with an entry for each frame, in metres, or in pixels if
    there are no 3-D joints. A missing joint is NaN with confidence 0."""
    import ndx_pose
    import pynwb

    video = for_terminal(recording.path.name)
    person = f"person {recording.sequence.ids[0]}"
    file = pynwb.NWBFile(
        session_description=f"Poses of {video}. The start of the session is the time "
        "at which that file was last changed.",
        # unique, and what programs show as the name of the individual
        identifier=f"{for_terminal(recording.path.stem)} {person} {uuid.uuid4()}",
        session_start_time=_last_change(recording.path),
    )
    file.subject = pynwb.file.Subject(subject_id=person, species="Homo sapiens")
    edges = np.array(recording.sequence.skeleton.edge_indices, np.uint16).reshape(-1, 2)
    skeleton = ndx_pose.Skeleton(
        name="skeleton",
        nodes=_names(recording),
        edges=edges,
        subject=file.subject,
    )
    poses = ndx_pose.PoseEstimation(
        name="PoseEstimation",
        pose_estimation_series=_series(ndx_pose, recording, dims),
        description=f"Poses of {person} in {video}",
        source_software="skelact",
        source_software_version=__version__,
        skeleton=skeleton,
    )
    behavior = file.create_processing_module(name="behavior", description="Poses of a person")
    behavior.add(ndx_pose.Skeletons(skeletons=[skeleton]))
    behavior.add(poses)
    with pynwb.NWBHDF5IO(path, "w") as io:
        io.write(file)


def _series(ndx_pose: Any, recording: Recording, dims: Dims) -> list[Any]:
    sequence = recording.sequence
    values, unit = recording.points(dims)
    if unit == "px":  # as NWB has them: two coordinates, y down
        points, unit, origin = sequence.xy[0], "pixels", _CORNER
    else:
        points, unit, origin = values[0] / MM, "meters", _FILE if recording.y_up else _HIPS
    missing = np.isnan(points).any(axis=-1)
    scores = np.where(missing, 0, sequence.score[0]).astype(np.float32)
    return [
        ndx_pose.PoseEstimationSeries(
            name=joint,
            description=f"Position of {joint}",
            data=np.asarray(points[:, v], np.float32),
            unit=unit,
            reference_frame=origin,
            starting_time=0.0,
            rate=float(sequence.fps),
            confidence=scores[:, v],
            confidence_definition="Score of the pose estimator or of the file, 0 where missing",
        )
        for v, joint in enumerate(_names(recording))
    ]


def _names(recording: Recording) -> list[str]:
    """The names of the joints, without characters that NWB does not allow."""
    joints = (for_terminal(joint) for joint in recording.sequence.skeleton.joints)
    return [joint.replace("/", "_").replace(":", "_") for joint in joints]


def _last_change(path: Path) -> datetime:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError:
        return datetime.now(UTC)


FORMATS = (
    PoseFormat(
        name="nwb",
        suffix="nwb",
        title="Neurodata Without Borders, for one person",
        write=write,
        per_person=True,
        has_dims=True,
        packages=("pynwb", "ndx_pose"),
        extra="nwb",
    ),
)
