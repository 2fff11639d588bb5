"""The interface of pose estimators, and their discovery.

Every module of this package that defines estimators declares them as `ESTIMATORS`, a tuple of
EstimatorSpec. Importing such a module must be cheap: it imports torch, mediapipe or mmpose inside
the functions that use them.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Literal, Protocol

import skelact.pose
from skelact.errors import ConfigError
from skelact.skeletons import Skeleton
from skelact.types import PersonPose, nearest
from skelact.video.decode import Frame

AUTO = "auto"  # the best estimator that can run on this machine
IMPORT = "import"  # poses that another program estimated


@dataclass(frozen=True, kw_only=True)
class PoseOptions:
    """Options of pose estimation, for every estimator."""

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
        tracks = self.estimator in (AUTO, IMPORT) or get_spec(self.estimator).tracks
        if not 1 <= self.max_persons <= 32:
            raise ConfigError(f"max_persons must lie between 1 and 32, got {self.max_persons}")
        for name in ("min_confidence", "tracking_confidence", "fallback_confidence"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 1:
                raise ConfigError(f"{name} must lie between 0 and 1, got {value:g}")
        if self.backfill_s < 0:
            raise ConfigError(f"backfill_s cannot be negative, got {self.backfill_s:g}")
        if self.needs_tracking and not tracks:
            raise ConfigError(
                f"{self.estimator} processes every frame on its own and does not support "
                "tracking_confidence and backfill_s",
                "leave them out, or use --pose blazepose",
            )
        if self.fallback_confidence is not None and not self.backfill_s:
            raise ConfigError(
                "fallback_confidence is for videos no longer than backfill_s, which is 0",
                "set backfill_s as well",
            )

    @property
    def needs_tracking(self) -> bool:
        """Whether an option is set that only estimators with tracking support."""
        return self.tracking_confidence is not None or self.backfill_s > 0

    def key_part(self) -> dict[str, object]:
        """The options that change the poses, for the cache key. The fingerprint covers files."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameRef:
    """One frame (H, W, 3) uint8 BGR on its way through an estimator: the number of its video, its
    number in that video, and the frame rate [1/s]."""

    video: int
    frame: int
    fps: float
    image: Frame


class Estimator(Protocol):
    """A loaded pose estimator. The frames of a video follow each other; a new `video` number starts
    the next one."""

    name: str
    skeleton: Skeleton
    fingerprint: str  # hash of the weights, part of the cache key

    def run(self, frames: Iterable[FrameRef]) -> Iterator[tuple[FrameRef, list[PersonPose]]]:
        """The frames in the same order, each with its persons: without ids, in pixels of the
        frame."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatorStatus:
    """Whether an estimator can run here, one line that says what it has or lacks, and the command
    that installs what is missing."""

    ready: bool
    text: str
    fix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatorSpec:
    """A pose estimator that can be selected by name.

    `open` loads it; `fingerprint` returns the hash of the weights that it would use with these
    options, and raises EstimatorError if it cannot run. `parallel` says how it uses a machine: one
    CPU process per core ("processes"), or one process that works on batches of frames ("batches").
    `tracks` says whether it supports tracking_confidence, backfill_s and fallback_confidence.

    `auto` selects the ready estimator of the highest `auto_rank` (None: never), and those with
    `needs_gpu` only on a machine with a GPU.
    """

    name: str
    open: Callable[[PoseOptions], Estimator]
    fingerprint: Callable[[PoseOptions], str]
    status: Callable[[], EstimatorStatus]
    parallel: Literal["processes", "batches"]
    tracks: bool = False
    auto_rank: int | None = None
    needs_gpu: bool = False


@cache
def estimator_specs() -> dict[str, EstimatorSpec]:
    """The estimators that the modules of this package declare, by name."""
    modules = [
        import_module(f"skelact.pose.{m.name}") for m in pkgutil.iter_modules(skelact.pose.__path__)
    ]
    return {spec.name: spec for m in modules for spec in getattr(m, "ESTIMATORS", ())}


def get_spec(name: str) -> EstimatorSpec:
    """The estimator of that name. Raises ConfigError if there is none."""
    specs = estimator_specs()
    if name not in specs:
        raise ConfigError(
            f"no estimator is called {name!r}{nearest(name, specs)}",
            f"choose one of {', '.join((AUTO, *specs))}",
        )
    return specs[name]
