"""A synthetic world for the tests of the blazepose estimator: persons who move on given
paths, and networks that see them perfectly, except for persons behind other persons."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from skelact.pose.base import FrameRef, PoseOptions
from skelact.pose.blazepose import BlazePose
from skelact.pose.blazepose.detector import Detection, Tile
from skelact.pose.blazepose.landmarks import JOINTS, Fit, Region
from skelact.types import Floats, PersonPose
from skelact.video.decode import Frame

SIZE = 100.0  # side of a person's region in pixels
_BODY = np.random.default_rng(0).uniform(-0.35, 0.35, (JOINTS, 2)).astype(np.float32)
Path = Callable[[int], tuple[float, float] | None]  # centre by frame, None while out of sight


@dataclass(kw_only=True)
class Actor:
    """A person: path, colour, and how sharp the person looks to the networks."""

    path: Path
    colour: tuple[int, int, int] = (255, 255, 255)
    presence: float = 0.99
    peak: float = 0.8
    mirror_shift: float = 0.0  # by which the mirrored pose differs, in pixels
    detected: Callable[[int], bool] = lambda frame: True


def body(x: float, y: float) -> Floats:
    """The joints of a person (33, 2)."""
    return np.asarray(_BODY * SIZE + [x, y], np.float32)


class World:
    """Implements Vision. Actors that come first are in front. The number of a frame is written in
    its first pixel."""

    def __init__(self, *actors: Actor, width: int = 640, height: int = 360) -> None:
        self.actors, self.width, self.height = actors, width, height
        self.detections = self.fits = 0

    def image(self, frame: int) -> Frame:
        image = np.zeros((self.height, self.width, 3), np.uint8)
        for actor in reversed(self.actors):
            at = actor.path(frame)
            if at is not None:
                x, y = int(at[0]), int(at[1])
                image[max(0, y - 50) : y + 50, max(0, x - 40) : max(0, x + 40)] = actor.colour
        image[0, 0] = (frame % 256, frame // 256, 0)
        return image

    def visible(self, frame: int) -> Iterator[tuple[Actor, float, float]]:
        """The actors of a frame that nobody hides."""
        shown: list[tuple[float, float]] = []
        for actor in self.actors:
            at = actor.path(frame)
            if at is not None and all(np.hypot(at[0] - x, at[1] - y) > 25 for x, y in shown):
                shown.append(at)
                yield actor, *at

    def detect(self, image: Frame, tile: Tile, min_score: float) -> list[Detection]:
        self.detections += 1
        frame = number_of(image)
        return [
            Detection(score=0.9, region=Region(x=x, y=y, size=SIZE))
            for actor, x, y in self.visible(frame)
            if tile.x <= x < tile.x + tile.width
            and tile.y <= y < tile.y + tile.height
            and actor.detected(frame)
        ]

    def fit(self, image: Frame, region: Region, mirrored: bool = False) -> Fit:
        self.fits += 1
        visible = self.visible(number_of(image))
        near = [(np.hypot(x - region.x, y - region.y), a, x, y) for a, x, y in visible]
        gap, actor, x, y = min(near, key=lambda n: n[0], default=(np.inf, None, 0.0, 0.0))
        seen = actor is not None and gap < 0.6 * SIZE
        shift = actor.mirror_shift if actor is not None and mirrored else 0.0
        return Fit(
            xy=body(x + shift, y),
            score=np.full(JOINTS, 0.9, np.float32),
            xyz=np.zeros((JOINTS, 3), np.float32),
            presence=actor.presence if actor is not None and seen else 0.0,
            peak=actor.peak if actor is not None else 0.0,
            torso_peak=actor.peak if actor is not None else 0.0,
            region=Region(x=x, y=y, size=SIZE),
        )

    def frames(self, count: int, fps: float = 30.0) -> Iterator[FrameRef]:
        for n in range(count):
            yield FrameRef(video=0, frame=n, fps=fps, image=self.image(n))

    def run(self, count: int, fps: float = 30.0, **options: object) -> list[list[PersonPose]]:
        """The persons that the estimator finds in the first `count` frames."""
        settings = PoseOptions(estimator="blazepose", **{"smoothing": 0.0, **options})  # type: ignore[arg-type]
        out = list(BlazePose(settings, self).run(self.frames(count, fps)))
        assert [frame.frame for frame, _ in out] == list(range(count))
        return [people for _, people in out]

    def ids(self, frames: list[list[PersonPose]], actor: Actor) -> list[int]:
        """The ids of the persons at the place of an actor, in the frames that show the actor."""
        return [
            person.person_id
            for n, people in enumerate(frames)
            for shown, x, y in self.visible(n)
            for person in people
            if shown is actor and np.abs(person.xy - body(x, y)).max() < 2
        ]


def number_of(image: Frame) -> int:
    """The number of a frame, which its first pixel holds."""
    return int(image[0, 0, 0]) + 256 * int(image[0, 0, 1])
