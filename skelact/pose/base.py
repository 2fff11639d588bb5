"""What every pose estimator looks like, and the table of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from skelact.errors import ConfigError
from skelact.skeletons import Skeleton
from skelact.types import FramePose, nearest
from skelact.video.frames import Frame


@dataclass(frozen=True)
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
        if not 1 <= self.max_persons <= 32:
            raise ConfigError(f"max_persons must lie between 1 and 32, got {self.max_persons}")
        if not 0 < self.min_confidence < 1:
            raise ConfigError(
                f"min_confidence must lie between 0 and 1, got {self.min_confidence:g}"
            )

    def key_part(self) -> dict[str, object]:
        """What of this makes a difference to the poses; files are covered by the weights' hash."""
        return {
            "estimator": self.estimator,
            "max_persons": self.max_persons,
            "min_confidence": self.min_confidence,
        }


@dataclass(frozen=True, slots=True)
class Picture:
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

    def run(self, pictures: Iterable[Picture]) -> Iterator[tuple[Picture, list[FramePose]]]:
        """People without ids, in pixels of the picture given."""
        ...


BLAZEPOSE = "blazepose"
IMPORT = "import"  # poses made by another program
RTMO = ("rtmo-s", "rtmo-m", "rtmo-l")
RTMPOSE = ("rtmpose-t", "rtmpose-s", "rtmpose-m", "rtmpose-l")
ESTIMATORS = (BLAZEPOSE, *RTMO, *RTMPOSE)


def check_name(name: str) -> str:
    """The name itself, if there is such an estimator; ConfigError otherwise."""
    if name not in (*ESTIMATORS, "auto", "custom"):
        raise ConfigError(
            f"no estimator is called {name!r}{nearest(name, ESTIMATORS)}",
            f"auto, {', '.join(ESTIMATORS)}",
        )
    return name
