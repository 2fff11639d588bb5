"""SLEAP's .slp files, with the package sleap-io (extra "sleap")."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from skelact.escaping import escaped
from skelact.interop.poses.base import Dims, PoseFormat, Recording


def write(recording: Recording, path: Path, dims: Dims) -> None:
    """All persons as predicted instances of tracks, in pixels."""
    import sleap_io

    sleap_io.save_slp(_labels(sleap_io, recording), str(path))


def _labels(sleap_io: Any, recording: Recording) -> Any:
    sequence = recording.sequence
    joints, edges = sequence.skeleton.joints, sequence.skeleton.edge_indices
    skeleton = sleap_io.Skeleton(nodes=list(joints), edges=list(edges), name="person")
    video = sleap_io.Video(filename=escaped(recording.path), open_backend=False)
    tracks = [sleap_io.Track(name=f"person {person}") for person in sequence.ids]
    frames = []
    for t in range(sequence.frames):
        instances = []
        for m, track in enumerate(tracks):
            xy, score = sequence.xy[m, t].astype(float), sequence.score[m, t].astype(float)
            known = np.isfinite(xy).all(axis=1)
            if known.any():
                instances.append(
                    sleap_io.PredictedInstance.from_numpy(
                        points_data=xy,
                        point_scores=score,
                        score=float(score[known].mean()),
                        skeleton=skeleton,
                        track=track,
                    )
                )
        if instances:
            frames.append(sleap_io.LabeledFrame(video=video, frame_idx=t, instances=instances))
    return sleap_io.Labels(
        labeled_frames=frames, videos=[video], skeletons=[skeleton], tracks=tracks
    )


FORMATS = (
    PoseFormat(
        name="sleap",
        suffix="slp",
        title="SLEAP's labels",
        write=write,
        packages=("sleap_io",),
        extra="sleap",
    ),
)
