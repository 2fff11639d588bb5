"""The stage store: every result lies in <root>/<stage>/<key>/ beside a manifest, written whole or
not at all.

The key is a hash of the content of the inputs and of the parameters that matter, so renaming a
video changes nothing and changing a parameter makes a new entry. An entry is filled in a temporary
folder and renamed; a reader never sees half of one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import socket
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skelact.errors import CacheError

MANIFEST = "manifest.json"
CACHE_VARIABLE = "SKELACT_CACHE"


@dataclass(frozen=True)
class CacheEntry:
    """A finished result: its folder and what the manifest says of it."""

    path: Path
    manifest: dict[str, Any]

    def read(self, name: str) -> bytes:
        """One file of the entry; CacheError if it is not what was written."""
        try:
            content = (self.path / name).read_bytes()
        except OSError as error:
            raise CacheError(
                f"{self.path / name} cannot be read: {error.strerror}",
                "run the command again: it is made anew",
            ) from error
        if self.manifest["files"].get(name) != [len(content), digest(content)]:
            (self.path / MANIFEST).unlink(missing_ok=True)  # from now on it counts as absent
            raise CacheError(
                f"{self.path / name} is damaged", "run the command again: it is made anew"
            )
        return content


def digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=10).hexdigest()


def key_of(**parts: Any) -> str:
    """The key of a result: a hash of plain values, independent of their order."""
    return digest(
        json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    )


class Cache:
    """The store below one folder. Safe for several processes at once."""

    def __init__(self, root: Path | str | None = None) -> None:
        self.root = Path(root or os.environ.get(CACHE_VARIABLE) or ".skelact")
        self._hashes: dict[str, list[Any]] | None = None
        self._fresh: dict[str, list[Any]] = {}

    def find(self, stage: str, key: str) -> CacheEntry | None:
        """The entry, if it is there and whole by the names and sizes of its files; a damaged one
        counts as absent."""
        path = self.root / stage / key
        try:
            manifest = json.loads((path / MANIFEST).read_bytes())
            with os.scandir(path) as found:
                sizes = {e.name: e.stat().st_size for e in found}
            files = manifest["files"]
            sizes.pop(MANIFEST)
            return (
                CacheEntry(path, manifest) if sizes == {n: f[0] for n, f in files.items()} else None
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def require(self, stage: str, key: str) -> CacheEntry:
        """The entry just written; CacheError if it is gone again."""
        entry = self.find(stage, key)
        if entry is None:
            raise CacheError(
                f"{self.root / stage / key} vanished", "is another program cleaning the cache?"
            )
        return entry

    @contextlib.contextmanager
    def write(self, stage: str, key: str, manifest: dict[str, Any]) -> Iterator[Path]:
        """A temporary folder to fill; on leaving the block it becomes the entry. `manifest` may be
        added to inside the block.

        An exception inside leaves nothing behind. If another process was faster, its entry stays
        and this one is dropped."""
        folder, final = self.root / stage, self.root / stage / key
        temporary = folder / f"tmp-{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        try:
            temporary.mkdir(parents=True)
            yield temporary
            files = {}
            for file in sorted(temporary.iterdir()):
                content = file.read_bytes()
                files[file.name] = [len(content), digest(content)]
            whole = {
                "stage": stage,
                "key": key,
                "created": time.strftime("%Y-%m-%dT%H:%M:%S"),
                **manifest,
                "files": files,
            }
            (temporary / MANIFEST).write_text(
                json.dumps(whole, ensure_ascii=False, indent=1), encoding="utf-8"
            )
            self._put(temporary, final)
        except OSError as error:
            hint = (
                "free some space; what is finished is kept"
                if error.errno == 28
                else "choose another folder with --cache-dir"
            )
            raise CacheError(f"cannot write {final}: {error.strerror or error}", hint) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _put(self, temporary: Path, final: Path) -> None:
        if self.find(final.parent.name, final.name) is not None:
            return
        if (
            final.exists()
        ):  # damaged: out of the way in one step, so that no reader meets a half-deleted folder
            trash = temporary.with_name(temporary.name + "-old")
            with contextlib.suppress(OSError):
                final.rename(trash)
            shutil.rmtree(trash, ignore_errors=True)
        try:
            temporary.rename(final)
        except OSError:
            if self.find(final.parent.name, final.name) is None:
                raise

    @contextlib.contextmanager
    def lock(self, stage: str, key: str, wait: bool) -> Iterator[bool]:
        """Hold the right to make one entry. Without `wait` it yields False at once if another
        process holds it. A killed holder frees it."""
        try:
            import fcntl
        except ImportError:  # no such locks on this system: doing the work twice is harmless
            yield True
            return
        path = self.root / stage / f".{key}.lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("w")
        except OSError as error:
            raise CacheError(
                f"cannot write {path.parent}: {error.strerror}",
                "choose another folder with --cache-dir",
            ) from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            yield True
            path.unlink(missing_ok=True)

    def content_hash(self, path: Path) -> str:
        """Hash of a file's bytes, remembered by path, size and time of change. `save_hashes` keeps
        what was learnt."""
        stat = path.stat()
        name, stamp = str(path.resolve()), [stat.st_size, stat.st_mtime_ns]
        if self._hashes is None:
            try:
                self._hashes = dict(json.loads((self.root / "hashes.json").read_bytes()))
            except (OSError, ValueError, TypeError):
                self._hashes = {}
        known = self._hashes.get(name)
        if known is not None and known[:2] == stamp:
            return str(known[2])
        with path.open("rb") as file:
            found = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
        self._hashes[name] = self._fresh[name] = [*stamp, found]
        return found

    def save_hashes(self) -> None:
        """Keep the hashes learnt by this object, beside those another process may have kept
        meanwhile. Failing to is no error."""
        if not self._fresh:
            return
        target = self.root / "hashes.json"
        temporary = target.with_name(f"hashes-{os.getpid()}-{uuid.uuid4().hex[:8]}.tmp")
        with contextlib.suppress(OSError):
            self.root.mkdir(parents=True, exist_ok=True)
            try:
                kept = dict(json.loads(target.read_bytes()))
            except (OSError, ValueError, TypeError):
                kept = {}
            temporary.write_text(json.dumps({**kept, **self._fresh}), encoding="utf-8")
            temporary.replace(target)
            self._fresh = {}

    def entries(self) -> Iterator[tuple[str, Path]]:
        """(stage, folder) of everything stored, whole or not; no temporary folders."""
        for stage in sorted(p for p in self.root.glob("*") if p.is_dir()):
            for folder in sorted(stage.iterdir()):
                if folder.is_dir() and not folder.name.startswith("tmp-"):
                    yield stage.name, folder

    def verify(self) -> list[Path]:
        """Read every file of every entry; the folders that are damaged."""
        bad = []
        for stage, folder in self.entries():
            entry = self.find(stage, folder.name)
            try:
                if entry is None:
                    raise CacheError(f"{folder} is incomplete")
                for name in entry.manifest["files"]:
                    entry.read(name)
            except CacheError:
                bad.append(folder)
        return bad

    def remove_stale(self) -> None:
        """Remove what killed processes of this machine left half-written."""
        host = socket.gethostname()
        for folder in self.root.glob("*/tmp-*"):
            name, _, pid = (
                folder.name.removeprefix("tmp-")
                .removesuffix("-old")
                .rpartition("-")[0]
                .rpartition("-")
            )
            if name == host and pid.isdigit() and not _alive(int(pid)):
                shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: int) -> bool:
    if os.name == "nt":  # there, signal 0 is not a question but Ctrl-C
        return True
    with contextlib.suppress(OSError, IndexError):  # dead, but not yet buried by its parent
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
