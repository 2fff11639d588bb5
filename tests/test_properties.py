"""Property tests of the pure functions: clip planning, layouts, the per-frame JSON, tracking."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from skelact.pose.mirrored import flip_pose
from skelact.pose.store import frame_json, parse_frame
from skelact.pose.track import Tracker, TrackOptions
from skelact.skeletons import SKELETONS, Skeleton, convert
from skelact.types import PersonPose
from skelact.video.cut import ClipOptions, plan

skeletons = st.sampled_from(list(SKELETONS.values()))
FIVE = Skeleton("five", tuple("abcde"), tuple("aaaaa"), (), (), "a")


@given(
    frames=st.integers(1, 5000),
    fps=st.floats(1, 120),
    length_s=st.just(0.0) | st.floats(0.01, 20),
    overlap=st.floats(0, 0.9),
)
def test_clip_plan(frames: int, fps: float, length_s: float, overlap: float) -> None:
    options = ClipOptions(length_s=length_s, overlap_s=length_s * overlap)
    spans = plan(frames, fps, options)
    length = round(options.length_s * fps)
    if length == 0 or frames <= length:
        assert [(s.start, s.end) for s in spans] == [(0, frames)]
        return
    step = max(1, round((options.length_s - options.overlap_s) * fps))
    assert [s.start for s in spans] == [n * step for n in range(len(spans))]
    assert all(len(s) == length for s in spans[:-1])
    last = spans[-1]
    assert last.end <= frames and length / 2 <= len(last) <= length
    # what is left is too short for a clip, or already in the last one
    rest = frames - len(spans) * step
    assert rest < length / 2 or last.end == frames


def values_of(skeleton: Skeleton, *shape: int) -> st.SearchStrategy[np.ndarray]:
    coordinates = st.floats(-1e4, 1e4, width=32)
    return hnp.arrays(np.float32, (*shape, len(skeleton.joints), 2), elements=coordinates)


@given(data=st.data(), source=skeletons, target=skeletons)
def test_layout_conversion_round_trip(
    data: st.DataObject, source: Skeleton, target: Skeleton
) -> None:
    values = data.draw(values_of(source, 2))
    converted = convert(values, source, target)
    assert converted.shape == (2, len(target.joints), 2)
    known = ~np.isnan(converted).any(axis=(0, 2))
    for joint in source.find(*target.joints):  # joints that have the same name in both
        index = target.index(source.joints[joint])
        assert known[index]
        np.testing.assert_array_equal(converted[:, index], values[:, joint])
    back = convert(converted, target, source)
    shared = ~np.isnan(back).any(axis=(0, 2))
    assert shared.sum() == known.sum()
    np.testing.assert_array_equal(back[:, shared], values[:, shared])
    assert np.isnan(back[:, ~shared]).all()
    np.testing.assert_array_equal(convert(values, source, source), values)


@given(data=st.data(), skeleton=skeletons, width=st.integers(1, 4000))
def test_flipping_twice_is_the_identity(
    data: st.DataObject, skeleton: Skeleton, width: int
) -> None:
    order = skeleton.flip_index
    np.testing.assert_array_equal(order[order], np.arange(len(skeleton.joints)))
    for a, b in enumerate(order):
        left, right = skeleton.joints[a], skeleton.joints[b]
        assert a == b or left.replace("left", "right") == right.replace("left", "right")
    xy = data.draw(values_of(skeleton))
    score = np.linspace(0, 1, len(xy), dtype=np.float32)
    pose = PersonPose(xy, score, xyz=np.stack([xy[:, 0]] * 3, axis=1), person_id=3)
    twice = flip_pose(flip_pose(pose, skeleton, width), skeleton, width)
    np.testing.assert_allclose(twice.xy, pose.xy, atol=1e-2)
    np.testing.assert_array_equal(twice.score, pose.score)
    assert twice.xyz is not None and pose.xyz is not None and twice.person_id == 3
    np.testing.assert_array_equal(twice.xyz, pose.xyz)


@st.composite
def persons(draw: st.DrawFn, joints: int) -> PersonPose:
    """A person with some missing joints; a known joint is not at (0, 0) with score 0."""
    coordinates, scores = st.floats(-1e4, 1e4, width=32), st.floats(2**-12, 1, width=32)
    xy = draw(hnp.arrays(np.float32, (joints, 2), elements=coordinates))
    score = draw(hnp.arrays(np.float32, joints, elements=scores))
    missing = draw(hnp.arrays(bool, joints))
    xy[missing], score[missing] = np.nan, 0
    xyz = draw(st.none() | hnp.arrays(np.float32, (joints, 3), elements=coordinates))
    if xyz is not None:
        xyz[missing] = np.nan
    return PersonPose(xy, score, xyz=xyz, person_id=draw(st.integers(-1, 1000)))


@given(people=st.lists(persons(joints=5), max_size=3))
def test_frame_json_round_trip(people: list[PersonPose]) -> None:
    again = parse_frame(frame_json(people, FIVE), FIVE)
    assert [p.person_id for p in again] == [p.person_id for p in people]
    for a, b in zip(people, again, strict=True):
        np.testing.assert_allclose(b.xy, a.xy, atol=0.005 + 1e-3)
        np.testing.assert_allclose(b.score, a.score, atol=0.5e-4 + 1e-6)
        assert (a.xyz is None) == (b.xyz is None)
        if a.xyz is not None and b.xyz is not None:
            np.testing.assert_allclose(b.xyz, a.xyz, atol=0.5e-4 + 1e-3)


@given(
    video=st.lists(st.lists(st.tuples(st.integers(0, 900), st.integers(0, 900)), max_size=4)),
    max_age_s=st.floats(0.1, 2),
)
def test_track_ids(video: list[list[tuple[int, int]]], max_age_s: float) -> None:
    """Ids are unique in a frame, count from 0 without gaps, and a lost one does not come back."""
    skeleton = SKELETONS["coco-17"]
    body = np.random.default_rng(0).uniform(0, 100, (17, 2)).astype(np.float32)
    score = np.ones(17, np.float32)
    tracker = Tracker(skeleton, 10.0, TrackOptions(max_age_s=max_age_s))
    max_age = max(1, round(max_age_s * 10))
    last_frame: dict[int, int] = {}
    for n, places in enumerate(video):
        people = [PersonPose(body + np.array(place, np.float32), score) for place in places]
        tracked = tracker.update(people)
        ids = [p.person_id for p in tracked]
        assert len(set(ids)) == len(ids) == len(people)
        assert all(a.xy is b.xy for a, b in zip(people, tracked, strict=True))
        for person_id in sorted(ids):
            if person_id in last_frame:
                assert n - last_frame[person_id] <= max_age
            else:
                assert person_id == len(last_frame)
            last_frame[person_id] = n


@given(data=st.data(), skeleton=skeletons)
def test_a_still_person_keeps_its_id(data: st.DataObject, skeleton: Skeleton) -> None:
    xy = data.draw(values_of(skeleton))
    assume(np.ptp(xy) > 1)
    pose = PersonPose(xy, np.ones(len(xy), np.float32))
    tracker = Tracker(skeleton, 25.0)
    assert [tracker.update([pose])[0].person_id for _ in range(3)] == [0, 0, 0]
