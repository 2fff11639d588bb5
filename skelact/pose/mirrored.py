"""A second look at the same people: the estimator is shown mirrored pictures, and what it finds is
turned back. It errs in other ways there, which is what training on both is for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from skelact.pose.base import Estimator, FrameRef
from skelact.skeletons import Skeleton
from skelact.types import PersonPose


class Mirrored:
    """An estimator around another."""

    def __init__(self, estimator: Estimator) -> None:
        self.estimator = estimator
        self.name, self.fingerprint = estimator.name, estimator.fingerprint
        self.skeleton = estimator.skeleton

    def run(self, pictures: Iterable[FrameRef]) -> Iterator[tuple[FrameRef, list[PersonPose]]]:
        """See Estimator; the pictures come back as they were."""
        shown = (replace(p, image=np.ascontiguousarray(p.image[:, ::-1])) for p in pictures)
        for picture, people in self.estimator.run(shown):
            width = picture.image.shape[1]
            turned = [turned_back(p, self.skeleton, width) for p in people]
            yield replace(picture, image=picture.image[:, ::-1]), turned


def turned_back(pose: PersonPose, skeleton: Skeleton, width: int) -> PersonPose:
    """A person of a mirrored picture `width` pixels wide as they are: left is left again."""
    order = skeleton.flip_index
    xy = pose.xy[order] * np.array([-1, 1], np.float32) + np.array([width, 0], np.float32)
    xyz = None if pose.xyz is None else pose.xyz[order] * np.array([-1, 1, 1], np.float32)
    return PersonPose(xy, pose.score[order], xyz, pose.person_id)
