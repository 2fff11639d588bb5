"""Tracks and windows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skelact.inference.windows import (
    MIN_VISIBLE,
    SCENE,
    find_tracks,
    person_tracks,
    window_spans,
)
from skelact.sequence.stack import stack_frames
from skelact.skeletons import SKELETONS
from skelact.types import PersonPose, PoseSequence
from tests.conftest import sequence_of


@pytest.mark.parametrize(
    ("frames", "length", "step", "expected"),
    [
        (5, 10, 5, [(0, 5)]),
        (10, 10, 5, [(0, 10)]),
        (22, 10, 5, [(0, 10), (5, 15), (10, 20), (12, 22)]),
        (20, 10, 10, [(0, 10), (10, 20)]),
    ],
)
def test_windows(frames: int, length: int, step: int, expected: list[tuple[int, int]]) -> None:
    assert window_spans(frames, length, step) == expected


@given(frames=st.integers(1, 300), length=st.integers(1, 120), share=st.floats(0.01, 1))
def test_windows_cover_every_frame(frames: int, length: int, share: float) -> None:
    step = max(1, round(length * share))
    spans = window_spans(frames, length, step)
    assert {n for a, b in spans for n in range(a, b)} == set(range(frames))
    assert all(b - a == min(length, frames) for a, b in spans)
    starts = [a for a, _ in spans]
    steps = np.diff(starts)
    assert starts[0] == 0 and spans[-1][1] == frames
    assert (steps[:-1] == step).all() and (steps[-1:] >= 1).all() and (steps[-1:] <= step).all()


def visible_in(*spans: tuple[int, int], frames: int = 40) -> np.ndarray:
    """(M, T, 17, 2): one person per span, visible in its frames."""
    xy = np.full((len(spans), frames, 17, 2), np.nan)
    for m, (start, end) in enumerate(spans):
        xy[m, start:end] = m
    return xy


def test_tracks_of_persons_by_visible_time() -> None:
    sequence = sequence_of(visible_in((0, 3), (10, 40), (5, 20)))  # 10 frames/s
    tracks = find_tracks(sequence, per_person=True, min_seen_s=0.5)
    assert [(t.person_id, t.start, t.sequence.frames) for t in tracks] == [(1, 10, 30), (2, 5, 15)]
    assert all(t.sequence.persons == 1 for t in tracks)
    (longest,) = find_tracks(sequence, per_person=True, min_seen_s=9)
    assert longest.person_id == 1
    assert find_tracks(sequence_of(visible_in((0, 0))), per_person=True, min_seen_s=0) == []


def test_the_scene_is_one_track_of_all_persons() -> None:
    (track,) = find_tracks(sequence_of(visible_in((4, 9), (20, 31))), False, 0.5)
    assert (track.person_id, track.start, track.sequence.frames) == (SCENE, 4, 27)
    assert track.sequence.persons == 2


@given(start=st.integers(0, 30), length=st.integers(1, 10))
def test_windows_without_enough_visible_frames_are_left_out(start: int, length: int) -> None:
    xy = visible_in((0, 5), frames=60)
    xy[0, 59] = xy[0, start : start + length] = 0
    (track,) = find_tracks(sequence_of(xy), True, 0)
    spans = track.windows(20, 5)
    visible = ~np.isnan(xy[0, :, 0, 0])
    for span in window_spans(60, 20, 5):
        assert (visible[slice(*span)].mean() >= MIN_VISIBLE) == (span in spans)


@pytest.mark.parametrize("min_seen_s", [0, 0.5, 9])
def test_the_tracks_of_persons_without_an_array_of_all_of_them(min_seen_s: float) -> None:
    """The same as those of all persons in one array, of which none is made."""
    rng = np.random.default_rng(0)
    skeleton = SKELETONS["coco-17"]
    frames: list[list[PersonPose]] = [[] for _ in range(60)]
    for n in range(12):
        for t in sorted(rng.choice(range(4 * n, min(60, 4 * n + 20)), 9, replace=False)):
            xy = rng.uniform(0, 100, (17, 2)).astype(np.float32)
            xy[rng.random(17) < (1.0 if n == 5 else 0.4)] = np.nan  # 5: never visible
            score = rng.random(17).astype(np.float32)
            xyz = None if n == 3 else rng.random((17, 3)).astype(np.float32)
            frames[t].append(PersonPose(xy, score, xyz=xyz, person_id=n if n else -1))
    sizes = []

    def stack(part: list[list[PersonPose]]) -> PoseSequence:
        sequence = stack_frames(part, skeleton, 10.0, 100, 100)
        sizes.append(sequence.xy.size)
        return sequence

    found = person_tracks(frames, stack, 10.0, min_seen_s)
    whole = stack_frames(frames, skeleton, 10.0, 100, 100)
    expected = find_tracks(whole, True, min_seen_s)
    assert len(found) == len(expected) >= 1
    assert max(sizes) <= 20 * 17 * 2 < whole.xy.size
    for a, b in zip(found, expected, strict=True):
        assert (a.person_id, a.start, a.sequence.ids) == (b.person_id, b.start, b.sequence.ids)
        assert np.array_equal(a.sequence.xy, b.sequence.xy, equal_nan=True)
        assert np.array_equal(a.sequence.score, b.sequence.score)
        assert np.array_equal(a.sequence.xyz, b.sequence.xyz, equal_nan=True)
