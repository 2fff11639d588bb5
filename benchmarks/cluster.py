"""Extraction over a Ray cluster against the pool of processes, on the same cores: `--ray local` and
no `--ray`, one after the other, several times, each with an empty cache.

    python -m benchmarks cluster [--rounds N] [VIDEO...]

Two rates in frames per second are printed for each: of the whole call, with the start of Ray, of
the processes and of their estimators, and from the first report of progress to the last one."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from skelact.cache import Cache
from skelact.config import shipped
from skelact.options import ClusterOptions
from skelact.pose.base import PoseOptions
from skelact.stages.poses import poses_of
from skelact.types import Event

VIDEOS = 8
KINDS = {"pool": ClusterOptions(), "ray": ClusterOptions(ray="local")}


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Frames per second of the whole call, and of the estimation alone."""

    whole: float
    estimation: float


def measure(videos: Sequence[Path], cluster: ClusterOptions) -> Rates:
    reports: list[tuple[float, float]] = []  # time, frames so far

    def on_progress(event: Event) -> None:
        if (event.stage, event.kind) == ("extract", "advance"):
            so_far = reports[-1][1] if reports else 0
            reports.append((time.monotonic(), so_far + event.done))

    options = PoseOptions(estimator="blazepose")
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        batch = poses_of(videos, Cache(folder), options, cluster=cluster, on_progress=on_progress)
        seconds = time.monotonic() - started
    assert len(batch.done) == len(videos), batch.failed
    (first, before), (last, frames) = reports[0], reports[-1]
    return Rates(whole=frames / seconds, estimation=(frames - before) / (last - first))


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
            r = rates[kind][-1]
            print(
                f"round {n + 1}, {kind}: {r.estimation:.1f}, with the start {r.whole:.1f}",
                flush=True,
            )
    for name in ("estimation", "whole"):
        pool, ray = ([getattr(r, name) for r in rates[kind]] for kind in KINDS)
        ratios = [b / a for a, b in zip(pool, ray, strict=True)]
        print(
            f"{name}: pool {statistics.median(pool):.1f}, ray {statistics.median(ray):.1f} "
            f"frames/s (medians); ratios {', '.join(f'{r:.2f}' for r in ratios)}, median "
            f"{statistics.median(ratios):.2f}"
        )
