"""Random cameras, the joints that motion capture lacks, occlusion, and the imitated estimator."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from skelact.errors import ConfigError
from skelact.sequence.body import to_body
from skelact.sequence.cameras import CameraOptions, View, film
from skelact.sequence.imitate import imitate
from skelact.sequence.occlusion import hidden_joints
from skelact.skeletons import SKELETONS
from skelact.types import Floats
from tests.readers.motion import KINECT, sequence

COCO, BLAZE = SKELETONS["coco-17"], SKELETONS["blazepose-33"]
FRONT = np.array([0.0, 0.0, 1.0], np.float32)
ONE = CameraOptions(
    kinds=("fixed",), distance=(4, 4), height=(1, 1), azimuth_deg=(0, 0), fov_deg=(50, 50)
)


def body(frames: int = 40, walk: float = 0.0) -> Floats:
    """(1, T, 17, 3): a standing person in metres, y up, who looks along z, its left at +x."""
    points = sequence("wave", 0, frames)
    points[..., 0] *= -1  # the helper's person stands with its left at -x and looks along -z
    points = points - np.array([0, -0.9, 2.5], np.float32)
    points[..., 0] += np.linspace(0, walk, frames, dtype=np.float32)[:, None]
    return to_body(points[None], KINECT, COCO)


def x_of(xy: Floats, joint: str) -> Floats:
    return xy[0, :, COCO.index(joint), 0]


def test_left_is_on_the_right_of_a_picture_from_the_front_and_up_is_up() -> None:
    view = film(body(), FRONT, 30.0, ONE, np.random.default_rng(0))
    assert (x_of(view.xy, "left_shoulder") > x_of(view.xy, "right_shoulder")).all()
    assert (view.xy[0, :, COCO.index("nose"), 1] < view.xy[0, :, COCO.index("left_hip"), 1]).all()
    behind = replace(ONE, azimuth_deg=(180.0, 180.0))
    view = film(body(), FRONT, 30.0, behind, np.random.default_rng(0))
    assert (x_of(view.xy, "left_shoulder") < x_of(view.xy, "right_shoulder")).all()
    left = film(
        body(), FRONT, 30.0, replace(ONE, azimuth_deg=(90.0, 90.0)), np.random.default_rng(0)
    )
    assert (
        left.depth[0, :, COCO.index("left_shoulder")]
        < left.depth[0, :, COCO.index("right_shoulder")]
    ).all()


def test_the_projection_is_that_of_a_pinhole_camera() -> None:
    """At 4 m and a vertical field of view of 50 degrees, a metre is H / (2 * 4 tan 25) pixels."""
    points = body()
    view = film(points, FRONT, 30.0, ONE, np.random.default_rng(1))
    pair = [COCO.index("left_hip"), COCO.index("right_hip")]
    width = np.abs(np.diff(points[0, 0, pair, 0]))[0]
    pixels = np.abs(np.diff(view.xy[0, 0, pair, 0]))[0]
    scale = view.height / 2 / np.tan(np.deg2rad(25)) / view.depth[0, 0, pair].mean()
    assert pixels == pytest.approx(width * scale, rel=0.02)
    assert view.depth[0, :, pair].mean() == pytest.approx(4, abs=0.3)


def spread(kind: str) -> float:
    """How far a person who walks 3 m moves through the picture, in picture widths."""
    options = replace(ONE, kinds=(kind,), distance=(6, 6), sizes=("640x480",))
    view = film(body(60, walk=3.0), FRONT, 30.0, options, np.random.default_rng(2))
    return float(np.ptp(x_of(view.xy, "left_hip")) / view.width)


def test_only_a_fixed_camera_lets_the_person_cross_the_picture() -> None:
    fixed, panning, tracking = map(spread, ("fixed", "panning", "tracking"))
    assert fixed > 0.3
    assert panning < 0.6 * fixed and tracking < 0.6 * fixed


def test_a_handheld_camera_shakes() -> None:
    still = np.repeat(body()[:, :1], 60, axis=1)
    moving = {}
    for kind in ("fixed", "handheld"):
        options = replace(ONE, kinds=(kind,), sizes=("640x480",))
        view = film(still, FRONT, 30.0, options, np.random.default_rng(3))
        moving[kind] = float(view.xy[0].std(axis=0).mean())
    assert moving["fixed"] < 1e-3 < 0.5 < moving["handheld"]


def test_people_stay_in_the_picture() -> None:
    options = CameraOptions(distance=(1.5, 8), fov_deg=(30, 60))
    inside = []
    for seed in range(30):
        view = film(body(30), FRONT, 30.0, options, np.random.default_rng(seed))
        inside.append((~view.outside[0, :, :7]).mean())
    assert np.mean(inside) > 0.85


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"distance": (3.0,)}, "two ascending values"),
        ({"fov_deg": (60.0, 30.0)}, "two ascending values"),
        ({"sizes": ("640",)}, "picture size"),
        ({"kinds": ("flying",)}, "one of fixed"),
    ],
)
def test_wrong_options_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        CameraOptions(**changes)  # type: ignore[arg-type]


def test_the_face_and_the_feet_are_derived() -> None:
    points = sequence("squat", 0, 10)[None]
    out = to_body(points, KINECT, BLAZE)
    assert not np.isnan(out).any()
    nose = out[0, :, BLAZE.index("nose")]
    shoulders = out[0][:, BLAZE.find("left_shoulder", "right_shoulder")].mean(axis=1)
    assert (nose[:, 1] > shoulders[:, 1]).all()
    eyes = out[0, :, BLAZE.index("left_eye"), 0] - out[0, :, BLAZE.index("right_eye"), 0]
    sides = out[0, :, BLAZE.index("left_hip"), 0] - out[0, :, BLAZE.index("right_hip"), 0]
    assert (np.sign(eyes) == np.sign(sides)).all()
    toes = out[0, 0, BLAZE.index("left_foot_index")] - out[0, 0, BLAZE.index("left_ankle")]
    ahead = nose[0] - out[0, 0, BLAZE.find("left_ear", "right_ear")].mean(axis=0)
    assert toes[2] * ahead[2] > 0  # the feet point where the face looks


def test_proportions_become_those_of_the_estimator() -> None:
    points = sequence("wave", 0, 10)[None]
    before, after = (to_body(points, KINECT, COCO, ratio) for ratio in (None, 1.3))

    def ratio(out: Floats) -> float:
        middle = {
            p: out[0, 0, COCO.find(f"left_{p}", f"right_{p}")].mean(axis=0)
            for p in ("shoulder", "hip", "ankle")
        }
        leg = np.linalg.norm(middle["hip"] - middle["ankle"])
        return float(leg / np.linalg.norm(middle["shoulder"] - middle["hip"]))

    assert ratio(before) > 1.5
    assert ratio(after) == pytest.approx(1.3, abs=0.06)
    wrist = COCO.index("left_wrist")
    np.testing.assert_array_equal(before[..., wrist, :], after[..., wrist, :])


def test_an_arm_behind_the_body_is_hidden() -> None:
    points = body(5)
    wrist, hips = COCO.index("left_wrist"), COCO.find("left_hip", "right_hip")
    for depth, is_hidden in ((-0.4, True), (0.4, False)):
        moved = points.copy()
        moved[0, :, wrist] = points[0, :, hips].mean(axis=0) + np.array([0, 0.25, depth])
        view = film(moved, FRONT, 30.0, ONE, np.random.default_rng(0))
        assert (hidden_joints(view, COCO)[0, :, wrist] == is_hidden).all()


def estimate(strength: float, seed: int = 0, frames: int = 90) -> tuple[View, Floats, Floats]:
    still = np.repeat(body()[:, :1], frames, axis=1)
    view = film(still, FRONT, 30.0, ONE, np.random.default_rng(seed))
    torso = np.full((1, frames), 100.0, np.float32)
    hidden = np.zeros(view.depth.shape, bool)
    hidden[..., COCO.index("left_wrist")] = True
    rng = np.random.default_rng(seed)
    return view, *imitate(view.xy, hidden, view.outside, torso, COCO, 30.0, strength, rng)


def test_errors_are_smooth_and_larger_where_the_score_is_low() -> None:
    wrists = [COCO.index("left_wrist"), COCO.index("right_wrist")]
    size, scores, rough = [], [], []
    for seed in range(20):
        view, xy, score = estimate(1.0, seed)
        error = (xy - view.xy)[0]
        size.append(np.nanmean(np.linalg.norm(error, axis=-1), axis=0))
        rough.append(np.nanstd(np.diff(error, n=2, axis=0)))
        scores.append(score[0].mean(axis=0))
        assert np.isnan(xy).any(axis=-1).sum() == (score == 0).sum()
    hidden, seen = (np.mean(size, axis=0)[w] for w in wrists)
    assert hidden > 1.5 * seen
    assert np.mean(scores, axis=0)[wrists[0]] < 0.5 < np.mean(scores, axis=0)[wrists[1]]
    assert np.mean(rough) < 0.5 * np.mean(size)
    assert 1 < np.mean(size) < 20  # of a torso of 100 pixels


def test_without_noise_the_joints_are_exact() -> None:
    view, xy, score = estimate(0.0)
    np.testing.assert_array_equal(xy[~view.outside], view.xy[~view.outside])
    assert (score[~view.outside] == 1).all() and not score[view.outside].any()


def test_somebody_is_always_found_and_the_seed_decides() -> None:
    first, second, other = (estimate(5.0, seed)[1] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(np.nan_to_num(first), np.nan_to_num(other))
    for seed in range(20):
        assert np.isfinite(estimate(5.0, seed, frames=8)[1]).any()
