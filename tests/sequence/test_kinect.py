from __future__ import annotations

import numpy as np
import pytest

from skelact.sequence.normalise import by_kinect, flatten_person_frames
from skelact.skeletons import SKELETONS
from tests.parity.numbers import reference

NTU = SKELETONS["ntu-25"]


def people(frames: int = 6, count: int = 2) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, frames, 25, 3)).astype(np.float32)


@pytest.mark.parametrize(("case", "source"), [("2p", "ann3d"), ("1p", "ann3d_1p")])
def test_equal_to_pyskl(case: str, source: str) -> None:
    f = reference("transforms")
    x = f[f"{source}/keypoint"].astype(np.float32)
    x = np.where(x.any(axis=-1, keepdims=True), x, np.float32(np.nan))
    ours = np.nan_to_num(by_kinect(x, NTU))
    np.testing.assert_allclose(ours, f[f"f32in/PreNormalize3D/{case}/keypoint"], atol=1e-6)


def test_spine_upright_shoulders_along_x() -> None:
    x = by_kinect(people(), NTU)
    first = x[0, 0]
    np.testing.assert_allclose(first[NTU.index("spine_mid")], 0, atol=1e-6)
    shoulders = first[NTU.index("right_shoulder")] - first[NTU.index("left_shoulder")]
    assert abs(shoulders[1]) < 1e-5 and shoulders[0] > 0


def test_frames_without_the_main_person_go_and_the_longer_seen_comes_first() -> None:
    x = people()
    x[0, 2:] = np.nan
    out = by_kinect(x, NTU)
    assert out.shape[1] == 6 and np.isnan(out[1, 2:]).all()
    alone = people(count=1)
    alone[0, :2] = np.nan
    assert by_kinect(alone, NTU).shape[1] == 4


def test_every_frame_centred() -> None:
    x = people()
    x[0, 3] = np.nan
    out = by_kinect(x, NTU, every_frame=True)
    assert out.shape == x.shape
    centre = out[0, :, NTU.index("spine_mid")]
    np.testing.assert_allclose(centre[~np.isnan(centre).any(axis=1)], 0, atol=1e-5)


def test_people_interleaved() -> None:
    x = people(3)
    x[1, 1] = np.nan
    out = flatten_person_frames(x)
    assert out.shape == (1, 5, 25, 3)
    for frame, (person, time) in zip(out[0], [(0, 0), (1, 0), (0, 1), (0, 2), (1, 2)], strict=True):
        np.testing.assert_array_equal(frame, x[person, time])
