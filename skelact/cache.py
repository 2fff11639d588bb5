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
import shutil
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Generic, TypeVar

import msgspec

from skelact.errors import CacheError
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
)

MANIFEST, HASHES = "manifest.json", "hashes.json"
CACHE_VARIABLE = "SKELACT_CACHE"
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
        """The content of one file. Raises CacheError if it is not what was written; the entry then
        counts as absent."""
        try:
            content = (self.path / name).read_bytes()
        except OSError as error:
            raise CacheError(
                f"{self.path / name} cannot be read: {error.strerror}", CacheDocument.hint
            ) from error
        if self.files.get(name) != FileRecord.of(content):
            (self.path / MANIFEST).unlink(missing_ok=True)
            raise CacheError(f"{self.path / name} is damaged", CacheDocument.hint)
        return content


def key_of(**parts: Any) -> str:
    """A hash of plain values, independent of their order."""
    return FileRecord.of(
        json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    ).hash


class Cache:
    """All entries below one folder. Safe for several processes at once."""

    def __init__(self, root: Path | str | None = None) -> None:
        self.root = Path(root or os.environ.get(CACHE_VARIABLE) or ".skelact")
        self._hashes: dict[str, FileHash] | None = None
        self._new_hashes: dict[str, FileHash] = {}

    def find(self, stage: Stage[M], key: str) -> CacheEntry[M] | None:
        """The entry, or None if it is absent, its manifest is damaged, or the names and sizes of
        its files are not those that were written."""
        return _read_entry(self.root / stage.name / key, stage.decoder)

    def write(self, stage: Stage[M], key: str, fill: Callable[[Path], M]) -> CacheEntry[M]:
        """Make an entry: `fill` writes files into a temporary folder and returns the manifest.

        If `fill` raises, nothing remains. If another process wrote the entry in the meantime, its
        entry is kept and returned. Raises CacheError if the folder cannot be written."""
        folder, final = self.root / stage.name, self.root / stage.name / key
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
        a further change could leave its times as they are. Raises OSError."""
        stat = path.stat()
        name = str(path.resolve())
        if self._hashes is None:
            self._hashes = self._stored_hashes()
        known = self._hashes.get(name)
        times = (stat.st_mtime_ns, stat.st_ctime_ns)
        if known and (known.size, known.mtime_ns, known.ctime_ns) == (stat.st_size, *times):
            return known.hash
        with path.open("rb") as file:
            content = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
        record = FileHash(size=stat.st_size, mtime_ns=times[0], ctime_ns=times[1], hash=content)
        self._hashes[name] = record
        if max(times) < time.time_ns() - _SETTLED_NS:
            self._new_hashes[name] = record
        return content

    def save_hashes(self) -> None:
        """Store the new hashes, beside those that another process stored in the meantime. A failure
        is ignored: the hashes are computed again."""
        if not self._new_hashes:
            return
        with contextlib.suppress(OSError, CacheError):
            self.root.mkdir(parents=True, exist_ok=True)
            hashes = self._stored_hashes() | self._new_hashes
            save_json(self.root / HASHES, ContentHashes(files=hashes))
            self._new_hashes = {}

    def _stored_hashes(self) -> dict[str, FileHash]:
        try:
            return dict(load_json(self.root / HASHES, ContentHashes).files)
        except CacheError:
            return {}

    def entries(self) -> Iterator[tuple[str, Path]]:
        """(stage, folder) of all entries, damaged ones included."""
        for stage in sorted(p for p in self.root.glob("*") if p.is_dir()):
            for folder in sorted(stage.iterdir()):
                if folder.is_dir() and not folder.name.startswith("tmp-"):
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
                    entry.read(name)
            except CacheError:
                damaged.append(folder)
        return damaged

    def remove_stale(self) -> None:
        """Remove temporary folders of processes of this machine that are no longer running, and
        lock files that nobody holds."""
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
            if name == host and pid.isdigit() and not _is_running(int(pid)):
                shutil.rmtree(folder, ignore_errors=True)


def _read_entry(path: Path, decoder: msgspec.json.Decoder[Envelope[M]]) -> CacheEntry[M] | None:
    """The entry in a folder; None if it is absent or damaged."""
    try:
        envelope = decode((path / MANIFEST).read_bytes(), decoder)
        with os.scandir(path) as files:
            sizes = {file.name: file.stat().st_size for file in files}
    except (OSError, msgspec.MsgspecError):
        return None
    sizes.pop(MANIFEST, None)
    if sizes != {name: file.size for name, file in envelope.files.items()}:
        return None
    return CacheEntry(path=path, manifest=envelope.manifest, files=envelope.files)


def _locked(path: Path, wait: bool) -> IO[str] | None:
    """The file, open and locked; None if another process holds its lock, unless `wait`. The holder
    of a lock removes the file, so one that is no longer at `path` counts for nothing: others have
    locked a new file in the meantime. Raises OSError."""
    while True:
        file = path.open("w")
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
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


def _is_running(pid: int) -> bool:
    if os.name == "nt":  # on Windows, signal 0 would interrupt the process
        return True
    with contextlib.suppress(OSError, IndexError):  # a zombie: dead, but its parent did not wait
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
