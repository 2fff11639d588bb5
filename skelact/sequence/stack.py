"""Persons frame by frame -> arrays over time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from skelact.skeletons import Skeleton, convert
from skelact.types import PersonPose, PoseSequence


def stack_frames(
    frames: Sequence[Sequence[PersonPose]], skeleton: Skeleton, fps: float, width: int, height: int
) -> PoseSequence:
    """All persons in `frames`, in order of their first appearance; frames without a person are NaN
    with score 0. Persons without an id (-1, from files without tracking) are identified by their
    position in the frame's list."""
    rows: dict[int, int] = {}
    for people in frames:
        for n, person in enumerate(people):
            rows.setdefault(identity(person, n), len(rows))
    m, t, v = len(rows), len(frames), len(skeleton.joints)
    xy = np.full((m, t, v, 2), np.nan, np.float32)
    has_xyz = any(p.xyz is not None for people in frames for p in people)
    xyz = np.full((m, t, v, 3), np.nan, np.float32) if has_xyz else None
    score = np.zeros((m, t, v), np.float32)
    for i, people in enumerate(frames):
        for n, person in enumerate(people):
            row = rows[identity(person, n)]
            xy[row, i], score[row, i] = person.xy, person.score
            if xyz is not None and person.xyz is not None:
                xyz[row, i] = person.xyz
    return PoseSequence(
        xy=xy,
        score=score,
        skeleton=skeleton,
        fps=fps,
        width=width,
        height=height,
        ids=tuple(rows),
        xyz=xyz,
    )


def identity(person: PersonPose, position: int) -> int:
    """The id of a person, or the position in the list of a frame if there is none."""
    return person.person_id if person.person_id >= 0 else position


def to_skeleton(sequence: PoseSequence, target: Skeleton) -> PoseSequence:
    """The same persons in another joint layout. Joints that the source lacks are NaN with score
    0."""
    if sequence.skeleton == target:
        return sequence
    score = convert(sequence.score[..., None], sequence.skeleton, target)[..., 0]
    return sequence.with_points(
        lambda points: convert(points, sequence.skeleton, target),
        score=np.nan_to_num(score),
        skeleton=target,
    )


def take_frames(sequence: PoseSequence, start: int, end: int) -> PoseSequence:
    """Frames [start, end) of a sequence, as views."""
    score = sequence.score[:, start:end]
    return sequence.with_points(lambda points: points[:, start:end], score=score)


def visible_frames(sequence: PoseSequence) -> npt.NDArray[np.bool_]:
    """(M, T) whether any joint of a person is known in a frame."""
    return np.asarray(sequence.known.any(axis=2))
