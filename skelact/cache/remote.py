"""The entries at an address of fsspec, such as s3://bucket/folder: one object for each entry,
<address>/<stage>/<first two digits of the key>/<key>.tar.

An object is uploaded as a whole: in an object store, an interrupted upload leaves nothing. Where it
leaves a part, that part is no complete archive, so it counts as absent and is replaced.
"""

from __future__ import annotations

import contextlib
import errno
import queue
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from skelact.cache.archive import pack_entry, unpack_entry
from skelact.cache.entry import CacheEntry, M, StoredEntry
from skelact.errors import BackendMissing, CacheUnavailable, reason
from skelact.escaping import without_password
from skelact.schemas import Envelope

ANSWER_S = 30.0  # without an answer or a further byte
PARALLEL = 16  # requests at once
_SLOWEST = 1 << 18  # bytes per second of an upload
_TAG, _TAG_TEXT = "CACHEDIR.TAG", b"Signature: 8a477f597d28d172789f06886806bc55\n"
_OBJECT = re.compile(r"([0-9a-f]{20})\.tar")
_STAGE = re.compile(r"[a-z][a-z0-9_-]*")  # becomes the name of a folder here
_GROUP = re.compile(r"[0-9a-f]{2}")
_RIGHTS = (
    "Check the credentials (for S3: AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY) "
    "and that they may list, read, write and delete objects there."
)
_NETWORK = "Check the network and the address; for another S3 server, set AWS_ENDPOINT_URL."

T = TypeVar("T")
A = TypeVar("A")


