"""`skelact extract` with a fresh cache against a bare PoseLandmarker loop over the same videos,
process start included in both."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from skelact.config import shipped
from skelact.video.probe import probe

VIDEOS = 8
BARE = """
import sys, cv2, mediapipe as mp
from mediapipe.tasks.python import BaseOptions, vision
from skelact.pose.blazepose import bundle
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
    videos = [str(p) for p in sorted(shipped("sample_videos").glob("*/*_C0.avi"))[:VIDEOS]]
    frames = sum(probe(Path(v)).frames for v in videos)

    def ours(which: list[str]) -> float:
        with tempfile.TemporaryDirectory() as cache:
            skelact = [sys.executable, "-m", "skelact", "extract", *which, "--cache-dir", cache]
            return timed(skelact)

    bare = timed([sys.executable, "-c", BARE, *videos])
    many = ours(videos)
    print(f"{VIDEOS} videos, {frames} frames: bare loop {bare:.1f} s, skelact {many:.1f} s")
    print(f"ratio over many videos, one process a core: {bare / many:.2f} (budget 1.8)")
    for video in (videos[0], str(shipped("sample_videos") / "extras" / "untrimmed.avi")):
        alone, with_us = timed([sys.executable, "-c", BARE, video]), ours([video])
        count = probe(Path(video)).frames
        print(
            f"one video of {count} frames: bare loop {alone:.1f} s, skelact {with_us:.1f} s, "
            f"ratio {alone / with_us:.2f} (budget 0.9)"
        )
