"""Open cameras, streams and files, and read their frames one by one."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from skelact.errors import ConfigError, StreamError
from skelact.escaping import without_password
from skelact.video.decode import Frame, open_video, silence, to_bgr
from skelact.video.probe import probe

if TYPE_CHECKING:
    import cv2

Kind = Literal["camera", "stream", "file"]
SCHEMES = ("rtsp", "rtsps", "rtmp", "http", "https", "udp", "tcp", "rtp", "srt")
MAX_CAMERA = 99
_USUAL_FPS, _MIN_FPS, _MAX_FPS = 30.0, 1.0, 240.0
_LONGEST_FRAME_S = 60.0  # a larger step between two time stamps of a file is an error of the file


class Capture(Protocol):
    """An open source. `fps` is the frame rate that it announces [1/s]."""

    fps: float

    def read(self) -> tuple[Frame, float | None] | None:
        """The next frame (H, W, 3) uint8 BGR with its time in a file [s], None for the time of a
        camera, which is that of its arrival. None at the end of a file, or if the source is
        lost."""
        ...

    def release(self) -> None:
        """Close it."""
        ...


@dataclass(frozen=True, kw_only=True)
class VideoSource:
    """What a user names: a camera by number, the address of a stream, or a file. `name` is shown in
    messages, without a password. `open` gets the longest time to wait [s] and raises InputError."""

    kind: Kind
    name: str
    open: Callable[[float], Capture]
    path: Path | None = None


def find_source(text: str | int) -> VideoSource:
    """The source that a text names: "0" is the first camera. Raises ConfigError for an address of
    an unknown kind; whether the source exists is found out when it is opened."""
    words = str(text).strip()
    if re.fullmatch(r"\d+", words):
        number = int(words) if len(words) < 9 else MAX_CAMERA + 1
        if number > MAX_CAMERA:
            raise ConfigError(f"A camera has a number from 0 to {MAX_CAMERA}, got {words}")
        return VideoSource(
            kind="camera",
            name=f"camera {number}",
            open=lambda limit_s: _Opened(_camera(number), f"camera {number}"),
        )
    if "://" in words:
        scheme = words.partition("://")[0].lower()
        if scheme not in SCHEMES:
            raise ConfigError(
                f"{without_password(words)}: {scheme} is no kind of stream that is opened",
                f"Use one of {', '.join(f'{s}://' for s in SCHEMES)}, a camera number or a file.",
            )
        name = without_password(words)
        return VideoSource(
            kind="stream",
            name=name,
            open=lambda limit_s: _Opened(_stream(words, name, limit_s), name),
        )
    path = Path(words)
    return VideoSource(kind="file", name=words, open=lambda limit_s: _FileCapture(path), path=path)


def _camera(number: int) -> cv2.VideoCapture:
    silence()
    import cv2

    capture = cv2.VideoCapture(number)
    if not capture.isOpened():
        capture.release()
        raise StreamError(
            f"Camera {number} cannot be opened",
            "Check that it is connected, that no other program uses it, and its number: the first "
            "camera is 0.",
        )
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # old frames would only be dropped
    return capture


def _stream(address: str, name: str, limit_s: float) -> cv2.VideoCapture:
    silence()
    import cv2

    limit_ms = max(1, round(1000 * limit_s))
    parameters = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, limit_ms]
    parameters += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, limit_ms]
    started = time.monotonic()
    capture = cv2.VideoCapture(address, cv2.CAP_FFMPEG, parameters)
    if not capture.isOpened():
        capture.release()
        waited = time.monotonic() - started
        silent = waited > 0.9 * limit_s
        raise StreamError(
            f"{name} {f'does not answer within {limit_s:g} s' if silent else 'cannot be opened'}",
            "Check the address, the user name and password in it, and that a player can play it.",
        )
    return capture


class _Opened:
    """See Capture. A camera or a stream."""

    def __init__(self, capture: cv2.VideoCapture, name: str) -> None:
        self.capture, self.name = capture, name
        self.fps = _announced_fps(capture)

    def read(self) -> tuple[Frame, float | None] | None:
        """See Capture."""
        ok, image = self.capture.read()
        return (to_bgr(image), None) if ok and image is not None and image.size else None

    def release(self) -> None:
        """See Capture."""
        self.capture.release()


class _FileCapture:
    """See Capture. A file; times are its time stamps, or frames are counted where these do not
    grow."""

    def __init__(self, path: Path) -> None:
        self.fps = probe(path).fps  # in a child process: a damaged file does not end this one
        self.capture = open_video(path)
        self._zero_s: float | None = None
        self._last_s = -1 / self.fps

    def read(self) -> tuple[Frame, float | None] | None:
        """See Capture."""
        import cv2

        ok, image = self.capture.read()
        if not ok:
            return None
        stamp_s = float(self.capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000
        if self._zero_s is None:
            self._zero_s = stamp_s
        time_s = stamp_s - self._zero_s
        if not 0 < time_s - self._last_s <= _LONGEST_FRAME_S:
            time_s = self._last_s + 1 / self.fps
            self._zero_s = stamp_s - time_s
        self._last_s = time_s
        return to_bgr(image), time_s

    def release(self) -> None:
        """See Capture."""
        self.capture.release()


def _announced_fps(capture: cv2.VideoCapture) -> float:
    import cv2

    fps = float(capture.get(cv2.CAP_PROP_FPS))
    return fps if _MIN_FPS <= fps <= _MAX_FPS else _USUAL_FPS
