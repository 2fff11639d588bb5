"""The most probable series of segments: Viterbi decoding with explicit durations (a hidden
semi-Markov model; Yu 2010, "Hidden semi-Markov models", section 2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from skelact.schemas import ClassDuration

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class DurationScores:
    """Log probabilities of the durations of segments. `scores` (D, S) are those of 1 to D steps in
    each of S states; a segment of D steps or more has scores[D - 1] and `tail` (S,) for each step
    above D. All are finite, so that there is a series of segments for every number of steps."""

    scores: Array
    tail: Array


def decode(evidence: Array, durations: DurationScores) -> npt.NDArray[np.int64]:
    """(T,) the state of each step in the series of segments with the highest sum of evidence (T, S)
    and duration scores. States of successive segments differ. The last segment counts as any other.

    It takes O(T D S) operations and O(T S) memory."""
    steps, states = evidence.shape
    longest = len(durations.scores)
    summed = np.zeros((steps + 1, states))
    np.cumsum(evidence, axis=0, out=summed[1:])
    # row `longest` + t: the best score of what precedes a segment that starts at step t and has
    # another state, less the evidence of that segment's state before t; the first rows are starts
    # that do not exist
    before = np.full((steps + 1 + longest, states), -np.inf)
    before[longest] = 0.0
    ordered = durations.scores[::-1]  # the longest duration first, as in `before`
    long = np.full(states, -np.inf)  # of segments of `longest` steps or more that can go on
    long_start = np.zeros(states, np.int64)
    starts = np.zeros((steps + 1, states), np.int64)
    previous = np.zeros((steps + 1, states), np.int64)
    best = np.zeros((steps + 1, states))
    columns = np.arange(states)
    for t in range(1, steps + 1):
        options = before[t : t + longest] + ordered  # starts t - longest to t - 1
        row = options.argmax(axis=0)
        score = options[row, columns]
        begin = t - longest + row
        goes_on = long + durations.tail > options[0]
        long_start = np.where(goes_on, long_start, t - longest)
        long = np.where(goes_on, long + durations.tail, options[0])
        longer = long > score
        starts[t] = np.where(longer, long_start, begin)
        best[t] = np.where(longer, long, score) + summed[t]
        first = int(best[t].argmax())
        value = best[t, first]
        rest = best[t].copy()
        rest[first] = -np.inf
        second = int(rest.argmax())
        other = np.full(states, value)
        other[first] = rest[second]
        previous[t] = first
        previous[t, first] = second
        before[t + longest] = other - summed[t]
    labels = np.zeros(steps, np.int64)
    t, state = steps, int(best[steps].argmax())
    while t > 0:
        start = int(starts[t, state])
        labels[start:t] = state
        t, state = start, int(previous[start, state])
    return labels


# Chosen on validation streams of NW-UCLA (benchmarks/streams.py)
_STEPS_PER_S = 10.0  # of decoding
_CHANGE = 0.3  # cost of an action, in nats times seconds
_CHANGE_LEARNT = 0.5  # the same for a class whose duration is known
_TOO_SHORT = 1.0  # further cost of an action of no length; it falls to 0 at `shortest_s`
_DURATION = 0.2  # weight of the logarithm of a learnt distribution, in seconds
_MAX_DURATION_S = 20.0  # of which each step is told apart
_FLOOR = 1e-4  # probabilities below are not told apart


def decode_frames(
    scores: Array,
    fps: float,
    shortest_s: float,
    known: Sequence[ClassDuration | None] = (),
) -> npt.NDArray[np.int64]:
    """(T,) the states of frames with the probabilities `scores` (T, S), of which the last state is
    the background; borders are multiples of a step. The background is free. An action costs as much
    as a second in which it has e^_CHANGE times the probability of the background, and more if it is
    shorter than `shortest_s`, or the less probable its length is in the `known` log-normal
    distribution of its class (S - 1, None where it is not known)."""
    logs = np.log(np.maximum(scores, _FLOOR)) / fps
    hop = max(1, round(fps / _STEPS_PER_S))
    steps = np.add.reduceat(logs, np.arange(0, len(logs), hop), axis=0)
    durations = _duration_scores(scores.shape[1], hop / fps, shortest_s, known)
    return np.repeat(decode(steps, durations), hop)[: len(logs)]


def _duration_scores(
    states: int, step_s: float, shortest_s: float, known: Sequence[ClassDuration | None]
) -> DurationScores:
    long_s = [d.median_s * math.exp(2 * d.log_sd) for d in known if d is not None]
    longest = max(2, math.ceil(min(max([shortest_s, *long_s]), _MAX_DURATION_S) / step_s))
    lengths_s = np.arange(1, longest + 1) * step_s
    lacking = np.maximum(0, 1 - lengths_s / max(shortest_s, 1e-9))
    scores, tail = np.zeros((longest, states)), np.zeros(states)
    scores[:, :-1] = -_CHANGE - _TOO_SHORT * lacking[:, None]
    for state, duration in enumerate(known):
        if duration is not None:
            z = (np.log(lengths_s) - math.log(duration.median_s)) / duration.log_sd
            scores[:, state] = -_CHANGE_LEARNT - _DURATION * z**2 / 2
            tail[state] = min(0.0, scores[-1, state] - scores[-2, state])
    return DurationScores(scores=scores, tail=tail)
