"""Frozen value objects that refuse to be wrong: what the stages hand to each other.

Axis letters everywhere: M persons, T frames, V joints, C channels. Missing joints are NaN with
score 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from skelact.errors import BadSpan, SkelactError
from skelact.skeletons import Skeleton

Floats = npt.NDArray[np.float32]
T = TypeVar("T")

UNKNOWN = "unknown"  # the label of what is none of a recogniser's classes


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
            raise ValueError(f"a video needs a positive size, rate and length, got {self}")

    @property
    def duration_s(self) -> float:
        return self.frames / self.fps


@dataclass(frozen=True, slots=True)
class ClipSpan:
    """A stretch of a video in frames: start included, end not."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise BadSpan(f"a clip must run forward from frame 0, got {self.start} to {self.end}")

    def __len__(self) -> int:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class PersonPose:
    """One person in one frame: xy (V, 2) float32 pixels, score (V,) in [0, 1], xyz (V, 3) metres or
    None, id -1 while unknown."""

    xy: Floats
    score: Floats
    _: KW_ONLY
    xyz: Floats | None = None
    person_id: int = -1

    def __post_init__(self) -> None:
        v = len(self.score)
        if self.xy.shape != (v, 2) or self.score.shape != (v,):
            raise ValueError(
                f"expected xy (V, 2) and score (V,), got {self.xy.shape} and {self.score.shape}"
            )
        if self.xyz is not None and self.xyz.shape != (v, 3):
            raise ValueError(f"expected xyz ({v}, 3), got {self.xyz.shape}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseSequence:
    """Persons over time: xy (M, T, V, 2) float32 in pixels of the video, score (M, T, V) in [0, 1];
    xyz (M, T, V, 3) metres where the estimator gives them. `ids` names the M persons, in the same
    order."""

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
                f"expected xy {(*expected, 2)} and score {expected}, got {self.xy.shape} "
                f"and {self.score.shape}"
            )
        if self.xyz is not None and self.xyz.shape != (*expected, 3):
            raise ValueError(f"expected xyz {(*expected, 3)}, got {self.xyz.shape}")

    @property
    def persons(self) -> int:
        return len(self.ids)

    @property
    def frames(self) -> int:
        return int(self.xy.shape[1])


@dataclass(frozen=True, slots=True)
class Segment:
    """A label over a stretch of time [s]; `probabilities` follows the model's classes.
    `probability` is the label's, of "unknown" that of the best guess."""

    start_s: float
    end_s: float
    label: str
    probability: float
    probabilities: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one tracked person of one video does. `segments` cover the time in which the person is
    seen."""

    path: Path
    person_id: int
    label: str
    probability: float
    classes: tuple[str, ...]
    segments: tuple[Segment, ...]

    def guesses(self, segment: Segment, most: int = 3) -> list[tuple[str, float]]:
        """The likeliest classes of one of its segments, best first."""
        ranked = sorted(zip(self.classes, segment.probabilities, strict=True), key=lambda g: -g[1])
        return ranked[:most]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "path": str(self.path),
            "person_id": self.person_id,
            "label": self.label,
            "probability": round(self.probability, 4),
            "segments": [
                {
                    "start_s": round(s.start_s, 3),
                    "end_s": round(s.end_s, 3),
                    "label": s.label,
                    "probability": round(s.probability, 4),
                    "probabilities": dict(
                        zip(self.classes, (round(p, 4) for p in s.probabilities), strict=True)
                    ),
                }
                for s in self.segments
            ],
        }


@dataclass(frozen=True, slots=True)
class Failure:
    """One input that could not be used, and why."""

    path: Path
    reason: str
    hint: str = ""

    @classmethod
    def from_error(cls, path: Path, error: Exception) -> Failure:
        if isinstance(error, SkelactError):
            return cls(path, error.message, error.hint)
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
    """A step of long work, for whoever shows it: `done` of `total` units of `stage`; `text` is a
    sentence for a person."""

    stage: str
    kind: Literal["start", "advance", "end", "notice"]
    done: float = 0
    total: float = 0
    text: str = ""


ProgressCallback = Callable[[Event], None]


def no_progress(event: Event) -> None:
    """The on_progress that shows nothing."""


def nearest(word: str, known: Iterable[str]) -> str:
    """' (did you mean …?)', or nothing if no known word is close."""
    import difflib

    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
