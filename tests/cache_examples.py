"""An entry of the cache, and a file system of fsspec in a folder that several processes and
"machines" share."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from skelact.cache import Cache, CacheEntry, Stage
from skelact.schemas import PackedManifest

STAGE = Stage(name="stage", version=1, manifest=PackedManifest)
KEY = "0123456789abcdef0123"  # of the form that Stage.key has
HANG = "TEST_HANG"  # set: an upload stops in the middle


def put(cache: Cache, key: str = KEY, text: str = "hello") -> CacheEntry[PackedManifest]:
    """An entry with one file."""

    def fill(folder: Path) -> PackedManifest:
        (folder / "a.txt").write_text(text)
        return PackedManifest(dataset="waves", samples=1)

    return cache.write(STAGE, key, fill)


class SharedFiles(LocalFileSystem):  # type: ignore[misc]  # fsspec is not typed
    """It stores files in place, so that an upload that is killed leaves a part."""

    protocol = ("shared",)
    error: type[Exception] | None = None  # raised by all requests
    requests = 0

    def _begin(self) -> None:
        type(self).requests += 1
        if self.error is not None:
            raise self.error("of the test")

    def get_file(self, path1: Any, path2: Any, **given: Any) -> Any:
        self._begin()
        return super().get_file(path1, path2, **given)

    def put_file(self, path1: Any, path2: Any, **given: Any) -> Any:
        self._begin()
        target = Path(self._strip_protocol(path2))
        target.parent.mkdir(parents=True, exist_ok=True)
        content = Path(path1).read_bytes()
        if HANG in os.environ:
            target.write_bytes(content[: len(content) // 2])
            print("in", flush=True)
            time.sleep(60)
        target.write_bytes(content)

    def pipe_file(self, path: Any, value: Any, *more: Any, **given: Any) -> Any:
        self._begin()
        Path(self._strip_protocol(path)).parent.mkdir(parents=True, exist_ok=True)
        return super().pipe_file(path, value, *more, **given)

    def ls(self, path: Any, detail: bool = False, **given: Any) -> Any:
        self._begin()
        return super().ls(path, detail, **given)

    @classmethod
    def _strip_protocol(cls, path: Any) -> str:
        return os.fspath(path).removeprefix("shared://")


fsspec.register_implementation("shared", SharedFiles, clobber=True)
