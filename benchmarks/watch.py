"""Run a command and measure its time and the memory of all of its processes."""

from __future__ import annotations

import contextlib
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.servant import descendants

INTERVAL_S = 1.0
SKELACT = (sys.executable, "-m", "skelact")


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Elapsed and CPU time [s]; the resident memory [MB] of the largest process; in each quarter of
    the run, the most that all processes together had, without the pages of files; exit code and
    output."""

    seconds: float
    cpu_s: float
    largest: float
    quarters: tuple[float, ...]
    code: int
    out: str
    err: str

    def __str__(self) -> str:
        quarters = ", ".join(f"{value:.0f}" for value in self.quarters)
        return (
            f"{self.seconds:.0f} s ({self.cpu_s:.0f} s of CPU), at most {self.largest:.0f} MB in a "
            f"process; all of them, without files, by quarters of the run: {quarters} MB"
        )


def watch(arguments: Sequence[object], cwd: Path | None = None, check: bool = True) -> Usage:
    """Run a command. Raises CalledProcessError if it fails, unless `check` is False."""
    command = [str(a) for a in arguments]
    samples: list[tuple[float, float, float]] = []  # time, largest process, all without files
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        started = time.monotonic()
        process = subprocess.Popen(command, stdout=out, stderr=err, cwd=cwd)
        ended = threading.Event()

        def sample() -> None:
            while not ended.wait(INTERVAL_S):
                sizes = [_memory(pid) for pid in (process.pid, *descendants(process.pid))]
                largest, own = max(s[0] for s in sizes), sum(s[1] for s in sizes)
                samples.append((time.monotonic() - started, largest, own))

        thread = threading.Thread(target=sample)
        thread.start()
        process.wait()
        ended.set()
        thread.join()
        seconds = time.monotonic() - started
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read())
    if check and process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, *texts)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    quarters = tuple(
        max((total for t, _, total in samples if n <= 4 * t / seconds < n + 1), default=0.0)
        for n in range(4)
    )
    return Usage(
        seconds=seconds,
        cpu_s=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        largest=max((largest for _, largest, _ in samples), default=0.0),
        quarters=quarters,
        code=process.returncode,
        out=texts[0],
        err=texts[1],
    )


def _memory(pid: int) -> tuple[float, float]:
    """Resident memory of a process, and the part of it that is no page of a file, in MB; 0 if it
    has ended."""
    values = {}
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
            name, value, *_ = line.split()
            values[name] = int(value) / 1024
    return values.get("Rss:", 0.0), values.get("Anonymous:", 0.0)