class RemoteStore:
    """The entries at one address. Safe for several threads. Every method raises CacheUnavailable if
    the address does not exist, may not be used or does not answer, and BackendMissing without the
    package for its protocol."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.name = without_password(address)  # for messages

    def download(
        self, stage: str, key: str, folder: Path, decoder: msgspec.json.Decoder[Envelope[M]]
    ) -> Path | None:
        """Write the files of an entry into a new folder in `folder`, which is for temporary files.
        Returns None if the entry is absent or damaged."""
        archive, path = folder / "archive.tar", self._path(stage, key)
        try:
            self._ask(
                "read",
                lambda files: files.get_file(path, str(archive)),
                progress=lambda: archive.stat().st_size if archive.exists() else 0,
            )
            entry = folder / "entry"
            entry.mkdir()
            with archive.open("rb") as file:
                unpack_entry(file, entry, stage, key, decoder)
        except (FileNotFoundError, ValueError):
            return None
        return entry

    def upload(self, stage: str, entry: CacheEntry[Any], folder: Path) -> None:
        """Store an entry, in the place of an earlier one; `folder` is for temporary files. Raises
        DamagedEntry if a file of the entry is damaged, OSError if the archive cannot be written."""
        archive, path = folder / "archive.tar", self._path(stage, entry.path.name)
        with archive.open("wb") as file:
            pack_entry(entry, file)
        limit_s = ANSWER_S + archive.stat().st_size / _SLOWEST
        self._write(lambda files: files.put_file(str(archive), path), limit_s)

    def check_writable(self) -> None:
        """Write a small file that marks the address as a cache."""
        path = f"{self._root}/{_TAG}"
        self._write(lambda files: files.pipe_file(path, _TAG_TEXT), ANSWER_S)

    def remove(self, stage: str, key: str) -> None:
        """Remove an entry, if it is there."""
        path = self._path(stage, key)
        with contextlib.suppress(FileNotFoundError):
            self._ask("remove", lambda files: files.rm_file(path))

    def stored(self) -> Iterator[StoredEntry]:
        """All entries. Those with the same stage and first digits of the key are listed at once, so
        that the memory stays small."""
        for stage in filter(_STAGE.fullmatch, self._list(self._root)):
            groups = [n for n in self._list(f"{self._root}/{stage}") if _GROUP.fullmatch(n)]
            paths = [f"{self._root}/{stage}/{group}" for group in groups]
            for sizes in self.each(self._list, paths):
                for name, size in sizes.items():
                    if match := _OBJECT.fullmatch(name):
                        key = match[1]
                        place = f"{self.name}/{_relative(stage, key)}"
                        yield StoredEntry(stage=stage, key=key, size=size, place=place)

    @staticmethod
    def each(function: Callable[[A], T], values: Iterable[A]) -> Iterator[T]:
        """function(value) for each value, in this order, several at once."""
        left = iter(values)
        with ThreadPoolExecutor(PARALLEL) as pool:
            while group := list(islice(left, PARALLEL)):
                yield from pool.map(function, group)

    @cached_property
    def _connection(self) -> tuple[Any, str]:
        """The file system of fsspec, and the path of the cache in it."""
        try:
            from fsspec.core import url_to_fs

            files, root = url_to_fs(self.address, use_listings_cache=False)
        except ImportError as error:
            hint = "Install the package of fsspec for this kind of address."
            if self.address.startswith("s3://"):
                hint = 'pip install "skelact[s3]"'
            elif (error.name or "").startswith("fsspec"):
                hint = 'pip install "skelact[remote]"'
            raise BackendMissing(f"{self.name} cannot be used: {reason(error)}", hint) from error
        except Exception as error:  # each protocol has its own
            raise CacheUnavailable(
                f"{self.name} cannot be used: {reason(error)}",
                "An address has the form s3://bucket/folder.",
            ) from error
        return files, root.rstrip("/")

    @property
    def _root(self) -> str:
        return self._connection[1]

    def _path(self, stage: str, key: str) -> str:
        return f"{self._root}/{_relative(stage, key)}"

    def _list(self, path: str) -> dict[str, int]:
        """The sizes of what is in a folder, by name."""
        try:
            found = self._ask("list", lambda files: files.ls(path, detail=True))
        except FileNotFoundError:
            return {}
        return {str(f["name"]).rpartition("/")[2]: int(f["size"] or 0) for f in found}

    def _write(self, work: Callable[[Any], object], limit_s: float) -> None:
        try:
            self._ask("write", work, limit_s)
        except FileNotFoundError as error:
            raise CacheUnavailable(
                f"{self.name} cannot be written: {reason(error)}",
                "Create the bucket, or correct the address.",
            ) from error

    def _ask(
        self,
        verb: str,
        work: Callable[[Any], T],
        limit_s: float = 0.0,
        progress: Callable[[], int] = int,
    ) -> T:
        """The result of `work` on the file system. FileNotFoundError passes."""
        files, _ = self._connection
        text = f"Cannot {verb} {self.name}"
        try:
            return within(limit_s or ANSWER_S, lambda: work(files), progress)
        except FileNotFoundError:
            raise
        except TimeoutError as error:
            raise CacheUnavailable(f"{text}: it does not answer", _NETWORK) from error
        except PermissionError as error:
            raise CacheUnavailable(f"{text}: {reason(error)}", _RIGHTS) from error
        except Exception as error:  # each protocol has its own
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                raise
            raise CacheUnavailable(f"{text}: {reason(error)}", f"{_RIGHTS} {_NETWORK}") from error


def _relative(stage: str, key: str) -> str:
    return f"{stage}/{key[:2]}/{key}.tar"


def within(limit_s: float, work: Callable[[], T], progress: Callable[[], int] = int) -> T:
    """The result of `work`, which runs in a thread of its own. Raises TimeoutError if for `limit_s`
    seconds it has neither ended nor changed the value of `progress`; as a thread cannot be ended,
    it goes on in the background."""
    results: queue.SimpleQueue[Future[T]] = queue.SimpleQueue()

    def run() -> None:
        result: Future[T] = Future()
        try:
            result.set_result(work())
        except BaseException as error:
            result.set_exception(error)
        results.put(result)

    threading.Thread(target=run, daemon=True).start()
    seen, deadline = progress(), time.monotonic() + limit_s
    while True:
        try:
            return results.get(timeout=min(1.0, limit_s)).result()
        except queue.Empty:
            now = progress()
            if now != seen:
                seen, deadline = now, time.monotonic() + limit_s
            elif time.monotonic() >= deadline:
                raise TimeoutError(f"no answer in {limit_s:g} s") from None
