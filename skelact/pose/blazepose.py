"""MediaPipe's PoseLandmarker ("full"), several people, tracked from frame to frame, from the model
files inside its own wheel.

The Tasks API wants a bundle with metadata that the wheel's files lack; it is assembled once a
process, in memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import sys
import zipfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path

import numpy as np

from skelact.errors import BackendMissing, EstimatorError
from skelact.pose.base import BLAZEPOSE, FrameRef, PoseOptions
from skelact.pose.track import suppress
from skelact.skeletons import SKELETONS
from skelact.types import PersonPose

INSTALL = "pip install 'mediapipe==0.10.21'"
_MOST_HELD = 256 * 2**20  # bytes of pictures that wait for somebody to appear
_MODELS = ("pose_detection/pose_detection.tflite", "pose_landmark/pose_landmark_full.tflite")
_PARTS = (
    ("pose_detector.tflite", 127.5, 127.5, 2),
    ("pose_landmarks_detector.tflite", 0.0, 255.0, 5),
)  # name, mean, std, outputs


def model_files() -> list[Path]:
    """The two .tflite files of the installed mediapipe, found without importing it; BackendMissing
    if there are none."""
    spec = find_spec("mediapipe")
    if spec is None or not spec.submodule_search_locations:
        raise BackendMissing(
            "the blazepose estimator needs mediapipe, which is not installed", INSTALL
        )
    folder = Path(spec.submodule_search_locations[0]) / "modules"
    files = [folder / name for name in _MODELS]
    if not all(f.is_file() for f in files):
        raise BackendMissing("the installed mediapipe carries no model files", INSTALL)
    return files


@cache
def fingerprint() -> str:
    """Hash of the weights; needs no import of mediapipe."""
    whole = hashlib.blake2b(digest_size=8)
    for file in model_files():
        whole.update(file.read_bytes())
    return whole.hexdigest()


@cache
def bundle() -> bytes:
    """The .task file: a stored zip of both models, each given the input and output metadata it
    lacks."""
    from mediapipe.tasks.python.metadata.metadata_writers.metadata_writer import MetadataWriter

    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED) as archive:
        for file, (name, mean, std, outputs) in zip(model_files(), _PARTS, strict=True):
            writer = MetadataWriter.create(bytearray(file.read_bytes()))
            writer.add_general_info(name, name)
            writer.add_image_input([mean], [std])
            for i in range(outputs):
                writer.add_feature_output(f"output_{i}")
            content, _ = writer.populate()
            archive.writestr(zipfile.ZipInfo(name), bytes(content))
    return whole.getvalue()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the native library's start-up chatter off stderr."""
    sys.stderr.flush()
    kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)


class BlazePose:
    """One landmarker at a time; a new video gets a new one, because it tracks."""

    name = BLAZEPOSE
    skeleton = SKELETONS["blazepose-33"]

    def __init__(self, options: PoseOptions) -> None:
        self.options = options
        self.fingerprint = fingerprint()

    def _landmarker(self):  # type: ignore[no-untyped-def]
        os.environ.setdefault("GLOG_minloglevel", "3")
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        try:
            from mediapipe.tasks.python import BaseOptions, vision
        except ImportError as error:
            raise BackendMissing(f"mediapipe does not load: {error}", "skelact doctor") from error
        c = self.options.min_confidence
        follow = self.options.tracking_confidence or c
        settings = vision.PoseLandmarkerOptions(
            base_options=BaseOptions(model_asset_buffer=bundle()),
            running_mode=vision.RunningMode.VIDEO,
            num_poses=self.options.max_persons,
            min_pose_detection_confidence=c,
            min_pose_presence_confidence=follow,
            min_tracking_confidence=follow,
        )
        try:
            return vision.PoseLandmarker.create_from_options(settings)
        except RuntimeError as error:
            raise EstimatorError(
                f"mediapipe cannot start its landmarker: {error}", "skelact doctor"
            ) from error

    def run(self, pictures: Iterable[FrameRef]) -> Iterator[tuple[FrameRef, list[PersonPose]]]:
        """See Estimator. xyz is MediaPipe's world landmarks: metres, origin between the hips."""
        for _, video in groupby(pictures, key=lambda p: p.video):
            yield from self._video(video)

    def _video(self, pictures: Iterable[FrameRef]) -> Iterator[tuple[FrameRef, list[PersonPose]]]:
        """Frames without anybody are held back until somebody is found, for `backfill_s` at most
        and while they take little memory. If that never happens and they are the whole video, they
        are searched again with `fallback_confidence`."""
        missed: deque[FrameRef] = deque()
        all_missed = True
        with self._opened() as found:
            for picture in pictures:
                people = found(picture, picture.frame)
                if people:
                    all_missed = False
                    yield from zip(missed, self._backwards(picture, missed), strict=True)
                    missed.clear()
                    yield picture, people
                    continue
                missed.append(picture)
                most = min(
                    round(self.options.backfill_s * picture.fps),
                    _MOST_HELD // picture.image.nbytes,
                )
                while len(missed) > most:
                    all_missed = False
                    yield missed.popleft(), []
        rescue = self.options.fallback_confidence
        if missed and all_missed and rescue is not None:
            options = replace(self.options, min_confidence=rescue, fallback_confidence=None)
            yield from type(self)(options)._video(missed)
            return
        for picture in missed:
            yield picture, []

    def _backwards(self, known: FrameRef, missed: Sequence[FrameRef]) -> list[list[PersonPose]]:
        """People in the frames before `known`, followed from there to the first; given up where
        they are lost."""
        out: list[list[PersonPose]] = [[] for _ in missed]
        if missed:
            with self._opened() as found:
                found(known, 0)
                for n in range(len(missed)):
                    people = found(missed[-1 - n], n + 1)
                    if not people:
                        break
                    out[-1 - n] = people
        return out

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Callable[[FrameRef, int], list[PersonPose]]]:
        """People of a picture that is the n-th shown to a fresh landmarker."""
        with _quiet():
            import cv2
            import mediapipe as mp

            landmarker = self._landmarker()  # type: ignore[no-untyped-call]

        def found(picture: FrameRef, n: int) -> list[PersonPose]:
            rgb = cv2.cvtColor(picture.image, cv2.COLOR_BGR2RGB)
            image = mp.Image(image_format=mp.ImageFormat.SRGB, data=rgb)
            raw = landmarker.detect_for_video(image, round(n * 1000 / picture.fps))
            return suppress(self._people(raw, picture), self.skeleton)

        try:
            yield found
        finally:
            landmarker.close()

    @staticmethod
    def _people(found, picture: FrameRef) -> list[PersonPose]:  # type: ignore[no-untyped-def]
        height, width = picture.image.shape[:2]
        people = []
        for flat, world in zip(found.pose_landmarks, found.pose_world_landmarks, strict=True):
            xyv = np.array([(p.x, p.y, p.visibility) for p in flat], np.float32)
            xyz = np.array([(p.x, p.y, p.z) for p in world], np.float32)
            people.append(
                PersonPose(
                    xyv[:, :2] * np.array([width, height], np.float32),
                    np.clip(xyv[:, 2], 0, 1),
                    xyz,
                )
            )
        return people
