"""Poses as they arrive: nothing depends on later frames, and frames may be missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from skelact.errors import ConfigError
from skelact.pose import base
from skelact.pose.base import EstimatorSpec, EstimatorStatus, FrameRef, PoseOptions
from skelact.pose.blazepose.causal import CausalBlazePose
from skelact.pose.live import FrameByFrame, open_live
from skelact.skeletons import SKELETONS
from skelact.types import PersonPose
from tests.conftest import walking
from tests.pose.blazepose_world import Actor, World, body

RED, BLUE = (0, 0, 255), (255, 0, 0)
FPS = 30.0


def walk(x: float, y: float, speed: float):
    return lambda frame: (x + speed * frame, y)


def causal(world: World, keep_s: float = 2.0, **options: object) -> CausalBlazePose:
    settings = PoseOptions(estimator="blazepose", **{"smoothing": 0.0, **options})  # type: ignore[arg-type]
    return CausalBlazePose(settings, FPS, keep_s, vision=world)


def play(live: CausalBlazePose, world: World, frames: Iterable[int]) -> list[list[PersonPose]]:
    return [live.add(world.image(n), n / FPS) for n in frames]


@pytest.mark.parametrize("step", [1, 2, 5])
def test_persons_keep_their_ids_where_frames_are_missing(step: int) -> None:
    actors = [Actor(path=walk(100 + 200 * i, 180, 0.5)) for i in range(3)]
    world = World(*actors)
    live = causal(world)
    found = play(live, world, range(0, 150, step))
    later = found[60 // step :]
    assert all([p.person_id for p in people] == [0, 1, 2] for people in later)
    for n, people in zip(range(0, 150, step), found, strict=True):
        for person in people:
            assert min(np.abs(person.xy - body(*a.path(n))).max() for a in actors) < 2  # type: ignore[misc]


def test_later_frames_change_nothing() -> None:
    world = World(Actor(path=walk(300, 180, 1.0)), Actor(path=walk(100, 180, 0.0)))
    short, long = (play(causal(world, smoothing=1.0), world, range(count)) for count in (40, 70))
    for a, b in zip(short, long[:40], strict=True):
        assert [p.person_id for p in a] == [p.person_id for p in b]
        assert all(np.array_equal(p.xy, q.xy) for p, q in zip(a, b, strict=True))


def test_crossing_people_keep_their_ids() -> None:
    left = Actor(path=walk(100, 180, 3.0), colour=RED)
    right = Actor(path=walk(460, 180, -3.0), colour=BLUE)
    world = World(left, right)
    frames = play(causal(world), world, range(120))
    ids = [world.ids(frames, actor) for actor in (left, right)]
    assert len(set(ids[0])) == 1 and ids[0][0] not in ids[1][-20:]
    assert ids[1][-1] == ids[1][0]


def test_a_person_accepted_late_is_known_in_earlier_frames() -> None:
    world = World(Actor(path=walk(300, 180, 0.5), peak=0.45))
    live = causal(world)
    found = play(live, world, range(50))
    first = next(n for n, people in enumerate(found) if people)
    assert 0 < first < 45
    times, frames = live.recent(0.0)
    assert times == pytest.approx([n / FPS for n in range(50)])
    assert all(len(people) == 1 for people in frames)
    assert len(live.recent(1.0)[0]) == 20


def test_what_is_kept_is_bounded() -> None:
    def come_and_go(n: int) -> tuple[float, float] | None:
        return (300, 180) if n % 100 < 60 else None

    world = World(Actor(path=come_and_go), Actor(path=walk(100, 180, 0.0)))
    live = causal(world, keep_s=1.0)
    play(live, world, range(600))
    timeline = live.timeline
    assert timeline is not None
    assert len(timeline.times) <= 31
    assert len(timeline.follower.tracks) <= 4
    assert all(len(t.fits) <= 31 for t in timeline.follower.tracks)


def test_after_a_long_gap_or_with_another_size_persons_are_new() -> None:
    world = World(Actor(path=walk(300, 180, 0.0)))
    live = causal(world)
    play(live, world, range(30))
    assert [p.person_id for p in live.add(world.image(30), 2.9)] == [0]
    late = [live.add(world.image(30), 6.0 + n / FPS) for n in range(20)][-1]
    assert [p.person_id for p in late] == [1]
    wide = World(Actor(path=walk(300, 180, 0.0)), width=800)
    live.vision = wide
    people = [live.add(wide.image(0), 7 + n / FPS) for n in range(20)][-1]
    assert [p.person_id for p in people] == [2]


def test_a_source_that_is_faster_than_it_says() -> None:
    """All poses of the last seconds are kept, and a gap is seen as one."""
    world = World(Actor(path=walk(300, 180, 0.0)))
    live = causal(world, keep_s=1.0)
    for n in range(240):
        live.add(world.image(n), n / 60)
    assert len(live.recent(0.0)[0]) == pytest.approx(61, abs=1)
    live.add(world.image(240), 4.0 + 5.0)
    assert [p.person_id for p in live.add(world.image(241), 9.1)] == [1]


def test_smoothing_calms_and_does_not_lag() -> None:
    class Trembling(World):
        def fit(self, image, region, mirrored: bool = False):
            fit = super().fit(image, region, mirrored)
            noise = np.random.default_rng(self.fits).normal(0, 1, fit.xy.shape)
            return replace(fit, xy=(fit.xy + noise).astype(np.float32))

    gaps = {}
    for smoothing in (0.0, 1.0):
        world = Trembling(Actor(path=walk(60, 180, 4.0)))
        found = play(causal(world, smoothing=smoothing), world, range(100))
        pairs = [(p.xy, body(60 + 4.0 * n, 180)) for n, (p,) in enumerate(found) if n > 20]
        gaps[smoothing] = np.stack([xy - true for xy, true in pairs])
    assert gaps[1.0].std(axis=0).mean() < 0.85 * gaps[0.0].std(axis=0).mean()
    assert abs(gaps[1.0].mean()) < 0.2  # a steady motion stays where it is


class Still:
    """An estimator that finds the same persons in every frame."""

    name, skeleton, fingerprint = "still", SKELETONS["coco-17"], ""

    def __init__(self, people: Sequence[PersonPose]) -> None:
        self.people = list(people)

    def run(self, frames: Iterable[FrameRef]) -> Iterator[tuple[FrameRef, list[PersonPose]]]:
        for frame in frames:
            yield frame, self.people


def test_any_estimator_frame_by_frame() -> None:
    one, other = walking(1)[0], walking(1, offset=400)[0]
    estimator = Still([one, other])
    live = FrameByFrame(estimator, FPS, keep_s=1.0)
    image = np.zeros((480, 640, 3), np.uint8)
    for n in range(90):
        people = live.add(image, n / FPS)
        assert [p.person_id for p in people] == [0, 1]
    times, frames = live.recent(0.0)
    assert len(times) == len(frames) and 30 <= len(times) <= 31
    estimator.people = [other, one]
    assert [p.person_id for p in live.add(image, 3.1)] == [1, 0]
    assert [p.person_id for p in live.add(image, 9.0)] == [2, 3]  # long after


@pytest.mark.parametrize("gives_ids", [False, True])
def test_opening(gives_ids: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """An estimator with ids of its own, which may need later frames, is not used frame by frame."""
    status = EstimatorStatus(ready=True, text="")
    spec = EstimatorSpec(
        name="still",
        open=lambda options: Still(walking(1)),
        fingerprint=lambda options: "",
        status=lambda: status,
        parallel="processes",
        gives_ids=gives_ids,
    )
    monkeypatch.setattr(base, "estimator_specs", lambda: {"still": spec})
    if gives_ids:
        with pytest.raises(ConfigError, match="needs later frames"):
            open_live(PoseOptions(estimator="still"), FPS, 1.0)
        return
    mirrored = open_live(PoseOptions(estimator="still", mirrored=True), FPS, 1.0)
    image = np.zeros((480, 640, 3), np.uint8)
    (person,) = mirrored.add(image, 0.0)
    left = SKELETONS["coco-17"].index("left_wrist")
    right = SKELETONS["coco-17"].index("right_wrist")
    assert person.xy[left, 0] == pytest.approx(640 - walking(1)[0].xy[right, 0])
    assert np.array_equal(mirrored.recent(0.0)[1][0][0].xy, person.xy)
