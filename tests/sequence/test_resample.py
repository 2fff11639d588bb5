"""Poses at irregular times become poses at a constant rate."""

from __future__ import annotations

import numpy as np
import pytest

from skelact.sequence.resample import resample
from tests.conftest import sequence_of


def moving(times: np.ndarray) -> np.ndarray:
    """(1, T, 17, 2): joint v at time t is at (10 t + v, 20 t)."""
    t, v = np.asarray(times)[:, None], np.arange(17)[None]
    return np.stack([10 * t + v, 20 * t + 0 * v], axis=-1)[None]


def test_regular_times_stay_as_they_are() -> None:
    times = np.arange(20) / 10
    sequence = sequence_of(moving(times))
    out = resample(sequence, list(times), times[-1], 2.0, 10.0)
    assert np.allclose(out.xy, sequence.xy, atol=1e-4) and np.array_equal(out.score, sequence.score)
    assert out.fps == 10 and out.frames == 20


def test_irregular_times_are_interpolated() -> None:
    rng = np.random.default_rng(0)
    times = np.sort(rng.uniform(0, 3, 40))
    out = resample(sequence_of(moving(times)), list(times), float(times[-1]), 1.5, 30.0)
    grid = times[-1] - np.arange(45)[::-1] / 30
    assert np.allclose(out.xy, moving(grid), atol=1e-3)


def test_a_gap_stays_a_gap() -> None:
    """One of the frames shows nobody; between others much time passes."""
    times = np.array([0.0, 0.1, 0.2, 0.3, 1.3, 1.4])
    xy = moving(times)
    xy[:, 2] = np.nan
    out = resample(sequence_of(xy), list(times), 1.4, 2.0, 10.0)
    known = out.known[0, :, 0]
    grid = np.round(1.4 - np.arange(20)[::-1] / 10, 3)
    expected = np.isin(grid, [0.0, 0.1, 0.3, 1.3, 1.4])
    assert np.array_equal(known, expected)
    assert np.array_equal(out.score[0, :, 0] > 0, expected)


def test_where_one_neighbour_is_missing_the_nearer_one_counts() -> None:
    xy = moving(np.array([0.0, 0.1]))
    xy[0, 1, 3] = np.nan
    out = resample(sequence_of(xy), [0.0, 0.1], 0.1, 0.1, 40.0)
    assert out.xy[0, 0, 3, 0] == pytest.approx(3.0) and np.isnan(out.xy[0, -1, 3, 0])
    assert out.xy[0, 1, 4, 0] == pytest.approx(4.5)


def test_before_the_first_frame_nothing_is_known() -> None:
    out = resample(sequence_of(moving(np.array([5.0]))), [5.0], 5.0, 1.0, 10.0)
    assert out.known[0, :, 0].tolist() == [False] * 9 + [True]
