"""Batches on their device: gathered, augmented, rescaled, as streams."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from skelact.options import AugmentOptions
from skelact.sequence.input import flip_input, interpolate_frames, minmax_scale
from skelact.sequence.sampling import SamplingOptions
from skelact.training.augment import AugmentParams, mixup
from skelact.training.batches import DeviceClips
from skelact.training.schedule import cross_entropy, num_correct
from skelact.training.trainer import Trainer
from tests.helpers import COCO, plan, waves, with_changes


def test_gather_and_masks(tmp_path: Path) -> None:
    data = waves(tmp_path)
    clips = DeviceClips(data, torch.device("cpu"))
    frames = np.array([[0, 3, -1], [19, 0, 0]])
    x = clips.arrays.gather(np.array([0, 5]), frames)
    assert x.shape == (2, 1, 3, 17, 3)
    np.testing.assert_array_equal(x[0, 0, 0], data.keypoints[0, 0])
    np.testing.assert_array_equal(x[1, 0, 0], data.keypoints[data.offsets[5] + 19, 0])
    assert (x[0, 0, 2] == 0).all() and torch.isnan(x[0, 0, 1, 4]).any()
    ready, labels = clips.training(
        np.array([0, 5]), SamplingOptions(length=16), AugmentOptions(), np.random.default_rng(0)
    )
    assert ready.isfinite().all() and labels.tolist() == [data.labels[0], data.labels[5]]
    tests, n = clips.arrays.test_input(
        np.array([0, 5]), SamplingOptions(length=16, method="uniform", test_clips=3)
    )
    assert tests.shape[0] == 6 and n == 3


def augmented(
    x: torch.Tensor,
    options: AugmentOptions,
    mirror: torch.Tensor,
    dims: int,
    rng: np.random.Generator,
) -> torch.Tensor:
    return AugmentParams.draw(options, len(x), x.shape[3], dims, rng).apply(x, mirror, dims)


def test_augmentation_does_what_it_says() -> None:
    x = torch.randn(4, 1, 6, 17, 3)
    mirror = torch.from_numpy(COCO.flip_index)
    rng = np.random.default_rng(0)
    none = AugmentOptions(flip=0, rotate_rad=0, scale=0, noise=0)
    torch.testing.assert_close(augmented(x, none, mirror, 2, rng), x)
    flipped = augmented(x, AugmentOptions(flip=1, rotate_rad=0, scale=0, noise=0), mirror, 2, rng)
    left, right = COCO.index("left_wrist"), COCO.index("right_wrist")
    torch.testing.assert_close(flipped[..., left, 0], -x[..., right, 0])
    torch.testing.assert_close(flipped[..., left, 1:], x[..., right, 1:])
    turned = augmented(x, AugmentOptions(flip=0, rotate_rad=0.5, scale=0, noise=0), mirror, 2, rng)
    torch.testing.assert_close(turned[..., :2].norm(dim=-1), x[..., :2].norm(dim=-1))
    assert not torch.allclose(turned, x)
    torch.testing.assert_close(turned[..., 2], x[..., 2])
    missing = x.clone()
    missing[0, 0, 0, 0, :2] = float("nan")
    assert torch.isnan(augmented(missing, AugmentOptions(), mirror, 2, rng)).sum() == 2


def test_flipping_twice_changes_nothing() -> None:
    x = torch.randn(3, 2, 5, 17, 3)
    x[0, 0, 2, 3] = torch.nan
    mirror, rng = torch.from_numpy(COCO.flip_index), np.random.default_rng(0)
    flip = AugmentParams.draw(
        AugmentOptions(flip=1, rotate_rad=0, scale=0, noise=0), len(x), 17, 2, rng
    )
    once = flip.apply(x, mirror, 2)
    assert not torch.equal(once.nan_to_num(), x.nan_to_num())
    torch.testing.assert_close(flip.apply(once, mirror, 2), x, equal_nan=True, rtol=0, atol=0)
    torch.testing.assert_close(once, flip_input(x, mirror, 1), equal_nan=True, rtol=0, atol=0)


def test_a_dropped_joint_is_missing_for_the_whole_clip() -> None:
    options = AugmentOptions(flip=0, rotate_rad=0, scale=0, noise=0, drop_joint=0.5)
    x = augmented(
        torch.randn(8, 1, 6, 17, 3),
        options,
        torch.from_numpy(COCO.flip_index),
        2,
        np.random.default_rng(0),
    )
    gone = x.isnan()
    assert gone.any() and not gone.all()
    assert torch.equal(gone.all(dim=2), gone.any(dim=2))


def test_streams_of_a_batch_are_those_of_the_whole_clip(tmp_path: Path) -> None:
    """Motion is that between neighbouring frames of the clip, whatever frames are sampled."""
    data = waves(tmp_path)
    clips = DeviceClips(data, torch.device("cpu"))
    clip = data.keypoints[: data.offsets[1]]
    frames = np.array([[0, 2, len(clip) - 1]])
    shown = clips.arrays.build_input(np.array([0]), frames, ("joint", "joint-motion"))[0, 0].numpy()
    zeros = np.nan_to_num
    np.testing.assert_allclose(shown[:, :, :3], zeros(clip[frames[0], 0]), atol=1e-6)
    np.testing.assert_allclose(shown[0, :, 3:5], zeros(clip[1] - clip[0])[0, :, :2], atol=1e-6)
    np.testing.assert_allclose(shown[1, :, 3:5], zeros(clip[3] - clip[2])[0, :, :2], atol=1e-6)
    assert not shown[2, :, 3:].any()


def test_motion_is_augmented_as_the_joints_are(tmp_path: Path) -> None:
    clips = DeviceClips(waves(tmp_path), torch.device("cpu"))
    options = AugmentOptions(flip=0.5, rotate_rad=0.5, scale=0.2, noise=0, drop_joint=0.0)
    sampling = SamplingOptions(length=10, method="wrap", streams="joint+joint-motion")
    x, _ = clips.training(np.arange(4), sampling, options, np.random.default_rng(3))
    moved = x[:, :, 1:5, :, :2] - x[:, :, :4, :, :2]
    both = (x[:, :, 1:5, :, 2] > 0) & (x[:, :, :4, :, 2] > 0)
    torch.testing.assert_close(moved[both], x[:, :, :4, :, 3:5][both], rtol=1e-4, atol=1e-5)


# --- the papers' augmentations ---


def test_random_move_goes_linearly_from_one_end_to_the_other() -> None:
    options = AugmentOptions(flip=0, rotate_rad=0, scale=0, noise=0, random_move=True)
    x = torch.zeros(64, 1, 9, 17, 3)
    moved = augmented(x, options, torch.from_numpy(COCO.flip_index), 2, np.random.default_rng(0))
    path = moved[:, 0, :, 0, :2]  # of the origin: the shift alone
    torch.testing.assert_close(path[:, 4], (path[:, 0] + path[:, 8]) / 2)
    ends = {round(float(v), 1) for v in path[:, 0].flatten()}
    assert ends <= {-0.2, -0.1, 0.0, 0.1, 0.2} and len(ends) == 5
    assert not moved[..., 2].any()


def test_turns_about_three_axes_keep_lengths() -> None:
    options = AugmentOptions(flip=0, rotate_rad=0, scale=0, noise=0, rotate3d_rad=(0.5,))
    x = torch.randn(8, 1, 4, 17, 3)
    turned = augmented(x, options, torch.from_numpy(COCO.flip_index), 3, np.random.default_rng(0))
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1), rtol=1e-4, atol=1e-5)
    assert (turned[..., 2] - x[..., 2]).abs().max() > 0.1


def test_the_kth_shift_moves() -> None:
    """The report's own code multiplied [x, y, 0]: its shifts did nothing."""
    options = AugmentOptions(flip=0, rotate_rad=0, scale=0, noise=0, kth=1.0)
    x = torch.zeros(200, 1, 2, 17, 2)
    moved = augmented(x, options, torch.from_numpy(COCO.flip_index), 2, np.random.default_rng(0))
    found = {tuple(round(abs(float(v)), 1) for v in p) for p in moved[:, 0, 0, 0]}
    assert (0.0, 0.0) in found and any(p[1] == 5.0 for p in found) and len(found) > 5


