"""The interface of pose estimators, and their discovery.

Every module of this package that defines estimators declares them as `ESTIMATORS`, a tuple of
EstimatorSpec. Importing such a module must be cheap: it imports torch, LiteRT or mmpose inside the
functions that use them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, Protocol

import skelact.pose
from skelact.config import build, check_ranges, option
from skelact.discovery import declared
from skelact.errors import CheckpointError, ConfigError, lookup, reading
from skelact.skeletons import Skeleton
from skelact.types import PersonPose
from skelact.video.decode import Frame

AUTO = "auto"  # the best estimator that can run on this machine
IMPORT = "import"  # poses that another program estimated
_IF_SET = ("hands", "face", "mirrored")  # are part of the cache key only if they are set


@dataclass(frozen=True, kw_only=True)
class PoseOptions:
    """Pose estimation, for all estimators."""

    estimator: str = option(
        "auto",
        "Pose estimator: auto, blazepose, rtmo-s|m|l, rtmpose-t|s|m|l, or custom with a config.",
        flag="pose",
    )
    max_persons: int = option(8, "Maximum number of persons per frame.", min=1, max=32)
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
        "Track every new person backwards for up to this many seconds, and at least to the last "
        "search for new persons (blazepose).",
        min=0,
        max=3600,
    )
    detect_every_s: float = option(
        1.0,
        "Search for new persons in the complete frame and its square tiles at this interval, in "
        "seconds (blazepose).",
        min=0.01,
        max=10,
    )
    small_people: str = option(
        "auto",
        "Also search smaller tiles: off, auto (at the start of a scene, in large frames, and while "
        "no person is visible) or always (blazepose).",
        choices=("off", "auto", "always"),
    )
    smoothing: float = option(
        1.0,
        "Strength of the smoothing over time, which does not delay motion; 0 disables it "
        "(blazepose).",
        min=0,
        max=10,
    )
    hands: bool = option(
        False,
        "Also estimate the 21 joints of each hand, or import them from OpenPose's JSON "
        "(blazepose).",
    )
    face: bool = option(
        False,
        "Also estimate 70 points of each face, or import them from OpenPose's JSON (blazepose).",
    )
    mirrored: bool = option(
        False,
        "Estimate poses on horizontally mirrored frames and mirror the result back, which gives "
        "poses with different errors.",
    )
    config: str | None = option(
        None, "An mmpose config file (it is executed), for --pose custom.", flag="pose-config"
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
        supported = self._supported()
        unsupported = [name for name in self.specific if name not in supported]
        if unsupported:
            raise ConfigError(
                f"{self.estimator} does not support {' and '.join(unsupported)}",
                f"Use --pose {supporting(self.specific)}, or leave out "
                f"{'this option' if len(unsupported) == 1 else 'these options'}.",
            )

    @property
    def specific(self) -> tuple[str, ...]:
        """The options that only some estimators support and that differ from their defaults."""
        return tuple(n for n in specific_options() if getattr(self, n) != getattr(PoseOptions, n))

    def _supported(self) -> tuple[str, ...]:
        """The specific options that the estimator supports. `auto` selects one that supports those
        that are set; imported poses may come with the options of a model."""
        if self.estimator in (AUTO, IMPORT):
            return specific_options()
        return get_spec(self.estimator).options

    @classmethod
    def stored(
        cls, section: Mapping[str, Any], config: str | None = None, checkpoint: str | None = None
    ) -> PoseOptions:
        """The options in a checkpoint or a run folder, with the files that the user names. A config
        is a program, so a path in a file that somebody else may have made is never opened.

        Raises ConfigError if the options name such files and the user does not, or the reverse;
        CheckpointError if the section is damaged."""
        with reading("The pose options of the checkpoint", CheckpointError):
            stored = build(cls, section, "pose")
        named = [n for n in ("config", "checkpoint") if getattr(stored, n) is not None]
        given = {"config": config, "checkpoint": checkpoint}
        if absent := [n for n in named if given[n] is None]:
            raise ConfigError(
                f"The model was trained with the {' and the '.join(named)} of a pose estimator, "
                "which skelact does not open because a config can run code",
                f"Name your own copy: {' '.join(f'--pose-{n} FILE' for n in absent)}.",
            )
        if surplus := [n for n, path in given.items() if path is not None and n not in named]:
            raise ConfigError(
                f"The model was trained with the pose estimator {stored.estimator} as it is",
                f"Leave out {' and '.join(f'--pose-{n}' for n in surplus)}.",
            )
        return replace(stored, config=config, checkpoint=checkpoint, poses_from=None)

    def key_part(self) -> dict[str, object]:
        """The options that change the poses, for the cache key. The fingerprint covers files."""
        names = ("estimator", "max_persons", "min_confidence", *self._supported(), "mirrored")
        part = {name: getattr(self, name) for name in names}
        return {name: value for name, value in part.items() if value or name not in _IF_SET}


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


class LiveEstimator(Protocol):
    """A loaded pose estimator for frames that arrive one by one, at irregular times [s]."""

    name: str
    skeleton: Skeleton

    def add(self, image: Frame, time_s: float) -> list[PersonPose]:
        """The persons of the next frame (H, W, 3) uint8 BGR with ids, in pixels. Times grow."""
        ...

    def recent(self, since_s: float) -> tuple[list[float], list[list[PersonPose]]]:
        """The times of the frames since a time, as far as they are kept, and their persons as they
        are known now: a person who was accepted late is in earlier frames too."""
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
    `gives_ids` says whether it assigns ids to the persons itself. `options` names the fields of
    PoseOptions that it supports and that other estimators do not.

    `overlap_s` says that a long video may be divided into parts which are estimated independently,
    and returns for how many seconds two parts must overlap with these options, None if a video
    cannot be divided. A part is used from a frame in the second quarter of the overlap on, so that
    time is needed to find its persons and, half of it, for what later frames add to earlier ones.

    `live` loads it for frames that arrive one by one, given the usual frame rate and the seconds
    for which poses are kept; without it, an estimator that gives no ids is applied frame by frame.

    `auto` selects the ready estimator of the highest `auto_rank` (None: never), and those with
    `needs_gpu` only on a machine with a GPU.
    """

    name: str
    open: Callable[[PoseOptions], Estimator]
    fingerprint: Callable[[PoseOptions], str]
    status: Callable[[], EstimatorStatus]
    parallel: Literal["processes", "batches"]
    pull: Callable[[Path | None], Iterator[str]] | None = None
    gives_ids: bool = False
    options: tuple[str, ...] = ()
    overlap_s: Callable[[PoseOptions], float] | None = None
    auto_rank: int | None = None
    needs_gpu: bool = False
    live: Callable[[PoseOptions, float, float], LiveEstimator] | None = None


@cache
def estimator_specs() -> dict[str, EstimatorSpec]:
    """The estimators that the modules of this package declare, by name: first those that `auto` can
    select."""
    specs = declared(skelact.pose.__name__, skelact.pose.__path__, "ESTIMATORS")
    return dict(sorted(specs.items(), key=lambda item: item[1].auto_rank is None))


@cache
def specific_options() -> tuple[str, ...]:
    """The fields of PoseOptions that only some estimators support."""
    return tuple(dict.fromkeys(name for s in estimator_specs().values() for name in s.options))


def supporting(options: Iterable[str]) -> str:
    """The first estimator that supports all these specific options, or `auto` if there is none."""
    specs = estimator_specs().values()
    return next((s.name for s in specs if set(options) <= set(s.options)), AUTO)


def get_spec(name: str) -> EstimatorSpec:
    """The estimator of that name. Raises ConfigError if there is none."""
    specs = estimator_specs()
    return lookup("pose estimator", name, specs, choices=(AUTO, *specs))
