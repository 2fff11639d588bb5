"""`skelact extract` with an empty cache, compared with a loop over the same videos that calls
MediaPipe's PoseLandmarker. Both times include the start of the process. See benchmarks/reference.py
for the installation of MediaPipe."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import reference
from skelact.config import shipped
from skelact.video.probe import probe

VIDEOS = 8
LOOP = """
import sys, cv2, mediapipe as mp
from mediapipe.tasks.python import BaseOptions, vision
from benchmarks.reference import bundle
for path in sys.argv[1:]:
    landmarker = vision.PoseLandmarker.create_from_options(vision.PoseLandmarkerOptions(
        base_options=BaseOptions(model_asset_buffer=bundle()),
        running_mode=vision.RunningMode.VIDEO, num_poses=4))
    capture, n = cv2.VideoCapture(path), 0
    while True:
        ok, frame = capture.read()
        if not ok:
            break
        rgb = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        image = mp.Image(image_format=mp.ImageFormat.SRGB, data=rgb)
        landmarker.detect_for_video(image, round(n * 1000 / 15))
        n += 1
"""


def timed(command: list[str]) -> float:
    started = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    return time.monotonic() - started


def main() -> None:
    if not reference.is_installed():
        return
    videos = [str(p) for p in sorted(shipped("sample_videos").glob("*/*_C0.avi"))[:VIDEOS]]
    frames = sum(probe(Path(v)).frames for v in videos)

    def skelact(paths: list[str]) -> float:
        with tempfile.TemporaryDirectory() as cache:
            command = [sys.executable, "-m", "skelact", "extract", *paths, "--cache-dir", cache]
            return timed(command)

    loop = timed([sys.executable, "-c", LOOP, *videos])
    parallel = skelact(videos)
    print(f"{VIDEOS} videos, {frames} frames: plain loop {loop:.1f} s, skelact {parallel:.1f} s")
    print(f"ratio for many videos, one process per core: {loop / parallel:.2f} (budget 1.8)")
    for video in (videos[0], str(shipped("sample_videos") / "extras" / "untrimmed.avi")):
        loop, single = timed([sys.executable, "-c", LOOP, video]), skelact([video])
        count = probe(Path(video)).frames
        print(
            f"one video of {count} frames: plain loop {loop:.1f} s, skelact {single:.1f} s, "
            f"ratio {loop / single:.2f} (budget 0.9)"
        )
