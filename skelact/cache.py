"""The cache: the result of every stage in <root>/<stage>/<key>/ beside a manifest.

The key is a hash of the content of the inputs and of the parameters that matter, so renaming a
video changes nothing and changing a parameter makes a new entry. An entry is written to a temporary
folder that is then renamed; a reader never sees an incomplete entry.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import socket
import stat
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Generic, TypeVar

import msgspec
from msgspec import structs

from skelact import limits
from skelact.errors import (
    CHANGED_HINT,
    CacheError,
    DamagedEntry,
    InputError,
    escaped,
    reason,
)
from skelact.schemas import (
    AnyManifest,
    CacheDocument,
    ContentHashes,
    Envelope,
    FileHash,
    FileRecord,
    decode,
    load_json,
    save_json,
    to_json,
    with_shared_parts,
)
from skelact.temporary import is_running, sweep

MANIFEST, HASHES = "manifest.json", "hashes"
CACHE_VARIABLE = "SKELACT_CACHE"
_KEY = re.compile(r"[0-9a-f]{20}")
_swept: set[Path] = set()  # caches that this process has cleaned up
_SAVE_EVERY_S = 60.0  # while inputs are hashed: a run that is stopped continues there
_SETTLED_NS = 2 * 10**9  # the coarsest time stamps of file systems
_OTHER_FOLDER = "Choose another folder with --cache-dir."

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


@dataclass(frozen=True, kw_only=True)
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

    def damaged(self, name: str, why: str = "") -> DamagedEntry:
        """The error about a damaged file; from now on the entry counts as absent."""
        with contextlib.suppress(OSError):
            (self.path / MANIFEST).unlink(missing_ok=True)
        text = f"{self.path / name} is damaged" + (f": {why}" if why else "")
        return DamagedEntry(text, CacheDocument.hint)


def key_of(**parts: Any) -> str:
    """A hash of plain values, independent of their order."""
    return FileRecord.of(
        json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    ).hash


class Cache:
    """All entries below one folder. Safe for several processes at once."""

    def __init__(self, root: Path | str | None = None) -> None:
        self.root = Path(root or os.environ.get(CACHE_VARIABLE) or ".skelact")
        # by folder, and in it by absolute path
        self._hashes: dict[Path, dict[str, FileHash]] = {}
        self._new_hashes: dict[Path, dict[str, FileHash]] = {}
        self._saved = time.monotonic()

    def find(self, stage: Stage[M], key: str) -> CacheEntry[M] | None:
        """The entry, or None if it is absent, its manifest is damaged, or the names and sizes of
        its files are not those that were written."""
        return _read_entry(self.root / stage.name / key, stage.decoder)

    def write(self, stage: Stage[M], key: str, fill: Callable[[Path], M]) -> CacheEntry[M]:
        """Make an entry: `fill` writes files into a temporary folder and returns the manifest.

        If `fill` raises, nothing remains. If another process wrote the entry in the meantime, its
        entry is kept and returned. Raises CacheError if the folder cannot be written."""
        folder, final = self.root / stage.name, self.root / stage.name / key
        if self.root not in _swept:
            _swept.add(self.root)
            self.remove_stale()
        temporary = folder / f"tmp-{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        try:
            temporary.mkdir(parents=True)
            document = fill(temporary)
            envelope = Envelope(
                stage=stage.name,
                key=key,
                created=time.strftime("%Y-%m-%dT%H:%M:%S"),
                files={f.name: FileRecord.of_file(f) for f in sorted(temporary.iterdir())},
                manifest=document,
            )
            envelope = decode(to_json(envelope), stage.decoder)  # as it will be read
            envelope = structs.replace(envelope, checksum=envelope.content_hash())
            (temporary / MANIFEST).write_bytes(to_json(envelope))
            self._publish(stage, temporary, final)
        except OSError as error:
            full = error.errno == errno.ENOSPC
            raise CacheError(
                f"Cannot write {final}: {error.strerror or error}",
                "Free some space; finished entries are kept." if full else _OTHER_FOLDER,
            ) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        entry = self.find(stage, key)
        if entry is None:
            raise CacheError(
                f"{final} disappeared", "Check whether another program deletes files of the cache."
            )
        return entry

    def _publish(self, stage: Stage[M], temporary: Path, final: Path) -> None:
        """Rename a finished temporary folder to the folder of its entry."""
        if self.find(stage, final.name) is not None:
            return
        if final.exists():  # damaged; renamed first, so that no reader sees half of a deletion
            old = temporary.with_name(temporary.name + "-old")
            with contextlib.suppress(OSError):
                final.rename(old)
            shutil.rmtree(old, ignore_errors=True)
        try:
            temporary.rename(final)
        except OSError:
            if self.find(stage, final.name) is None:
                raise

    @contextlib.contextmanager
    def lock(self, stage: Stage[M], key: str, wait: bool) -> Iterator[bool]:
        """Hold the right to make one entry. Without `wait` it yields False immediately if another
        process holds it. The lock is released when its holder dies."""
        path = self.root / stage.name / f".{key}.lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = _locked(path, wait)
        except OSError as error:
            raise CacheError(
                f"Cannot write {path.parent}: {error.strerror}", _OTHER_FOLDER
            ) from error
        if file is None:
            yield False
            return
        with file:
            try:
                yield True
            finally:
                with contextlib.suppress(OSError):
                    path.unlink()

    def content_hash(self, path: Path) -> str:
        """Hash of a file's content, remembered by path, size and times; `save_hashes` stores what
        was computed. The hash of a file that changed a moment ago, or in the future, is not stored:
        a further change could leave its times as they are. Raises OSError, and InputError for a
        device, pipe or folder."""
        status = path.stat()
        place = path.resolve()
        folder, name = place.parent, escaped(place)
        if folder not in self._hashes:
            self._hashes[folder] = self._stored_hashes(folder)
        known = self._hashes[folder].get(name)
        times = (status.st_mtime_ns, status.st_ctime_ns)
        if known and (known.size, known.mtime_ns, known.ctime_ns) == (status.st_size, *times):
            return known.hash
        record = _hash_of(path)
        self._hashes[folder][name] = record
        if max(times) < time.time_ns() - _SETTLED_NS:
            self._new_hashes.setdefault(folder, {})[name] = record
        if time.monotonic() - self._saved > _SAVE_EVERY_S:
            self.save_hashes()
        return record.hash

    def check_unchanged(self, path: Path, content: str) -> None:
        """As the function `check_unchanged`; a remembered hash that does not hold any more is
        forgotten. Called before a result is stored."""
        try:
            check_unchanged(path, content)
        except InputError:
            place = path.resolve()
            for hashes in (self._hashes, self._new_hashes):
                hashes.get(place.parent, {}).pop(escaped(place), None)
            raise

    def save_hashes(self) -> None:
        """Store the new hashes, beside those that another process stored in the meantime: one file
        for each folder of inputs, so that a run writes those of its own inputs only. A failure is
        ignored: the hashes are computed again."""
        self._saved = time.monotonic()
        for folder, new in list(self._new_hashes.items()):
            with contextlib.suppress(OSError, CacheError):
                path = self._hashes_of(folder)
                path.parent.mkdir(parents=True, exist_ok=True)
                save_json(path, ContentHashes(files=self._stored_hashes(folder) | new))
                del self._new_hashes[folder]

    def _stored_hashes(self, folder: Path) -> dict[str, FileHash]:
        try:
            return dict(load_json(self._hashes_of(folder), ContentHashes).files)
        except CacheError:
            return {}

    def _hashes_of(self, folder: Path) -> Path:
        return self.root / HASHES / f"{FileRecord.of(escaped(folder).encode()).hash}.json"

    def entries(self) -> Iterator[tuple[str, Path]]:
        """(stage, folder) of all entries, damaged ones included. Other folders, such as those of a
        folder that was named as the cache by mistake, are not entries."""
        for stage in sorted(p for p in self.root.glob("*") if p.is_dir()):
            for folder in sorted(stage.iterdir()):
                if _KEY.fullmatch(folder.name) and folder.is_dir() and not folder.is_symlink():
                    yield stage.name, folder

    def verify(self) -> list[Path]:
        """Read every file of every entry. Returns the folders of damaged entries."""
        decoder = msgspec.json.Decoder(Envelope[AnyManifest])
        damaged = []
        for _, folder in self.entries():
            entry: CacheEntry[AnyManifest] | None = _read_entry(folder, decoder)
            try:
                if entry is None:
                    raise CacheError(f"{folder} is incomplete")
                for name in entry.files:
                    entry.check(name)
            except CacheError:
                damaged.append(folder)
        return damaged

    def remove_stale(self) -> None:
        """Remove temporary folders of processes of this machine that are no longer running, and
        lock files that nobody holds."""
        sweep(self.root)
        for path in self.root.glob("*/.*.lock"):
            with contextlib.suppress(OSError):
                file = _locked(path, wait=False)
                if file is not None:
                    with file:
                        path.unlink()
        host = socket.gethostname()
        for folder in self.root.glob("*/tmp-*"):
            owner = folder.name.removeprefix("tmp-").removesuffix("-old").rpartition("-")[0]
            name, _, pid = owner.rpartition("-")
            if name == host and pid.isdigit() and not is_running(int(pid)):
                shutil.rmtree(folder, ignore_errors=True)


def check_unchanged(path: Path, content: str) -> None:
    """Raises InputError if the content of a file is no longer the one with this hash. The file is
    read again, because a changed file can have the same size and time."""
    try:
        found = _hash_of(path).hash
    except OSError as error:
        raise InputError(
            f"{path} disappeared while it was read: {error.strerror}", CHANGED_HINT
        ) from error
    if found != content:
        raise InputError(f"{path} changed while it was read", CHANGED_HINT)


def _hash_of(path: Path) -> FileHash:
    """Raises OSError, and InputError for anything but a regular file."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path} is not a regular file")
    with path.open("rb") as file:
        content = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    return FileHash(
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        ctime_ns=status.st_ctime_ns,
        hash=content,
    )


def _read_entry(path: Path, decoder: msgspec.json.Decoder[Envelope[M]]) -> CacheEntry[M] | None:
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


def _locked(path: Path, wait: bool) -> IO[str] | None:
    """The lock file, open and locked; None if another process holds its lock, unless `wait`. The
    holder of a lock removes the file, so one that is no longer at `path` counts for nothing: others
    have locked a new file in the meantime. A link, which somebody could have put into a shared
    cache, is not followed. Raises OSError."""
    while True:
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666), "r+")
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if os.path.samestat(os.fstat(file.fileno()), path.lstat()):
                return file
        except ImportError:  # no such locks on this system; doing the work twice is harmless
            return file
        except FileNotFoundError:
            pass
        except BlockingIOError:
            file.close()
            return None
        except BaseException:
            file.close()
            raise
        file.close()
