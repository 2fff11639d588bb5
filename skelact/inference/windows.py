"""The persons of a video over time, and the windows in which networks see them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skelact.sequence.clean import take_persons
from skelact.sequence.stack import take_frames, visible_frames
from skelact.types import PoseSequence

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


def _track(sequence: PoseSequence, rows: list[int], person_id: int) -> PersonTrack:
    persons = take_persons(sequence, rows)
    frames = np.flatnonzero(visible_frames(persons).any(axis=0))
    start, end = int(frames[0]), int(frames[-1]) + 1
    return PersonTrack(person_id=person_id, start=start, sequence=take_frames(persons, start, end))
