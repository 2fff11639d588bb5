"""Frames of people -> one array over time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skelact.skeletons import Skeleton, convert
from skelact.types import PersonPose, PoseSequence


def stack_frames(
    frames: Sequence[Sequence[PersonPose]], skeleton: Skeleton, fps: float, width: int, height: int
) -> PoseSequence:
    """Everyone in `frames`, in the order of first appearance. Where a person is not seen, NaN with
    score 0. People without an id (-1, as in imported files that were not tracked) are told apart by
    their place in the frame's list."""
    rows: dict[int, int] = {}
    for people in frames:
        for n, person in enumerate(people):
            rows.setdefault(_identity(person, n), len(rows))
    m, t, v = len(rows), len(frames), len(skeleton.joints)
    xy = np.full((m, t, v, 2), np.nan, np.float32)
    xyz = (
        np.full((m, t, v, 3), np.nan, np.float32)
        if any(p.xyz is not None for people in frames for p in people)
        else None
    )
    score = np.zeros((m, t, v), np.float32)
    for i, people in enumerate(frames):
        for n, person in enumerate(people):
            row = rows[_identity(person, n)]
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


def _identity(person: PersonPose, place: int) -> int:
    return person.person_id if person.person_id >= 0 else place


def to_skeleton(sequence: PoseSequence, target: Skeleton) -> PoseSequence:
    """The same people with the joints of another layout; joints the source lacks are NaN with score
    0."""
    if sequence.skeleton == target:
        return sequence
    score = np.nan_to_num(convert(sequence.score[..., None], sequence.skeleton, target)[..., 0])
    xyz = None if sequence.xyz is None else convert(sequence.xyz, sequence.skeleton, target)
    xy = convert(sequence.xy, sequence.skeleton, target)
    return PoseSequence(
        xy=xy,
        score=score,
        skeleton=target,
        fps=sequence.fps,
        width=sequence.width,
        height=sequence.height,
        ids=sequence.ids,
        xyz=xyz,
    )
