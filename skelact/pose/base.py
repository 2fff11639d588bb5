"""What every pose estimator looks like, and the table of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

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
    """What is asked of an estimator, whichever it is."""

    estimator: str = field(
        default="auto",
        metadata={"help": "auto, blazepose, rtmo-s|m|l, rtmpose-t|s|m|l, or custom with a config"},
    )
    max_persons: int = field(default=4, metadata={"help": "most people in one frame"})
    min_confidence: float = field(
        default=0.5, metadata={"help": "how sure the detector must be of a person, 0 to 1"}
    )
    tracking_confidence: float | None = field(
        default=None,
        metadata={
            "help": "how sure the estimator must be to go on following a person, 0 to 1 "
            "[default: as min_confidence] (blazepose)"
        },
    )
    backfill_s: float = field(
        default=0.0,
        metadata={
            "help": "frames without anybody before one with somebody are tried again, backwards "
            "from there, up to this far [s] (blazepose)"
        },
    )
    fallback_confidence: float | None = field(
        default=None,
        metadata={
            "help": "a video up to backfill_s long in which nobody was found is searched again "
            "with this instead of min_confidence (blazepose) [default: it is not]"
        },
    )
    mirrored: bool = field(
        default=False,
        metadata={
            "help": "the estimator sees mirrored pictures, and what it finds is turned back: other "
            "errors for the same people"
        },
    )
    config: str | None = field(
        default=None, metadata={"help": "with --pose custom: an mmpose config file"}
    )
    checkpoint: str | None = field(
        default=None, metadata={"help": "a local checkpoint for an mmpose estimator"}
    )
    poses_from: str | None = field(
        default=None,
        metadata={
            "help": "folder of OpenPose, AlphaPose or COCO JSON to import instead of estimating"
        },
    )

    def __post_init__(self) -> None:
        if self.estimator not in _NAMES:
            raise ConfigError(
                f"no estimator is called {self.estimator!r}{nearest(self.estimator, ESTIMATORS)}",
                f"auto, {', '.join(ESTIMATORS)}",
            )
        if not 1 <= self.max_persons <= 32:
            raise ConfigError(f"max_persons must lie between 1 and 32, got {self.max_persons}")
        for name in ("min_confidence", "tracking_confidence", "fallback_confidence"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 1:
                raise ConfigError(f"{name} must lie between 0 and 1, got {value:g}")
        if self.backfill_s < 0:
            raise ConfigError(f"backfill_s cannot be negative, got {self.backfill_s:g}")
        tracks = self.estimator in ("auto", BLAZEPOSE)
        if not tracks and (self.tracking_confidence is not None or self.backfill_s):
            raise ConfigError(
                f"{self.estimator} looks at every frame by itself: tracking_confidence and "
                "backfill_s are for blazepose",
                "leave them out, or --pose blazepose",
            )
        if self.fallback_confidence is not None and not self.backfill_s:
            raise ConfigError(
                "fallback_confidence is for videos no longer than backfill_s, which is 0",
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
