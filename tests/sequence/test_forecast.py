"""Forecasts without a network, and their errors."""

from __future__ import annotations

import numpy as np
import pytest

from skelact.sequence.forecast import (
    RidgeFit,
    at_times,
    body_size,
    constant_velocity,
    held,
    mean_errors,
    zero_velocity,
)
from skelact.sequence.resample import at_rate
from skelact.sequence.sampling import SamplingOptions, testing_indices, training_indices
from skelact.skeletons import SKELETONS
from tests.helpers import Floats32, poses
from tests.readers import motion

KINECT = SKELETONS["kinect-20"]
NAN = np.float32(np.nan)


def moving(frames: int = 8) -> Floats32:
    """(1, T, 20, 3): a body that moves 0.1 m per frame along x."""
    body = motion.sequence("wave", 0, 1)
    steps = np.arange(frames, dtype=np.float32)[:, None, None] * np.array([0.1, 0, 0], np.float32)
    return (body + steps)[None]


def test_velocities() -> None:
    past, future = moving()[:, :5], moving()[:, 5:]
    still = zero_velocity(past, 3)
    assert mean_errors(still, future) == pytest.approx((0.1, 0.2, 0.3), abs=1e-5)
    assert mean_errors(constant_velocity(past, 3, 30.0), future) == pytest.approx(
        (0,) * 3, abs=1e-5
    )
    assert (constant_velocity(past[:, -1:], 3, 30.0) == zero_velocity(past, 3)).all()


def test_errors_at_times_between_frames() -> None:
    past, future = moving()[:, :5], moving()[:, 5:]
    times = (0.05, 0.08, 0.1)  # 1.5, 2.4 and 3 frames at 30 Hz
    truth = at_times(future, past[:, -1:], 30.0, times)
    still = at_times(zero_velocity(past, 3), past[:, -1:], 30.0, times)
    assert mean_errors(still, truth) == pytest.approx((0.15, 0.24, 0.3), abs=1e-5)
    truth[0, :, 3] = NAN  # joints that are missing do not count
    still[0, :, 3] = 100
    assert mean_errors(still, truth) == pytest.approx((0.15, 0.24, 0.3), abs=1e-5)
    truth[:] = NAN
    assert np.isnan(mean_errors(still, truth)).all()


def test_a_missing_joint_keeps_its_last_position() -> None:
    points = moving()[0]
    points[:2, 0] = points[5:, 1] = points[:, 2] = NAN
    out = held(points)
    assert np.isnan(out[:2, 0]).all() and (out[2:, 0] == points[2:, 0]).all()
    assert (out[5:, 1] == points[4, 1]).all() and np.isnan(out[:, 2]).all()


def test_ridge_learns_a_linear_motion_of_persons_of_any_size_and_place() -> None:
    rng = np.random.default_rng(0)
    velocity = rng.normal(0, 0.05, (200, 1, 1, 3))
    body = motion.sequence("wave", 0, 1) + rng.normal(0, 0.02, (200, 1, 20, 3))
    steps = np.arange(8)[None, :, None, None]
    size = rng.uniform(0.5, 200, (200, 1, 1, 1))  # from metres to pixels
    points = ((body + velocity * steps) * size + 100).astype(np.float32)
    points[:50, 2, 5] = NAN
    points[:, :, 7] = NAN  # a joint that these poses do not have
    fit = RidgeFit(points[:150, :5], points[:150, 5:], KINECT)
    ahead = fit.solve(1e-3)(points[150:, :5], KINECT)
    assert ahead.shape == (50, 3, 20, 3) and np.isnan(ahead[:, :, 7]).all()
    relative = [p / body_size(points[150:, :5], KINECT) for p in (ahead, points[150:, 5:])]
    assert max(mean_errors(*relative)) < 0.02
    still = zero_velocity(points[150:, :5], 3) / body_size(points[150:, :5], KINECT)
    assert mean_errors(still, relative[1])[2] > 0.3


def test_body_size_without_hips() -> None:
    points = moving()
    assert body_size(points, KINECT)[0] == pytest.approx(0.48, abs=0.1)
    points[:, :, KINECT.find("left_hip", "right_hip")] = NAN
    assert 0.5 < body_size(points, KINECT)[0] < 2
    assert body_size(np.full_like(points, NAN), KINECT)[0] > 0


@pytest.mark.parametrize(("fps", "count"), [(20.0, 79), (5.0, 20), (10.05, 40), (25.0, 98)])
def test_another_rate_keeps_the_last_frame(fps: float, count: int) -> None:
    sequence = poses(2, 40, missing=0.1)  # 10 Hz
    out = at_rate(sequence, fps)
    assert out.frames == count
    for before, after in ((sequence.xy, out.xy), (sequence.score, out.score)):
        assert np.array_equal(before[:, -1], after[:, -1], equal_nan=True)
    assert out.xyz is not None and sequence.xyz is not None
    if fps == 20:
        whole = ~np.isnan(sequence.xyz).any()
        assert np.array_equal(out.xyz[:, ::2], sequence.xyz, equal_nan=True) or whole
    assert out.fps == (10.0 if fps == 10.05 else fps)


def test_recent_sampling_is_of_consecutive_frames() -> None:
    options = SamplingOptions(length=8, method="recent", test_clips=3)
    rng = np.random.default_rng(0)
    ends = set()
    for _ in range(50):
        indices = training_indices(20, options, rng)
        assert (np.diff(indices) == 1).all() and len(indices) == 8
        ends.add(int(indices[-1]))
    assert min(ends) == 7 and max(ends) == 19
    assert testing_indices(20, options)[:, -1].tolist() == [19, 13, 7]
    short = training_indices(3, options, rng)
    assert short.tolist() == [0] * 6 + [1, 2]
