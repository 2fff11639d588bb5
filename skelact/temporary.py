"""Names of files and folders that are written first and renamed when they are complete, and the
removal of those that a killed process left behind."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import socket
import uuid
from functools import cache
from pathlib import Path

from skelact import limits

_NAME = re.compile(r"\.skelact-(?P<machine>[0-9a-f]{8})-(?P<pid>[0-9]+)-[0-9a-f]{8}\.tmp(\..*)?")
_LONGEST_SUFFIX = 16
_swept: set[str] = set()  # folders


def new_name(suffix: str = "") -> str:
    """A new hidden name of this process, with a suffix from which programs tell the format."""
    suffix = suffix if len(suffix) <= _LONGEST_SUFFIX else ""
    return f".skelact-{_machine()}-{os.getpid()}-{uuid.uuid4().hex[:8]}.tmp{suffix}"


@cache
def _machine() -> str:
    """Identifies what process numbers belong to: this machine or container."""
    try:
        processes = str(Path("/proc/self/ns/pid").readlink())
    except OSError:  # only Linux has it
        processes = ""
    name = f"{socket.gethostname()} {processes}"
    return hashlib.blake2b(name.encode(), digest_size=4).hexdigest()


def sweep(folder: Path) -> None:
    """Remove what processes of this machine that no longer run have left in a folder. A process
    does this once for each folder. Nothing is raised."""
    place = os.path.abspath(folder)  # noqa: PTH100  # does not follow links
    if place in _swept:
        return
    _swept.add(place)
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if not is_abandoned(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)  # noqa: PTH108


def is_temporary(name: str) -> bool:
    """Whether a file name is one of `new_name` of any process."""
    return _NAME.fullmatch(name) is not None


def is_abandoned(name: str) -> bool:
    """Whether a file name is one of `new_name` of a process that no longer runs."""
    match = _NAME.fullmatch(name)
    return (
        match is not None and match["machine"] == _machine() and not is_running(int(match["pid"]))
    )


def is_running(pid: int) -> bool:
    """Whether a process of this machine runs; True where it is not known."""
    if os.name == "nt":  # on Windows, signal 0 would interrupt the process
        return True
    with contextlib.suppress(OSError, IndexError):  # a zombie: dead, but its parent did not wait
        status = limits.read_text(Path(f"/proc/{pid}/stat"), errors="replace")
        if status.rpartition(")")[2].split()[0] == "Z":
            return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True
