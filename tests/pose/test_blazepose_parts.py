"""Parts of the blazepose estimator: anchors, decoding, tiles, regions, heat maps,
smoothing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from skelact.pose.blazepose.detector import (
    Detection,
    Tile,
    anchors,
    decode,
    detect,
    fine,
    merge_boxes,
    merge_detections,
    squares,
    whole,
)
from skelact.pose.blazepose.landmarks import Fit, Region, crop, fit, refine
from skelact.pose.blazepose.network import RawLandmarks
from skelact.pose.blazepose.schedule import SceneCuts, Schedule
from skelact.pose.blazepose.smooth import smooth
from skelact.pose.blazepose.verify import Check, Evidence
from skelact.skeletons import SKELETONS


def test_anchors() -> None:
    centres = anchors()
    assert centres.shape == (28 * 28 * 2 + 14 * 14 * 2 + 7 * 7 * 6, 2) == (2254, 2)
    assert np.allclose(centres[0], 0.5 / 28) and np.array_equal(centres[0], centres[1])
    assert np.allclose(centres[2], [1.5 / 28, 0.5 / 28])  # x runs first
    assert np.allclose(centres[1568], 0.5 / 14) and np.allclose(centres[-1], 6.5 / 7)


def test_decoding() -> None:
    raw = np.zeros((1, 12), np.float32)
    raw[0, :6] = 22.4, -22.4, 56, 112, 0, 112  # centre, size, first keypoint
    boxes, points = decode(raw, np.array([[0.5, 0.5]], np.float32))
    assert np.allclose(boxes, [[0.6 - 0.125, 0.4 - 0.25, 0.6 + 0.125, 0.4 + 0.25]])
    assert points.shape == (1, 4, 2)
    assert np.allclose(points[0], [[0.5, 1.0], [0.5, 0.5], [0.5, 0.5], [0.5, 0.5]])


def test_weighted_suppression() -> None:
    boxes = np.array([[0, 0, 1, 1], [0, 0, 1, 0.8], [2, 2, 3, 3], [0, 0, 0.2, 0.2]], np.float32)
    groups = merge_boxes(boxes, np.array([0.6, 0.9, 0.7, 0.5], np.float32))
    assert [(round(score, 3), members) for score, members, _ in groups] == [
        (0.9, [1, 0]),
        (0.7, [2]),
        (0.5, [3]),
    ]
    assert np.allclose(groups[0][2], [0.6, 0.4])


def test_detection_in_a_tile_is_in_pixels_of_the_frame() -> None:
    class Fixed:
        """One detection at the first anchor: hips in the centre of the input, head above."""

        def detect(self, image):
            assert image.shape == (224, 224, 3) and image.dtype == np.float32
            self.image = image
            raw, logits = np.zeros((2254, 12), np.float32), np.full(2254, -10, np.float32)
            raw[0, 4:6] = 112 - 4
            raw[0, 6:8] = 112 - 4, 112 - 4 - 28
            logits[0] = 2.0
            return raw, logits

    image = np.full((300, 400, 3), 255, np.uint8)
    network = Fixed()
    (found,) = detect(network, image, Tile(x=100, y=50, width=200, height=100), 0.5)
    assert math.isclose(found.score, 1 / (1 + math.exp(-2)), rel_tol=1e-5)
    assert np.allclose([found.region.x, found.region.y], [200, 100], atol=0.01)
    assert math.isclose(found.region.size, 2.5 * 28 * 200 / 224, rel_tol=1e-4)
    assert abs(found.region.angle) < 1e-4
    assert network.image[112, 112, 0] == 1 and network.image[10, 112, 0] == -1  # letterboxed


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1080, 1920), (640, 480), (250, 256)])
def test_tiles_cover_the_frame(width: int, height: int) -> None:
    assert whole(width, height) == [Tile(x=0, y=0, width=width, height=height)]
    for tiles in (squares(width, height), fine(width, height)):
        covered = np.zeros((height, width), int)
        for tile in tiles:
            assert tile.width == tile.height
            assert tile.x >= 0 and tile.x + tile.width <= width
            assert tile.y >= 0 and tile.y + tile.height <= height
            covered[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width] += 1
        assert not tiles or covered.min() >= 1
    assert len(squares(width, height)) == (0 if width == 250 else 2)
    assert len(fine(width, height)) in (4, 6, 8)


def test_detections_of_tiles_are_merged() -> None:
    def at(x: float, size: float, score: float) -> Detection:
        return Detection(score=score, region=Region(x=x, y=100, size=size))

    found = [at(100, 200, 0.6), at(110, 190, 0.9), at(190, 200, 0.7), at(100, 60, 0.8)]
    assert [d.score for d in merge_detections(found)] == [0.9, 0.8, 0.7]


def test_region_from_two_points() -> None:
    upright = Region.around(np.array([50.0, 80.0]), np.array([50.0, 40.0]))
    assert (upright.x, upright.y, upright.size) == (50, 80, 100) and abs(upright.angle) < 1e-9
    lying = Region.around(np.array([50.0, 80.0]), np.array([90.0, 80.0]))
    assert math.isclose(lying.angle, math.pi / 2)
    up = lying.to_frame(np.array([[0.5, 0.0]], np.float32))
    assert np.allclose(up, [[100, 80]], atol=1e-4)  # "up" in the region is right in the frame


def test_points_return_from_a_region() -> None:
    region = Region(x=120, y=80, size=90, angle=0.7)
    points = np.random.default_rng(0).uniform(0, 300, (20, 2)).astype(np.float32)
    assert np.allclose(region.to_frame(region.to_unit(points)), points, atol=1e-3)


def test_crop_shows_the_region() -> None:
    image = np.zeros((200, 300, 3), np.uint8)
    image[..., 0] = np.arange(300) % 256  # blue encodes x
    image[..., 2] = np.arange(200)[:, None]  # red encodes y
    square = crop(image, Region(x=100, y=90, size=64, angle=math.pi / 2))
    assert square.shape == (256, 256, 3) and square.dtype == np.float32
    region = Region(x=100, y=90, size=64, angle=math.pi / 2)
    for u, v in ((64, 64), (128, 200), (30, 128)):
        x, y = region.to_frame(np.array([[u / 256, v / 256]], np.float32))[0]
        assert np.allclose(square[v, u] * 255, [y, 0, x], atol=1.5)  # RGB
    outside = crop(image, Region(x=0, y=90, size=64))
    assert np.allclose(outside[128, :120, 2], 0) and outside[128, 200, 0] > 0.3  # border repeated


def test_heat_maps_refine_joints() -> None:
    heatmaps = np.full((64, 64, 3), -20, np.float32)
    heatmaps[10, 21, 0] = heatmaps[10, 22, 0] = 20.0  # equal peaks beside the joint
    heatmaps[10, 21, 1] = -1.0  # below one half
    heatmaps[40, 40, 2] = 20.0  # outside the window of the joint
    xy = np.array([[80, 40], [80, 40], [80, 40]], np.float32)
    refined, peaks = refine(xy, heatmaps)
    assert np.allclose(refined[0], [21.5 * 4, 40], atol=0.01)
    assert np.array_equal(refined[1:], xy[1:])
    assert np.allclose(peaks, [1, 1 / (1 + math.e), 0], atol=1e-4)
    moved, _ = refine(np.array([[-50, 300]] * 3, np.float32), heatmaps)
    assert np.array_equal(moved[0], [-50, 300])


def test_mirrored_crop_gives_the_same_person() -> None:
    """A network that marks the brightest column: both ways agree, left and right are exchanged."""

    class Brightest:
        def landmarks(self, image):
            joints = np.zeros((39, 5), np.float32)
            joints[:, 0] = image.sum(axis=(0, 2)).argmax() + 0.5
            joints[:, 1] = 128
            joints[15, 3] = 5.0  # the left wrist is visible
            world = np.zeros((39, 3), np.float32)
            world[15] = 1, 2, 3
            return RawLandmarks(
                joints=joints,
                presence=0.9,
                heatmaps=np.full((64, 64, 39), -20, np.float32),
                world=world,
            )

    image = np.zeros((256, 256, 3), np.uint8)
    image[:, 60] = 255
    region = Region(x=128, y=128, size=256)
    direct, mirrored = (fit(Brightest(), image, region, m) for m in (False, True))
    assert np.allclose(direct.xy, mirrored.xy) and np.allclose(direct.xy[:, 0], 60.5)
    skeleton = SKELETONS["blazepose-33"]
    left, right = skeleton.index("left_wrist"), skeleton.index("right_wrist")
    assert direct.score[left] > 0.9 > 0.6 > direct.score[right]
    assert mirrored.score[right] > 0.9 > 0.6 > mirrored.score[left]
    assert np.allclose(direct.xyz[left], [1, 2, 3]) and np.allclose(mirrored.xyz[right], [-1, 2, 3])


def test_world_landmarks_are_rotated_back() -> None:
    class Up:
        def landmarks(self, image):
            world = np.zeros((39, 3), np.float32)
            world[:, 1] = -1.0  # above the hips, in the axes of the crop
            return RawLandmarks(
                joints=np.full((39, 5), 128, np.float32),
                presence=1.0,
                heatmaps=np.full((64, 64, 39), -20, np.float32),
                world=world,
            )

    image = np.zeros((100, 100, 3), np.uint8)
    lying = fit(Up(), image, Region(x=50, y=50, size=80, angle=math.pi / 2))
    assert np.allclose(lying.xyz, [1, 0, 0], atol=1e-6)  # to the right in the frame


def test_smoothing_keeps_a_ramp_also_at_the_ends() -> None:
    time = np.arange(9)
    values = np.stack([np.stack([3.0 * time - 4, -time], axis=1)] * 2, axis=1).astype(np.float32)
    score = np.random.default_rng(0).uniform(0.2, 1, (9, 2)).astype(np.float32)
    for now in range(9):
        out = smooth(values, score, time - now, 1.5)
        assert np.allclose(out, values[now], atol=1e-4)


def test_smoothing_does_not_delay_a_step() -> None:
    time = np.arange(41)
    values = np.where(time < 20, 0.0, 1.0)[:, None, None].astype(np.float32)
    score = np.ones((41, 1), np.float32)
    out = np.array([smooth(values, score, time - now, 2.0)[0, 0] for now in time])
    assert np.allclose(out[18:20] + out[21:19:-1], 1, atol=1e-3)  # symmetric about the step
    noise = np.random.default_rng(0).normal(size=(41, 1, 1)).astype(np.float32)
    smoothed = np.array([smooth(noise, score, time - now, 2.0)[0, 0] for now in time])
    assert smoothed.std() < 0.6 * noise.std()


def test_smoothing_trusts_visible_joints() -> None:
    values = np.array([0, 0, 9, 0, 0], np.float32)[:, None, None]
    score = np.array([1, 1, 0, 1, 1], np.float32)[:, None]
    hidden = smooth(values, score, np.arange(-2, 3), 1.0)[0, 0]
    seen = smooth(values, np.ones_like(score), np.arange(-2, 3), 1.0)[0, 0]
    assert hidden < 0.2 * seen


@pytest.mark.parametrize("small_people", ["off", "auto", "always"])
@pytest.mark.parametrize(("width", "height"), [(640, 360), (1920, 1080)])
@pytest.mark.parametrize("followed", [0, 2])
@pytest.mark.parametrize("doubtful", [False, True])
def test_schedule_keeps_its_budget(
    width: int, height: int, small_people: str, followed: int, doubtful: bool
) -> None:
    schedule = Schedule(
        width=width, height=height, fps=25.0, every_s=0.5, small_people=small_people
    )
    seconds = 40
    calls = [
        len(schedule.tiles(cut=False, followed=followed, doubtful=doubtful))
        for _ in range(25 * seconds)
    ]
    rate = schedule.rate
    limit = rate.doubtful if doubtful else rate.followed if followed else rate.empty
    assert calls[0] == rate.at_start == 3 + (0 if small_people == "off" else 8)
    least = (0.3 if doubtful else 0.8) * limit * seconds - 20
    assert least <= sum(calls) - calls[0] <= limit * seconds
    assert schedule.tiles(cut=True, followed=followed, doubtful=doubtful)


def test_scene_cuts() -> None:
    rng = np.random.default_rng(0)
    first = rng.integers(0, 120, (90, 160, 3), np.uint8)
    second = rng.integers(130, 255, (90, 160, 3), np.uint8)
    cuts = SceneCuts()
    frames = [first, first, np.roll(first, 30, axis=1), second, second, first]
    assert [cuts.is_cut(f) for f in frames] == [False, False, False, True, False, True]


def seen(
    evidence: Evidence,
    frames: int,
    peak: float,
    stretch: float = 0.0,
    torso_peak: float | None = None,
) -> None:
    """Add poses whose limbs change their length by `stretch` from frame to frame. The heat maps of
    shoulders and hips are like the others, unless `torso_peak` is given."""
    body = np.random.default_rng(0).normal(size=(33, 3)).astype(np.float32)
    for n in range(frames):
        evidence.add(
            Fit(
                xy=body[:, :2],
                score=np.ones(33, np.float32),
                xyz=body * np.float32(1 + stretch * (n % 2)),
                presence=1.0,
                peak=peak,
                torso_peak=peak if torso_peak is None else torso_peak,
                region=Region(x=0, y=0, size=100),
            )
        )


def checked(evidence: Evidence, *checks: tuple[float, float]) -> Evidence:
    for n, (mirror, detector) in enumerate(checks):
        evidence.add_check(Check(frame=15 * n, mirror=mirror, detector=detector))
    return evidence


@pytest.mark.parametrize(
    ("frames", "peak", "stretch", "checks", "expected"),
    [
        (60, 0.6, 0.05, [(0.9, 0.9)] * 3, True),
        (60, 0.3, 0.05, [(0.9, 0.9)] * 3, False),  # blurred heat maps
        (60, 0.45, 0.05, [(0.2, 0.5)] * 3, False),  # neither the mirror nor the detector agrees
        (60, 0.45, 0.9, [(0.8, 0.7)] * 3, False),  # limbs that change their length
        (60, 0.45, 0.05, [(0.8, 0.7)] * 3, True),
        (10, 0.45, 0.05, [(0.8, 0.7)] * 3, False),  # the same in a third of a second
        (10, 0.8, 0.05, [(0.9, 0.9)], True),  # beyond doubt
        (60, 0.8, 0.05, [], False),  # never checked
    ],
)
def test_verification(
    frames: int, peak: float, stretch: float, checks: list[tuple[float, float]], expected: bool
) -> None:
    evidence = Evidence(fps=30.0)
    seen(evidence, frames, peak, stretch)
    assert checked(evidence, *checks).is_person(False, 0.5) is expected


def test_an_animal_with_sharp_heat_maps_except_of_the_torso_is_no_person() -> None:
    animal, person = Evidence(fps=30.0), Evidence(fps=30.0)
    seen(animal, 60, 0.6, torso_peak=0.3)
    seen(person, 60, 0.6)
    for evidence in (animal, person):
        checked(evidence, *[(0.7, 0.6)] * 3)
    assert not animal.is_person(False, 0.5) and person.is_person(False, 0.5)


def test_a_person_is_kept_through_weak_frames_but_not_for_long() -> None:
    evidence = Evidence(fps=30.0)
    seen(evidence, 60, 0.7)
    checked(evidence, *[(0.9, 0.9)] * 3)
    assert evidence.is_person(False, 0.5)
    seen(evidence, 30, 0.3)
    assert evidence.is_person(True, 0.5)
    seen(evidence, 300, 0.3)
    for n in range(3, 20):
        evidence.add_check(Check(frame=20 * n, mirror=0.3, detector=0.0))
    assert not evidence.is_person(True, 0.5)


def test_a_lower_confidence_accepts_more() -> None:
    evidence = Evidence(fps=30.0)
    seen(evidence, 60, 0.4)
    checked(evidence, *[(0.6, 0.5)] * 3)
    assert not evidence.is_person(False, 0.5) and evidence.is_person(False, 0.3)
