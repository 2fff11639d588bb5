"""Entries of the cache: their kinds, their keys, and reading one from its folder."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from skelact import limits
from skelact.errors import DamagedEntry, reason
from skelact.schemas import CacheDocument, Envelope, FileRecord, decode, with_shared_parts

MANIFEST = "manifest.json"
M = TypeVar("M", bound=CacheDocument)


@dataclass(frozen=True, kw_only=True)
class Stage(Generic[M]):
    """A kind of cache entry: the name of its folder, the version of the code that writes it, and
    the class of its manifest."""

    name: str
    version: int
    manifest: type[M]

    def key(self, **parts: Any) -> str:
        """The key of an entry: a hash of the version and of plain values."""
        return key_of(version=self.version, **parts)

    @cached_property
    def decoder(self) -> msgspec.json.Decoder[Envelope[M]]:
        """Reads manifest.json."""
        return msgspec.json.Decoder(Envelope[self.manifest])  # type: ignore[name-defined]


@dataclass(frozen=True, kw_only=True, slots=True)
class CacheEntry(Generic[M]):
    """A complete entry: its folder, its manifest, and the size and hash of each of its files."""

    path: Path
    manifest: M
    files: dict[str, FileRecord]

    def read(self, name: str) -> bytes:
        """The content of one file. Raises DamagedEntry if it is not what was written."""
        try:
            content = limits.read_bytes(self.path / name, limits.PICKLE_BYTES)
        except OSError as error:
            raise self.damaged(name, reason(error)) from error
        if self.files.get(name) != FileRecord.of(content):
            raise self.damaged(name)
        return content

    def check(self, name: str) -> Path:
        """The path of one file, which is not loaded into memory. Raises DamagedEntry if it is not
        what was written."""
        path = self.path / name
        try:
            intact = self.files.get(name) == FileRecord.of_file(path)
        except OSError as error:
            raise self.damaged(name, reason(error)) from error
        if not intact:
            raise self.damaged(name)
        return path

    def is_intact(self) -> bool:
        """Whether all files are what was written."""
        try:
            for name in self.files:
                self.check(name)
        except DamagedEntry:
            return False
        return True

    def damaged(self, name: str, why: str = "") -> DamagedEntry:
        """The error about a damaged file; from now on the entry counts as absent."""
        with contextlib.suppress(OSError):
            (self.path / MANIFEST).unlink(missing_ok=True)
        text = f"{self.path / name} is damaged" + (f": {why}" if why else "")
        return DamagedEntry(text, CacheDocument.hint)


@dataclass(frozen=True, kw_only=True)
class StoredEntry:
    """What is stored for an entry, which may be damaged: its size in bytes, and its folder or
    remote address, as it may be shown."""

    stage: str
    key: str
    size: int
    place: Path | str


def key_of(**parts: Any) -> str:
    """A hash of plain values, independent of their order."""
    return FileRecord.of(
        json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    ).hash


def read_entry(path: Path, decoder: msgspec.json.Decoder[Envelope[M]]) -> CacheEntry[M] | None:
    """The entry in a folder; None if it is absent or damaged."""
    try:
        envelope = decode(limits.read_bytes(path / MANIFEST), decoder)
        with os.scandir(path) as files:
            sizes = {file.name: file.stat().st_size for file in files}
    except (OSError, msgspec.MsgspecError):
        return None
    if envelope.checksum not in ("", envelope.content_hash()):
        return None
    sizes.pop(MANIFEST, None)
    if sizes != {name: file.size for name, file in envelope.files.items()}:
        return None
    return CacheEntry(
        path=path, manifest=with_shared_parts(envelope.manifest), files=envelope.files
    )
