"""Decode the frames of a video: upright, in colour, at a constant rate."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from skelact.errors import NotAVideo, PathMissing, TruncatedVideo
from skelact.types import VideoInfo

if TYPE_CHECKING:
    import cv2

Frame = npt.NDArray[np.uint8]  # (H, W, 3) BGR
_COMPLETE = 0.95  # a file with a smaller fraction of its announced frames counts as truncated


def open_video(path: Path) -> cv2.VideoCapture:
    """An opened video. Messages of FFmpeg are switched off. Raises PathMissing, NotAVideo or
    TruncatedVideo if it cannot be opened."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    import cv2

    if not path.exists():
        raise PathMissing(f"{path}: no such file")
    if path.is_file() and path.stat().st_size == 0:
        raise NotAVideo(f"{path} is empty (0 bytes)", "Copy or download it again.")
    try:
        path.open("rb").close()
    except OSError as error:
        raise NotAVideo(f"{path} cannot be read: {error.strerror}") from error
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)  # upright frames, as players show them
    if not capture.isOpened():
        capture.release()
        if _lacks_index(path):
            raise TruncatedVideo(
                f"{path} is truncated: its index is missing",
                "Copy or record it again. The copy or the recording was probably interrupted.",
            )
        raise NotAVideo(
            f"{path} holds no video that can be decoded", "Check that a player can play it."
        )
    return capture


def _lacks_index(path: Path) -> bool:
    """Whether a file is an MP4 without a 'moov' box, as after an interrupted copy or recording."""
    size, at = path.stat().st_size, 0
    with path.open("rb") as file:
        if file.read(8)[4:8] != b"ftyp":
            return False
        while at + 8 <= size:
            file.seek(at)
            head = file.read(16)
            length, kind = int.from_bytes(head[:4], "big"), head[4:8]
            if kind == b"moov":
                return at + length > size
            if length == 1:
                length = int.from_bytes(head[8:16], "big")
            if length < 8:
                return True
            at += length
    return True


def read_frames(info: VideoInfo) -> Iterator[Frame]:
    """Frames (H, W, 3) uint8 BGR at the constant rate info.fps. A video of variable rate is
    resampled by its time stamps: frames are repeated or dropped. Raises TruncatedVideo after the
    last frame if the file has much fewer frames than it announces."""
    import cv2

    capture = open_video(info.path)
    try:
        decoded, written, first, last_time = 0, 0, 0.0, -1.0
        previous: Frame | None = None
        stamped = True
        while True:
            ok, image = capture.read()
            if not ok:
                break
            time_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            if decoded == 0:
                first = time_s
            elif time_s <= last_time or time_s - last_time > 60:
                stamped = False  # unusable time stamps: count frames instead
            last_time = time_s
            frame = to_bgr(image)
            slot = round((time_s - first) * info.fps) if stamped else written
            decoded += 1
            while previous is not None and written < slot:
                yield previous
                written += 1
            if written <= slot:
                yield frame
                written += 1
            previous = frame
        if previous is None:
            raise NotAVideo(f"{info.path}: no frame can be decoded")
        if written < _COMPLETE * info.frames - 2:
            raise TruncatedVideo(
                f"{info.path} is truncated: {written} of {info.frames} frames can be decoded",
                "Copy it again, or re-encode it to keep the existing frames.",
            )
    finally:
        capture.release()


def to_bgr(image: npt.NDArray[Any]) -> Frame:
    """A grey, BGR or BGRA image as BGR."""
    import cv2

    if image.ndim == 2 or image.shape[2] == 1:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), np.uint8)
    if image.shape[2] == 4:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGRA2BGR), np.uint8)
    return np.asarray(image, np.uint8)
