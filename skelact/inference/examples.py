"""Examples of an action: one person in a span of a video, as embeddings of every network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from skelact.cache import Cache
from skelact.errors import BadSpan, ConfigError, DamagedEntry, InputError, NoPersonFound, counted
from skelact.inference.embedding import window_embeddings
from skelact.inference.ensemble import check_file, check_joints, is_per_person
from skelact.inference.groups import stored_tracks
from skelact.inference.predictor import Predictor
from skelact.inference.windows import PersonTrack, find_tracks
from skelact.sequence.stack import take_frames, visible_frames
from skelact.stages.poses import Extracted, estimate_again
from skelact.stages.skeleton_input import SkeletonInput
from skelact.types import Event, Failure, Floats, ProgressCallback, no_progress

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
            f"{counted(len(persons), 'id')} of persons given for {counted(len(texts), 'example')}",
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
        raise InputError(failure.message, failure.hint)
    again = estimate_again(cache or Cache(), lambda: predictor.pose(poses_from), on_progress)
    tracks = []
    for example in examples:
        own = [f for f in found if example.path == f.path or example.path in f.path.parents]
        if not own:
            raise InputError(f"{example.path} holds no video and no poses")
        for source in own:
            try:
                tracks.append(_track(predictor, example, source))
            except DamagedEntry as error:
                tracks.append(_track(predictor, example, again(source.path, error)))
    return _embed(predictor, tracks)


def embed_others(
    predictor: Predictor,
    folder: Path,
    cache: Cache | None = None,
    on_progress: ProgressCallback = no_progress,
    poses_from: Path | None = None,
) -> list[Floats]:
    """For each network of the predictor the embeddings (N, D) of all persons in the videos or
    skeleton files of a folder; files that cannot be used are left out, with a notice."""
    found, failed = predictor.extract([folder], cache, on_progress, poses_from)
    tracks = []
    for source in found:
        try:
            tracks += _tracks(predictor, source, predictor.options.min_seen_s)[0]
        except (InputError, DamagedEntry) as error:
            failed.append(Failure.from_error(source.path, error))
    for failure in failed:
        text = f"{failure.path} is left out: {failure.reason}"
        on_progress(Event("predict", "notice", text=text))
    rows = _embed(predictor, tracks, one_draw=True)
    return [np.concatenate(r) if r else np.zeros((0, 0), np.float32) for r in rows]


def _embed(
    predictor: Predictor, tracks: Sequence[PersonTrack], *, one_draw: bool = False
) -> list[list[Floats]]:
    """For each network, and for each track, the embeddings (W, D) of its windows: the means over
    their draws, or those of one draw."""
    out = []
    for member in predictor.members:
        if one_draw:
            sampling = replace(member.spec.sampling, test_clips=1, test_flip=False)
            member = replace(member, spec=replace(member.spec, sampling=sampling))
        windows = [_windows(t, round(member.clip_s * t.sequence.fps)) for t in tracks]
        options, device = predictor.options, predictor.device
        out.append(window_embeddings(member, tracks, windows, options.batch_size, device))
    return out


def _track(
    predictor: Predictor, example: Example, source: Extracted | SkeletonInput
) -> PersonTrack:
    """The person of an example, or all persons together, in the frames of its span."""
    if not is_per_person(predictor.members[0].spec) and example.person is not None:
        raise ConfigError("The model sees all persons of a video together", "Leave out --person.")
    tracks, fps, frames = _tracks(predictor, source, 0.0)
    start, end = _frames(example, fps, frames)
    parts = [_part(track, start, end) for track in tracks]
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


def _tracks(
    predictor: Predictor, source: Extracted | SkeletonInput, min_seen_s: float
) -> tuple[list[PersonTrack], float, int]:
    """The persons of a file, or all of them together, its frames per second and its length in
    frames. Raises ConfigError or InputError if a network cannot use its joints."""
    per_person = is_per_person(predictor.members[0].spec)
    if isinstance(source, SkeletonInput):
        sequence = source.load()
        for member in predictor.members:
            check_file(member.spec, sequence, source.path)
        as_stored = predictor.is_as_stored(source)
        tracks = find_tracks(sequence, per_person, min_seen_s)
        tracks = [replace(track, as_stored=as_stored) for track in tracks]
        return tracks, sequence.fps, sequence.frames
    for member in predictor.members:
        check_joints(member.spec, source.poses.manifest.skeleton)
    tracks, frames = stored_tracks(source.poses, per_person, min_seen_s)
    return tracks, source.poses.manifest.fps, frames


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
