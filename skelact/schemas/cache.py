"""Documents of the cache: the manifest of each stage, and the index of a packed dataset."""

from __future__ import annotations

import hashlib
import re
import sys
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, TypeVar

import msgspec
from msgspec import Meta, structs

from skelact.errors import CacheError, SkelactError
from skelact.schemas.base import Count, Document, Positive, Rate, Record, Seconds, Size
from skelact.skeletons import Skeleton


class CacheDocument(Document, frozen=True, kw_only=True):
    """Base of the documents in a cache."""

    error: ClassVar[type[SkelactError]] = CacheError
    hint: ClassVar[str] = "Run the command again; the entry will be regenerated."


M = TypeVar("M")
D = TypeVar("D", bound=CacheDocument)


class FileRecord(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Size in bytes and hash of one file of an entry."""

    size: Count
    hash: str

    @classmethod
    def of(cls, content: bytes) -> FileRecord:
        """Of a file with this content."""
        return cls(len(content), _new_hash(content).hexdigest())

    @classmethod
    def of_file(cls, path: Path) -> FileRecord:
        """Of a file, which is not loaded into memory. Raises OSError."""
        with path.open("rb") as file:
            content = hashlib.file_digest(file, _new_hash).hexdigest()
        return cls(path.stat().st_size, content)


def _new_hash(content: bytes = b"") -> hashlib.blake2b:
    return hashlib.blake2b(content, digest_size=10)


class Envelope(Record, Generic[M], frozen=True, kw_only=True):
    """manifest.json of an entry: what all stages have in common, and the stage's own manifest.
    `checksum` is the hash of all this without itself; empty in entries of earlier versions."""

    stage: str
    key: str
    created: str
    files: dict[str, FileRecord]
    manifest: M
    checksum: str = ""

    def content_hash(self) -> str:
        """What `checksum` must be."""
        return FileRecord.of(msgspec.json.encode(structs.replace(self, checksum=""))).hash


class FileHash(
    msgspec.Struct, frozen=True, array_like=True, kw_only=True, forbid_unknown_fields=True
):
    """Hash of a file's content while its size and times stay the same: those of the last change of
    its content, which programs can set, and of its last change, which they cannot."""

    size: Count
    mtime_ns: int
    ctime_ns: int
    hash: str


class ContentHashes(CacheDocument, tag="content-hashes", frozen=True, kw_only=True):
    """Known hashes by absolute path."""

    files: dict[str, FileHash]


class Clip(Record, frozen=True, kw_only=True):
    """One clip file of a cut video. Frames and seconds of the source; the end is exclusive."""

    file: str
    start_frame: Count
    end_frame: Count
    start_s: Seconds
    end_s: Seconds
    frames: Count

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\d{3,}\.mp4", self.file):  # no other file, and no other folder
            raise ValueError(f"{self.file!r} is no name of a clip")


class ClipsManifest(CacheDocument, tag="clips", frozen=True, kw_only=True):
    """Clips that were cut from one video."""

    source: str
    content: str
    fps: Rate
    clip_options: dict[str, Any]
    coding: dict[str, Any]
    clips: tuple[Clip, ...]


class PosesManifest(CacheDocument, tag="poses", frozen=True, kw_only=True):
    """Poses of one video. `people_found` counts persons per frame, `persons` the tracked ones."""

    source: str
    content: str
    estimator: str
    weights: str
    skeleton: Skeleton
    width: Size
    height: Size
    fps: Rate
    pose: dict[str, Any]
    track: dict[str, Any]
    frames: Count
    frames_with_people: Count
    people_found: Count
    persons: Count


class SequenceClip(Record, frozen=True, kw_only=True):
    """One clip of a video's sequences: frames [start, end), ids of its persons."""

    start: Count
    end: Positive
    persons: tuple[int, ...]
    frames_with_people: Count

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise ValueError(f"a clip of the frames {self.start} to {self.end} is empty")


class SequencesManifest(CacheDocument, tag="sequences", frozen=True, kw_only=True):
    """Cleaned sequences of the clips of one video. `poses` is the key of the poses."""

    poses: str
    clip_options: dict[str, Any]
    sequence: dict[str, Any]
    clips: tuple[SequenceClip, ...]
    skeleton: Skeleton
    fps: Rate
    width: Size
    height: Size
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
    samples: Count
    failed: tuple[FailedInput, ...] = ()


AnyManifest = ClipsManifest | PosesManifest | SequencesManifest | PackedManifest


class PackedMeta(CacheDocument, tag="packed-index", frozen=True, kw_only=True):
    """The index of a packed dataset. `offsets` (N + 1,) are the first frames of the N clips in the
    array of all frames; `labels`, `items`, `fps`, `is_mirrored` and `ids` describe each clip (see
    datasets.packed.Packed), `checksums` are the CRC-32 of its frames."""

    dataset: str
    classes: tuple[str, ...]
    skeleton: Skeleton
    dims: Annotated[int, Meta(ge=2, le=3)]
    minmax: bool
    y_up: bool
    offsets: list[Count]
    labels: list[Count]
    items: list[Count]
    fps: list[Rate]
    is_mirrored: list[bool]
    ids: tuple[str, ...]
    checksums: list[Count]

    def __post_init__(self) -> None:
        columns = (self.labels, self.items, self.fps, self.is_mirrored, self.ids, self.checksums)
        if {len(c) for c in columns} != {len(self.offsets) - 1}:
            raise ValueError("the columns of the index differ in length")
        if self.offsets[0] or any(a > b for a, b in pairwise(self.offsets)):
            raise ValueError("the offsets are not in order")
        if max(self.labels, default=-1) >= len(self.classes):
            raise ValueError(f"a label is not one of the {len(self.classes)} classes")


_known: dict[bytes, Any] = {}  # parts of manifests by their JSON
_MAX_KNOWN = 1000


def with_shared_parts(manifest: D) -> D:
    """The manifest with those of its parts that equal a part of an earlier manifest replaced by it:
    the layout, the options and the estimator, which most entries have in common, and which are most
    of their memory."""
    changes = {}
    for name in manifest.__struct_fields__:
        value = getattr(manifest, name)
        if name in ("estimator", "weights"):
            changes[name] = sys.intern(value)
        if isinstance(value, Skeleton | dict):
            key = msgspec.json.encode(value)
            if len(_known) < _MAX_KNOWN:
                changes[name] = _known.setdefault(key, value)
            elif key in _known:
                changes[name] = _known[key]
    return structs.replace(manifest, **changes)
