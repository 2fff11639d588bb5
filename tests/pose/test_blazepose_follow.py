"""Following persons, with networks that see a synthetic world."""

from __future__ import annotations

import numpy as np
import pytest

from skelact.pose.base import FrameRef, PoseOptions
from skelact.pose.blazepose import BlazePose
from skelact.pose.blazepose.past import Past
from tests.pose.blazepose_world import Actor, World, body

RED, GREEN, BLUE = (0, 0, 255), (0, 255, 0), (255, 0, 0)


def walk(x: float, y: float, speed: float):
    return lambda frame: (x + speed * frame, y)


def test_three_people_keep_three_ids() -> None:
    actors = [Actor(path=walk(100 + 200 * i, 180, 0.5)) for i in range(3)]
    world = World(*actors)
    frames = world.run(60)
    assert all(len(people) == 3 for people in frames)
    assert [set(world.ids(frames, a)) for a in actors] == [{0}, {1}, {2}]


@pytest.mark.parametrize("second", [RED, GREEN])
def test_crossing_people_keep_their_ids(second: tuple[int, int, int]) -> None:
    """Also if they wear the same colours: motion then decides."""
    left = Actor(path=walk(100, 180, 3.0), colour=RED)
    right = Actor(path=walk(460, 180, -3.0), colour=second)
    world = World(left, right)
    frames = world.run(120)
    ids = [world.ids(frames, actor) for actor in (left, right)]
    assert len(set(ids[0])) == len(set(ids[1])) == 1 and ids[0][0] != ids[1][0]
    assert len(ids[0]) == 120  # the one in front is never lost
    assert len(ids[1]) >= 95  # the other one only while hidden


def test_people_who_meet_and_separate_keep_their_ids() -> None:
    """They stop for a second, one behind the other, and return: only colours tell them apart."""

    def meet(side: int):
        def path(n: int) -> tuple[float, float]:
            away = max(0, 40 - n, n - 70)
            return 300 + side * (3.0 * away + 2), 180

        return path

    front, back = Actor(path=meet(-1), colour=RED), Actor(path=meet(1), colour=BLUE)
    world = World(front, back)
    frames = world.run(120)
    ids = [set(world.ids(frames, actor)) for actor in (front, back)]
    assert len(ids[0]) == len(ids[1]) == 1 and ids[0] != ids[1]


@pytest.mark.parametrize(("away", "ids"), [(30, {0}), (90, {0, 1})])
def test_somebody_who_returns_in_time_keeps_the_id(away: int, ids: set[int]) -> None:
    def path(n: int) -> tuple[float, float] | None:
        return None if 40 <= n < 40 + away else (300, 180)

    actor = Actor(path=path)
    world = World(actor)
    frames = world.run(40 + away + 60)
    assert set(world.ids(frames, actor)) == ids
    assert not any(frames[41 : 40 + away])


def test_somebody_else_gets_another_id() -> None:
    first = Actor(path=lambda n: (300, 180) if n < 40 else None, colour=RED)
    second = Actor(path=lambda n: (300, 180) if n >= 60 else None, colour=BLUE)
    world = World(first, second)
    frames = world.run(120)
    assert set(world.ids(frames, first)) == {0} and set(world.ids(frames, second)) == {1}


def test_a_scene_cut_ends_tracks() -> None:
    class Cut(World):
        def image(self, frame: int):
            image = super().image(frame)
            if frame >= 40:
                image[1:] = 255 - image[1:] // 4
            return image

    actor = Actor(path=walk(300, 180, 0.0))
    world = Cut(actor)
    frames = world.run(80)
    ids = world.ids(frames, actor)
    assert ids == [0] * 40 + [1] * 40


@pytest.mark.parametrize(("backfill", "first"), [(0.0, 10), (1.0, 10), (3.0, 0)])
def test_backwards_from_the_first_detection(backfill: float, first: int) -> None:
    """The detector finds the person from frame 40 on, the landmarks show the person earlier."""
    actor = Actor(path=walk(300, 180, 0.2), detected=lambda frame: frame >= 40)
    world = World(actor)
    frames = world.run(90, backfill_s=backfill)
    found = [n for n, people in enumerate(frames) if people]
    detected = next(n for n in range(40, 46) if n - first <= 90)
    assert first <= found[0] <= first + (6 if first else 0) and detected
    assert found == list(range(found[0], 90))


