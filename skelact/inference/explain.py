"""Explain predictions: which joints of a person spoke for a class, and when. Only numbers: the
files are written by `skelact.runs.explain`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from skelact.analysis_options import ExplainOptions
from skelact.cache import Cache
from skelact.errors import ConfigError, InputError, lookup
from skelact.inference.attribution import Attribution, attribute, resolve_method
from skelact.inference.ensemble import MemberModel
from skelact.inference.graph_files import GraphNetwork
from skelact.inference.predictor import Predictor
from skelact.inference.tracks import VideoTrack
from skelact.inference.windows import PersonTrack, Window
from skelact.models.base import ActionClassifier
from skelact.readers.find import sequence_file
from skelact.schemas import JointImportance
from skelact.sequence.input import window_cells, window_values
from skelact.skeletons import Skeleton, convert, missing_joints
from skelact.stages.poses import Extracted
from skelact.stages.skeleton_input import SkeletonInput
from skelact.types import UNKNOWN, Event, Prediction, ProgressCallback, no_progress

Floats64 = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """The contributions `values` (M, T, V) float64 of the joints of `skeleton` to the score of
    `label` (see `inference.attribution`): of the persons `ids`, in T frames of the video from frame
    `start` on. Positive values speak for the label.

    Where windows overlap, a frame has the mean over those that cover it, which counts the middle of
    a window more, as in a prediction. `gap` is the largest relative difference, in any window,
    between the sum of the values and the difference of the scores with and without all joints; None
    if the method has no such sum."""

    path: Path
    label: str
    probability: float
    method: str
    ids: tuple[int, ...]
    values: Floats64
    start: int
    fps: float
    skeleton: Skeleton
    gap: float | None

    @property
    def totals(self) -> Floats64:
        """(V,) the sum of each joint over time and persons."""
        return np.asarray(self.values.sum(axis=(0, 1)))

    def rows(self) -> list[JointImportance]:
        """The joints, the most important one first: the total of each, and its share of the sum of
        all absolute totals."""
        totals = self.totals
        whole = max(float(np.abs(totals).sum()), 1e-12)
        order = np.argsort(-totals, kind="stable")
        joints = self.skeleton.joints
        return [
            JointImportance(joint=joints[v], total=float(totals[v]), share=float(totals[v]) / whole)
            for v in order
        ]

    def __str__(self) -> str:
        """One line: who, what, and the three most important joints."""
        who = f"person {self.ids[0]}" if len(self.ids) == 1 else f"{len(self.ids)} persons"
        best = [f"{r.joint} {r.share:.0%}" for r in self.rows()[:3] if r.share > 0]
        return f"{who}: {self.label} because of {', '.join(best) or 'no joint'}"


@dataclass(frozen=True, kw_only=True)
class ExplainedVideo:
    """The explanations of one video or skeleton file, the prediction of each person, and the poses
    that they were made from."""

    explanations: tuple[Explanation, ...]
    predictions: tuple[Prediction, ...]
    extracted: Extracted | SkeletonInput


def explain(
    predictor: Predictor,
    path: Path | str,
    label: str | None = None,
    options: ExplainOptions | None = None,
    *,
    person: int | None = None,
    span_s: tuple[float, float] | None = None,
    cache: Cache | None = None,
    poses_from: Path | None = None,
    on_progress: ProgressCallback = no_progress,
) -> ExplainedVideo:
    """Explain the label of each person in one video or skeleton file, or of one `person`; or why
    they could have been given `label`. For a label of `unknown`, the most probable class is
    explained. An ensemble is explained by the sum of its members' contributions, each times its
    weight. With `span_s`, only the windows whose middle is in this part of the video [s] count,
    and label and probability are those of this part.

    Raises InputError if the video cannot be used, or has no such person or part, ConfigError for an
    unknown label or a method that a network does not support."""
    options = options or ExplainOptions()
    if Path(path).is_dir() and not sequence_file(Path(path)):
        raise InputError(f"{path} is a folder", "Name one file.")
    target = None if label is None else lookup_class(predictor.classes, label)
    if any(isinstance(m.net, GraphNetwork) for m in predictor.members):
        raise ConfigError(
            "A graph file gives probabilities only and cannot be explained",
            "Name the run or the checkpoint that it was exported from.",
        )
    nets = [cast(ActionClassifier, m.net) for m in predictor.members]
    methods = sorted({resolve_method(net, options) for net in nets})
    batch = predictor.predict_many([path], cache, on_progress, poses_from)
    if batch.failed:
        failure = batch.failed[0]
        raise InputError(failure.message, failure.hint)
    if len(batch.results) > 1:
        raise InputError(f"{path} holds {len(batch.results)} sequences", "Name one file with one.")
    result = batch.results[0]
    by_id = {p.person_id: p for p in result.predictions}
    if person is not None and person not in by_id:
        known = ", ".join(map(str, by_id))
        raise InputError(f"{path} has no person {person}", f"The persons are {known}.")
    tracks = [
        t
        for t in predictor.video_tracks(result.extracted)
        if t.track.person_id in by_id and person in (None, t.track.person_id)
    ]
    if span_s is not None:
        by_id = {t.track.person_id: _part(by_id[t.track.person_id], span_s) for t in tracks}
        tracks = [_track_part(t, span_s) for t in tracks]
    windows = sum(len(w) for t in tracks for w in t.windows)
    on_progress(Event("explain", "start", 0, windows))
    explained = []
    for found in tracks:
        prediction = by_id[found.track.person_id]
        number = _best_class(prediction) if target is None else target
        values, gaps, skeleton = _explain_track(
            predictor, found.track, found.windows, number, options, on_progress
        )
        first, end = 0, values.shape[1]
        if span_s is not None:
            first = min(a for spans in found.windows for a, _ in spans)
            end = max(b for spans in found.windows for _, b in spans)
        explained.append(
            Explanation(
                path=prediction.path,
                label=predictor.classes[number],
                probability=_probability(prediction, number),
                method=" and ".join(methods),
                ids=found.track.sequence.ids,
                values=values[:, first:end],
                start=found.track.start + first,
                fps=found.fps,
                skeleton=skeleton,
                gap=max(gaps, default=None),
            )
        )
    on_progress(Event("explain", "end"))
    predictions = tuple(by_id[t.track.person_id] for t in tracks)
    return ExplainedVideo(
        explanations=tuple(explained), predictions=predictions, extracted=result.extracted
    )


def _part(prediction: Prediction, span_s: tuple[float, float]) -> Prediction:
    """The segments in a part of the video. Their labels are not used."""
    first, end = span_s
    parts = tuple(
        replace(s, start_s=max(s.start_s, first), end_s=min(s.end_s, end))
        for s in prediction.segments
        if s.start_s < end and s.end_s > first
    )
    if not parts:
        raise InputError(
            f"Person {prediction.person_id} is not visible from {first:g} to {end:g} s",
            "Choose a part in which it is.",
        )
    return replace(prediction, label=UNKNOWN, segments=parts)


def _track_part(found: VideoTrack, span_s: tuple[float, float]) -> VideoTrack:
    """The windows whose middle is in a part of the video; of a part that is so short that it has
    none, that with the nearest middle."""
    first, end = (s * found.fps - found.track.start for s in span_s)
    every = sorted((w for spans in found.windows for w in spans), key=sum)
    inside = {w for w in every if first <= sum(w) / 2 <= end}
    chosen = inside or set(sorted(every, key=lambda w: abs(sum(w) - first - end))[:1])
    return replace(found, windows=[[w for w in spans if w in chosen] for spans in found.windows])


def lookup_class(classes: Sequence[str], label: str) -> int:
    """The number of a class. Raises ConfigError if there is none of that name."""
    return lookup("class", label, {name: n for n, name in enumerate(classes)})


def _best_class(prediction: Prediction) -> int:
    if prediction.label != UNKNOWN:
        return prediction.classes.index(prediction.label)
    means = _means(prediction)
    if UNKNOWN in prediction.classes:
        means[prediction.classes.index(UNKNOWN)] = -1
    return int(means.argmax())


def _means(prediction: Prediction) -> Floats64:
    """(K,) the mean probabilities over the time of the person."""
    lengths = [s.end_s - s.start_s for s in prediction.segments]
    return np.average([s.probabilities for s in prediction.segments], axis=0, weights=lengths)


def _probability(prediction: Prediction, number: int) -> float:
    """That of the label, or the mean over the time for another class."""
    if prediction.classes[number] == prediction.label:
        return prediction.probability
    return float(_means(prediction)[number])


def _explain_track(
    predictor: Predictor,
    track: PersonTrack,
    windows: Sequence[Sequence[Window]],
    target: int,
    options: ExplainOptions,
    on_progress: ProgressCallback,
) -> tuple[Floats64, list[float], Skeleton]:
    """The contributions (M, T, V) of a track, the gaps of all windows, and the joint layout."""
    skeleton = common_layout([m.spec.skeleton for m in predictor.members])
    shape = (track.sequence.persons, track.sequence.frames, len(skeleton.joints))
    total, share = np.zeros(shape), 0.0
    gaps: list[float] = []
    for members, spans in zip(predictor.by_window_length.values(), windows, strict=True):
        if not spans:
            continue
        for member in members:
            own = np.zeros((*shape[:2], len(member.spec.skeleton.joints)))
            weight = np.zeros((shape[1], 1))
            for span in spans:
                found, placed = _explain_window(member, track, span, target, options)
                across = 1.05 - np.abs(np.linspace(-1, 1, span[1] - span[0]))[:, None]
                own[:, span[0] : span[1]] += across * placed
                weight[span[0] : span[1]] += across
                gaps += [found.gap] if found.gap is not None else []
                on_progress(Event("explain", "advance", 1 / len(members)))
            own = np.divide(own, weight, out=np.zeros_like(own), where=weight > 0)
            if member.spec.skeleton != skeleton:
                own = np.nan_to_num(convert(own[..., None], member.spec.skeleton, skeleton)[..., 0])
            total += member.weight * own
            share += member.weight
    return total / max(share, 1e-12), gaps, skeleton


def _explain_window(
    member: MemberModel, track: PersonTrack, span: Window, target: int, options: ExplainOptions
) -> tuple[Attribution, Floats64]:
    """What `attribute` finds for one window, and its values at the persons and frames of the window
    (M, T, V)."""
    args: dict[str, Any] = {"as_stored": track.as_stored}
    (clip,) = window_values(track.sequence, [span], member.spec, **args)
    persons, frames = window_cells(track.sequence, span, member.spec, **args)
    found = attribute(cast(ActionClassifier, member.net), clip, member.spec, target, options)
    count = len(found.values)
    placed = np.zeros((track.sequence.persons, span[1] - span[0], found.values.shape[2]))
    np.add.at(placed, (persons[:count], frames[:count] - span[0]), found.values)
    return found, placed


def common_layout(layouts: Sequence[Skeleton]) -> Skeleton:
    """The layout with the most joints. Raises ConfigError if it lacks a joint of another one."""
    largest = max(layouts, key=lambda s: len(s.joints))
    for other in layouts:
        missing = missing_joints(other, largest)
        if missing:
            raise ConfigError(
                f"The networks see different joints: {largest.name} has no {', '.join(missing)}",
                "Explain the runs of the ensemble one by one.",
            )
    return largest
