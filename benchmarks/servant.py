"""Starts skelact commands from a process that has imported everything already, so that many can run
in a short time. Every command is a process of its own, in a session of its own."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PRELOAD = (
    *("torch", "cv2", "skelact.cli.console", "skelact.cli.predict", "skelact.cli.train"),
    *("skelact.runs.train", "skelact.runs.sweep", "skelact.runs.test", "skelact.runs.calibrate"),
    *("skelact.inference.predictor", "skelact.stages.sequences", "skelact.datasets.check"),
)


def _run(arguments: Sequence[str], folder: Path, out: Path, err: Path, largest: int | None) -> None:
    os.setsid()
    os.chdir(folder)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if largest is not None:  # as on a full disk, where none can be mounted
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
    from skelact.cli import main

    sys.argv = ["skelact", *arguments]
    sys.exit(main())


@dataclass(kw_only=True)
class Command:
    """A running command; its output is in two files. `descendants` are the processes below it that
    have been seen."""

    arguments: tuple[str, ...]
    process: Any
    out: Path
    err: Path
    started: float = field(default_factory=time.monotonic)
    descendants: set[int] = field(default_factory=set)

    @property
    def code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        exitcode: int | None = self.process.exitcode
        return exitcode

    def look(self) -> None:
        """Remember the processes below it."""
        self.descendants.update(descendants(self.process.pid))

    def send(self, number: signal.Signals, to_all: bool) -> None:
        """Send a signal to the process, or to its process group, as a terminal does."""
        self.look()
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if to_all else os.kill)(self.process.pid, number)

    def orphans(self) -> list[int]:
        """The processes below it that are still running."""
        return [pid for pid in self.descendants if is_running(pid)]


class Servant:
    """Starts commands. `logs` is the folder for their output."""

    def __init__(self, logs: Path) -> None:
        self.logs, self.count = logs, 0
        logs.mkdir(parents=True, exist_ok=True)
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(list(PRELOAD))

    def start(
        self, arguments: Sequence[object], folder: Path, largest: int | None = None
    ) -> Command:
        """Start a command in a folder; with `largest`, it cannot write files of more bytes."""
        self.count += 1
        out, err = (self.logs / f"{self.count:05d}.{name}" for name in ("out", "err"))
        for path in (out, err):
            path.touch()  # a signal can be faster than the command
        words = tuple(map(str, arguments))
        process = self.context.Process(target=_run, args=(words, folder, out, err, largest))
        process.start()
        return Command(arguments=words, process=process, out=out, err=err)


def descendants(pid: int) -> list[int]:
    """The processes below a process, their children included."""
    found = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                found += [child, *descendants(child)]
    return found


def is_running(pid: int) -> bool:
    """Whether a process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