@pytest.mark.parametrize(
    "actor",
    [
        Actor(path=walk(300, 180, 0.0), peak=0.15),
        Actor(path=walk(300, 180, 0.0), peak=0.35, mirror_shift=40.0),
        Actor(path=walk(300, 180, 0.0), presence=0.2),
        Actor(path=lambda n: (300, 180) if 40 <= n < 46 else None),
    ],
    ids=["blurred heat maps", "another pose in the mirror", "low presence", "a few frames"],
)
def test_what_is_no_person_is_dropped(actor: Actor) -> None:
    assert not any(World(actor).run(120))


def test_no_more_persons_than_asked_for() -> None:
    actors = [Actor(path=walk(60 + 100 * i, 180, 0.0)) for i in range(6)]
    world = World(*actors)
    frames = world.run(60, max_persons=2)
    assert {len(people) for people in frames} == {2}
    assert {p.person_id for people in frames for p in people} == {0, 1}


def test_videos_do_not_influence_each_other() -> None:
    world = World(Actor(path=walk(300, 180, 0.0)))
    frames = [
        FrameRef(video=v, frame=n, fps=30.0, image=world.image(n))
        for v in (0, 1)
        for n in range(70)
    ]
    out = list(BlazePose(PoseOptions(estimator="blazepose"), world).run(iter(frames)))
    assert [(f.video, f.frame) for f, _ in out] == [(f.video, f.frame) for f in frames]
    assert all(p.person_id == 0 for _, people in out for p in people)
    assert all(f.image.shape == (360, 640, 3) and f.image.base is not None for f, _ in out)


def test_smoothing_does_not_move_a_steady_walk() -> None:
    actor = Actor(path=walk(100, 180, 3.0))
    world = World(actor)
    frames = world.run(100, smoothing=2.0)
    for n, (person,) in enumerate(frames):
        assert np.abs(person.xy - body(100 + 3 * n, 180)).max() < 0.01


@pytest.mark.parametrize("people", [0, 1, 2])
def test_the_detector_stays_within_its_budget(people: int) -> None:
    from skelact.pose.blazepose.schedule import Schedule

    world = World(*(Actor(path=walk(100 + 300 * i, 180, 0.0)) for i in range(people)))
    world.run(300)
    rate = Schedule(width=640, height=360, fps=30.0, every_s=1.0, small_people="auto").rate
    per_second = rate.followed if people else rate.empty
    assert per_second <= (3 if people else 17)
    assert 0 < world.detections <= 2 * rate.at_start + 10 * per_second
    checks = people * (3 + 10)  # mirrored crops
    assert world.fits <= people * 300 + checks + 3 * people


def test_memory_of_past_frames_is_bounded() -> None:
    past = Past(90)
    image = np.zeros((1080, 1920, 3), np.uint8)
    for n in range(200):
        past.append(n, image)
    assert past.nbytes <= 64 * 2**20
    kept = past.backwards()
    assert [number for number, _, _ in kept] == list(range(199, 109, -1))
    assert all(abs(small.shape[1] / scale - 1920) < 4 for _, small, scale in kept)


def test_waiting_frames_hold_no_pixels() -> None:
    """However long the video is, few frames are alive at the same time."""
    import weakref

    world = World(Actor(path=walk(300, 180, 0.0)))
    alive: list[weakref.ref[FrameRef]] = []
    most = 0

    def frames():
        nonlocal most
        for n in range(400):
            image = world.image(n)
            alive.append(weakref.ref(image))
            most = max(most, sum(r() is not None for r in alive))
            yield FrameRef(video=0, frame=n, fps=30.0, image=image)
            del image

    for _ in BlazePose(PoseOptions(estimator="blazepose"), world).run(frames()):
        pass
    assert most <= 35  # one second of frames to track backwards, and the current one


def test_the_only_person_shown_stays_the_same_one() -> None:
    """The other person is not shown while the first one is missing for a moment."""

    def blinking(frame: int) -> tuple[float, float] | None:
        return None if frame % 10 in (5, 6) and frame < 50 else (150.0, 180.0)

    first, other = Actor(path=blinking), Actor(path=walk(450, 180, 0.0), peak=0.75)
    world = World(first, other)
    frames = world.run(60, max_persons=1)
    assert {p.person_id for people in frames for p in people} == {0}
    assert set(world.ids(frames, first)) == {0} and not world.ids(frames, other)
