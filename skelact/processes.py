"""Child processes: they are killed when they hang, and they end when this process dies.

Run as a script, this file starts the program that its arguments name, in such a way. It imports
nothing of skelact, so that this takes little time."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

_TICK_S = 1.0
_PR_SET_PDEATHSIG = 1
_IS_LINUX = sys.platform.startswith("linux")


class Watchdog:
    """Kills a child process when a step takes too long.

    The time is counted in ticks of this process, so that a program that was suspended for an hour
    does not kill its children when it continues."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.expired = False
        self._ticks_left: int | None = None  # None: no step is running
        self._closed = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    @contextlib.contextmanager
    def limit(self, seconds: float) -> Iterator[None]:
        """Kill the process if the block has not ended after this time."""
        self._ticks_left = 1 + round(seconds / _TICK_S)
        try:
            yield
        finally:
            self._ticks_left = None

    def _run(self) -> None:
        while not self._closed.wait(_TICK_S):
            left = self._ticks_left
            if left is None:
                continue
            self._ticks_left = left - 1
            if left <= 1:
                self.expired = True
                end(self.process)
                return

    def close(self) -> None:
        """Watch no longer."""
        self._closed.set()


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process, unless it has ended, and wait for it."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        if process.poll() is None and not _IS_LINUX and process.stdin is not None:
            process.stdin.close()  # a program that is `linked` is a child of the process
            process.wait(timeout=1)
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        process.kill()
        process.wait(timeout=10)


def end_process(process: BaseProcess) -> None:
    """Kill a process of multiprocessing, unless it has ended, and wait for it. On Linux, those that
    it has started with `die_with_parent` end too."""
    process.kill()
    process.join(timeout=10)


def exit_reason(code: int) -> str:
    """How a process ended, in words: "signal 11 (SIGSEGV)" or "exit code 3"."""
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return f"signal {-code} ({signal.Signals(-code).name})"
    return f"signal {-code}"


def die_with_parent(parent: int) -> bool:
    """Let the kernel kill this process when the thread that started it ends, which is part of
    process number `parent`. Returns False if the system cannot do this (only Linux can)."""
    if not _IS_LINUX:
        return False
    import ctypes

    try:
        failed = ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    except (OSError, AttributeError):
        return False
    if os.getppid() != parent:  # it died before
        os._exit(1)
    return not failed


def linked(command: Sequence[str]) -> list[str]:
    """The command of a program that ends when this process does, whichever way this happens. The
    program must not read its standard input, which must be a pipe."""
    return [sys.executable, "-I", "-S", str(Path(__file__)), str(os.getpid()), *command]


def _run_linked(parent: int, command: list[str]) -> int:
    """Replace this process by a program that the kernel kills with its parent. Where this does not
    exist, start the program, and kill it when the pipe from the parent closes."""
    if die_with_parent(parent):
        os.execv(command[0], command)
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as program:

        def kill_at_end_of_input() -> None:
            while os.read(0, 1024):
                pass
            program.kill()

        threading.Thread(target=kill_at_end_of_input, daemon=True).start()
        code = program.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(_run_linked(int(sys.argv[1]), sys.argv[2:]))
