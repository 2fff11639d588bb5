"""Hashes of the content of input files, remembered by path, size and times."""

from __future__ import annotations

import contextlib
import hashlib
import stat
import time
from pathlib import Path

from skelact.errors import CHANGED_HINT, CacheError, InputError, escaped
from skelact.schemas import ContentHashes, FileHash, FileRecord, load_json, save_json

_SAVE_EVERY_S = 60.0  # while inputs are hashed: a run that is stopped continues there
_SETTLED_NS = 2 * 10**9  # the coarsest time stamps of file systems


class InputHashes:
    """The hashes of inputs, stored in a folder: one file for each folder of inputs, so that a run
    reads and writes those of its own inputs only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # by folder, and in it by absolute path
        self._hashes: dict[Path, dict[str, FileHash]] = {}
        self._new_hashes: dict[Path, dict[str, FileHash]] = {}
        self._saved = time.monotonic()

    def content_hash(self, path: Path) -> str:
        """Hash of a file's content, remembered by path, size and times; `save` stores what
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
            self.save()
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

    def save(self) -> None:
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
        return self.folder / f"{FileRecord.of(escaped(folder).encode()).hash}.json"


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
