"""A real video that is longer than a part."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from skelact.video.probe import probe
from tests.conftest import run, sample
from tests.helpers import encode


@pytest.mark.slow
@pytest.mark.usefixtures("networks")
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs a choice of the cores")
def test_one_person_over_two_parts(tmp_path: Path) -> None:
    """A kata forwards and backwards, again and again, for 100 s. The person keeps one id, and one
    process and several write the same bytes."""
    source = sample("Kata_A1_C0.avi")
    once = "[0:v]split[a][b];[b]reverse[r];[a][r]concat,scale=320:-2"
    encode(tmp_path / "once.mp4", "-i", str(source), "-filter_complex", once)
    looped = ("-stream_loop", "-1", "-i", str(tmp_path / "once.mp4"), "-t", "100")
    video = encode(tmp_path / "long.mp4", *looped)
    cores = os.sched_getaffinity(0)
    stored = []
    for used in ({min(cores)}, cores):
        os.sched_setaffinity(0, used)  # inherited by the process
        try:
            done = run("extract", video, "--json", "--cache-dir", tmp_path / str(len(used)))
        finally:
            os.sched_setaffinity(0, cores)
        assert done.returncode == 0, done.stderr
        (result,) = json.loads(done.stdout)["videos"]
        assert result["frames"] == probe(video).frames > 90 * probe(video).fps
        assert result["persons"] == 1
        assert result["frames_with_people"] >= 0.95 * result["frames"]
        files = sorted(Path(result["poses"]).glob("[0-9]*.json"))
        stored.append([file.read_bytes() for file in files])
    assert stored[0] == stored[1] and len(stored[0]) == probe(video).frames
