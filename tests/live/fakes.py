"""Sources and estimators for the tests of live recognition."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import numpy as np

from skelact.errors import InputError, StreamError
from skelact.live.capture import Kind, VideoSource
from skelact.types import PersonPose
from skelact.video.decode import Frame
from tests.pose.blazepose_world import number_of


def image(number: int, width: int = 64, height: int = 48) -> Frame:
    """A frame that holds its number in its first pixel."""
    frame = np.full((height, width, 3), 40, np.uint8)
    frame[0, 0] = (number % 256, number // 256, 0)
    return frame


class FakeCapture:
    """See Capture. Frames first, first + 1, … in intervals; then the source is lost."""

    def __init__(self, count: int, first: int = 0, interval_s: float = 0.0, fps: float = 30.0):
        self.fps, self.interval_s = fps, interval_s
        self.numbers = iter(range(first, first + count))
        self.released = False

    def read(self) -> tuple[Frame, float | None] | None:
        time.sleep(self.interval_s)
        number = next(self.numbers, None)
        return None if number is None else (image(number), None)

    def release(self) -> None:
        self.released = True


class Stamped(FakeCapture):
    """A capture with time stamps, as those of a file."""

    def read(self) -> tuple[Frame, float | None] | None:
        got = super().read()
        return None if got is None else (got[0], number_of(got[0]) / self.fps)


def source_of(
    *openings: FakeCapture | Exception, kind: Kind = "camera", name: str = "camera 0"
) -> VideoSource:
    """A source whose n-th opening gives this capture or raises this error; later ones fail."""
    rest = iter(openings)

    def open_next(limit_s: float) -> FakeCapture:
        got = next(rest, StreamError("it is gone"))
        if isinstance(got, Exception):
            raise got
        return got

    return VideoSource(kind=kind, name=name, open=open_next)


def silent_source(release: threading.Event) -> VideoSource:
    """A source that does not answer until the event is set."""

    def open_never(limit_s: float) -> FakeCapture:
        release.wait()
        raise InputError("too late")

    return VideoSource(kind="stream", name="rtsp://host/x", open=open_never)


class WalkingPeople:
    """See LiveEstimator. Persons who wave, in every frame; `on_frame` is called with the number of
    frames so far."""

    name = "walking"

    def __init__(
        self,
        ids: Sequence[int] = (0,),
        on_frame: Callable[[int], None] = lambda count: None,
        delay_s: float = 0.0,
    ) -> None:
        from skelact.pose.blazepose.landmarks import SKELETON

        self.skeleton, self.ids, self.on_frame, self.delay_s = SKELETON, ids, on_frame, delay_s
        rng = np.random.default_rng(0)
        self.body = rng.uniform(10, 40, (len(SKELETON.joints), 2)).astype(np.float32)
        self.frames: list[tuple[float, list[PersonPose]]] = []

    def add(self, image: Frame, time_s: float) -> list[PersonPose]:
        self.on_frame(len(self.frames))
        time.sleep(self.delay_s)
        people = []
        for person in self.ids:
            xy = self.body + np.float32(5 * np.sin(6 * time_s + person))
            score = np.full(len(xy), 0.9, np.float32)
            people.append(PersonPose(xy, score, person_id=person))
        self.frames.append((time_s, people))
        return people

    def recent(self, since_s: float) -> tuple[list[float], list[list[PersonPose]]]:
        kept = [(t, people) for t, people in self.frames if t >= since_s]
        return [t for t, _ in kept], [people for _, people in kept]
