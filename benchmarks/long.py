"""Peak memory and speed of `skelact extract` for a long video, with one process and with one per
core, and whether the poses are equal byte by byte.

    python -m benchmarks long VIDEO
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from skelact.video.probe import probe


def extract(video: Path, cores: set[int]) -> tuple[float, float, str]:
    """Seconds, peak memory of the largest process [MB], and a hash of the poses, if `extract` uses
    these cores, one process each."""
    everything = os.sched_getaffinity(0)
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, "-m", "skelact", "extract", str(video), "--cache-dir", cache]
        os.sched_setaffinity(0, cores)  # inherited
        try:
            started = time.monotonic()
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)  # includes the processes that it started
        finally:
            os.sched_setaffinity(0, everything)
        seconds = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
        poses = hashlib.sha256()
        for file in sorted(Path(cache).glob("poses/*/*.json")):
            if file.name != "manifest.json":  # contains the date
                poses.update(file.name.encode() + file.read_bytes())
    return seconds, usage.ru_maxrss / 1024, poses.hexdigest()


def main(arguments: Sequence[str] | None = None) -> None:
    given = list(sys.argv[2:] if arguments is None else arguments)
    if not given:
        print("no video is given: python -m benchmarks long VIDEO")
        return
    video = Path(given[0])
    cores = sorted(os.sched_getaffinity(0))
    runs = {}
    for count in dict.fromkeys((len(cores), 1)):
        seconds, peak, poses = runs[count] = extract(video, set(cores[:count]))
        text = f"{count} processes: {seconds:.0f} s, at most {peak:.0f} MB in a process"
        print(f"{text}, poses {poses[:12]}", flush=True)
    # opened last, because the memory that this process uses counts for those that it starts
    info = probe(video)
    rates = ", ".join(f"{info.frames / seconds:.1f}" for seconds, _, _ in runs.values())
    print(
        f"{info.frames} frames of {info.width}x{info.height}, {info.duration_s / 60:.1f} minutes: "
        f"{rates} frames/s"
    )
    equal = len({poses for _, _, poses in runs.values()}) == 1
    print("the poses are equal" if equal else "THE POSES DIFFER")
