from __future__ import annotations

import numpy as np
import pytest
import torch

from skelact.errors import ConfigError
from skelact.sequence.streams import STREAMS, needs_next_frame, parse, parts
from skelact.skeletons import SKELETONS
from tests.parity.numbers import reference

NAMES = dict(zip(("j", "b", "jm", "bm"), STREAMS, strict=True))


def test_names() -> None:
    assert parse("joint+bone") == ("joint", "bone")
    assert needs_next_frame(parse("bone-motion")) and not needs_next_frame(parse("bone"))
    with pytest.raises(ConfigError, match="did you mean 'bone'"):
        parse("joint+bones")
    with pytest.raises(ConfigError, match="twice"):
        parse("joint+joint")


def whole(x: np.ndarray, skeleton: str, dims: int, name: str) -> np.ndarray:
    """A stream of all frames of (M, T, V, C)."""
    following = np.concatenate([x[:, 1:], x[:, -1:]], axis=1)
    last = np.arange(x.shape[1])[None, :, None, None] == x.shape[1] - 1
    parents = SKELETONS[skeleton].parent_indices
    return np.asarray(parts(x, following, last, parents, dims, (name,))[0])


def test_roots_have_no_bone_and_the_last_frame_no_motion() -> None:
    x = np.random.default_rng(0).normal(size=(1, 5, 17, 3)).astype(np.float32)
    bones = whole(x, "coco-17", 2, "bone")
    assert not bones[:, :, 0, :2].any() and bones[:, :, 0, 2].tolist() == x[:, :, 0, 2].tolist()
    for name in ("joint-motion", "bone-motion"):
        assert not whole(x, "coco-17", 2, name)[:, -1].any()


def test_arrays_and_tensors_alike() -> None:
    x = np.random.default_rng(0).normal(size=(2, 1, 5, 25, 3)).astype(np.float32)
    following, last = x[:, :, ::-1].copy(), np.zeros((2, 1, 5, 1, 1), bool)
    parents = SKELETONS["ntu-25"].parent_indices
    ours = parts(x, following, last, parents, 3, STREAMS)
    arrays = (torch.from_numpy(a) for a in (x, following, last, parents))
    for a, b in zip(ours, parts(*arrays, 3, STREAMS), strict=True):
        np.testing.assert_allclose(a, b.numpy(), rtol=1e-6)


@pytest.mark.parametrize("short", NAMES)
def test_equal_to_pyskl_in_2d(short: str) -> None:
    f = reference("transforms")
    x = f["pyskl/PreNormalize2D/keypoint(with score, thr .01)"].astype(np.float32)
    ours = whole(x, "coco-17", 2, NAMES[short])
    np.testing.assert_allclose(ours, f[f"pyskl/coco/PreNormalize2D+GenSkeFeat/{short}"], atol=1e-6)


@pytest.mark.parametrize("short", NAMES)
@pytest.mark.parametrize("people", ["1p", "2p"])
def test_equal_to_mmaction_in_3d(short: str, people: str) -> None:
    f = reference("transforms")
    x = f[f"f32in/PreNormalize3D/{people}/keypoint"].astype(np.float32)
    ours = whole(x, "ntu-25", 3, NAMES[short])
    expected = f[f"f32in/nturgb+d/PreNormalize3D+GenSkeFeat/{people}/{short}"]
    np.testing.assert_allclose(ours, expected, atol=1e-5)


@pytest.mark.parametrize("short", ["b", "bm"])
def test_equal_to_mmaction_on_openpose(short: str) -> None:
    f = reference("transforms")
    size = np.array([1920, 1080], np.float32) / 2
    xy = (f["ann2d_openpose18/keypoint"].astype(np.float32) - size) / size
    score = f["ann2d_openpose18/keypoint_score"].astype(np.float32)[..., None]
    ours = whole(np.concatenate([xy, score], axis=-1), "openpose-18", 2, NAMES[short])
    expected = f[f"mmaction2/openpose/PreNormalize2D+GenSkeFeat/{short}"]
    np.testing.assert_allclose(ours, expected, atol=5e-3)  # theirs computes in half precision
