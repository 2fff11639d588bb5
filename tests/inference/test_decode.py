"""Decoding the most probable series of segments, compared with all possible ones."""

from __future__ import annotations

from itertools import groupby, pairwise, product

import numpy as np
import numpy.typing as npt
import pytest

from skelact.inference.decode import DurationScores, decode, decode_frames
from skelact.inference.segments import segments
from skelact.schemas import ClassDuration

Array = npt.NDArray[np.float64]


def total(labels: tuple[int, ...], evidence: Array, durations: DurationScores) -> float:
    """The score of one series of states."""
    longest = len(durations.scores)
    score = sum(evidence[t, state] for t, state in enumerate(labels))
    for state, group in groupby(labels):
        length = len(list(group))
        score += durations.scores[min(length, longest) - 1, state]
        score += max(0, length - longest) * durations.tail[state]
    return float(score)


@pytest.mark.parametrize("seed", range(60))
def test_no_other_series_has_a_higher_score(seed: int) -> None:
    rng = np.random.default_rng(seed)
    steps, states, longest = rng.integers(1, 8), rng.integers(1, 4), rng.integers(1, 6)
    evidence = rng.normal(size=(steps, states))
    scores = 2 * rng.normal(size=(longest, states))
    if seed % 2:
        scores[: longest // 2] = -40  # a shortest duration
    durations = DurationScores(scores=scores, tail=-rng.random(states))
    found = tuple(decode(evidence, durations).tolist())
    every = product(range(states), repeat=int(steps))
    best = max(total(labels, evidence, durations) for labels in every)
    assert total(found, evidence, durations) == pytest.approx(best)


def test_segments_last_as_long_as_their_durations() -> None:
    """Without evidence, the durations decide; above the longest one, each step costs the tail."""
    scores = np.full((5, 2), -10.0)
    scores[2, 0], scores[1, 1] = 0, 0  # 3 steps of the first state, 2 of the second
    fixed = DurationScores(scores=scores, tail=np.full(2, -5.0))
    assert decode(np.zeros((8, 2)), fixed).tolist() == [0, 0, 0, 1, 1, 0, 0, 0]
    free = DurationScores(scores=np.array([[-9.0, -9.0]]), tail=np.zeros(2))
    assert len(set(decode(np.zeros((50, 2)), free).tolist())) == 1
    assert decode(np.zeros((0, 2)), free).tolist() == []


def test_learnt_durations_decide_between_equally_probable_classes() -> None:
    probs = np.tile([0.45, 0.45, 0.1], (100, 1))  # 4 s
    short = ClassDuration(median_s=0.7, log_sd=0.3)
    long = ClassDuration(median_s=4.0, log_sd=0.3)
    for known, label in (((short, long), 1), ((long, short), 0)):
        assert set(decode_frames(probs, 25.0, 0.8, known).tolist()) == {label}
    # one action of 2.6 s, with an unsure part, beside a class whose duration is not known
    parts = frames((25, [0.6, 0.3, 0.1]), (15, [0.4, 0.5, 0.1]), (25, [0.6, 0.3, 0.1]))
    assert set(decode_frames(parts, 25.0, 0.8, (long, None)).tolist()) == {0}


def frames(*parts: tuple[int, list[float]]) -> Array:
    return np.concatenate([np.tile(row, (count, 1)) for count, row in parts])


def test_borders_are_where_the_probabilities_change() -> None:
    probs = frames((36, [0.8, 0.1, 0.3]), (45, [0.1, 0.7, 0.3]), (26, [0.2, 0.1, 0.3]))
    labels = decode_frames(probs, fps=30.0, shortest_s=0.5)  # in steps of 3 frames
    assert labels.tolist() == [0] * 36 + [1] * 45 + [2] * 26


def test_a_short_unsure_part_does_not_break_an_action() -> None:
    sure, unsure = [0.7, 0.2], [0.3, 0.4]
    probs = frames((40, sure), (6, unsure), (40, sure))
    found = segments(probs, 25.0, ("a", "b"), 0.8, 0.3, method="viterbi")
    assert [s.label for s in found] == ["a"]
    assert found[0].probability == pytest.approx((80 * 0.7 + 6 * 0.3) / 86)
    long = frames((40, sure), (50, [0.1, 0.9]), (40, sure))
    assert [s.label for s in segments(long, 25.0, ("a", "b"), 0.8, 0.3, method="viterbi")] == [
        *"aba"
    ]


def test_the_background_is_below_the_threshold_or_a_class_of_its_own() -> None:
    sure, unsure = [0.7, 0.2, 0.1], [0.4, 0.3, 0.3]
    probs = frames((50, sure), (60, unsure), (50, sure))
    for threshold, labels in ((0.5, ["a", "unknown", "a"]), (0.3, ["a"]), (0.0, ["a"])):
        found = segments(probs, 25.0, ("a", "b", "c"), 1.0, threshold, method="viterbi")
        assert [s.label for s in found] == labels
    own = frames((50, sure), (60, [0.2, 0.6, 0.2]), (50, sure))
    found = segments(own, 25.0, ("a", "unknown", "c"), 1.0, 0.0, method="viterbi")
    assert [s.label for s in found] == ["a", "unknown", "a"]
    assert [round(s.end_s, 2) for s in found] == [2.0, 4.4, 6.4]


def test_frames_without_probabilities_belong_to_no_segment() -> None:
    probs = frames((30, [0.9, 0.1]), (10, [np.nan, np.nan]), (30, [0.9, 0.1]))
    found = segments(probs, 10.0, ("a", "b"), 1.0, 0.3, method="viterbi")
    assert [(s.start_s, s.end_s) for s in found] == [(0, 3), (4, 7)]
    assert segments(np.full((5, 2), np.nan), 10.0, ("a", "b"), 1.0, 0.3, method="viterbi") == ()


def test_no_decoded_segment_is_below_the_threshold() -> None:
    rng = np.random.default_rng(0)
    for threshold in (0.3, 0.5, 0.7):
        probs = np.repeat(rng.dirichlet([0.4] * 4, 60), rng.integers(1, 20, 60), axis=0)
        found = segments(probs, 15.0, tuple("abcd"), 1.0, threshold, method="viterbi")
        assert all(s.probability >= threshold for s in found if s.label != "unknown")
        assert sum(s.end_s - s.start_s for s in found) == pytest.approx(len(probs) / 15)
        assert all(a.label != b.label for a, b in pairwise(found))


def test_a_video_of_twenty_minutes_and_120_classes() -> None:
    """Bounded by the product of its steps, the shortest duration and the classes."""
    rng = np.random.default_rng(0)
    probs = np.repeat(rng.dirichlet([0.1] * 120, 600), 50, axis=0)  # 2 s each at 25 fps
    found = segments(
        probs, 25.0, tuple(f"c{n:03d}" for n in range(120)), 1.5, 0.0, method="viterbi"
    )
    assert found[-1].end_s == 1200 and len(found) > 300
