"""Looking back from a sighting, with a landmarker that sees what the test says; once for real."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from skelact.errors import ConfigError
from skelact.pose.base import ESTIMATORS, IMPORT, FrameRef, PoseOptions
from skelact.pose.blazepose import BlazePose
from skelact.pose.registry import resolve
from skelact.types import PersonPose
from skelact.video.decode import read_frames
from skelact.video.probe import probe
from tests.conftest import run

SOMEBODY = PersonPose(np.ones((33, 2), np.float32), np.ones(33, np.float32))


def pictures(count: int, fps: float = 10.0, video: int = 0) -> list[FrameRef]:
    """Empty frames."""
    return [FrameRef(video, n, fps, np.zeros((4, 4, 3), np.uint8)) for n in range(count)]


class Scripted(BlazePose):
    """Forwards it sees somebody in some frames; a new landmarker that is shown a frame with
    somebody first goes on seeing them in others."""

    def __init__(self, options: PoseOptions, forwards: set[int], followed: set[int]) -> None:
        self.options, self.forwards, self.followed = options, forwards, followed
        self.opened = 0

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Callable[[FrameRef, int], list[PersonPose]]]:
        self.opened += 1
        sees = self.forwards if self.opened == 1 else self.forwards | self.followed
        yield lambda picture, n: [SOMEBODY] if picture.frame in sees else []


@pytest.mark.parametrize(
    ("seconds", "followed", "found"),
    [
        (0.0, {0, 1, 2, 3, 4, 5}, {6, 7}),
        (9.0, {3, 4, 5}, {3, 4, 5, 6, 7}),
        (9.0, {0, 1, 4, 5}, {4, 5, 6, 7}),  # lost at 3: what lies before is given up
        (0.2, {0, 1, 2, 3, 4, 5}, {4, 5, 6, 7}),  # no further than that
    ],
)
def test_looking_back(seconds: float, followed: set[int], found: set[int]) -> None:
    estimator = Scripted(PoseOptions(backfill_s=seconds), {6, 7}, followed)
    given = pictures(10)
    got = list(estimator.run(given))
    assert [picture.frame for picture, _ in got] == list(range(10))
    assert {picture.frame for picture, people in got if people} == found


def test_a_gap_is_looked_into_from_behind() -> None:
    estimator = Scripted(PoseOptions(backfill_s=1.0), {0, 5}, {4})
    found = {p.frame for p, people in estimator.run(pictures(7)) if people}
    assert found == {0, 4, 5}


def test_a_frame_of_another_video_is_not_looked_back_at() -> None:
    estimator = Scripted(PoseOptions(backfill_s=1.0), {2}, {0, 1, 2, 3})
    estimator.opened = 5  # every landmarker follows
    got = list(estimator.run([*pictures(2), *pictures(2, video=1)]))
    assert [(p.video, p.frame) for p, _ in got] == [(0, 0), (0, 1), (1, 0), (1, 1)]


class Choosy(BlazePose):
    """It sees somebody in frames 2 and 3 if little confidence is asked."""

    def __init__(self, options: PoseOptions) -> None:
        self.options = options

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Callable[[FrameRef, int], list[PersonPose]]]:
        sees = {2, 3} if self.options.min_confidence < 0.2 else set()
        yield lambda picture, n: [SOMEBODY] if picture.frame in sees else []


@pytest.mark.parametrize(("seconds", "found"), [(1.0, {2, 3}), (0.3, set())])
def test_a_short_video_without_anybody_is_searched_again(seconds: float, found: set[int]) -> None:
    options = PoseOptions(backfill_s=seconds, fallback_confidence=0.1)
    got = list(Choosy(options).run(pictures(6)))
    assert [p.frame for p, _ in got] == list(range(6))
    assert {p.frame for p, people in got if people} == found


def test_what_is_for_blazepose_is_refused_elsewhere() -> None:
    for changes in ({"tracking_confidence": 0.3}, {"backfill_s": 1.0}):
        with pytest.raises(ConfigError, match="looks at every frame by itself"):
            PoseOptions(estimator="rtmo-s", **changes)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="tracking_confidence"):
        PoseOptions(tracking_confidence=1.5)
    with pytest.raises(ConfigError, match=r"which is 0"):
        PoseOptions(fallback_confidence=0.1)
    with pytest.raises(ConfigError, match="cannot be negative"):
        PoseOptions(backfill_s=-1)


def test_only_estimators_there_are() -> None:
    says = r"no estimator is called 'blazpose' \(did you mean 'blazepose'\?\)"
    with pytest.raises(ConfigError, match=says):
        PoseOptions(estimator="blazpose")
    for name in (*ESTIMATORS, "auto", "custom", IMPORT):
        assert PoseOptions(estimator=name).estimator == name
    with pytest.raises(ConfigError, match="come from a folder"):
        resolve(PoseOptions(estimator=IMPORT))


def test_a_real_clip_dark_at_first(clip: Path, tmp_path: Path) -> None:
    """Eight nearly black frames: nobody is found in them forwards, the person found after them is
    followed back into them."""
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
