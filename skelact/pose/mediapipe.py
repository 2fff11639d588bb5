"""BlazePose: MediaPipe's PoseLandmarker ("full") for several persons, tracked from frame to frame.

The models are the .tflite files inside MediaPipe's own wheel. Its Tasks API requires a bundle with
metadata that these files lack, so each process builds the bundle once, in memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import zipfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from skelact.errors import BackendMissing, EstimatorError
from skelact.pose.base import EstimatorSpec, EstimatorStatus, FrameRef, PoseOptions
from skelact.pose.native import quiet_stderr
from skelact.pose.track import suppress
from skelact.skeletons import SKELETONS
from skelact.types import PersonPose

INSTALL = "pip install 'mediapipe==0.10.21'"
_BUFFER_BYTES = 256 * 2**20  # limit of the frames that wait for a first person
_MODELS = ("pose_detection/pose_detection.tflite", "pose_landmark/pose_landmark_full.tflite")
_PARTS = (
    ("pose_detector.tflite", 127.5, 127.5, 2),
    ("pose_landmarks_detector.tflite", 0.0, 255.0, 5),
)  # name, mean, std, outputs


def model_files() -> list[Path]:
    """The two .tflite files of the installed mediapipe, found without importing it.

    Raises BackendMissing if there are none."""
    spec = find_spec("mediapipe")
    if spec is None or not spec.submodule_search_locations:
        raise BackendMissing(
            "the blazepose estimator needs mediapipe, which is not installed", INSTALL
        )
    folder = Path(spec.submodule_search_locations[0]) / "modules"
    files = [folder / name for name in _MODELS]
    if not all(f.is_file() for f in files):
        raise BackendMissing("the installed mediapipe contains no model files", INSTALL)
    return files


@cache
def fingerprint() -> str:
    """Hash of the weights, computed without importing mediapipe."""
    digest = hashlib.blake2b(digest_size=8)
    for file in model_files():
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _status() -> EstimatorStatus:
    try:
        model_files()
    except BackendMissing as error:
        return EstimatorStatus(ready=False, text=error.message, fix=error.hint)
    return EstimatorStatus(ready=True, text="ready (weights inside mediapipe)")


@cache
def bundle() -> bytes:
    """The .task file: an uncompressed zip of both models, with input and output metadata added."""
    from mediapipe.tasks.python.metadata.metadata_writers.metadata_writer import MetadataWriter

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for file, (name, mean, std, outputs) in zip(model_files(), _PARTS, strict=True):
            writer = MetadataWriter.create(bytearray(file.read_bytes()))
            writer.add_general_info(name, name)
            writer.add_image_input([mean], [std])
            for i in range(outputs):
                writer.add_feature_output(f"output_{i}")
            content, _ = writer.populate()
            archive.writestr(zipfile.ZipInfo(name), bytes(content))
    return buffer.getvalue()


class BlazePose:
    """BlazePose as an Estimator. Every video gets a new landmarker, because a landmarker tracks."""

    name = "blazepose"
    skeleton = SKELETONS["blazepose-33"]

    def __init__(self, options: PoseOptions) -> None:
        self.options = options
        self.fingerprint = fingerprint()

    def _landmarker(self) -> Any:
        os.environ.setdefault("GLOG_minloglevel", "3")
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        try:
            from mediapipe.tasks.python import BaseOptions, vision
        except ImportError as error:
            raise BackendMissing(
                f"mediapipe cannot be imported: {error}", "skelact doctor"
            ) from error
        detection = self.options.min_confidence
        tracking = self.options.tracking_confidence or detection
        settings = vision.PoseLandmarkerOptions(
            base_options=BaseOptions(model_asset_buffer=bundle()),
            running_mode=vision.RunningMode.VIDEO,
            num_poses=self.options.max_persons,
            min_pose_detection_confidence=detection,
            min_pose_presence_confidence=tracking,
            min_tracking_confidence=tracking,
        )
        try:
            return vision.PoseLandmarker.create_from_options(settings)
        except RuntimeError as error:
            raise EstimatorError(
                f"mediapipe cannot start its PoseLandmarker: {error}", "skelact doctor"
            ) from error

    def run(self, frames: Iterable[FrameRef]) -> Iterator[tuple[FrameRef, list[PersonPose]]]:
        """See Estimator. xyz holds MediaPipe's world landmarks: metres, origin between the hips."""
        for _, video in groupby(frames, key=lambda f: f.video):
            yield from self._video(video)

    def _video(self, frames: Iterable[FrameRef]) -> Iterator[tuple[FrameRef, list[PersonPose]]]:
        """The frames of one video with their persons.

        Frames without a person are buffered until a person appears, for `backfill_s` at most and
        within _BUFFER_BYTES; the person is then tracked backwards through them. If the buffer holds
        the complete video and no person appeared, it is searched again with
        `fallback_confidence`."""
        missed: deque[FrameRef] = deque()
        all_missed = True
        with self._opened() as detect:
            for frame in frames:
                people = detect(frame, frame.frame)
                if people:
                    all_missed = False
                    yield from zip(missed, self._backwards(frame, missed), strict=True)
                    missed.clear()
                    yield frame, people
                    continue
                missed.append(frame)
                capacity = min(
                    round(self.options.backfill_s * frame.fps),
                    _BUFFER_BYTES // frame.image.nbytes,
                )
                while len(missed) > capacity:
                    all_missed = False
                    yield missed.popleft(), []
        fallback = self.options.fallback_confidence
        if missed and all_missed and fallback is not None:
            options = replace(self.options, min_confidence=fallback, fallback_confidence=None)
            yield from type(self)(options)._video(missed)
            return
        for frame in missed:
            yield frame, []

    def _backwards(self, known: FrameRef, missed: Sequence[FrameRef]) -> list[list[PersonPose]]:
        """The persons of `missed`, the frames before `known`, tracked backwards from there until
        they are lost."""
        out: list[list[PersonPose]] = [[] for _ in missed]
        if missed:
            with self._opened() as detect:
                detect(known, 0)
                for n in range(len(missed)):
                    people = detect(missed[-1 - n], n + 1)
                    if not people:
                        break
                    out[-1 - n] = people
        return out

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Callable[[FrameRef, int], list[PersonPose]]]:
        """A function that returns the persons of a frame, which is the n-th frame of a new
        landmarker."""
        with quiet_stderr():
            import cv2
            import mediapipe as mp

            landmarker = self._landmarker()

        def detect(frame: FrameRef, n: int) -> list[PersonPose]:
            rgb = cv2.cvtColor(frame.image, cv2.COLOR_BGR2RGB)
            image = mp.Image(image_format=mp.ImageFormat.SRGB, data=rgb)
            result = landmarker.detect_for_video(image, round(n * 1000 / frame.fps))
            return suppress(_persons(result, frame), self.skeleton)

        try:
            yield detect
        finally:
            landmarker.close()


def _persons(result: Any, frame: FrameRef) -> list[PersonPose]:
    """The persons of a PoseLandmarkerResult."""
    height, width = frame.image.shape[:2]
    people = []
    for flat, world in zip(result.pose_landmarks, result.pose_world_landmarks, strict=True):
        xyv = np.array([(p.x, p.y, p.visibility) for p in flat], np.float32)
        xyz = np.array([(p.x, p.y, p.z) for p in world], np.float32)
        xy = xyv[:, :2] * np.array([width, height], np.float32)
        people.append(PersonPose(xy, np.clip(xyv[:, 2], 0, 1), xyz=xyz))
    return people


ESTIMATORS = (
    EstimatorSpec(
        name=BlazePose.name,
        open=BlazePose,
        fingerprint=lambda options: fingerprint(),
        status=_status,
        parallel="processes",
        tracks=True,
        options=("fallback_confidence",),
        auto_rank=0,
    ),
)
