"""The most probable series of segments: Viterbi decoding with explicit durations (a hidden
semi-Markov model; Yu 2010, "Hidden semi-Markov models", section 2)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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
    # the best score of what precedes a segment that starts at a step, less the evidence before
    # that step, in rows of `longest` steps that are written twice, so that any of them in a row is
    # one slice
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


# Chosen on validation streams of JHMDB and NW-UCLA (see benchmarks/streams.py)
_STEPS_PER_S = 10.0  # of decoding; borders are refined to frames afterwards
_CHANGE = 0.3  # cost of an action, in nats times seconds
_TOO_SHORT = 1.0  # further cost of an action of no length, which falls to 0 at `shortest_s`
_FLOOR = 1e-4  # probabilities below are not told apart


def decode_frames(scores: Array, fps: float, shortest_s: float) -> npt.NDArray[np.int64]:
    """(T,) the states of frames with the probabilities `scores` (T, S), of which the last state is
    the background. An action costs as much evidence as a second in which it is e^_CHANGE times as
    probable as the background has, and more if it is shorter than `shortest_s`; the background is
    free. Decoded at _STEPS_PER_S; then each border is moved to the frame within a step at which the
    two states differ most."""
    logs = np.log(np.maximum(scores, _FLOOR)) / fps
    hop = max(1, round(fps / _STEPS_PER_S))
    steps = np.add.reduceat(logs, np.arange(0, len(logs), hop), axis=0)
    longest = max(1, math.ceil(shortest_s * fps / hop))
    lengths_s = np.arange(1, longest + 1) * hop / fps
    lacking = np.maximum(0, 1 - lengths_s / max(shortest_s, 1e-9))
    costs = np.zeros((longest, scores.shape[1]))
    costs[:, :-1] = -_CHANGE - _TOO_SHORT * lacking[:, None]
    durations = DurationScores(scores=costs, tail=np.zeros(scores.shape[1]))
    labels = np.repeat(decode(steps, durations), hop)[: len(logs)]
    _refine(labels, logs, hop)
    return labels


def _refine(labels: npt.NDArray[np.int64], logs: Array, reach: int) -> None:
    """Move each border by at most `reach` frames to where the evidence for its two states is
    highest, in place."""
    borders = (np.flatnonzero(np.diff(labels)) + 1).tolist()
    for n, border in enumerate(borders):
        first = max(border - reach, borders[n - 1] + 1 if n else 1)
        last = min(border + reach, borders[n + 1] - 1 if n + 1 < len(borders) else len(labels) - 1)
        before, after = labels[border - 1], labels[border]
        gain = np.cumsum(logs[first:last, before] - logs[first:last, after])
        best = first + int(np.argmax(np.concatenate([[0.0], gain])))
        labels[first:best], labels[best:last] = before, after
        borders[n] = best
