from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from skelact.pose.track import Tracker, TrackOptions, area, similarity, suppress, tolerances
from skelact.skeletons import SKELETONS
from skelact.types import PersonPose
from tests.conftest import walking

COCO = SKELETONS["coco-17"]


def ids(tracker: Tracker, *frames: list[PersonPose]) -> list[list[int]]:
    return [[p.person_id for p in tracker.update(people)] for people in frames]


def test_similarity_is_one_for_the_same_and_falls() -> None:
    a = walking(1)[0].xy
    k = tolerances(COCO)
    assert similarity(a, a, area(a), k) == pytest.approx(1)
    near, far = similarity(a, a + 5, area(a), k), similarity(a, a + 60, area(a), k)
    assert 1 > near > far
    assert similarity(a, np.full_like(a, np.nan), 1.0, k) == 0


def test_ids_follow_people_whatever_the_order() -> None:
    a, b = walking(20), walking(20, offset=300, seed=1)
    tracker = Tracker(COCO, 10)
    seen = [
        ids(tracker, [x, y] if t % 2 else [y, x])[0]
        for t, (x, y) in enumerate(zip(a, b, strict=True))
    ]
    assert seen == [[0, 1] if t % 2 == 0 else [1, 0] for t in range(20)]


def test_a_person_comes_back_under_the_same_id_within_the_age() -> None:
    a = walking(40)
    tracker = Tracker(COCO, 10, TrackOptions(max_age_s=1.0))
    assert ids(tracker, *[[p] for p in a[:10]])[-1] == [0]
    assert ids(tracker, *[[] for _ in range(6)])[-1] == []
    assert ids(tracker, [a[16]]) == [[0]]  # where it was heading
    ids(tracker, *[[] for _ in range(12)])
    assert ids(tracker, [a[29]]) == [[1]]  # too late: a new id, never an old one


def test_two_people_walking_through_each_other() -> None:
    right = walking(60)
    left = [
        replace(p, xy=p.xy * [-1, 1] + np.array([340, 0], np.float32)) for p in walking(60, seed=3)
    ]
    tracker = Tracker(COCO, 15)
    seen = ids(tracker, *[[x, y] for x, y in zip(right, left, strict=True)])
    assert all(s == [0, 1] for s in seen)


def test_suppress_keeps_the_surest() -> None:
    a = walking(1)[0]
    twin = replace(a, xy=a.xy + 1, score=a.score * 0.5)
    other = walking(1, offset=300, seed=1)[0]
    kept = suppress([twin, a, other], COCO)
    assert len(kept) == 2 and any(k is a for k in kept) and any(k is other for k in kept)


def test_people_without_any_joint_do_not_break_it() -> None:
    ghost = PersonPose(np.full((17, 2), np.nan, np.float32), np.zeros(17, np.float32))
    tracker = Tracker(COCO, 10)
    assert ids(tracker, [ghost], [walking(1)[0]], [ghost, walking(1)[0]])[2][1] == 1
