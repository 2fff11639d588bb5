"""Examples of an action: one person in a span of a video, as embeddings of every network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from skelact.cache import Cache
from skelact.errors import BadSpan, ConfigError, DamagedEntry, InputError, NoPersonFound
from skelact.inference.embedding import window_embeddings
from skelact.inference.ensemble import check_file, check_joints, is_per_person
from skelact.inference.groups import stored_tracks
from skelact.inference.predictor import Predictor
from skelact.inference.windows import PersonTrack, find_tracks
from skelact.sequence.stack import take_frames, visible_frames
from skelact.stages.poses import Extracted, estimate_again
from skelact.stages.skeleton_input import SkeletonInput
from skelact.types import Floats, ProgressCallback, no_progress

MAX_EXAMPLES = 20
MAX_WINDOWS = 8  # of one example; more are thinned out evenly
_STEP = 0.5  # between the windows of an example, as a fraction of their length
_SPAN = re.compile(r"(?P<path>.+):(?P<start>\d+(?:\.\d*)?)-(?P<end>\d+(?:\.\d*)?)")


@dataclass(frozen=True, kw_only=True)
class Example:
    """A video or skeleton file, the part of it in seconds (None: all of it), and the id of the
    person, which is needed only where there are several."""

    path: Path
    span_s: tuple[float, float] | None = None
    person: int | None = None

    def __post_init__(self) -> None:
        if self.span_s is not None and not 0 <= self.span_s[0] < self.span_s[1]:
            start, end = self.span_s
            raise BadSpan(
                f"{self.path}: a part must end after its start, got {start:g} to {end:g} s",
                "Write FILE:START-END in seconds, for example clip.mp4:3.0-5.5.",
            )

    @property
    def place(self) -> str:
        """The file and the part, for messages."""
        if self.span_s is None:
            return str(self.path)
        return f"{self.path} from {self.span_s[0]:g} to {self.span_s[1]:g} s"


def parse_examples(texts: Sequence[str], persons: Sequence[int] = ()) -> tuple[Example, ...]:
    """Examples as they are written on the command line: FILE or FILE:START-END. `persons` are the
    ids of their persons: none, one for all examples, or one for each.

    Raises BadSpan for a span that does not run forward, InputError for a folder, ConfigError if
    the number of ids does not fit."""
    if len(persons) > 1 and len(persons) != len(texts):
        raise ConfigError(
            f"{len(persons)} ids of persons were given for {len(texts)} examples",
            "Give --person once for all examples, or once for each in their order.",
        )
    out = []
    for n, text in enumerate(texts):
        match = None if Path(text).exists() else _SPAN.fullmatch(text)
        path = Path(match["path"] if match else text)
        if path.is_dir():
            raise InputError(
                f"{path} is a folder", f"Name its files, for example {path / '*.mp4'}."
            )
        span = (float(match["start"]), float(match["end"])) if match else None
        person = persons[min(n, len(persons) - 1)] if persons else None
        out.append(Example(path=path, span_s=span, person=person))
    return tuple(out)


def embed_examples(
    predictor: Predictor,
    examples: Sequence[Example],
    cache: Cache | None = None,
    on_progress: ProgressCallback = no_progress,
    poses_from: Path | None = None,
) -> list[list[Floats]]:
    """For each network of the predictor, and for each example, the embeddings (W, D) float32 of its
    windows, MAX_WINDOWS at most. A file of several sequences gives an example for each.

    Raises InputError for the first file that cannot be used, BadSpan for a span outside of its
    video, NoPersonFound where nobody is visible, ConfigError as `Predictor.pose`."""
    paths = list(dict.fromkeys(e.path for e in examples))
    found, failed = predictor.extract(paths, cache, on_progress, poses_from)
    for failure in failed:
        raise InputError(f"{failure.path}: {failure.reason}", failure.hint)
    again = estimate_again(cache or Cache(), lambda: predictor.pose(poses_from), on_progress)
    tracks = []
    for example in examples:
        own = [f for f in found if example.path == f.path or example.path in f.path.parents]
        for source in own:
            try:
                tracks.append(_track(predictor, example, source))
            except DamagedEntry as error:
                tracks.append(_track(predictor, example, again(source.path, error)))
    return [
        window_embeddings(
            member,
            tracks,
            [_windows(track, round(member.clip_s * track.sequence.fps)) for track in tracks],
            predictor.options.batch_size,
            predictor.device,
        )
        for member in predictor.members
    ]


def _track(
    predictor: Predictor, example: Example, source: Extracted | SkeletonInput
) -> PersonTrack:
    """The person of an example, or all persons together, in the frames of its span."""
    per_person, min_seen_s = is_per_person(predictor.members[0].spec), 0.0
    if not per_person and example.person is not None:
        raise ConfigError("The model sees all persons of a video together", "Leave out --person.")
    as_stored = False
    if isinstance(source, SkeletonInput):
        sequence = source.load()
        for member in predictor.members:
            check_file(member.spec, sequence, source.path)
        as_stored, fps, frames = predictor.is_as_stored(source), sequence.fps, sequence.frames
        tracks = find_tracks(sequence, per_person, min_seen_s)
    else:
        for member in predictor.members:
            check_joints(member.spec, source.poses.manifest.skeleton)
        fps = source.poses.manifest.fps
        tracks, frames = stored_tracks(source.poses, per_person, min_seen_s)
    start, end = _frames(example, fps, frames)
    parts = [_part(replace(track, as_stored=as_stored), start, end) for track in tracks]
    visible = [part for part in parts if part is not None and _windows(part, end - start)]
    if example.person is not None:
        visible = [part for part in visible if part.person_id == example.person] or visible
    if not visible:
        raise NoPersonFound(
            f"{example.place}: no person is visible for long enough",
            "Choose a part in which the person is fully visible.",
        )
    ids = ", ".join(f"{p.person_id} ({_seconds(p):.1f} s)" for p in visible)
    if example.person is None and len(visible) > 1:
        raise InputError(
            f"{example.place}: there are {len(visible)} persons, with the ids {ids}",
            f"Choose one with --person, for example --person {visible[0].person_id}.",
        )
    if example.person not in (None, visible[0].person_id):
        raise InputError(
            f"{example.place}: no person has the id {example.person}", f"The ids are {ids}."
        )
    return visible[0]


def _seconds(part: PersonTrack) -> float:
    return float(visible_frames(part.sequence).any(axis=0).sum() / part.sequence.fps)


def _frames(example: Example, fps: float, frames: int) -> tuple[int, int]:
    """The first frame of an example and the frame after the last."""
    if example.span_s is None:
        return 0, frames
    start, end = (round(second * fps) for second in example.span_s)
    if end > frames + 1:
        raise BadSpan(
            f"{example.place} is outside of the file, which is {frames / fps:.2f} s long",
            "Choose a part inside it.",
        )
    if end <= start:
        raise BadSpan(f"{example.place} has no frame at {fps:g} frames/s", "Choose a longer part.")
    return start, min(end, frames)


def _part(track: PersonTrack, start: int, end: int) -> PersonTrack | None:
    """The frames [start, end) of the video of a track; None if it is not in any of them."""
    first = max(start - track.start, 0)
    last = min(end - track.start, track.sequence.frames)
    if first >= last:
        return None
    sequence = take_frames(track.sequence, first, last)
    return replace(track, start=track.start + first, sequence=sequence)


def _windows(track: PersonTrack, length: int) -> list[tuple[int, int]]:
    """Windows of `length` frames (0: all) in which the person is visible."""
    length = length or track.sequence.frames
    windows = track.windows(length, max(1, round(length * _STEP)))
    keep = np.linspace(0, len(windows) - 1, min(len(windows), MAX_WINDOWS)).round().astype(int)
    return [windows[n] for n in keep]
