"""Simulated cameras, speeds, frame rates and mistakes of the estimator, in training batches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from skelact.options import AugmentOptions
from skelact.sequence.input import ClipArrays
from skelact.sequence.normalise import by_body
from skelact.sequence.sampling import SamplingOptions
from skelact.training.batches import DeviceClips
from skelact.training.simulate import Simulation, frame_steps, warp_time
from tests.helpers import COCO, waves

NONE = AugmentOptions(flip=0, rotate_rad=0, scale=0, noise=0)
ALL = replace(
    NONE,
    pan=2,
    zoom=0.3,
    shake=0.1,
    follow=0.5,
    time_warp=2,
    min_fps=10,
    jitter=1,
    hide_legs=0.3,
    lose_person=0.5,
)
LEGS = COCO.find("left_knee", "right_knee", "left_ankle", "right_ankle")


def walking(n: int = 6, frames: int = 30) -> torch.Tensor:
    """(N, 1, T, 17, 3): a body that crosses the picture, normalised by the body."""
    rng = np.random.default_rng(0)
    body = rng.normal(size=(n, 1, 1, 17, 2)) + rng.normal(size=(n, 1, frames, 17, 2)) * 0.05
    body[..., 0] += np.linspace(-2, 2, frames)[:, None]
    points = np.stack([by_body(b.astype(np.float32), COCO) for b in body])
    return torch.from_numpy(np.concatenate([points, np.full((*points.shape[:4], 1), 0.9)], -1))


def simulated(x: torch.Tensor, mode: str = "body", seed: int = 0, **changes: float) -> torch.Tensor:
    n, frames = x.shape[0], x.shape[2]
    rng = np.random.default_rng(seed)
    s = Simulation.draw(replace(NONE, **changes), COCO, 2, np.full(n, 30.0), mode, rng)
    assert s is not None
    return s.apply(x.float(), np.tile(np.arange(frames), (n, 1)))


def hips(x: torch.Tensor) -> torch.Tensor:
    """(N, T, 2)"""
    return x[:, 0, :, COCO.find("left_hip", "right_hip"), :2].mean(dim=2)


def test_without_options_nothing_is_drawn() -> None:
    rng = np.random.default_rng(0)
    assert Simulation.draw(NONE, COCO, 2, np.full(3, 30.0), "body", rng) is None
    positions = np.tile(np.arange(5), (3, 1))
    assert warp_time(positions, np.full(3, 9), NONE, rng) is positions
    assert frame_steps(np.full(3, 30.0), NONE, rng) is None
    assert rng.random() == np.random.default_rng(0).random()  # earlier runs can be repeated


@pytest.mark.parametrize("change", ["pan", "zoom", "shake", "follow"])
def test_a_simulated_camera_moves_the_picture_and_keeps_the_normalisation(change: str) -> None:
    x = walking()
    out = simulated(x, **{change: 0.9})
    assert not torch.allclose(out[..., :2], x[..., :2].float(), atol=0.05)
    torch.testing.assert_close(hips(out).mean(dim=1), torch.zeros(6, 2), atol=1e-4, rtol=0)
    again = np.stack([by_body(clip[..., :2], COCO) for clip in out.numpy()])
    np.testing.assert_allclose(again, out[..., :2], atol=1e-3)
    torch.testing.assert_close(out[..., 2], x[..., 2].float())
    if change != "zoom":  # all joints of a frame move alike
        step = out[..., :2] - x[..., :2]
        assert float((step - step[:, :, :, :1]).abs().max()) < (0.3 if change == "zoom" else 1e-3)


def test_a_camera_that_follows_takes_the_motion_across_the_picture_away() -> None:
    x = walking()
    before, after = hips(x), hips(simulated(x, follow=1.0))
    assert (after[..., 0].std(dim=1) < 0.7 * before[..., 0].std(dim=1)).all()


def test_body_frame_is_not_changed_by_a_pan() -> None:
    x = walking()
    x[..., :2] -= hips(x)[:, None, :, None]
    out = simulated(x, "body-frame", pan=3.0)
    torch.testing.assert_close(out, x.float(), atol=1e-4, rtol=0)


def test_other_normalisations_keep_the_pan() -> None:
    out = simulated(walking(), "image", pan=3.0, seed=2)
    assert float(hips(out).mean(dim=1).abs().max()) > 0.1


def test_hidden_legs_have_a_low_score_and_do_not_move() -> None:
    x = walking()
    x[:, 0, :, LEGS[0], 1] += torch.linspace(0, 2, 30)
    out = simulated(x, hide_legs=1.0)
    assert float(out[..., LEGS, 2].max()) < 0.05
    relative = out[:, 0, :, LEGS, :2] - hips(out)[:, :, None]
    assert float(relative.std(dim=1).max()) < 1e-4
    rest = [v for v in range(17) if v not in LEGS]
    torch.testing.assert_close(out[:, :, :, rest], x[:, :, :, rest].float())


def test_a_lost_person_is_missing_at_one_end() -> None:
    out = simulated(walking(40), lose_person=1.0)
    gone = out[:, 0, :, :, 0].isnan().all(dim=2)
    assert 20 < int(gone.any(dim=1).sum()) <= 40
    assert float(gone.float().mean(dim=1).max()) <= 0.42
    assert (gone.int().diff(dim=1).abs().sum(dim=1) <= 1).all()
    assert not out[..., 2][gone[:, None]].any()


def test_jitter_is_larger_for_low_scores_and_changes_slowly() -> None:
    x = walking(60)
    x[30:, ..., 2] = 0.1
    error = (simulated(x, "image", jitter=1.0) - x)[:, 0, ..., :2].float()
    wrist, shoulder = COCO.index("left_wrist"), COCO.index("left_shoulder")
    moving = error.std(dim=1).pow(2).mean(dim=2).sqrt()  # (N, V), without what is constant
    assert moving[30:, wrist].mean() > 1.5 * moving[:30, wrist].mean() > 0.02
    constant = error.mean(dim=1).norm(dim=-1)
    assert constant[:30, shoulder].mean() > moving[:30, shoulder].mean()
    change = error.diff(dim=1).std(dim=1)[..., 0]
    assert change[:, wrist].mean() < 0.6 * error.std(dim=1)[:, wrist, 0].mean()


def test_empty_frames_stay_zero() -> None:
    x = walking()
    x[:, :, 20:] = 0
    positions = np.tile(np.where(np.arange(30) < 20, np.arange(30), -1), (6, 1))
    rng = np.random.default_rng(0)
    camera = Simulation.draw(ALL, COCO, 2, np.full(6, 30.0), "body", rng)
    assert camera is not None
    assert not camera.apply(x.float(), positions)[:, :, 20:].any()


def test_time_is_warped_within_the_clip() -> None:
    options = replace(NONE, time_warp=2.0)
    rng = np.random.default_rng(0)
    even = np.tile(np.linspace(5, 34, 32), (200, 1))
    out = warp_time(even, np.full(200, 60), options, rng)
    assert (np.diff(out, axis=1) >= 0).all() and out.min() >= 0 and out.max() <= 59
    span = (out[:, -1] - out[:, 0]) / 29
    assert span.min() < 0.75 and span.max() > 1.35 and span.min() >= 0.5 and span.max() <= 2
    speed = np.diff(out, axis=1) / np.diff(even, axis=1)
    assert speed.min() < 0.7 and speed.max() > 1.4
    whole = np.array([[0, 1, 2, 3, -1, -1]])
    warped = warp_time(whole, np.array([9]), options, rng)
    assert warped.dtype == whole.dtype and (warped[0, 4:] == -1).all()


def test_a_lower_frame_rate_interpolates_between_the_frames_that_are_left() -> None:
    values = np.zeros((9, 1, 17, 2), np.float32)
    values[:, 0, :, 0] = (np.arange(9) ** 2)[:, None]
    clips = ClipArrays(
        values=values, offsets=np.array([0]), lengths=np.array([9]), skeleton=COCO, dims=2
    )
    positions = np.array([[0.0, 2.0, 4.0, 6.0, 8.0]])
    got = clips.build_input(np.array([0]), positions, ("joint",), steps=np.array([4], np.float32))[
        0, 0, :, 0, 0
    ]
    np.testing.assert_allclose(got, [0, 8, 16, 40, 64])
    same = clips.build_input(np.array([0]), positions, ("joint",), steps=np.ones(1, np.float32))
    np.testing.assert_array_equal(same, clips.build_input(np.array([0]), positions, ("joint",)))
    steps = frame_steps(
        np.array([30.0, 8.0] * 50), replace(NONE, min_fps=10), np.random.default_rng(0)
    )
    assert steps is not None
    assert steps[::2].min() == pytest.approx(1.2, abs=0.21)
    assert steps[::2].max() == pytest.approx(2.8, abs=0.21)
    np.testing.assert_allclose(steps[1::2], 1)


@pytest.mark.parametrize("method", ["linspace", "uniform", "wrap", "edge", "zero", "random"])
@pytest.mark.parametrize("streams", ["joint", "joint+bone-motion"])
def test_all_options_work_with_every_sampling_and_depend_on_the_seed(
    tmp_path: Path, method: str, streams: str
) -> None:
    clips = DeviceClips(waves(tmp_path), torch.device("cpu"))
    sampling = SamplingOptions(length=26, method=method, streams=streams)
    first, second, other = (
        clips.training(np.arange(6), sampling, ALL, np.random.default_rng(seed))[0]
        for seed in (1, 1, 2)
    )
    assert first.isfinite().all()
    assert torch.equal(first, second) and not torch.equal(first, other)


def test_motion_contains_the_motion_of_the_camera(tmp_path: Path) -> None:
    clips = DeviceClips(waves(tmp_path), torch.device("cpu"))
    options = replace(NONE, pan=2.0, zoom=0.3, shake=0.1, jitter=1.0)
    sampling = SamplingOptions(length=10, method="wrap", streams="joint+joint-motion")
    x, _ = clips.training(np.arange(4), sampling, options, np.random.default_rng(3))
    moved = x[:, :, 1:5, :, :2] - x[:, :, :4, :, :2]
    both = (x[:, :, 1:5, :, 2] > 0) & (x[:, :, :4, :, 2] > 0)
    torch.testing.assert_close(moved[both], x[:, :, :4, :, 3:5][both], rtol=1e-3, atol=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_same_clips(tmp_path: Path) -> None:
    sampling = SamplingOptions(length=26, method="linspace", streams="joint+bone-motion")
    batches = [
        DeviceClips(waves(tmp_path / name), torch.device(name)).training(
            np.arange(6), sampling, ALL, np.random.default_rng(1)
        )[0]
        for name in ("cpu", "cuda")
    ]
    torch.testing.assert_close(batches[0], batches[1].cpu(), rtol=1e-3, atol=1e-3)
