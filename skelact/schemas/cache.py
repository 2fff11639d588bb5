"""Documents of the cache: the manifest of each stage, and the index of a packed dataset."""

from __future__ import annotations

from typing import Any, ClassVar

from skelact.errors import CacheError, DatasetError, SkelactError
from skelact.schemas.base import Document, Record
from skelact.skeletons import Skeleton


class CacheDocument(Document, frozen=True, kw_only=True):
    """Base of what a cache entry says about itself."""

    error: ClassVar[type[SkelactError]] = CacheError
    hint: ClassVar[str] = "Run the command again; the entry will be regenerated."


class Clip(Record, frozen=True, kw_only=True):
    """One clip file of a cut video. Frames and seconds of the source; the end is exclusive."""

    file: str
    start_frame: int
    end_frame: int
    start_s: float
    end_s: float
    frames: int


class ClipsManifest(CacheDocument, tag="clips", frozen=True, kw_only=True):
    """Clips that were cut from one video."""

    source: str
    content: str
    fps: float
    clip_options: dict[str, Any]
    coding: dict[str, Any]
    clips: tuple[Clip, ...]


class PosesManifest(CacheDocument, tag="poses", frozen=True, kw_only=True):
    """Poses of one video: who estimated them, in which layout, and how many people were found."""

    source: str
    content: str
    estimator: str
    weights: str
    skeleton: Skeleton
    width: int
    height: int
    fps: float
    pose: dict[str, Any]
    track: dict[str, Any]
    frames: int
    frames_with_people: int
    people_found: int
    persons: int


class SequenceClip(Record, frozen=True, kw_only=True):
    """One clip of a video's sequences: frames [start, end), ids of its persons."""

    start: int
    end: int
    persons: tuple[int, ...]
    frames_with_people: int


class SequencesManifest(CacheDocument, tag="sequences", frozen=True, kw_only=True):
    """Clean sequences of one video, clip by clip."""

    poses: str
    clip_options: dict[str, Any]
    sequence: dict[str, Any]
    clips: tuple[SequenceClip, ...]
    skeleton: Skeleton
    fps: float
    width: int
    height: int
    estimator: str
    weights: str


class FailedInput(Record, frozen=True, kw_only=True):
    """One input that could not be used."""

    path: str
    reason: str
    hint: str


class PackedManifest(CacheDocument, tag="packed", frozen=True, kw_only=True):
    """A packed dataset in the cache, and the inputs of it that could not be used."""

    dataset: str
    samples: int
    failed: tuple[FailedInput, ...] = ()


class PackedSample(Record, frozen=True, kw_only=True):
    """One clip of a packed dataset: class index, item index, frames per second; whether its poses
    come from mirrored frames."""

    id: str
    label: int
    item: int
    fps: float
    mirrored: bool = False


class PackedMeta(Document, tag="packed-index", frozen=True, kw_only=True):
    """The index beside the array of a packed dataset."""

    error: ClassVar[type[SkelactError]] = DatasetError

    dataset: str
    offsets: tuple[int, ...]
    samples: tuple[PackedSample, ...]
    classes: tuple[str, ...]
    skeleton: Skeleton
    dims: int
    minmax: bool = False
    y_up: bool = False
