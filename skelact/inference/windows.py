"""The persons of a video over time, and the windows in which networks see them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from skelact.sequence.clean import take_persons
from skelact.sequence.resample import at_rate
from skelact.sequence.stack import identity, take_frames, visible_frames
from skelact.types import PersonPose, PoseSequence

SCENE = -1  # the person id of a prediction about all persons together
MIN_VISIBLE = 0.25  # smallest share of a window's frames in which someone must be visible

Window = tuple[int, int]  # first frame, frame after the last


@dataclass(frozen=True, kw_only=True)
class PersonTrack:
    """One person of a video, or all persons together (SCENE), from the first to the last frame in
    which anyone is visible. `start` is that first frame; `sequence` is stacked but not cleaned, and
    with `as_stored` it is not to be cleaned."""

    person_id: int
    start: int
    sequence: PoseSequence
    as_stored: bool = False

    def windows(self, length: int, step: int) -> list[Window]:
        """Windows of `length` frames every `step` frames, counted from the track's first frame, in
        which someone is visible for at least MIN_VISIBLE of the frames."""
        visible = visible_frames(self.sequence).any(axis=0)
        spans = window_spans(self.sequence.frames, length, step)
        return [(a, b) for a, b in spans if visible[a:b].sum() >= MIN_VISIBLE * (b - a)]


def window_spans(frames: int, length: int, step: int) -> list[Window]:
    """Windows of `length` frames every `step` frames; the last one ends at the last frame. One
    window of all frames if there are not more than `length`."""
    if frames <= length:
        return [(0, frames)]
    starts = [*range(0, frames - length, step), frames - length]
    return [(s, s + length) for s in starts]


def find_tracks(sequence: PoseSequence, per_person: bool, min_seen_s: float) -> list[PersonTrack]:
    """The tracks of a video, the person who is visible longest first; or one track of the scene.

    Persons who are visible for less than `min_seen_s` seconds are left out, unless there are no
    others; then the one who is visible longest is kept."""
    visible = visible_frames(sequence)
    if not visible.any():
        return []
    if not per_person:
        return [_track(sequence, list(range(sequence.persons)), SCENE)]
    counts = visible.sum(axis=1)
    order = [int(i) for i in np.argsort(-counts, kind="stable")]
    kept = [i for i in order if counts[i] >= min_seen_s * sequence.fps] or order[:1]
    return [_track(sequence, [i], sequence.ids[i]) for i in kept if counts[i]]


def person_tracks(
    frames: Sequence[Sequence[PersonPose]],
    stack: Callable[[list[list[PersonPose]]], PoseSequence],
    fps: float,
    min_seen_s: float,
) -> list[PersonTrack]:
    """`find_tracks` for each person of the frames that `stack` makes arrays of, without an array of
    all persons in all frames: in long videos, both are many."""
    persons: dict[int, dict[int, PersonPose]] = {}  # id -> frame -> pose
    for number, people in enumerate(frames):
        for position, person in enumerate(people):
            persons.setdefault(identity(person, position), {})[number] = person
    everyone = [pose for poses in persons.values() for pose in poses.values()]
    has_xyz = any(p.xyz is not None for p in everyone)
    has_xy = any(not np.isnan(p.xy).all() for p in everyone)
    tracks: list[tuple[int, PersonTrack]] = []  # with the number of frames in which one is visible
    for person_id, poses in persons.items():
        first, last = min(poses), max(poses)
        sequence = stack([[poses[n]] if n in poses else [] for n in range(first, last + 1)])
        if has_xy and np.isnan(sequence.xy).all():
            continue
        if has_xyz and sequence.xyz is None:
            missing = np.full((*sequence.xy.shape[:3], 3), np.nan, np.float32)
            sequence = replace(sequence, xyz=missing)
        count = int(visible_frames(sequence).sum())
        if count:
            track = _track(replace(sequence, ids=(person_id,)), [0], person_id)
            tracks.append((count, replace(track, start=first + track.start)))
    tracks.sort(key=lambda pair: -pair[0])
    return [track for count, track in tracks if count >= min_seen_s * fps] or [
        track for _, track in tracks[:1]
    ]


def at_track_rate(track: PersonTrack, fps: float) -> PersonTrack:
    """The track at another frame rate [Hz]."""
    start = round(track.start * fps / track.sequence.fps)
    return replace(track, start=start, sequence=at_rate(track.sequence, fps))


def _track(sequence: PoseSequence, rows: list[int], person_id: int) -> PersonTrack:
    persons = take_persons(sequence, rows)
    frames = np.flatnonzero(visible_frames(persons).any(axis=0))
    start, end = int(frames[0]), int(frames[-1]) + 1
    return PersonTrack(person_id=person_id, start=start, sequence=take_frames(persons, start, end))
