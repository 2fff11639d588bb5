"""The poses of independently estimated parts of a video, joined."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skelact.pose.base import PoseOptions
from skelact.pose.blazepose import BlazePose
from skelact.pose.join import PosePart, SharedFrames, join_parts
from skelact.pose.track import TrackOptions
from skelact.skeletons import SKELETONS
from skelact.types import PersonPose
from tests.pose.blazepose_world import Actor, World

COCO, FPS = SKELETONS["coco-17"], 10.0
BODY = np.random.default_rng(0).uniform(-50, 50, (17, 2)).astype(np.float32)
Frames = list[list[PersonPose]]


def person(x: float, y: float, person_id: int, turn: float = 0.0) -> PersonPose:
    """A made-up person at (x, y), 100 px tall."""
    body = BODY @ np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    score = np.full(17, 0.9, np.float32)
    return PersonPose((body + np.array([x, y])).astype(np.float32), score, person_id=person_id)


def joined(*parts: PosePart) -> Frames:
    return list(join_parts(parts, COCO, FPS, TrackOptions()))


def ids(frames: Frames) -> list[list[int]]:
    return [[p.person_id for p in people] for people in frames]


def part(frames: Frames, start: int, stop: int, names: dict[int, int]) -> PosePart:
    """Frames [start, stop) with other ids."""
    return PosePart(start=start, frames=frames[start:stop]).with_ids(names)


def test_ids_continue_over_parts() -> None:
    """The parts give their own ids; the order within a frame is that of the ids."""
    frames = [[person(100 + 4 * n, 200, 0), person(500, 200, 1)] for n in range(60)]
    out = joined(
        part(frames, 0, 30, {0: 0, 1: 1}),
        part(frames, 20, 50, {0: 1, 1: 0}),
        part(frames, 40, 60, {0: 7, 1: 3}),
    )
    assert ids(out) == [[0, 1]] * 60
    for people, original in zip(out, frames, strict=True):
        assert all(np.array_equal(a.xy, b.xy) for a, b in zip(people, original, strict=True))


def test_two_people_who_cross_at_a_border() -> None:
    frames = [
        [person(200 + 10 * n, 200, 0, 0.3), person(600 - 10 * n, 200, 1, -0.3)] for n in range(45)
    ]
    for border in range(15, 25):  # they meet in frame 20
        first = part(frames, 0, border + 10, {0: 0, 1: 1})
        out = joined(first, part(frames, border, 45, {0: 1, 1: 0}))
        right_way = [people[0].xy[0, 0] for people in out]
        assert ids(out) == [[0, 1]] * 45
        assert np.allclose(np.diff(right_way), 10)


def test_someone_who_is_away_in_the_shared_frames() -> None:
    """The id is kept on a return at the same place within the age limit of 2 s."""
    for returns, expected in ((33, {0, 1}), (38, {0, 1}), (50, {0, 1, 2})):
        frames = [
            [person(100, 200, 0)] + [person(400, 200, 1)] * (n < 19 or n >= returns)
            for n in range(80)
        ]
        out = joined(part(frames, 0, 30, {0: 0, 1: 1}), part(frames, 20, 80, {0: 0, 1: 1}))
        assert {i for row in ids(out) for i in row} == expected
    # someone else, far away, gets a new id
    frames = [
        [person(100, 200, 0)]
        + ([person(400, 200, 1)] if n < 19 else [person(900, 700, 2)] if n > 33 else [])
        for n in range(80)
    ]
    names = {0: 0, 1: 1, 2: 1}
    out = joined(part(frames, 0, 30, names), part(frames, 20, 80, names))
    assert {i for row in ids(out) for i in row} == {0, 1, 2}


def test_ids_of_people_who_left_are_not_used_again() -> None:
    """The middle part has one person, whose id in the first part is the smaller one."""
    frames = [
        [person(100, 200, 0)] + [person(400, 200, 1)] * (n < 15) + [person(900, 700, 2)] * (n > 80)
        for n in range(90)
    ]
    names = {0: 0, 1: 1, 2: 1}
    out = joined(
        part(frames, 0, 40, names), part(frames, 30, 70, names), part(frames, 60, 90, names)
    )
    assert ids(out)[0] == [0, 1] and ids(out)[50] == [0] and ids(out)[89] == [0, 2]


def test_nobody_jumps_at_a_border() -> None:
    """The later part is used from the frame on in which both agree."""
    first = [[person(300, 200, 0)] for _ in range(40)]
    second = [[person(300 if n == 28 else 306, 200, 0)] for n in range(20, 60)]
    out = joined(PosePart(start=0, frames=first), PosePart(start=20, frames=second))
    x = [people[0].xy[0, 0] - BODY[0, 0] for people in out]
    assert x[:29] == pytest.approx([300] * 29) and x[29:] == pytest.approx([306] * 31)


def test_a_person_of_one_part_only_is_not_matched() -> None:
    """Persons at different places are different persons, even if there are no others."""
    first = PosePart(start=0, frames=[[person(100, 200, 0)]] * 40)
    second = PosePart(start=20, frames=[[person(900, 700, 0)]] * 40)
    assert SharedFrames(first, second, COCO).pairs() == {}
    out = joined(first, second)
    assert {i for row in ids(out) for i in row} == {0, 1} and all(len(row) == 1 for row in ids(out))


def test_a_video_that_ends_early() -> None:
    """A part that cannot be decoded to its end is the last one."""
    frames = [[person(100, 200, 0)] for _ in range(60)]
    names = {0: 0}
    whole, empty = part(frames, 0, 30, names), PosePart(start=20, frames=[])
    assert len(joined(whole, empty)) == 30
    assert len(joined(part(frames, 0, 15, names), part(frames, 20, 50, names))) == 15
    assert len(joined(whole, part(frames, 20, 24, names))) == 24
    assert joined() == [] and joined(PosePart(start=0, frames=[])) == []


@given(st.data())
def test_any_division_gives_the_same_poses(data: st.DataObject) -> None:
    """Persons who come and go, three of them, in parts of any length with other ids."""
    lengths = data.draw(st.lists(st.integers(9, 25), min_size=1, max_size=4))
    length = sum(lengths)
    spans = [sorted(data.draw(st.tuples(*[st.integers(0, length)] * 2))) for _ in range(3)]
    frames = [
        [person(200 + 400 * i + 3 * n, 300, i) for i, (a, b) in enumerate(spans) if a <= n < b]
        for n in range(length)
    ]
    starts = [sum(lengths[:n]) for n in range(len(lengths))]
    stops = [*(start + 8 for start in starts[1:]), length]
    parts = [
        part(frames, start, stop, dict(enumerate(data.draw(st.permutations(range(3))))))
        for start, stop in zip(starts, stops, strict=True)
    ]
    out = joined(*parts)
    final: dict[int, int] = {}
    for people in frames:
        for p in people:
            final.setdefault(p.person_id, len(final))
    expected = [
        sorted((replace(p, person_id=final[p.person_id]) for p in f), key=lambda p: p.person_id)
        for f in frames
    ]
    assert ids(out) == ids(expected)
    for ours, theirs in zip(out, expected, strict=True):
        assert all(np.array_equal(a.xy, b.xy) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("meet", [80, 90, 110])
def test_blazepose_in_parts(meet: int) -> None:
    """Two people cross near the border of two parts, one is hidden meanwhile. Estimated in parts,
    they keep their ids and are found in the frames in which they are found without a division."""
    red = Actor(path=lambda n: (400 + 3.0 * (n - meet), 90), colour=(40, 40, 220))
    blue = Actor(path=lambda n: (400 - 3.0 * (n - meet), 90), colour=(220, 60, 40))
    world = World(red, blue, width=800, height=180)
    frames = list(world.frames(200))
    settings = PoseOptions(estimator="blazepose", smoothing=0.0)

    def estimated(start: int, stop: int) -> PosePart:
        people = [p for _, p in BlazePose(settings, world).run(frames[start:stop])]
        return PosePart(start=start, frames=people)

    parts = (estimated(0, 170), estimated(80, 200))
    out = list(join_parts(parts, SKELETONS["blazepose-33"], 30.0, TrackOptions()))
    complete = world.run(200)
    assert len(out) == 200
    for actor in (red, blue):
        assert len(set(world.ids(out, actor))) == 1
        assert len(world.ids(out, actor)) >= 0.98 * len(world.ids(complete, actor)) > 150
    assert {p.person_id for people in out for p in people} == {0, 1}
