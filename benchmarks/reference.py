"""MediaPipe's own PoseLandmarker, as the reference for accuracy and speed.

skelact does not need mediapipe. For these benchmarks, install it into skelact's environment:

    pip install --no-deps mediapipe==0.10.21 absl-py attrs 'protobuf<5' 'numpy<2'
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from skelact.pose.blazepose.weights import DETECTOR, LANDMARKS, find

_PARTS = (
    (DETECTOR, "pose_detector.tflite", 127.5, 127.5, 2),
    (LANDMARKS, "pose_landmarks_detector.tflite", 0.0, 255.0, 5),
)  # file, name in the bundle, mean, std, outputs


@cache
def bundle() -> bytes:
    """The .task file that the Tasks API requires: an uncompressed zip of both models, with input
    and output metadata, which the files in the wheel lack."""
    from mediapipe.tasks.python.metadata.metadata_writers.metadata_writer import MetadataWriter

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for file, name, mean, std, outputs in _PARTS:
            writer = MetadataWriter.create(bytearray(find(file).read_bytes()))
            writer.add_general_info(name, name)
            writer.add_image_input([mean], [std])
            for i in range(outputs):
                writer.add_feature_output(f"output_{i}")
            content, _ = writer.populate()
            archive.writestr(zipfile.ZipInfo(name), bytes(content))
    return buffer.getvalue()


def is_installed() -> bool:
    """Whether mediapipe is installed. Prints how to install it if it is not."""
    if find_spec("mediapipe") is not None:
        return True
    print(
        "skipped: the comparison with MediaPipe needs pip install --no-deps mediapipe==0.10.21 "
        "absl-py attrs 'protobuf<5' 'numpy<2'"
    )
    return False


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