# --- scaled to -1..1 ---


def test_fitting_stretches_every_axis_of_every_clip() -> None:
    x = torch.randn(2, 1, 6, 5, 3, generator=torch.Generator().manual_seed(0))
    x[0, 0, 2, 3] = torch.nan
    x[1, 0, 4:] = 0.0
    empty = torch.zeros(2, 6, dtype=torch.bool)
    empty[1, 4:] = True
    done, after = minmax_scale(x, x + 1, empty[:, None, :, None, None], 2)
    assert after is not None
    seen = torch.where(done.isnan(), 0, done)[..., :2]
    assert seen.amax(dim=(1, 2, 3)).tolist() == [[1, 1], [1, 1]]
    assert seen.amin(dim=(1, 2, 3)).tolist() == [[-1, -1], [-1, -1]]
    assert not done[1, 0, 4:, :, :2].any() and done[0, 0, 2, 3].isnan().all()
    torch.testing.assert_close(done[..., 2], x[..., 2], equal_nan=True)
    moved = (after - done)[0, 0, 0, 0, :2]  # one step in x is the same stretch everywhere
    torch.testing.assert_close((after - done)[0, 0, 5, 4, :2], moved)


def test_fitted_batches(tmp_path: Path) -> None:
    data = replace(waves(tmp_path), minmax=True)
    clips = DeviceClips(data, torch.device("cpu"))
    rng = np.random.default_rng(0)
    options = SamplingOptions(length=16, method="random", streams="joint+joint-motion")
    x, _ = clips.training(np.arange(4), options, AugmentOptions(rotate_rad=1.0), rng)
    assert x.shape == (4, 1, 16, 17, 6)
    torch.testing.assert_close(x[..., :2].amax(dim=(1, 2, 3)), torch.ones(4, 2))
    torch.testing.assert_close(x[..., :2].amin(dim=(1, 2, 3)), -torch.ones(4, 2))


