"""From windows to segments."""

from __future__ import annotations

import numpy as np
import pytest

from skelact.inference.segments import label_of, per_frame, segments


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
    assert segments(np.full((5, 2), np.nan), 10.0, ("a", "b"), 1.0) == []


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
    assert label_of(probs[0], ("a", "b"), 0.9) == ("unknown", 0.8)
    assert label_of(probs[0], ("a", "b"), 0.8) == ("a", 0.8)
