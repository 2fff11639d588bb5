"""Decode the frames of a video: upright, in colour, at a constant rate."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from skelact import sandbox
from skelact.errors import NotAVideo, TruncatedVideo
from skelact.types import VideoInfo
from skelact.video.access import check_file, opencv_options, safe_name

if TYPE_CHECKING:
    import cv2

Frame = npt.NDArray[np.uint8]  # (H, W, 3) BGR
_COMPLETE = 0.95  # a file with a smaller fraction of its announced frames counts as truncated
_LONGEST_FRAME_S = 60  # a larger step between two time stamps is an error of the file
_SEEK_MARGINS_S = (1, 4, 16, 64)


def open_video(path: Path) -> cv2.VideoCapture:
    """An opened video. Messages of FFmpeg are switched off. Raises PathMissing, NotAVideo,
    TruncatedVideo or InputError if it cannot be opened."""
    silence()
    import cv2

    check_file(path)
    capture = cv2.VideoCapture()
    _open(capture, path)
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


def silence() -> None:
    """Switch the messages of OpenCV and of FFmpeg in it off."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    import cv2

    # the variable has no effect if another module has imported OpenCV already; 4 and 5 differ here
    utils: Any = cv2.utils
    logging: Any = cv2 if hasattr(cv2, "setLogLevel") else utils.logging
    logging.setLogLevel(0)  # silent


def _open(capture: cv2.VideoCapture, path: Path) -> None:
    """Open a file, or open it again at its start."""
    import cv2

    with safe_name(path) as name, opencv_options():
        capture.open(name, cv2.CAP_FFMPEG)


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


def read_frames(info: VideoInfo, start: int = 0, stop: int | None = None) -> Iterator[Frame]:
    """Frames (H, W, 3) uint8 BGR at the constant rate info.fps: all, or number `start` to before
    number `stop`. A video of variable rate is resampled by its time stamps: frames are repeated or
    dropped. If `has_usable_times`, the numbers of the frames do not depend on `start`.

    Raises NotAVideo if no frame can be decoded, and TruncatedVideo after the last frame if the file
    has much fewer frames than it announces."""
    capture = open_video(info.path)
    try:
        grabbed = capture.grab()
        clock = _Clock(capture, info.fps)
        if grabbed and start:
            grabbed = _seek(info.path, capture, clock, start)
        slot = number = clock.slot(0)
        previous: Frame | None = None
        pictures = 0  # since `start`, without repetitions
        while grabbed and (stop is None or number < stop):
            decoded, image = capture.retrieve()
            if not decoded:
                break
            frame = to_bgr(image)
            shown = [] if previous is None else [previous] * (slot - number)
            if slot >= number:
                shown.append(frame)
            for image in shown:
                if number >= start and (stop is None or number < stop):
                    yield image
                number += 1
            previous, pictures = frame, pictures + 1
            grabbed = capture.grab()
            slot = clock.slot(number)
        if previous is None:
            raise NotAVideo(f"{info.path}: no frame can be decoded")
        ended = stop is None or number < stop
        # a picture that lasts long at the end leaves fewer frames than pictures
        if ended and max(number, pictures) < _COMPLETE * info.frames - 2:
            raise TruncatedVideo(
                f"{info.path} is truncated: {number} of {info.frames} frames can be decoded",
                "Copy it again, or re-encode it to keep the existing frames.",
            )
    finally:
        capture.release()


class _Clock:
    """Numbers the frames of a capture at a constant rate, by their time since the frame at which
    the clock was made. Once a time stamp is unusable, frames are counted instead."""

    def __init__(self, capture: cv2.VideoCapture, fps: float) -> None:
        self.capture, self.fps = capture, fps
        self.zero_s, self.last_s = self._time_s(), -math.inf
        self.usable = True

    def slot(self, number: int) -> int:
        """The number of the frame that was just grabbed; `number` is that of the next one."""
        time_s = self._time_s()
        if self.last_s > -math.inf and not 0 < time_s - self.last_s <= _LONGEST_FRAME_S:
            self.usable = False
        self.last_s = time_s
        return round((time_s - self.zero_s) * self.fps) if self.usable else number

    def is_before(self, number: int) -> bool:
        """Whether the frame that was just grabbed has a smaller number, by its time."""
        return round((self._time_s() - self.zero_s) * self.fps) < number

    def _time_s(self) -> float:
        import cv2

        return float(self.capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000


def _seek(path: Path, capture: cv2.VideoCapture, clock: _Clock, number: int) -> bool:
    """Grab a frame that precedes the frame `number`, as near as possible. Returns False if no frame
    can be decoded. OpenCV may miss the position, but the time of the frame that it grabs is right,
    so the result is checked; the last resort is the start of the video."""
    import cv2

    for margin_s in _SEEK_MARGINS_S:
        time_s = clock.zero_s + number / clock.fps - margin_s
        if time_s <= clock.zero_s:
            break
        capture.set(cv2.CAP_PROP_POS_MSEC, 1000 * time_s)
        if capture.grab() and clock.is_before(number):
            return True
    _open(capture, path)
    return capture.grab()


def has_usable_times(path: Path) -> bool:
    """Whether the frames of a video have different time stamps without long gaps, so that a frame
    can be found by its time. Reads the packets of the file without decoding them, in a child
    process. Raises PathMissing, NotAVideo, TruncatedVideo or InputError if it cannot be opened."""
    return bool(sandbox.call(_has_usable_times, path))


def _has_usable_times(path: Path) -> bool:
    import cv2

    capture = open_video(path)
    try:
        capture.set(cv2.CAP_PROP_FORMAT, -1)  # packets instead of frames
        times = []
        while capture.grab():
            times.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
    finally:
        capture.release()
    steps = np.diff(np.sort(times))
    return bool(len(steps) and steps.min() > 0 and steps.max() <= _LONGEST_FRAME_S)


def to_bgr(image: npt.NDArray[Any]) -> Frame:
    """A grey, BGR or BGRA image as BGR."""
    import cv2

    if image.ndim == 2 or image.shape[2] == 1:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), np.uint8)
    if image.shape[2] == 4:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGRA2BGR), np.uint8)
    return np.asarray(image, np.uint8)
