"""MediaPipe's own PoseLandmarker, as the reference for accuracy and speed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from skelact.pose.mediapipe import bundle


def landmarker(mode: str, persons: int, confidence: float = 0.5) -> Any:
    """A PoseLandmarker in running mode IMAGE or VIDEO."""
    from mediapipe.tasks.python import BaseOptions, vision

    return vision.PoseLandmarker.create_from_options(
        vision.PoseLandmarkerOptions(
            base_options=BaseOptions(model_asset_buffer=bundle()),
            running_mode=vision.RunningMode[mode],
            num_poses=persons,
            min_pose_detection_confidence=confidence,
            min_pose_presence_confidence=confidence,
            min_tracking_confidence=confidence,
        )
    )


def frames(video: Path) -> Iterator[npt.NDArray[np.uint8]]:
    """The frames of a video as BGR."""
    import cv2

    capture = cv2.VideoCapture(str(video))
    while True:
        ok, frame = capture.read()
        if not ok:
            return
        yield np.asarray(frame, np.uint8)


def loop(video: Path, fps: float, persons: int, count: int) -> list[int]:
    """Persons per frame in the VIDEO mode, for the first `count` frames."""
    import cv2
    import mediapipe as mp

    found = []
    with landmarker("VIDEO", persons) as pose:
        for n, frame in enumerate(frames(video)):
            if n == count:
                break
            rgb = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
            image = mp.Image(image_format=mp.ImageFormat.SRGB, data=rgb)
            result = pose.detect_for_video(image, round(n * 1000 / fps))
            found.append(len(result.pose_landmarks))
    return found
