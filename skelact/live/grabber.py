"""A thread that reads a source and keeps the newest frame only, so that a slow consumer loses
frames instead of falling behind; and that opens a lost source again."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from skelact.errors import InputError, StreamError
from skelact.live.capture import Capture, VideoSource
from skelact.video.decode import Frame

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 15.0  # before a source is opened again
_JOIN_S = 2.0
_NOTICES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFrame:
    """A frame (H, W, 3) uint8 BGR. `number` counts the frames of the source, `fps` is the rate that
    it announces; `time_s` is the time since its first frame, by the time stamps of a file and by
    the arrival otherwise; `arrived` is the time.monotonic() at which it was read."""

    number: int
    fps: float
    time_s: float
    arrived: float
    image: Frame


class Grabber:
    """Reads a source in a thread of its own.

    With `paced`, a file is played at its own pace. With `every`, the thread waits until a frame was
    taken instead of dropping it. `loop` starts a file again at its end. `on_frame` gets each frame
    that was read, in the thread, and must not block."""

    def __init__(
        self,
        source: VideoSource,
        *,
        timeout_s: float = 10.0,
        reconnect_s: float = 600.0,
        paced: bool = True,
        every: bool = False,
        loop: bool = False,
        on_frame: Callable[[LiveFrame], None] = lambda frame: None,
    ) -> None:
        self.source, self.timeout_s, self.reconnect_s = source, timeout_s, reconnect_s
        self.paced, self.every, self.loop, self.on_frame = paced, every, loop, on_frame
        self.fps = 0.0  # known when the source is open
        self.captured = self.dropped = self.reconnected = 0
        self._notices: deque[str] = deque(maxlen=_NOTICES)
        self._changed = threading.Condition()
        self._newest: LiveFrame | None = None
        self._error: InputError | None = None
        self._ended = False
        self._start, self._stop = threading.Event(), threading.Event()
        self._zero: float | None = None  # time.monotonic() of the first frame
        self._last_s = -1.0
        self._lost: float | None = None  # time.monotonic() since when the source is lost
        self._offset_s = 0.0  # of the time stamps of a file that is played again
        self._heard = time.monotonic()  # when the source showed its last sign of life
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)

    def __enter__(self) -> Grabber:
        """Open the source; it is read from the first call of `take` on. Raises InputError if that
        fails or takes too long."""
        self._thread.start()
        with self._changed:
            self._changed.wait_for(
                lambda: self.fps or self._error or self._ended, self.timeout_s + 1
            )
        if self._error is not None:
            raise self._error
        if not self.fps:
            self._stop.set()
            self._start.set()
            raise self._silent()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._start.set()
        with self._changed:
            self._newest = None
            self._changed.notify_all()
        self._thread.join(_JOIN_S)  # where a driver blocks, it ends with the process

    def notices(self) -> list[str]:
        """What happened to the source since the last call, such as a lost connection."""
        out = []
        with contextlib.suppress(IndexError):
            while True:
                out.append(self._notices.popleft())
        return out

    def take(self, wait_s: float) -> LiveFrame | None:
        """The newest frame, which is taken once; None if there is none within that time. Raises
        EOFError at the end of the source, InputError if it is lost."""
        if not self._start.is_set():
            self._heard = time.monotonic()
            self._start.set()
        with self._changed:
            self._changed.wait_for(lambda: self._newest or self._ended or self._error, wait_s)
            frame, self._newest = self._newest, None
            if frame is not None:
                self._changed.notify_all()
                return frame
            if self._error is not None:
                raise self._error
            if self._ended:
                raise EOFError
        if time.monotonic() - self._heard > self.timeout_s + max(self.reconnect_s, 1):
            raise self._silent()
        return None

    def _silent(self) -> StreamError:
        return StreamError(
            f"{self.source.name} does not answer within {self.timeout_s:g} s",
            "Check the connection, or wait longer with --timeout.",
        )

    # --- in the thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._read(self.source.open(self.timeout_s))
            while not self._stop.is_set() and self._continue():
                pass
        except InputError as error:
            self._error = error
        except Exception as error:  # of a driver or a decoder
            self._error = StreamError(f"{self.source.name} cannot be read: {error}")
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _continue(self) -> bool:
        """After the end of the source: read it again. Returns whether it was possible."""
        if self.source.kind == "file":
            if not self.loop or not self.captured:
                return False
            self._offset_s = self._last_s + 1 / self.fps
            self._read(self.source.open(self.timeout_s))
            return True
        return self._reconnect()

    def _reconnect(self) -> bool:
        lost, wait_s = time.monotonic(), _FIRST_WAIT_S
        if self.reconnect_s:
            self._notices.append(f"{self.source.name} is lost; trying to open it again")
        while time.monotonic() - lost < self.reconnect_s:
            if self._stop.wait(min(wait_s, self.reconnect_s)):
                return False
            self._heard = time.monotonic()  # this thread does not hang
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
            try:
                capture = self.source.open(self.timeout_s)
            except InputError:
                continue
            before, self._lost = self.captured, lost
            self._read(capture)
            if self.captured > before:  # otherwise it was opened, but delivered nothing
                return True
        raise StreamError(
            f"{self.source.name} was lost and did not return within {self.reconnect_s:g} s",
            "Check the connection; --reconnect waits longer.",
        )

    def _read(self, capture: Capture) -> None:
        """Read frames until the source ends or is lost."""
        try:
            with self._changed:
                self.fps, self._heard = capture.fps, time.monotonic()
                self._changed.notify_all()
            self._start.wait()
            while not self._stop.is_set():
                got = capture.read()
                if got is None:
                    return
                self._add(*got)
        finally:
            capture.release()

    def _add(self, image: Frame, stamp_s: float | None) -> None:
        now = time.monotonic()
        if self._zero is None:
            self._zero = now
        time_s = now - self._zero if stamp_s is None else stamp_s + self._offset_s
        if stamp_s is not None and self.paced:
            if self._stop.wait(max(0.0, self._zero + time_s - now)):
                return
            now = time.monotonic()
        time_s = max(time_s, self._last_s + 1e-4)  # they grow
        frame = LiveFrame(
            number=self.captured, fps=self.fps, time_s=time_s, arrived=now, image=image
        )
        self._last_s, self._heard = time_s, now
        if self._lost is not None:
            self.reconnected += 1
            self._notices.append(f"{self.source.name} is back after {now - self._lost:.0f} s")
            self._lost = None
        self.on_frame(frame)
        with self._changed:
            self.captured += 1
            if self.every:
                self._changed.wait_for(lambda: self._newest is None or self._stop.is_set())
            elif self._newest is not None:
                self.dropped += 1
            self._newest = frame
            self._changed.notify_all()
