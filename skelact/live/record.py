"""Write frames that arrive at irregular times to a video of a constant rate, in a thread of its
own, so that the encoder does not hold up the recognition."""

from __future__ import annotations

import queue
import threading
from pathlib import Path

import numpy as np

from skelact.files import replacing
from skelact.video.decode import Frame
from skelact.video.ffmpeg import feed, output_name

SUFFIXES = (".mp4", ".mkv", ".mov")
_WAITING = 8  # frames between the recognition and the encoder
_LONGEST_STILL_S = 10.0  # a longer pause, such as a lost camera, is shortened to this
_ENCODER = "-c:v libx264 -preset ultrafast -crf 21 -pix_fmt yuv420p"
_INDEX = {suffix: ("-movflags", "+faststart") for suffix in (".mp4", ".mov")}


class VideoSink:
    """A context manager that writes a video; leaving the block completes the file, also after an
    exception. Frames for which the encoder has no time are counted in `skipped`; in the file, the
    frame before is shown longer.

    The size is that of the first frame; later frames of another size are scaled to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.skipped = self.written = 0
        self.error: Exception | None = None
        self._queue: queue.Queue[tuple[Frame, float] | None] = queue.Queue(_WAITING)
        self._fps = 0.0
        self._thread = threading.Thread(target=self._run, name="encoder", daemon=True)

    def __enter__(self) -> VideoSink:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        self._queue.put(None)
        self._thread.join()
        if kind is None:
            self.check()

    def check(self) -> None:
        """Raises FfmpegError or OSError if the file can no longer be written, such as on a full
        disk."""
        if self.error is not None:
            raise self.error

    def add(self, image: Frame, time_s: float, fps: float) -> None:
        """Write a frame with its time, which grows, to a video of the rate of the first one. Never
        waits; the frame must not be changed later."""
        self._fps = self._fps or fps
        try:
            self._queue.put_nowait((image, time_s))
        except queue.Full:
            self.skipped += 1

    def _run(self) -> None:
        first = self._queue.get()
        if first is None:
            return
        try:
            with replacing(self.path) as new:
                self._encode(new, *first)
        except Exception as error:  # shown by `check`
            self.error = error
            while self._queue.get() is not None:
                pass

    def _encode(self, path: Path, image: Frame, zero_s: float) -> None:
        height, width = image.shape[:2]
        size, fps = (width - width % 2, height - height % 2), self._fps
        raw = f"-f rawvideo -pix_fmt bgr24 -s {size[0]}x{size[1]} -r {fps:.6f} -i pipe:0"
        arguments = [*raw.split(), *_ENCODER.split(), *_INDEX.get(self.path.suffix.lower(), ())]
        with feed([*arguments, output_name(path)], self.path, own_group=True) as write:
            pixels = _fitted(image, size)
            while (entry := self._queue.get()) is not None:
                image, time_s = entry
                slot = round((time_s - zero_s) * fps)
                pause = slot - self.written - round(_LONGEST_STILL_S * fps)
                if pause > 0:
                    zero_s, slot = zero_s + pause / fps, slot - pause
                while self.written < slot:
                    write(pixels)
                    self.written += 1
                pixels = _fitted(image, size)
            write(pixels)
            self.written += 1


def _fitted(image: Frame, size: tuple[int, int]) -> bytes:
    """The bytes of a frame, cropped by a pixel or scaled to the size."""
    import cv2

    width, height = size
    if image.shape[0] - height not in (0, 1) or image.shape[1] - width not in (0, 1):
        image = np.asarray(cv2.resize(image, size), np.uint8)
    return np.ascontiguousarray(image[:height, :width]).tobytes()
