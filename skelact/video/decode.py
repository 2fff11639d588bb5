"""The pictures of a video, upright, colour, at a constant rate."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from skelact.errors import NotAVideo, PathMissing, TruncatedVideo
from skelact.types import VideoInfo

Frame = npt.NDArray[np.uint8]  # (H, W, 3) BGR
_COMPLETE = 0.95  # share of the promised frames below which a file counts as cut off


# cv2.VideoCapture; cv2 is imported late
def open_video(path: Path):  # type: ignore[no-untyped-def]
    """An opened cv2.VideoCapture; NotAVideo or PathMissing otherwise. FFmpeg's own complaints stay
    off the terminal."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    import cv2

    if not path.exists():
        raise PathMissing(f"{path}: no such file")
    if path.is_file() and path.stat().st_size == 0:
        raise NotAVideo(f"{path} is empty (0 bytes)", "copy or download it again")
    try:
        path.open("rb").close()
    except OSError as error:
        raise NotAVideo(f"{path} cannot be read: {error.strerror}") from error
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)  # pictures upright, as players show them
    if not capture.isOpened():
        capture.release()
        if _lacks_index(path):
            raise TruncatedVideo(
                f"{path} is cut off: its index is missing",
                "copy or record it again; an interrupted copy looks like this",
            )
        raise NotAVideo(
            f"{path} holds no video that can be decoded", "is it really a video? try to play it"
        )
    return capture


def _lacks_index(path: Path) -> bool:
    """Whether an MP4 starts well but has no 'moov' box, as a broken-off copy or recording does."""
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
    """Frames (H, W, 3) uint8 BGR at the constant rate info.fps. A variable-rate video is laid on
    that grid by its time stamps: a long-lasting picture is repeated, a crowded one dropped.
    TruncatedVideo if the file ends well before its promised end."""
    import cv2

    capture = open_video(info.path)
    with contextlib.closing(_Release(capture)):
        decoded, written, first, last_time = 0, 0, 0.0, -1.0
        previous: Frame | None = None
        stamped = True
        while True:
            ok, picture = capture.read()
            if not ok:
                break
            time_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            if decoded == 0:
                first = time_s
            elif time_s <= last_time or time_s - last_time > 60:
                stamped = False  # the container's clock is of no use: count instead
            last_time = time_s
            frame = colour(picture)
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
                f"{info.path} is cut off: {written} of {info.frames} frames can be decoded",
                "copy it again, or re-encode it to keep what is there",
            )


def colour(picture: npt.NDArray[np.uint8]) -> Frame:
    """Grey and BGRA pictures as BGR."""
    import cv2

    if picture.ndim == 2 or picture.shape[2] == 1:
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR))
    return (
        picture if picture.shape[2] == 3 else np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGRA2BGR))
    )


class _Release:
    def __init__(self, capture) -> None:  # type: ignore[no-untyped-def]
        self.close = capture.release
