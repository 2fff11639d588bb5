"""What persons do now: prediction from the last window of poses that go on."""

from __future__ import annotations

from pathlib import Path

from skelact.errors import InputError
from skelact.inference.ensemble import check_joints, is_per_person
from skelact.inference.predictor import Predictor
from skelact.inference.tracks import VideoTrack
from skelact.inference.windows import MIN_VISIBLE, find_tracks
from skelact.sequence.stack import visible_frames
from skelact.skeletons import Skeleton
from skelact.stages.skeleton_input import SkeletonInput
from skelact.types import PoseSequence, Prediction

_PRESENT_S = 0.3  # somebody who was not seen for a longer time gets no prediction


def window_s(predictor: Predictor, whole_s: float) -> float:
    """The longest window of the networks; `whole_s` for those that see complete videos."""
    return max(length or whole_s for length, _ in predictor.window_lengths)


def check_live(predictor: Predictor, skeleton: Skeleton) -> None:
    """Raises ConfigError if a network cannot use poses in this layout."""
    for member in predictor.members:
        check_joints(member.spec, skeleton)


def predict_latest(predictor: Predictor, sequence: PoseSequence, source: Path) -> list[Prediction]:
    """The action at the end of a sequence, of each person who is visible there and was visible for
    `min_seen_s`, or of the scene: the last segment of a Prediction. The sequence is the last window
    of the networks, stacked but not cleaned; it goes through the same steps as that of a video.
    Raises InputError if the results are no finite numbers."""
    visible = visible_frames(sequence)
    options, fps, frames = predictor.options, sequence.fps, sequence.frames
    present = visible[:, max(0, frames - max(1, round(_PRESENT_S * fps))) :]
    per_person = is_per_person(predictor.members[0].spec)
    tracks = []
    for track in find_tracks(sequence, per_person, options.min_seen_s):
        rows = [i for i, n in enumerate(sequence.ids) if n == track.person_id or not per_person]
        if not present[rows].any() or visible[rows].any(axis=0).sum() < options.min_seen_s * fps:
            continue
        end = track.sequence.frames
        windows = []
        for clip_s, _ in predictor.window_lengths:
            start = max(0, end - (round(clip_s * fps) or frames))
            seen = visible_frames(track.sequence).any(axis=0)[start:end]
            windows.append([(start, end)] if seen.mean() >= MIN_VISIBLE else [])
        if any(windows):
            source_input = SkeletonInput(path=source, load=lambda: sequence)
            tracks.append(VideoTrack(source_input, fps, frames, track, windows))
    if predictor.add_probabilities(tracks):
        raise InputError(
            "The network gives results that are not finite numbers",
            "The weights of the model may be damaged.",
        )
    return [predictor.prediction(track) for track in tracks]
