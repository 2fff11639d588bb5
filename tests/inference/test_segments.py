"""From windows to segments."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skelact.inference.segments import (
    WindowProbabilities,
    combine_per_frame,
    label_of,
    per_frame,
    segments,
)
from skelact.types import Prediction, Segment


def test_segments_follow_the_windows() -> None:
    spans = [(0, 40), (20, 60), (40, 80), (60, 100)]
    probs = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.05, 0.95]], np.float32)
    frames = per_frame(probs, spans, 120)
    assert np.isnan(frames[100:]).all() and not np.isnan(frames[:100]).any()
    np.testing.assert_allclose(frames[:100].sum(1), 1, atol=1e-6)
    found = segments(frames, 10.0, ("a", "b"), 1.0)
    assert [s.label for s in found] == ["a", "b"]
    assert found[0].start_s == 0 and found[0].end_s == found[1].start_s and found[1].end_s == 10
    assert 3.5 < found[0].end_s < 6.5


def test_flicker_is_smoothed_and_gaps_stay() -> None:
    probs = np.tile([0.9, 0.1], (100, 1))
    probs[40:43] = [0.4, 0.6]
    probs[60:70] = np.nan
    found = segments(probs, 10.0, ("a", "b"), 1.0)
    assert [(s.start_s, s.end_s, s.label) for s in found] == [(0, 6, "a"), (7, 10, "a")]
    assert len(segments(probs, 10.0, ("a", "b"), 0.0)) == 4
    alone = np.full((20, 2), np.nan)
    alone[5:8] = [0.2, 0.8]  # a short one without neighbours is kept
    assert [s.label for s in segments(alone, 10.0, ("a", "b"), 1.0)] == ["b"]
    assert segments(np.full((5, 2), np.nan), 10.0, ("a", "b"), 1.0) == ()


def test_a_class_of_other_actions_is_unknown() -> None:
    probs = np.tile([0.7, 0.2, 0.1], (90, 1))
    probs[30:50] = [0.3, 0.5, 0.2]  # the class of other actions is the most probable one
    probs[50:70] = [0.2, 0.1, 0.7]
    probs[70:] = [0.45, 0.1, 0.45]  # below the threshold
    found = segments(probs, 10.0, ("a", "unknown", "b"), 1.0, unknown_threshold=0.6)
    assert [(s.start_s, s.end_s, s.label) for s in found] == [
        (0, 3, "a"),
        (3, 5, "unknown"),
        (5, 7, "b"),
        (7, 9, "unknown"),
    ]
    assert found[1].probabilities == pytest.approx((0.3, 0.5, 0.2))
    prediction = Prediction(
        path=Path("x"),
        person_id=1,
        label="a",
        probability=0.7,
        classes=("a", "unknown", "b"),
        segments=found,
    )
    assert prediction.guesses(found[1]) == [("a", pytest.approx(0.3)), ("b", pytest.approx(0.2))]
    everything = np.tile([0.2, 0.8, 0.0], (20, 1))
    (only,) = segments(everything, 10.0, ("a", "unknown", "b"), 1.0)
    assert (only.label, only.probability) == ("unknown", pytest.approx(0.8))


def test_unsure_frames_are_unknown() -> None:
    probs = np.tile([0.8, 0.2], (90, 1))
    probs[30:50] = [0.55, 0.45]
    found = segments(probs, 10.0, ("a", "b"), 1.0, unknown_threshold=0.6)
    assert [(s.start_s, s.end_s, s.label) for s in found] == [
        (0, 3, "a"),
        (3, 5, "unknown"),
        (5, 9, "a"),
    ]
    assert found[1].probability == pytest.approx(0.55)
    assert found[1].probabilities == pytest.approx((0.55, 0.45))
    assert [s.label for s in segments(probs, 10.0, ("a", "b"), 1.0)] == ["a"]
    short = segments(probs, 10.0, ("a", "b"), 2.5, unknown_threshold=0.6)
    assert [s.label for s in short] == ["a"]


def part(start_s: float, end_s: float, label: str, a: float) -> Segment:
    return Segment(start_s, end_s, label, max(a, 1 - a), (a, 1 - a))


def test_the_label_of_a_clip_is_that_of_its_longest_action() -> None:
    """A mean over the clip, 0.62, would be below a threshold of 0.7."""
    sure = (part(0, 3, "unknown", 0.5), part(3, 5, "a", 0.9), part(5, 8, "unknown", 0.55))
    assert label_of(sure) == ("a", pytest.approx(0.9))
    two = (
        part(0, 3, "a", 0.9),
        part(3, 5, "unknown", 0.5),
        part(5, 7, "b", 0.0),
        part(7, 9, "a", 0.8),
    )
    assert label_of(two) == ("a", pytest.approx((3 * 0.9 + 2 * 0.8) / 5))
    tie = (part(0, 2, "a", 0.8), part(2, 4, "b", 0.1))
    assert label_of(tie) == ("b", pytest.approx(0.9))


def test_a_short_action_is_not_the_label_of_a_long_unknown_clip() -> None:
    short = (part(0, 17, "unknown", 0.6), part(17, 20, "a", 0.9))
    assert label_of(short) == ("unknown", pytest.approx((17 * 0.6 + 3 * 0.9) / 20))
    enough = (part(0, 16, "unknown", 0.6), part(16, 20, "a", 0.9))
    assert label_of(enough) == ("a", pytest.approx(0.9))
    assert label_of((part(0, 4, "unknown", 0.6),)) == ("unknown", pytest.approx(0.6))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.floats(0, 1), st.floats(0, 3))
def test_no_segment_below_the_threshold_has_a_label(
    values: list[float], threshold: float, min_segment_s: float
) -> None:
    """Merging a short unsure part lowers the mean of its neighbour: kick_ball 0.59 under 0.64."""
    probs = np.array([[v, 1 - v] for v in values])
    found = segments(probs, 10.0, ("a", "b"), min_segment_s, threshold)
    assert all(s.probability >= threshold - 1e-6 for s in found if s.label != "unknown")
    assert sum(s.end_s - s.start_s for s in found) == pytest.approx(len(values) / 10)


def test_a_sure_part_survives_a_short_unsure_one() -> None:
    probs = np.tile([0.66, 0.34], (40, 1))
    probs[30:] = [0.5, 0.5]
    found = segments(probs, 10.0, ("a", "b"), 1.5, unknown_threshold=0.64)
    assert [(s.label, s.start_s, s.end_s) for s in found] == [("a", 0, 3), ("unknown", 3, 4)]


def test_different_window_lengths_are_averaged_frame_by_frame() -> None:
    short = WindowProbabilities(
        windows=[(0, 10), (10, 20)],
        probabilities=np.array([[0.9, 0.1], [0.2, 0.8]], np.float32),
        weight=0.25,
    )
    long = WindowProbabilities(
        windows=[(5, 25)], probabilities=np.array([[0.5, 0.5]], np.float32), weight=0.75
    )
    frames = combine_per_frame([short, long], 30)
    np.testing.assert_allclose(frames[:5, 0], 0.9)  # only the short windows
    np.testing.assert_allclose(frames[5:10, 0], 0.25 * 0.9 + 0.75 * 0.5)
    np.testing.assert_allclose(frames[10:20, 0], 0.25 * 0.2 + 0.75 * 0.5)
    np.testing.assert_allclose(frames[20:25, 0], 0.5)
    assert np.isnan(frames[25:]).all()


@st.composite
def frame_probabilities(draw: st.DrawFn) -> np.ndarray:
    """(frames, 3), piecewise constant; some stretches have no probabilities."""
    parts = []
    for _ in range(draw(st.integers(1, 8))):
        row = [draw(st.floats(0.01, 1)) for _ in range(3)]
        values = np.array(row) / sum(row) if draw(st.booleans()) else np.full(3, np.nan)
        parts.append(np.tile(values, (draw(st.integers(1, 25)), 1)))
    return np.concatenate(parts)


@given(
    probs=frame_probabilities(),
    shortest=st.floats(0, 3),
    threshold=st.sampled_from([0.0, 0.4, 0.6]),
)
def test_segments_are_ordered_and_long_enough(
    probs: np.ndarray, shortest: float, threshold: float
) -> None:
    fps, classes = 10.0, ("a", "b", "c")
    found = segments(probs, fps, classes, shortest, threshold)
    known = ~np.isnan(probs[:, 0])
    spans = [(round(s.start_s * fps), round(s.end_s * fps)) for s in found]
    covered = np.zeros(len(probs), int)
    for start, end in spans:
        assert start < end
        covered[start:end] += 1
    assert spans == sorted(spans)
    np.testing.assert_array_equal(covered, known.astype(int))  # each known frame once, no other
    for n, (segment, (start, end)) in enumerate(zip(found, spans, strict=True)):
        adjacent = [k for k in (n - 1, n + 1) if 0 <= k < len(spans)]
        touching = [k for k in adjacent if end == spans[k][0] or spans[k][1] == start]
        if end - start < shortest * fps and touching:
            # only an unsure part is that short, if the action beside it would fall below the
            # threshold with it
            assert segment.label == "unknown"
            for k in touching:
                column = probs[:, classes.index(found[k].label)]
                same = [j for j in touching if found[j].label == found[k].label]
                joined = [column[a:b] for a, b in (spans[j] for j in (n, *same))]
                assert np.concatenate(joined).mean() < threshold
        assert all(found[k].label != segment.label for k in touching)
        assert segment.probability == pytest.approx(
            max(segment.probabilities)
            if segment.label == "unknown"
            else segment.probabilities[classes.index(segment.label)]
        )
