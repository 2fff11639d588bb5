"""Backwards tracking with a scripted landmarker, and once with the real one."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from skelact.errors import ConfigError
from skelact.pose.base import FrameRef, PoseOptions
from skelact.pose.mediapipe import BlazePose
from skelact.types import PersonPose
from skelact.video.decode import read_frames
from skelact.video.probe import probe
from tests.conftest import run

PERSON = PersonPose(np.ones((33, 2), np.float32), np.ones(33, np.float32))


def empty_frames(count: int, video: int = 0) -> list[FrameRef]:
    image = np.zeros((4, 4, 3), np.uint8)
    return [FrameRef(video=video, frame=n, fps=10.0, image=image) for n in range(count)]


class Scripted(BlazePose):
    """The first landmarker detects a person in the frames `forwards`; one that is opened later, and
    starts at a frame with a person, also tracks the person in the frames `followed`."""

    def __init__(self, options: PoseOptions, forwards: set[int], followed: set[int]) -> None:
        self.options, self.forwards, self.followed = options, forwards, followed
        self.opened = 0

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Callable[[FrameRef, int], list[PersonPose]]]:
        self.opened += 1
        sees = self.forwards if self.opened == 1 else self.forwards | self.followed
        yield lambda frame, n: [PERSON] if frame.frame in sees else []


@pytest.mark.parametrize(
    ("seconds", "followed", "found"),
    [
        (0.0, {0, 1, 2, 3, 4, 5}, {6, 7}),
        (9.0, {3, 4, 5}, {3, 4, 5, 6, 7}),
        (9.0, {0, 1, 4, 5}, {4, 5, 6, 7}),  # lost at frame 3: not searched before it
        (0.2, {0, 1, 2, 3, 4, 5}, {4, 5, 6, 7}),  # at most 2 frames
    ],
)
def test_backwards_tracking(seconds: float, followed: set[int], found: set[int]) -> None:
    estimator = Scripted(PoseOptions(backfill_s=seconds), {6, 7}, followed)
    given = empty_frames(10)
    got = list(estimator.run(given))
    assert [frame.frame for frame, _ in got] == list(range(10))
    assert {frame.frame for frame, people in got if people} == found


def test_backwards_tracking_fills_a_gap() -> None:
    estimator = Scripted(PoseOptions(backfill_s=1.0), {0, 5}, {4})
    found = {p.frame for p, people in estimator.run(empty_frames(7)) if people}
    assert found == {0, 4, 5}


def test_backwards_tracking_stays_within_a_video() -> None:
    estimator = Scripted(PoseOptions(backfill_s=1.0), {2}, {0, 1, 2, 3})
    estimator.opened = 5  # so every landmarker tracks
    got = list(estimator.run([*empty_frames(2), *empty_frames(2, video=1)]))
    assert [(p.video, p.frame) for p, _ in got] == [(0, 0), (0, 1), (1, 0), (1, 1)]


class Choosy(BlazePose):
    """It detects a person in frames 2 and 3 if min_confidence is low."""

    def __init__(self, options: PoseOptions) -> None:
        self.options = options

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Callable[[FrameRef, int], list[PersonPose]]]:
        sees = {2, 3} if self.options.min_confidence < 0.2 else set()
        yield lambda frame, n: [PERSON] if frame.frame in sees else []


@pytest.mark.parametrize(("seconds", "found"), [(1.0, {2, 3}), (0.3, set())])
def test_fallback_confidence_for_a_short_video(seconds: float, found: set[int]) -> None:
    options = PoseOptions(backfill_s=seconds, fallback_confidence=0.1)
    got = list(Choosy(options).run(empty_frames(6)))
    assert [p.frame for p, _ in got] == list(range(6))
    assert {p.frame for p, people in got if people} == found


def test_tracking_options_need_an_estimator_that_tracks() -> None:
    for changes in ({"tracking_confidence": 0.3}, {"backfill_s": 1.0}):
        with pytest.raises(ConfigError, match="does not support tracking_confidence"):
            PoseOptions(estimator="rtmo-s", **changes)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="tracking_confidence"):
        PoseOptions(tracking_confidence=1.5)
    with pytest.raises(ConfigError, match=r"which is 0"):
        PoseOptions(fallback_confidence=0.1)
    with pytest.raises(ConfigError, match="at least 0"):
        PoseOptions(backfill_s=-1)


def test_backwards_tracking_in_a_real_clip(clip: Path, tmp_path: Path) -> None:
    """Eight nearly black frames, in which a person is only found by tracking backwards."""
    info, dark = probe(clip), tmp_path / "dark.avi"
    size = (info.width, info.height)
    writer = cv2.VideoWriter(str(dark), cv2.VideoWriter_fourcc(*"MJPG"), info.fps, size)  # type: ignore[attr-defined]
    for n, frame in enumerate(read_frames(info)):
        writer.write((frame * 0.03).astype(np.uint8) if n < 8 else frame)
    writer.release()

    def seen(*options: object) -> int:
        done = run("extract", dark, "--json", *options)
        assert done.returncode == 0, done.stderr
        return int(json.loads(done.stdout)["videos"][0]["frames_with_people"])

    following = ("--tracking-confidence", "0.3")
    assert seen(*following) == 12 < seen(*following, "--backfill", "3")
