"""A folder that can become full or read-only: a small file system where one can be mounted (as
root), otherwise a plain folder."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

_FILLER = ".filler"


class SmallDisk:
    """A file system of `size_mb` MB at `path`, if it can be mounted. `is_mounted` says so; where
    it is False, the folder is never full, and read-only for all but root."""

    def __init__(self, path: Path, size_mb: int) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.path = path
        options = f"size={size_mb}m,mode=755"
        self.is_mounted = _mount("-t", "tmpfs", "-o", options, "skelact-soak", path)

    def close(self) -> None:
        """Unmount it; the files on it are lost."""
        if self.is_mounted:
            subprocess.run(["umount", str(self.path)], check=False)

    @property
    def can_be_read_only(self) -> bool:
        return self.is_mounted or os.geteuid() != 0

    @contextlib.contextmanager
    def full(self, free: int) -> Iterator[None]:
        """All but `free` bytes of the file system are used."""
        filler = self.path / _FILLER
        if self.is_mounted:
            state = os.statvfs(self.path)
            left = state.f_bavail * state.f_frsize - free
            with filler.open("wb") as file, contextlib.suppress(OSError):
                while left > 0:
                    left -= file.write(bytes(min(left, 1 << 16)))
        try:
            yield
        finally:
            filler.unlink(missing_ok=True)

    @contextlib.contextmanager
    def read_only(self) -> Iterator[None]:
        """Nothing can be written or removed."""
        folders = [self.path, *(p for p in self.path.rglob("*") if p.is_dir())]
        if self.is_mounted:
            if not _mount("-o", "remount,ro", self.path):
                raise OSError(errno.EBUSY, "A file is still open for writing", str(self.path))
        else:
            for folder in folders:
                folder.chmod(0o555)
        try:
            yield
        finally:
            if self.is_mounted:
                _mount("-o", "remount,rw", self.path)
            else:
                for folder in folders:
                    folder.chmod(0o755)


def _mount(*arguments: object) -> bool:
    command = ["mount", *map(str, arguments)]
    try:
        return not subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode
    except OSError:
        return False
