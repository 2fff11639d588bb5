"""Frozen value objects that the stages exchange. They check their shapes when they are built.

Axes: M persons, T frames, V joints, C channels. Missing joints are NaN with score 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from skelact.errors import BackendMissing, BadSpan, SkelactError, escaped
from skelact.skeletons import Skeleton

Floats = npt.NDArray[np.float32]
T = TypeVar("T")

UNKNOWN = "unknown"  # the label of actions that are none of a model's classes
# of a table of segments
ROW_COLUMNS = (
    *("path", "person_id", "start_s", "end_s", "label", "probability", "score", "reason"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoInfo:
    """Properties of a video file. Width and height are those of the upright frames, in pixels;
    `fps` in frames per second."""

    path: Path
    width: int
    height: int
    fps: float
    frames: int

    def __post_init__(self) -> None:
        if self.width <= 0 or self.height <= 0 or self.fps <= 0 or self.frames <= 0:
            raise ValueError(f"A video needs a positive size, rate and length, got {self}")

    @property
    def duration_s(self) -> float:
        return self.frames / self.fps


@dataclass(frozen=True, slots=True)
class ClipSpan:
    """A range of frames of a video, without `end`. Raises BadSpan if it is empty or negative."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise BadSpan(f"A clip needs 0 <= start < end, got frames {self.start} to {self.end}")

    def __len__(self) -> int:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class PersonPose:
    """One person in one frame: xy (V, 2) float32 in pixels, score (V,) in [0, 1], xyz (V, 3) in
    metres or None; person_id is -1 before tracking."""

    xy: Floats
    score: Floats
    _: KW_ONLY
    xyz: Floats | None = None
    person_id: int = -1

    def __post_init__(self) -> None:
        v = len(self.score)
        if self.xy.shape != (v, 2) or self.score.shape != (v,):
            raise ValueError(
                f"Expected xy (V, 2) and score (V,), got {self.xy.shape} and {self.score.shape}"
            )
        if self.xyz is not None and self.xyz.shape != (v, 3):
            raise ValueError(f"Expected xyz ({v}, 3), got {self.xyz.shape}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseSequence:
    """Persons over time: xy (M, T, V, 2) float32 in pixels of the video, score (M, T, V) in [0, 1],
    xyz (M, T, V, 3) in metres if the estimator provides it. `ids` are the ids of the M persons."""

    xy: Floats
    score: Floats
    skeleton: Skeleton
    fps: float
    width: int
    height: int
    ids: tuple[int, ...]
    xyz: Floats | None = None

    def __post_init__(self) -> None:
        expected = (
            len(self.ids),
            self.xy.shape[1] if self.xy.ndim == 4 else -1,
            len(self.skeleton.joints),
        )
        if self.xy.shape != (*expected, 2) or self.score.shape != expected:
            raise ValueError(
                f"Expected xy {(*expected, 2)} and score {expected}, got {self.xy.shape} "
                f"and {self.score.shape}"
            )
        if self.xyz is not None and self.xyz.shape != (*expected, 3):
            raise ValueError(f"Expected xyz {(*expected, 3)}, got {self.xyz.shape}")

    def with_points(self, function: Callable[[Floats], Floats], **changes: Any) -> PoseSequence:
        """A copy with `function` applied to `xy` and, if there is one, `xyz`, and with other
        `changes`."""
        xyz = None if self.xyz is None else function(self.xyz)
        return replace(self, xy=function(self.xy), xyz=xyz, **changes)

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """(M, T, V) whether a joint has coordinates: in pixels or, if no joint of the sequence has
        these, in metres."""
        known = ~np.isnan(self.xy[..., 0])
        if self.xyz is not None and not known.any():
            known = ~np.isnan(self.xyz[..., 0])
        return np.asarray(known)

    @property
    def persons(self) -> int:
        return len(self.ids)

    @property
    def frames(self) -> int:
        return int(self.xy.shape[1])


@dataclass(frozen=True, slots=True)
class Segment:
    """A label for a period of time [s]. `probabilities` are those of all classes in the order of
    the model; `probability` is that of the label, or of the most probable class if it is
    "unknown". `score` is what is compared with the threshold of the prediction, `reason` says why
    the label is "unknown"."""

    start_s: float
    end_s: float
    label: str
    probability: float
    probabilities: tuple[float, ...] = ()
    score: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The action of one tracked person of a video. `segments` cover the time in which the person is
    visible; `label` is the action that lasts longest, see `inference.segments.label_of`. `score`
    and `reason` are as in a segment; `score_name` says what the score is (see `inference.scores`)
    and `threshold` below which value a segment is "unknown"."""

    path: Path
    person_id: int
    label: str
    probability: float
    classes: tuple[str, ...]
    segments: tuple[Segment, ...]
    score: float = 0.0
    reason: str = ""
    score_name: str = "probability"
    threshold: float = 0.0

    def guesses(self, segment: Segment, most: int = 3) -> list[tuple[str, float]]:
        """The most probable classes of a segment with their probabilities, best first; a class of
        other actions is left out."""
        ranked = sorted(zip(self.classes, segment.probabilities, strict=True), key=lambda g: -g[1])
        return [g for g in ranked if g[0] != UNKNOWN][:most]

    def __str__(self) -> str:
        """One line for each segment: from, to, label and probability."""
        who = "all persons" if self.person_id < 0 else f"person {self.person_id}"
        lines = [f"{escaped(self.path)}, {who}: {self.label} {self.probability:.0%}"]
        lines += [
            f"  {s.start_s:7.1f} s to {s.end_s:7.1f} s  {s.label} {s.probability:.0%}"
            for s in self.segments
        ]
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "path": escaped(self.path),
            "person_id": self.person_id,
            "label": self.label,
            "probability": round(self.probability, 4),
            "score_name": self.score_name,
            "threshold": round(self.threshold, 4),
            "score": round(self.score, 4),
            "reason": self.reason,
            "segments": [
                {
                    "start_s": round(s.start_s, 3),
                    "end_s": round(s.end_s, 3),
                    "label": s.label,
                    "probability": round(s.probability, 4),
                    "score": round(s.score, 4),
                    "reason": s.reason,
                    "probabilities": dict(
                        zip(self.classes, (round(p, 4) for p in s.probabilities), strict=True)
                    ),
                }
                for s in self.segments
            ],
        }


class PredictionList(list[Prediction]):
    """The predictions of a video: a list that prints as a table and converts to rows."""

    def __str__(self) -> str:
        """One line for each segment of each person."""
        return "\n".join(map(str, self)) or "no person"

    __repr__ = __str__

    def to_dicts(self) -> list[dict[str, Any]]:
        """One row for each segment: the columns ROW_COLUMNS."""
        return [
            {
                "path": escaped(p.path),
                "person_id": p.person_id,
                "start_s": s.start_s,
                "end_s": s.end_s,
                "label": s.label,
                "probability": s.probability,
                "score": s.score,
                "reason": s.reason,
            }
            for p in self
            for s in p.segments
        ]

    def to_pandas(self) -> Any:
        """The rows of `to_dicts` as a pandas DataFrame. Raises BackendMissing without pandas."""
        try:
            import pandas
        except ImportError as error:
            raise BackendMissing("pandas is not installed", "pip install pandas") from error
        return pandas.DataFrame(self.to_dicts(), columns=list(ROW_COLUMNS))


@dataclass(frozen=True, slots=True)
class Failure:
    """One input that could not be processed, the reason, what to do about it, and the name of the
    exception's class."""

    path: Path
    reason: str
    hint: str = ""
    kind: str = ""

    @property
    def message(self) -> str:
        """The reason with the path, which is named once."""
        return self.reason if str(self.path) in self.reason else f"{self.path}: {self.reason}"

    @classmethod
    def from_error(cls, path: Path, error: Exception) -> Failure:
        """The failure of `path` because of `error`."""
        if isinstance(error, SkelactError):
            return cls(path, error.message, error.hint, type(error).__name__)
        if isinstance(error, FileNotFoundError):
            return cls(path, "no such file or folder")
        return cls(path, f"{type(error).__name__}: {error}")


@dataclass(kw_only=True)
class BatchResult(Generic[T]):
    """The results of a stage for many inputs: computed now, found in the cache, failed."""

    done: list[T] = field(default_factory=list)
    cached: list[T] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)

    @property
    def results(self) -> list[T]:
        return [*self.done, *self.cached]


@dataclass(frozen=True, slots=True)
class Event:
    """A progress report: `done` of `total` units of `stage` are finished; `text` is a message for
    the user."""

    stage: str
    kind: Literal["start", "advance", "end", "notice"]
    done: float = 0
    total: float = 0
    text: str = ""


ProgressCallback = Callable[[Event], None]


def no_progress(event: Event) -> None:
    """A progress callback that does nothing."""
