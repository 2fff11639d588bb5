"""What the worker returns for a video, and the form of it that the page gets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from skelact.errors import escaped
from skelact.pose.store import read_poses
from skelact.report import palette
from skelact.skeletons import parts_of
from skelact.stages.poses import Extracted
from skelact.types import UNKNOWN, Failure, PersonPose, Prediction, Segment

_POINTS = 800  # of a curve
_CURVES = 6  # classes of a person that have one
_MIN_SCORE = 0.3  # of joints that are drawn, as in the overlay


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The probabilities (P, K) of a person in every `step`-th frame, so that a long video does not
    fill the memory; NaN where nobody is visible."""

    values: npt.NDArray[np.float32]
    step: int

    @classmethod
    def of(cls, probabilities: npt.NDArray[np.float32]) -> Curve:
        """From those of all frames (frames, K)."""
        step = max(1, -(-len(probabilities) // _POINTS))
        return cls(values=probabilities[::step].copy(), step=step)


@dataclass(frozen=True, kw_only=True)
class VideoResult:
    """The predictions of one video with one model. `curves` has the probabilities of each
    prediction. `is_own_tracking` tells whether its poses are those of the project, so that its
    person ids are those of labels."""

    path: Path
    model: str
    classes: tuple[str, ...]
    predictions: list[Prediction]
    curves: list[Curve]
    extracted: Extracted
    is_own_tracking: bool


@dataclass(frozen=True, kw_only=True)
class PredictionBatch:
    """The results of a task, and the videos that cannot be used."""

    results: list[VideoResult]
    failed: list[Failure]


@dataclass(frozen=True, kw_only=True)
class Uncertain:
    """A segment to look at. `guesses` are the most probable classes with their probabilities and
    colours. `margin` is the difference of the two highest probabilities; the
    smaller it is, the more a label helps (margin sampling: Scheffer et al., 2001)."""

    path: Path
    person_id: int
    segment: Segment
    guesses: list[tuple[str, float, str]]
    margin: float


def as_page(result: VideoResult) -> dict[str, Any]:
    """A result for the page: plain values for JSON."""
    manifest = result.extracted.poses.manifest
    colours = {name: palette.class_colour(name, result.classes) for name in result.classes}
    return {
        "model": escaped(result.model),
        "fps": manifest.fps,
        "frames": manifest.frames,
        "width": manifest.width,
        "height": manifest.height,
        "duration": manifest.frames / manifest.fps,
        "colours": colours | {UNKNOWN: palette.UNKNOWN_COLOUR},
        "classes": list(result.classes),
        "own_tracking": result.is_own_tracking,
        "persons": [
            _person(p, curve, manifest.fps)
            for p, curve in zip(result.predictions, result.curves, strict=True)
        ],
    }


def _person(prediction: Prediction, curve: Curve, fps: float) -> dict[str, Any]:
    segments = [
        {
            "start": round(s.start_s, 3),
            "end": round(s.end_s, 3),
            "label": s.label,
            "probability": round(s.probability, 4),
            "score": _number(s.score),
            "reason": escaped(s.reason),
            "guesses": [[name, round(p, 4)] for name, p in prediction.guesses(s)],
        }
        for s in prediction.segments
    ]
    return {
        "id": prediction.person_id,
        "colour": palette.person_colour(max(0, prediction.person_id)),
        "label": prediction.label,
        "probability": round(prediction.probability, 4),
        "score_name": prediction.score_name,
        "threshold": _number(prediction.threshold),
        "segments": segments,
        "curve_step": curve.step / fps,
        "curves": {
            prediction.classes[k]: [None if v < 0 else int(v) for v in _percent(curve.values[:, k])]
            for k in _shown(prediction, curve.values)
        },
    }


def _number(value: float) -> float | None:
    """A score for JSON, which has no infinity."""
    return round(value, 4) if math.isfinite(value) else None


def _percent(values: npt.NDArray[np.float32]) -> list[int]:
    """Whole percents, -1 where there is no value."""
    percent = np.round(100 * np.nan_to_num(values)).astype(int)
    return [-1 if np.isnan(v) else int(p) for v, p in zip(values, percent, strict=True)]


def _shown(prediction: Prediction, curve: npt.NDArray[np.float32]) -> list[int]:
    """The classes whose curves are shown: those of the segments, then the most probable ones."""
    labels = {s.label for s in prediction.segments}
    highest = np.nan_to_num(curve).max(axis=0)
    order = sorted(
        range(len(prediction.classes)),
        key=lambda k: (prediction.classes[k] not in labels, -highest[k]),
    )
    return order[:_CURVES]


@dataclass(frozen=True, kw_only=True)
class DrawnPoses:
    """The joints of a video as the page draws them: of each frame the persons, each as [id, x, y,
    x, y, ...] in pixels, None for a joint that is missing or uncertain."""

    frames: list[list[list[int | None]]]
    edges: list[list[int]]

    @classmethod
    def of(cls, extracted: Extracted) -> DrawnPoses:
        """Raises CacheError if the poses are damaged."""
        skeleton = extracted.poses.manifest.skeleton
        body = parts_of(skeleton)["pose"].stop
        edges = [[a, b] for a, b in skeleton.edge_indices if max(a, b) < body]
        frames = read_poses(extracted.poses)
        return cls(frames=[[_drawn(p, body) for p in people] for people in frames], edges=edges)


def _drawn(person: PersonPose, body: int) -> list[int | None]:
    out: list[int | None] = [person.person_id]
    for (x, y), score in zip(person.xy[:body].tolist(), person.score[:body].tolist(), strict=True):
        seen = score >= _MIN_SCORE and x == x
        out += [round(x), round(y)] if seen else [None, None]
    return out


def ranked(results: Sequence[VideoResult]) -> list[Uncertain]:
    """The segments of all results, the most uncertain first."""
    rows = []
    for result in results:
        for p in result.predictions:
            for s in p.segments:
                best = sorted(s.probabilities, reverse=True)
                margin = best[0] - best[1] if len(best) > 1 else 1.0
                rows.append(
                    Uncertain(
                        path=result.path,
                        person_id=p.person_id,
                        segment=s,
                        guesses=[
                            (name, round(value, 4), palette.class_colour(name, result.classes))
                            for name, value in p.guesses(s)
                        ],
                        margin=margin,
                    )
                )
    return sorted(rows, key=lambda row: row.margin)
