"""Scores of untrimmed videos against values computed by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skelact.segment_metrics import (
    BACKGROUND,
    LabelledVideo,
    Span,
    average_precision,
    edit_score,
    matches,
    score_videos,
    spans_of,
)

A, B, C, N = 0, 1, 2, BACKGROUND  # N: no action


def labels(*runs: tuple[int, int]) -> np.ndarray:
    return np.concatenate([np.full(count, label) for label, count in runs]).astype(np.int64)


def labelled(truth: np.ndarray, predicted: np.ndarray, fps: float = 10.0) -> LabelledVideo:
    return LabelledVideo(
        truth=truth, predicted=predicted, detections=tuple(spans_of(predicted)), fps=fps
    )


def test_a_case_computed_by_hand() -> None:
    truth = labels((N, 10), (A, 20), (B, 10), (N, 20))
    predicted = labels((N, 14), (A, 21), (B, 5), (N, 5), (C, 5), (N, 10))
    scores = score_videos([labelled(truth, predicted)], 3)
    assert scores.frame_accuracy == pytest.approx((10 + 16 + 5 + 15) / 60)
    assert scores.action_accuracy == pytest.approx(21 / 30)
    assert scores.edit == pytest.approx(1 - 1 / 3)  # A B against A B C: one insertion
    # A: 16 of 25 frames = 0.64, B: 5 of 10 = 0.5, C has no counterpart
    assert scores.f1 == pytest.approx((0.8, 0.8, 0.8))
    assert scores.delay_s == pytest.approx((0.4 + 0.5) / 2)
    assert scores.found == 1.0
    assert scores.false_per_minute == pytest.approx(1 / (30 / 10 / 60))
    assert np.array(scores.confusion)[[0, 0, 1, 1, 3, 3], [0, 3, 0, 1, 2, 3]].tolist() == [
        16, 4, 5, 5, 5, 25,
    ]  # fmt: skip
    assert scores.map50 == pytest.approx(1.0)  # C does not occur, so it has no precision


def test_each_true_segment_is_matched_once() -> None:
    true = [Span(label=A, start=0, end=100)]
    halves = [Span(label=A, start=0, end=50), Span(label=A, start=50, end=100)]
    assert matches(halves, true, 0.5) == 1
    assert matches(halves, true, 0.51) == 0
    assert matches([Span(label=B, start=0, end=100)], true, 0.1) == 0


def test_over_segmentation_lowers_edit_and_f1_but_not_the_frames() -> None:
    truth = labels((A, 40), (B, 40))
    torn = truth.copy()
    torn[5:75:10] = 1 - torn[5:75:10]
    scores = score_videos([labelled(truth, torn)], 2)
    assert scores.frame_accuracy > 0.9 and scores.edit < 0.2 and scores.f1[1] < 0.2


def test_average_precision_follows_the_order_of_the_probabilities() -> None:
    truth = labels((N, 10), (A, 10), (N, 10), (A, 10))
    right = Span(label=A, start=10, end=20, score=0.5)
    wrong = Span(label=A, start=0, end=10, score=0.9)

    def precision(*detections: Span) -> float | None:
        video = LabelledVideo(truth=truth, predicted=truth, detections=detections, fps=10)
        return average_precision([video], A)

    assert precision(right) == pytest.approx(0.5)  # one of two found, precision 1
    assert precision(wrong, right) == pytest.approx(0.25)  # precision 1/2 when it is found
    assert precision(right, right) == pytest.approx(0.5)  # the second one is a repetition
    assert precision() == 0
    assert average_precision([labelled(truth, truth)], B) is None


def test_edit_distance_against_known_values() -> None:
    assert edit_score(list(b"kitten"), list(b"sitting")) == pytest.approx(1 - 3 / 7)
    assert edit_score([], []) == 1 and edit_score([1], []) == 0


@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(1, 9)), min_size=1, max_size=12))
def test_the_truth_itself_scores_one(runs: list[tuple[int, int]]) -> None:
    truth = labels(*runs)
    scores = score_videos([labelled(truth, truth)], 4)
    assert scores.frame_accuracy == 1 and scores.edit == 1
    if scores.actions:
        assert scores.f1 == (1, 1, 1) and scores.map50 == 1 and scores.delay_s == 0
