"""Estimation on mirrored frames. The estimator makes other errors there, so training on both poses
of a video adds variety."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from skelact.pose.base import Estimator, FrameRef
from skelact.skeletons import Skeleton
from skelact.types import PersonPose


class Mirrored:
    """An estimator that runs another one on mirrored frames and flips its poses back."""

    def __init__(self, estimator: Estimator) -> None:
        self.estimator = estimator
        self.name, self.fingerprint = estimator.name, estimator.fingerprint
        self.skeleton = estimator.skeleton

    def run(self, frames: Iterable[FrameRef]) -> Iterator[tuple[FrameRef, list[PersonPose]]]:
        """See Estimator. The frames are returned as they were given."""
        flipped = (replace(f, image=np.ascontiguousarray(f.image[:, ::-1])) for f in frames)
        for frame, people in self.estimator.run(flipped):
            width = frame.image.shape[1]
            original = replace(frame, image=frame.image[:, ::-1])
            yield original, [flip_pose(p, self.skeleton, width) for p in people]


def flip_pose(pose: PersonPose, skeleton: Skeleton, width: int) -> PersonPose:
    """The pose mirrored in a frame of `width` pixels, left and right joints exchanged."""
    order = skeleton.flip_index
    xy = pose.xy[order] * np.array([-1, 1], np.float32) + np.array([width, 0], np.float32)
    xyz = None if pose.xyz is None else pose.xyz[order] * np.array([-1, 1, 1], np.float32)
    return replace(pose, xy=xy, score=pose.score[order], xyz=xyz)
