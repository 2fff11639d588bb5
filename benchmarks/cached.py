"""The time of `skelact extract` for 1,000 videos of 75 frames that were extracted before, from the
start of the process to its end."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from skelact.cache import Cache
from skelact.pose.base import PoseOptions
from skelact.pose.blazepose.weights import fingerprint
from skelact.pose.store import JsonForm
from skelact.sequence.clean import SequenceOptions
from skelact.skeletons import SKELETONS
from skelact.stages.extraction import POSES, Job, write_tracked
from skelact.stages.parts import PART_S, division
from skelact.stages.sequences import sequences_of
from skelact.types import PersonPose
from skelact.video.cut import ClipOptions
from skelact.video.probe import probe

CLIPS, FRAMES = 1000, 75


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        fill(root)
        command = [sys.executable, "-m", "skelact", "extract", "videos", "--cache-dir", "cache"]
        times = []
        for _ in range(6):
            started = time.monotonic()
            done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
            times.append(time.monotonic() - started)
            assert "nothing to do" in done.stderr, done.stderr
        print(f"{CLIPS} cached videos: median {statistics.median(times[1:]):.2f} s (budget 1.5 s)")


def fill(root: Path, clips: int = CLIPS, form: JsonForm = "frames") -> None:
    """Write the videos, and the cache that a first run would write, with random poses."""
    (root / "videos").mkdir()
    first = root / "videos" / "0000.avi"
    writer = cv2.VideoWriter(str(first), cv2.VideoWriter.fourcc(*"MJPG"), 15, (64, 48))
    for _ in range(FRAMES):
        writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    content = first.read_bytes()
    for n in range(1, clips):  # bytes after the end change the hash of the file
        (root / "videos" / f"{n:04d}.avi").write_bytes(content + n.to_bytes(4, "big"))
    cache, pose = Cache(root / "cache"), PoseOptions(estimator="blazepose")
    skeleton, rng = SKELETONS["blazepose-33"], np.random.default_rng(0)
    xy, xyz = rng.uniform(0, 40, (33, 2)), rng.normal(size=(33, 3))
    person = PersonPose(
        xy.astype(np.float32), np.ones(33, np.float32), xyz=xyz.astype(np.float32), person_id=0
    )
    frames, info = [[person]] * FRAMES, probe(first)
    for video in sorted((root / "videos").iterdir()):
        job = Job(
            path=video,
            content=cache.content_hash(video),
            cache_root=cache.root,
            options=pose,
            fingerprint=fingerprint(),
            form=form,
            division=division(pose, PART_S),
        )
        fill_entry = partial(
            write_tracked,
            job=job,
            info=info,
            frames=frames,
            estimator="blazepose",
            weights=job.fingerprint,
            skeleton=skeleton,
        )
        entry = cache.write(POSES, job.key, fill_entry)
        sequences_of(entry, ClipOptions(), SequenceOptions(), cache)
    cache.save_hashes()
