"""What every pose estimator looks like, and the table of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from skelact.config import check_ranges, option
from skelact.errors import ConfigError
from skelact.skeletons import Skeleton
from skelact.types import PersonPose, nearest
from skelact.video.decode import Frame

BLAZEPOSE = "blazepose"
IMPORT = "import"  # poses made by another program
RTMO = ("rtmo-s", "rtmo-m", "rtmo-l")
RTMPOSE = ("rtmpose-t", "rtmpose-s", "rtmpose-m", "rtmpose-l")
ESTIMATORS = (BLAZEPOSE, *RTMO, *RTMPOSE)
_NAMES = (*ESTIMATORS, "auto", "custom", IMPORT)


@dataclass(frozen=True, kw_only=True)
class PoseOptions:
    """Pose estimation, for all estimators."""

    estimator: str = option(
        "auto",
        "Pose estimator: auto, blazepose, rtmo-s|m|l, rtmpose-t|s|m|l, or custom with a config.",
        flag="pose",
    )
    max_persons: int = option(4, "Maximum number of persons per frame.", min=1, max=32)
    min_confidence: float = option(
        0.5, "Minimum confidence of a person detection.", above=0, below=1
    )
    tracking_confidence: float | None = option(
        None,
        "Minimum confidence for tracking a person into the next frame (blazepose).",
        above=0,
        below=1,
        default_text="min_confidence",
    )
    backfill_s: float = option(
        0.0,
        "After the first detection of a person, search the preceding empty frames again, "
        "backwards for up to this many seconds (blazepose).",
        min=0,
    )
    fallback_confidence: float | None = option(
        None,
        "Process a video of up to backfill_s again with this min_confidence if no person was "
        "found (blazepose).",
        above=0,
        below=1,
        default_text="disabled",
    )
    mirrored: bool = option(
        False,
        "Estimate poses on horizontally mirrored frames and mirror the result back, which gives "
        "poses with different errors.",
    )
    config: str | None = option(
        None, "An mmpose config file, for --pose custom.", flag="pose-config"
    )
    checkpoint: str | None = option(
        None, "A local checkpoint for an mmpose estimator.", flag="pose-checkpoint"
    )
    poses_from: str | None = option(
        None,
        "Import OpenPose, AlphaPose or COCO JSON from this folder instead of estimating poses.",
    )

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.estimator not in _NAMES:
            raise ConfigError(
                f"no estimator is called {self.estimator!r}{nearest(self.estimator, ESTIMATORS)}",
                f"auto, {', '.join(ESTIMATORS)}",
            )
        tracks = self.estimator in ("auto", BLAZEPOSE)
        if not tracks and (self.tracking_confidence is not None or self.backfill_s):
            raise ConfigError(
                f"{self.estimator} processes every frame independently; tracking_confidence and "
                "backfill_s need blazepose",
                "remove these options or use --pose blazepose",
            )
        if self.fallback_confidence is not None and not self.backfill_s:
            raise ConfigError(
                "fallback_confidence applies to videos of up to backfill_s, which is 0",
                "set backfill_s as well",
            )

    def key_part(self) -> dict[str, object]:
        """What of this makes a difference to the poses; files are covered by the weights' hash."""
        part: dict[str, object] = {
            "estimator": self.estimator,
            "max_persons": self.max_persons,
            "min_confidence": self.min_confidence,
        }
        if self.tracking_confidence is not None:
            part["tracking_confidence"] = self.tracking_confidence
        if self.backfill_s:
            part["backfill_s"] = self.backfill_s
        if self.fallback_confidence is not None:
            part["fallback_confidence"] = self.fallback_confidence
        if self.mirrored:
            part["mirrored"] = True
        return part


@dataclass(frozen=True, slots=True)
class FrameRef:
    """One frame on its way through an estimator: of which video (a running number), which frame, at
    what rate [1/s]."""

    video: int
    frame: int
    fps: float
    image: Frame


class Estimator(Protocol):
    """Frames in, people out, in the same order. Frames of one video follow each other; a new
    `video` number starts a new one."""

    name: str
    skeleton: Skeleton
    fingerprint: str  # hash of the weights: part of the cache key

    def run(self, pictures: Iterable[FrameRef]) -> Iterator[tuple[FrameRef, list[PersonPose]]]:
        """People without ids, in pixels of the picture given."""
        ...