# --- between frames, flipped ---


def test_between_frames() -> None:
    frames = torch.arange(5.0)[None, None, :, None, None].repeat(1, 1, 1, 2, 2)
    frames[0, 0, 2, 1] = torch.nan  # one joint is missing in one frame

    def take(wanted: np.ndarray) -> torch.Tensor:
        return frames[:, :, wanted[0]]

    ends = np.array([[4]])
    x = interpolate_frames(take, np.array([[0.0, 0.25, 1.5, 2.5, 4.0]]), ends)
    assert x[0, 0, :, 0, 0].tolist() == [0, 0.25, 1.5, 2.5, 4]
    assert x[0, 0, :, 1, 0].tolist() == [0, 0.25, 1, 3, 4]  # the neighbour that is there
    whole = interpolate_frames(take, np.array([[3, 0]]), ends)
    assert whole[0, 0, :, 0, 0].tolist() == [3, 0]


def test_a_stretched_clip_moves_evenly(tmp_path: Path) -> None:
    data = waves(tmp_path)
    clips = DeviceClips(data, torch.device("cpu"))
    start, count = data.offsets[2], data.lengths[2]
    data.keypoints[start : start + count] = np.arange(count)[:, None, None, None]
    (x, _) = clips.arrays.test_input(
        np.array([2]), SamplingOptions(length=3 * int(count) - 2, method="linspace")
    )
    steps = x[0, 0, :, 0, 0].diff()
    torch.testing.assert_close(steps, torch.full_like(steps, 1 / 3), atol=1e-4, rtol=0)


def test_every_draw_is_shown_mirrored_as_well(tmp_path: Path) -> None:
    data = waves(tmp_path)
    clips = DeviceClips(data, torch.device("cpu"))
    rows = np.array([0, 5])
    options = SamplingOptions(length=16, method="linspace", test_clips=2, streams="joint+bone")
    plain, n = clips.arrays.test_input(rows, options)
    both, m = clips.arrays.test_input(rows, replace(options, test_flip=True))
    assert (n, m) == (2, 4) and len(both) == 8
    torch.testing.assert_close(both[::2], plain)
    left, right = COCO.index("left_wrist"), COCO.index("right_wrist")
    torch.testing.assert_close(both[1::2, ..., left, 0], -plain[..., right, 0])
    torch.testing.assert_close(both[1::2, ..., left, 1:3], plain[..., right, 1:3])
    torch.testing.assert_close(both[1::2, ..., left, 3], -plain[..., right, 3])


# --- blended ---


def test_mixup_blends_clips_and_labels_alike() -> None:
    x, labels = torch.randn(6, 1, 4, 17, 3), torch.tensor([0, 1, 2, 0, 1, 2])
    both, target = mixup(x, labels, 4, 0.5, np.random.default_rng(0))
    assert target.shape == (6, 4) and not target[:, 3].any()
    torch.testing.assert_close(target.sum(dim=1), torch.ones(6))
    share = next(float(t[n]) for t, n in zip(target, labels, strict=True) if t[n] < 1)
    for row in range(6):
        rest = (both[row] - share * x[row]) / (1 - share)
        (other,) = [k for k in range(6) if torch.allclose(rest, x[k], atol=1e-3)]
        assert float(target[row, labels[row]]) == pytest.approx(
            1 if labels[other] == labels[row] else share, abs=1e-5
        )


def test_the_loss_of_shares() -> None:
    logits, weights = torch.randn(5, 3), torch.tensor([1.0, 2.0, 0.5])
    labels = torch.tensor([0, 2, 1, 1, 0])
    hard = torch.nn.functional.one_hot(labels, 3).float()
    for smoothing in (0.0, 0.1):
        for w in (None, weights):
            torch.testing.assert_close(
                cross_entropy(logits, hard, smoothing, w),
                cross_entropy(logits, labels, smoothing, w),
            )
    half = cross_entropy(logits, (hard + hard.roll(1, 1)) / 2, 0.0)
    both = (cross_entropy(logits, labels, 0.0) + cross_entropy(logits, (labels + 1) % 3, 0.0)) / 2
    torch.testing.assert_close(half, both)
    assert int(num_correct(logits, hard)) == int(num_correct(logits, labels))


def test_training_with_mixup_is_the_same_again(tmp_path: Path) -> None:
    runs = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        augment = AugmentOptions(mixup_alpha=0.3)
        settings = with_changes(plan(tmp_path, epochs=2), augment=augment)
        trainer = Trainer(settings, tmp_path / name, lambda event: None)
        trainer.fit()
        runs.append(trainer.net.state_dict())
        assert trainer.history[-1].train_loss > 0
    assert all(torch.equal(a, b) for a, b in zip(*(r.values() for r in runs), strict=True))
