"""Extraction over a Ray cluster against the pool of processes, on the same cores: `--ray local` and
no `--ray`, one after the other, several times, each with an empty cache.

    python -m benchmarks cluster [--rounds N] [VIDEO...]

For each, frames per second are printed of the whole call, with the start of Ray, of the processes
and of their estimators, and from the first report of progress to the last one, in elapsed time and
in CPU time. The latter is that of this process and of all processes that it started, Ray's own
included, so it depends little on what else the machine does."""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.servant import descendants
from skelact.cache import Cache
from skelact.config import shipped
from skelact.options import ClusterOptions
from skelact.pose.base import PoseOptions
from skelact.stages.poses import poses_of
from skelact.types import Event

VIDEOS = 8
INTERVAL_S = 0.3
KINDS = {"pool": ClusterOptions(), "ray": ClusterOptions(ray="local")}


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Frames per second of the whole call and of the estimation alone, and frames per second of CPU
    time in both."""

    whole: float
    estimation: float
    whole_cpu: float
    estimation_cpu: float

    def __str__(self) -> str:
        return ", ".join(f"{name} {value:.1f}" for name, value in asdict(self).items())


class CpuMeter:
    """Adds up the CPU time [s] of this process and of the processes below it."""

    def __init__(self) -> None:
        self.own = time.process_time()
        self.others: dict[int, float] = {}
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        while not self.ended.wait(INTERVAL_S):
            for pid in descendants(os.getpid()):
                with contextlib.suppress(OSError, IndexError):
                    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
                    ticks = int(fields[11]) + int(fields[12])
                    self.others[pid] = ticks / os.sysconf("SC_CLK_TCK")

    def end(self) -> float:
        self.ended.set()
        self.thread.join()
        return self.now()

    def now(self) -> float:
        return time.process_time() - self.own + sum(list(self.others.values()))


def measure(videos: Sequence[Path], cluster: ClusterOptions) -> Rates:
    reports: list[tuple[float, float, float]] = []  # time, CPU time, frames so far

    def on_progress(event: Event) -> None:
        if (event.stage, event.kind) == ("extract", "advance"):
            so_far = reports[-1][2] if reports else 0
            reports.append((time.monotonic(), meter.now(), so_far + event.done))

    options = PoseOptions(estimator="blazepose")
    with tempfile.TemporaryDirectory() as folder:
        started, meter = time.monotonic(), CpuMeter()
        batch = poses_of(videos, Cache(folder), options, cluster=cluster, on_progress=on_progress)
        seconds, cpu = time.monotonic() - started, meter.end()
    assert len(batch.done) == len(videos), batch.failed
    (first, first_cpu, before), (last, last_cpu, frames) = reports[0], reports[-1]
    return Rates(
        whole=frames / seconds,
        estimation=(frames - before) / (last - first),
        whole_cpu=frames / cpu,
        estimation_cpu=(frames - before) / (last_cpu - first_cpu),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks cluster")
    parser.add_argument("videos", nargs="*", type=Path, metavar="VIDEO")
    parser.add_argument("--rounds", type=int, default=4)
    given = parser.parse_args(sys.argv[2:] if arguments is None else arguments)
    videos = given.videos or sorted(shipped("sample_videos").glob("*/*_C0.avi"))[:VIDEOS]
    rates: dict[str, list[Rates]] = {kind: [] for kind in KINDS}
    for n in range(given.rounds):
        for kind in list(KINDS)[:: -1 if n % 2 else 1]:
            rates[kind].append(measure(videos, KINDS[kind]))
            print(f"round {n + 1}, {kind}: {rates[kind][-1]}", flush=True)
    for name in ("estimation", "whole", "estimation_cpu", "whole_cpu"):
        pool, ray = ([getattr(r, name) for r in rates[kind]] for kind in KINDS)
        ratios = [b / a for a, b in zip(pool, ray, strict=True)]
        print(
            f"{name}: pool {statistics.median(pool):.1f}, ray {statistics.median(ray):.1f} "
            f"frames/s (medians); ratios {', '.join(f'{r:.2f}' for r in ratios)}, median "
            f"{statistics.median(ratios):.2f}"
        )
