"""The class Cache: finding, writing, locking, verifying and removing entries."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import socket
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeVar

import msgspec
from msgspec import structs

from skelact.cache.address import folder_or_address
from skelact.cache.entry import MANIFEST, CacheEntry, M, Stage, StoredEntry, read_entry
from skelact.cache.hashes import InputHashes
from skelact.errors import CacheUnavailable, DamagedEntry
from skelact.schemas import AnyManifest, Envelope, FileRecord, decode, to_json
from skelact.temporary import is_running, sweep

if TYPE_CHECKING:
    from skelact.cache.remote import RemoteStore

HASHES = "hashes"
CACHE_VARIABLE = "SKELACT_CACHE"
COPIES_VARIABLE = "SKELACT_CACHE_COPIES"
_KEY = re.compile(r"[0-9a-f]{20}")
_swept: set[Path] = set()  # caches that this process has cleaned up
_OTHER_FOLDER = "Choose another folder with --cache-dir."
_OTHER_COPIES = f"Set {COPIES_VARIABLE} to another folder."

A = TypeVar("A")
_ANY: msgspec.json.Decoder[Envelope[AnyManifest]] = msgspec.json.Decoder(Envelope[AnyManifest])


class Cache:
    """All entries below one folder, or at an address of fsspec such as s3://bucket/folder. Safe for
    several processes at once.

    A remote cache has copies in a folder of this machine, `root`. An entry is searched there first,
    and downloaded if it is only at the address; it is written there first and then uploaded. If the
    upload fails, the entry remains here, and is uploaded when it is next used. Locks hold on one
    machine: two machines may make the same entry, and each stores the same content.

    `address` gives the same cache in another process and, if all machines have the folder, on
    another machine. All methods may raise CacheUnavailable, the constructor too, and BackendMissing
    without the package for an address."""

    def __init__(self, root: Path | str | None = None) -> None:
        default = os.environ.get(CACHE_VARIABLE) or ".skelact"
        place = folder_or_address(default if root is None else root)
        self.remote: RemoteStore | None = None
        if "://" in str(place):
            from skelact.cache.remote import RemoteStore  # few commands need its imports

            self.remote = RemoteStore(str(place))
            self.root, self.address = _copies_of(self.remote.address), self.remote.address
        else:
            self.root = Path(place)
            self.address = os.path.abspath(place)  # noqa: PTH100  # does not follow links
        self._inputs = InputHashes(self.root / HASHES)
        self.content_hash = self._inputs.content_hash
        self.check_unchanged = self._inputs.check_unchanged
        self.save_hashes = self._inputs.save

    @property
    def name(self) -> str:
        """The folder or the address, as it may be shown."""
        return str(self.root) if self.remote is None else self.remote.name

    def find(self, stage: Stage[M], key: str) -> CacheEntry[M] | None:
        """The entry, or None if it is absent, its manifest is damaged, or the names and sizes of
        its files are not those that were written. In a remote cache, all of its content is compared
        with its hashes when it is downloaded."""
        entry = read_entry(self.root / stage.name / key, stage.decoder)
        if self.remote is None:
            return entry
        if entry is None:
            return self._download(self.remote, stage, key)
        if self._upload_mark(stage.name, key).exists():
            try:
                self._upload(self.remote, stage, entry)
            except DamagedEntry:
                return self._download(self.remote, stage, key)
        return entry

    def find_each(
        self, stage: Stage[M], items: Iterable[tuple[A, str]]
    ) -> Iterator[tuple[A, CacheEntry[M] | None]]:
        """(item, entry) for each (item, key), as `find`; several at once in a remote cache."""

        def pair(item: tuple[A, str]) -> tuple[A, CacheEntry[M] | None]:
            return item[0], self.find(stage, item[1])

        return map(pair, items) if self.remote is None else self.remote.each(pair, items)

    def write(self, stage: Stage[M], key: str, fill: Callable[[Path], M]) -> CacheEntry[M]:
        """Make an entry: `fill` writes files into a temporary folder and returns the manifest.

        If `fill` raises, nothing remains. If another process wrote the entry in the meantime, its
        entry is kept and returned."""
        final = self.root / stage.name / key
        if self.root not in _swept:
            _swept.add(self.root)
            self.remove_stale()
        with self._temporary(stage.name, final) as folder:
            document = fill(folder)
            envelope = Envelope(
                stage=stage.name,
                key=key,
                created=time.strftime("%Y-%m-%dT%H:%M:%S"),
                files={f.name: FileRecord.of_file(f) for f in sorted(folder.iterdir())},
                manifest=document,
            )
            envelope = decode(to_json(envelope), stage.decoder)  # as it will be read
            envelope = structs.replace(envelope, checksum=envelope.content_hash())
            (folder / MANIFEST).write_bytes(to_json(envelope))
            if self.remote is not None:
                self._upload_mark(stage.name, key).touch()
            self._publish(stage, folder, final)
        entry = read_entry(final, stage.decoder)
        if entry is None:
            raise CacheUnavailable(
                f"{final} disappeared", "Check whether another program deletes files of the cache."
            )
        if self.remote is not None:
            self._upload(self.remote, stage, entry)
        return entry

    @contextlib.contextmanager
    def _temporary(self, stage: str, final: Path) -> Iterator[Path]:
        """A new folder that is removed at the end, unless it was renamed to `final`."""
        name = f"tmp-{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        folder = self.root / stage / name
        try:
            folder.mkdir(parents=True)
            yield folder
        except OSError as error:
            hint = _OTHER_FOLDER if self.remote is None else _OTHER_COPIES
            if error.errno == errno.ENOSPC:
                hint = "Free some space; finished entries are kept."
            text = f"Cannot write {final}: {error.strerror or error}"
            raise CacheUnavailable(text, hint) from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _publish(self, stage: Stage[M], temporary: Path, final: Path) -> None:
        """Rename a finished temporary folder to the folder of its entry."""
        if read_entry(final, stage.decoder) is not None:
            return
        if final.exists():  # damaged; renamed first, so that no reader sees half of a deletion
            old = temporary.with_name(temporary.name + "-old")
            with contextlib.suppress(OSError):
                final.rename(old)
            shutil.rmtree(old, ignore_errors=True)
        try:
            temporary.rename(final)
        except OSError:
            if read_entry(final, stage.decoder) is None:
                raise

    def check_writable(self) -> None:
        """Check that a remote cache can be written, before work is done for it."""
        if self.remote is not None:
            self.remote.check_writable()

    # --- remote caches ----------------------------------------------------------------------------

    def _download(self, remote: RemoteStore, stage: Stage[M], key: str) -> CacheEntry[M] | None:
        final = self.root / stage.name / key
        with self._temporary(stage.name, final) as folder:
            entry = remote.download(stage.name, key, folder, stage.decoder)
            if entry is not None:
                self._publish(stage, entry, final)
        return read_entry(final, stage.decoder)

    def _upload(self, remote: RemoteStore, stage: Stage[M], entry: CacheEntry[M]) -> None:
        with self._temporary(stage.name, entry.path) as folder:
            remote.upload(stage.name, entry, folder)
            self._upload_mark(stage.name, entry.path.name).unlink(missing_ok=True)

    def _upload_mark(self, stage: str, key: str) -> Path:
        """A file that exists until an entry has been uploaded."""
        return self.root / stage / f".{key}.upload"

    # --- locks ------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def lock(self, stage: Stage[M], key: str, wait: bool) -> Iterator[bool]:
        """Hold the right of this machine to make one entry. Without `wait` it yields False
        immediately if another process holds it. The lock is released when its holder dies."""
        path = self.root / stage.name / f".{key}.lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = _locked(path, wait)
        except OSError as error:
            raise CacheUnavailable(
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

    # --- all entries ------------------------------------------------------------------------------

    def entries(self) -> Iterator[tuple[str, Path]]:
        """(stage, folder) of all entries on this machine, damaged ones included. Other folders,
        such as those of a folder that was named as the cache by mistake, are not entries."""
        for stage in sorted(_folders(self.root)):
            place = self.root / stage
            for name in sorted(n for n in _folders(place, links=False) if _KEY.fullmatch(n)):
                yield stage, place / name

    def stored(self) -> Iterator[StoredEntry]:
        """All entries, damaged ones included; of a remote cache, those at its address."""
        return self.stored_here() if self.remote is None else self.remote.stored()

    def stored_here(self) -> Iterator[StoredEntry]:
        """All entries on this machine, damaged ones included."""
        for stage, folder in self.entries():
            size = _size(folder)
            yield StoredEntry(stage=stage, key=folder.name, size=size, place=folder)

    def verify(self) -> list[Path | str]:
        """Read every file of every entry. Returns the folders and addresses of damaged entries."""
        return [entry.place for entry in self.damaged()]

    def damaged(self) -> Iterator[StoredEntry]:
        """The damaged entries on this machine and, of a remote cache, at its address."""
        for stored in self.stored_here():
            entry = read_entry(self.root / stored.stage / stored.key, _ANY)
            if entry is None or not entry.is_intact():
                yield stored
        if self.remote is not None:
            yield from self._damaged_remote(self.remote)

    def _damaged_remote(self, remote: RemoteStore) -> Iterator[StoredEntry]:
        def check(stored: StoredEntry) -> tuple[StoredEntry, bool]:
            with self._temporary(stored.stage, self.root / stored.stage / stored.key) as folder:
                entry = remote.download(stored.stage, stored.key, folder, _ANY)
                return stored, entry is not None

        for stored, intact in remote.each(check, remote.stored()):
            if not intact:
                yield stored

    def remove(self, stage: str, key: str) -> None:
        """Remove an entry, here and at the address."""
        self._remove_here(stage, key)
        if self.remote is not None:
            self.remote.remove(stage, key)

    def _remove_here(self, stage: str, key: str) -> None:
        folder = self.root / stage / key
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():
            raise CacheUnavailable(
                f"{folder} cannot be removed",
                "Check whether you may write to the folder of the cache.",
            )
        with contextlib.suppress(OSError):
            self._upload_mark(stage, key).unlink(missing_ok=True)

    def prune(
        self, stage: str | None = None, *, damaged: bool = False, everything: bool = False
    ) -> tuple[int, int]:
        """Remove what interrupted commands left and, if asked for, damaged entries, those of a
        stage, or all, also at the address. Returns their number and bytes, without those of the
        copies of entries that are at the address."""
        self.remove_stale()
        count = freed = 0
        if damaged:
            for entry in self.damaged():
                if isinstance(entry.place, Path):
                    self._remove_here(entry.stage, entry.key)
                else:
                    self.remove(entry.stage, entry.key)
                count, freed = count + 1, freed + entry.size
        if everything or stage is not None:
            for entry in self.stored():
                if everything or entry.stage == stage:
                    self.remove(entry.stage, entry.key)
                    count, freed = count + 1, freed + entry.size
            for name, folder in self.entries():  # the copies
                if everything or name == stage:
                    self._remove_here(name, folder.name)
        return count, freed

    def remove_stale(self) -> None:
        """Remove temporary folders of processes of this machine that are no longer running and
        lock files that nobody holds."""
        sweep(self.root)
        ours = re.compile(rf"tmp-{re.escape(socket.gethostname())}-(\d+)-[^-]*(-old)?")
        for stage in _folders(self.root):
            place = self.root / stage
            with contextlib.suppress(OSError), os.scandir(place) as files:
                hidden = [f.name for f in files if f.name.startswith((".", "tmp-"))]
            for name in hidden:
                path = place / name
                with contextlib.suppress(OSError):
                    if (match := ours.fullmatch(name)) and not is_running(int(match[1])):
                        shutil.rmtree(path, ignore_errors=True)
                    elif name.endswith(".lock"):
                        file = _locked(path, wait=False)
                        if file is not None:
                            with file:
                                path.unlink()


def _copies_of(address: str) -> Path:
    """The folder of this machine for the copies of a remote cache."""
    place = os.environ.get(COPIES_VARIABLE) or Path.home() / ".cache" / "skelact" / "remote"
    return Path(place) / hashlib.blake2b(address.encode(), digest_size=8).hexdigest()


def _folders(place: Path, links: bool = True) -> list[str]:
    """The names of the folders in a folder, by default with links to folders; none if it does not
    exist."""
    with contextlib.suppress(OSError), os.scandir(place) as files:
        return [f.name for f in files if f.is_dir(follow_symlinks=links)]
    return []


def _size(folder: Path) -> int:
    """The bytes of the files in a folder of an entry."""
    with contextlib.suppress(OSError), os.scandir(folder) as files:
        return sum(f.stat(follow_symlinks=False).st_size for f in files)
    return 0


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
