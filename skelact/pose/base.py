"""The interface of pose estimators, and their discovery.

Every module of this package that defines estimators declares them as `ESTIMATORS`, a tuple of
EstimatorSpec. Importing such a module must be cheap: it imports torch, mediapipe, LiteRT or mmpose
inside the functions that use them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, Protocol

import skelact.pose
from skelact.config import check_ranges, option
from skelact.discovery import declared
from skelact.errors import ConfigError, lookup
from skelact.skeletons import Skeleton
from skelact.types import PersonPose
from skelact.video.decode import Frame

AUTO = "auto"  # the best estimator that can run on this machine
IMPORT = "import"  # poses that another program estimated
# options that not every estimator with tracking supports, and one that does
_SPECIFIC = {
    "fallback_confidence": "blazepose",
    "detect_every_s": "blazepose-multi",
    "small_people": "blazepose-multi",
    "smoothing": "blazepose-multi",
}


@dataclass(frozen=True, kw_only=True)
class PoseOptions:
    """Pose estimation, for all estimators."""

    estimator: str = option(
        "auto",
        "Pose estimator: auto, blazepose, blazepose-multi, rtmo-s|m|l, rtmpose-t|s|m|l, or custom "
        "with a config.",
        flag="pose",
    )
    max_persons: int = option(4, "Maximum number of persons per frame.", min=1, max=32)
    min_confidence: float = option(
        0.5, "Minimum confidence of a person detection.", above=0, below=1
    )
    tracking_confidence: float | None = option(
        None,
        "Minimum confidence for tracking a person into the next frame (blazepose, "
        "blazepose-multi).",
        above=0,
        below=1,
        default_text="min_confidence",
    )
    backfill_s: float = option(
        0.0,
        "After the first detection of a person, search the preceding empty frames again, "
        "backwards for up to this many seconds; blazepose-multi tracks every new person backwards "
        "(blazepose, blazepose-multi).",
        min=0,
    )
    fallback_confidence: float | None = option(
        None,
        "Minimum confidence of a second pass over videos in which no person was found and that "
        "are not longer than the backfill time (blazepose).",
        above=0,
        below=1,
        default_text="disabled",
    )
    detect_every_s: float = option(
        1.0,
        "Search new persons in the whole frame and its square tiles in this interval, in seconds "
        "(blazepose-multi).",
        min=0.01,
        max=10,
    )
    small_people: str = option(
        "auto",
        "Also search smaller tiles: off, auto (at the start of a scene, in large frames, and while "
        "nobody is found) or always (blazepose-multi).",
        choices=("off", "auto", "always"),
    )
    smoothing: float = option(
        1.0,
        "Strength of the smoothing over time, which does not delay motion; 0 disables it "
        "(blazepose-multi).",
        min=0,
        max=10,
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
        tracks = self.estimator in (AUTO, IMPORT) or get_spec(self.estimator).tracks
        if self.needs_tracking and not tracks:
            raise ConfigError(
                f"{self.estimator} processes every frame on its own and does not support "
                "tracking_confidence and backfill_s",
                "Remove these options or use --pose blazepose.",
            )
        if self.fallback_confidence is not None and not self.backfill_s:
            raise ConfigError(
                "fallback_confidence applies to videos of up to backfill_s, which is 0",
                "Set backfill_s as well.",
            )
        self._check_specific()

    def _check_specific(self) -> None:
        """Raise ConfigError if an option of another estimator is set."""
        for name, estimator in _SPECIFIC.items():
            if getattr(self, name) != getattr(PoseOptions, name) and name not in self._specific():
                raise ConfigError(
                    f"{self.estimator} does not support {name}",
                    f"Remove this option or use --pose {estimator}.",
                )

    def _specific(self) -> tuple[str, ...]:
        """The options of _SPECIFIC that the estimator supports. `auto` selects one that tracks for
        fallback_confidence, and never blazepose-multi."""
        if self.estimator in (AUTO, IMPORT):
            return ("fallback_confidence",)
        return get_spec(self.estimator).options

    @property
    def needs_tracking(self) -> bool:
        """Whether an option is set that only estimators with tracking support."""
        return self.tracking_confidence is not None or self.backfill_s > 0

    def key_part(self) -> dict[str, object]:
        """The options that change the poses, for the cache key. The fingerprint covers files."""
        if_set = ("tracking_confidence", "backfill_s", "fallback_confidence", "mirrored")
        own = (name for name in self._specific() if name not in if_set)
        always = ("estimator", "max_persons", "min_confidence", *own)
        part = {name: getattr(self, name) for name in (*always, *if_set)}
        return {name: value for name, value in part.items() if name in always or value}


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
        """The frames in the same order, each with its persons, in pixels of the frame: with ids if
        the estimator gives them, else with id -1. The pixels of a returned frame may be blank."""
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
    options, and raises EstimatorError if it cannot run. `pull` fetches the weights, or takes them
    from a local file, and yields one line for each file. `parallel` says how it uses a machine: one
    CPU process per core ("processes"), or one process that works on batches of frames ("batches").
    `tracks` says whether it supports tracking_confidence and backfill_s, `gives_ids` whether it
    assigns ids to the persons itself. `options` names the options that it supports of those that
    only some estimators support: fallback_confidence, detect_every_s, small_people and smoothing.
    `overlap_s` says that a long video may be divided into parts which are estimated independently
    by several processes, and returns for how many seconds two of them must overlap with these
    options: long enough for what a later frame adds to earlier ones and for a part to find its
    persons, each of which gets at least half of it.

    `auto` selects the ready estimator of the highest `auto_rank` (None: never), and those with
    `needs_gpu` only on a machine with a GPU.
    """

    name: str
    open: Callable[[PoseOptions], Estimator]
    fingerprint: Callable[[PoseOptions], str]
    status: Callable[[], EstimatorStatus]
    parallel: Literal["processes", "batches"]
    pull: Callable[[Path | None], Iterator[str]] | None = None
    tracks: bool = False
    gives_ids: bool = False
    options: tuple[str, ...] = ()
    overlap_s: Callable[[PoseOptions], float] | None = None
    auto_rank: int | None = None
    needs_gpu: bool = False


@cache
def estimator_specs() -> dict[str, EstimatorSpec]:
    """The estimators that the modules of this package declare, by name: first those that `auto` can
    select."""
    specs = declared(skelact.pose.__name__, skelact.pose.__path__, "ESTIMATORS")
    return dict(sorted(specs.items(), key=lambda item: item[1].auto_rank is None))


def get_spec(name: str) -> EstimatorSpec:
    """The estimator of that name. Raises ConfigError if there is none."""
    specs = estimator_specs()
    return lookup("pose estimator", name, specs, choices=(AUTO, *specs))
