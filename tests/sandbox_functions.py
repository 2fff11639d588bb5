"""Functions that `test_sandbox` runs in a child process."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np

from skelact.errors import CheckpointError


def echo(path: Path, *values: Any) -> Any:
    """The arguments."""
    return [str(path), *values]


def arrays(path: Path) -> Any:
    """Arrays of several types."""
    print("noise on stdout")
    os.write(1, b"more of it")
    return {
        "f": np.arange(6, dtype=np.float32).reshape(2, 3)[:, ::-1],
        "b": np.array([[True], [False]]),
        "u": np.array(["ä", "bc"]),
        "none": np.zeros((0, 3), np.int16),
        "number": np.float64(1.5),
    }


def process(path: Path) -> int:
    """The number of the process."""
    return os.getpid()


def crash(path: Path, number: int) -> None:
    """Die by a signal."""
    os.kill(os.getpid(), number)


def crash_once(path: Path) -> str:
    """Die by SIGKILL, but not a second time."""
    if path.exists():
        path.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


def hang(path: Path) -> None:
    """Take an endless time."""
    while True:
        time.sleep(60)


def fill_memory(path: Path) -> int:
    """Take more memory than there is for the process."""
    return len(bytearray(64 << 30))


def refuse(path: Path) -> None:
    """Raise an error of skelact."""
    raise CheckpointError(f"{path} is bad", "Do this.")


def fail(path: Path) -> None:
    """Raise another error."""
    raise KeyError("this")


def cannot_be_sent(path: Path) -> object:
    """Return what has no representation."""
    return object()
