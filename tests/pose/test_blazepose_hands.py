"""Hands and faces of the blazepose estimator."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest

from skelact.errors import WeightsMissing
from skelact.pose.base import FrameRef, PoseOptions
from skelact.pose.blazepose import BlazePose, weights
from skelact.pose.blazepose.details import Face
from skelact.pose.blazepose.face import FACE_SIZE, find_face, points_70
from skelact.pose.blazepose.finder import DetailFinder
from skelact.pose.blazepose.hands import HAND_SIZE, REGION_SIZE, RawHand, find_hand
from skelact.pose.blazepose.landmarks import JOINTS, SKELETON, Fit, Region
from skelact.skeletons import FACE_70, parts_of
from skelact.types import Floats, PersonPose
from skelact.video.decode import Frame, read_frames
from skelact.video.probe import probe
from tests.pose.blazepose_world import Actor, World

HIDDEN = np.zeros((400, 400, 3), np.uint8)
# a hand that points up in its crop, wrist below
UPRIGHT = np.stack([np.full(21, 0.5), np.linspace(0.8, 0.3, 21)], axis=1).astype(np.float32)


def pose(xy: dict[str, tuple[float, float]], score: float = 0.9) -> Fit:
    """A pose with these joints, all others at the origin."""
    points = np.zeros((JOINTS, 2), np.float32)
    for joint, at in xy.items():
        points[SKELETON.index(joint)] = at
    return Fit(
        xy=points,
        score=np.full(JOINTS, score, np.float32),
        xyz=np.zeros((JOINTS, 3), np.float32),
        presence=1.0,
        peak=1.0,
        torso_peak=1.0,
        region=Region(x=0, y=0, size=100),
    )


def reaching(angle: float, length: float = 30.0, side: str = "left") -> Fit:
    """A hand with the wrist at (200, 200), in a direction clockwise from upwards."""
    tip = (200 + length * math.sin(angle), 200 - length * math.cos(angle))
    return pose({f"{side}_wrist": (200, 200), f"{side}_index": tip, f"{side}_pinky": tip})


@dataclass
class Markers:
    """Sees a hand as a red disc in its centre and a green disc at its wrist."""

    presence: float = 0.9
    calls: int = 0

    def region(self, image: Floats) -> Floats:
        self.calls += 1
        centre, wrist = _centroid(image, 0), _centroid(image, 1)
        return np.stack([centre, centre + 1.6 * (wrist - centre)])

    def landmarks(self, image: Floats) -> RawHand:
        assert image.shape == (HAND_SIZE, HAND_SIZE, 3)
        wrist, centre = _centroid(image, 1), _centroid(image, 0)
        steps = np.linspace(0, 1, 21, dtype=np.float32)[:, None]
        world = np.zeros((21, 3), np.float32)
        world[:, 1] = -0.1 * steps[:, 0]  # upwards in the crop
        return RawHand(xy=wrist + (centre - wrist) * steps, presence=self.presence, xyz=world)


def _centroid(image: Floats, channel: int) -> Floats:
    rows, columns = np.nonzero(image[..., channel] > 0.5)
    return np.array([columns.mean(), rows.mean()], np.float32)


@dataclass
class Centred:
    """Sees an upright hand in every crop, in the middle of it."""

    presence: float = 0.9
    regions: int = 0
    hands: int = 0

    def region(self, image: Floats) -> Floats:
        self.regions += 1
        middle = REGION_SIZE / 2
        return np.array([(middle, middle), (middle, middle + 0.45 * REGION_SIZE)], np.float32)

    def landmarks(self, image: Floats) -> RawHand:
        self.hands += 1
        return RawHand(
            xy=UPRIGHT * HAND_SIZE, presence=self.presence, xyz=np.zeros((21, 3), np.float32)
        )


@pytest.mark.parametrize("angle", [0.0, 0.7, math.pi / 2, math.pi, -2.0])
def test_a_hand_at_any_angle(angle: float) -> None:
    """The joints are found where they are in the frame, and the 3-D ones point the same way."""
    image = HIDDEN.copy()
    ahead = np.array([math.sin(angle), -math.cos(angle)])
    centre = np.array([200, 200]) + 35 * ahead
    cv2.circle(image, (200, 200), 4, (0, 255, 0), -1)
    cv2.circle(image, (round(centre[0]), round(centre[1])), 4, (0, 0, 255), -1)
    hand = find_hand(Markers(), image, reaching(angle), "left", None)
    assert hand is not None and hand.presence == pytest.approx(0.9)
    assert np.abs(hand.xy[0] - 200).max() < 1.5 and np.abs(hand.xy[20] - centre).max() < 1.5
    assert np.allclose(hand.xyz[0], 0) and np.allclose(hand.xyz[20, :2], 0.1 * ahead, atol=0.01)


def test_hands_that_are_not_searched_or_not_found() -> None:
    network = Centred()
    hidden, small = reaching(0.0), reaching(0.0, length=2.0)
    hidden.score[SKELETON.index("left_wrist")] = 0.05
    for fit in (hidden, small):
        assert find_hand(network, HIDDEN, fit, "left", None) is None
    assert network.regions == network.hands == 0
    assert find_hand(Centred(presence=0.4), HIDDEN, reaching(0.0), "left", None) is None
    assert find_hand(network, HIDDEN, reaching(0.0), "left", None) is not None


def test_the_previous_frame_gives_the_region_while_the_hand_stays_near() -> None:
    network, fit = Centred(), reaching(0.0)
    first = find_hand(network, HIDDEN, fit, "left", None)
    assert first is not None
    near = replace(first, xy=first.xy + np.float32(4))
    far = replace(first, xy=first.xy + np.float32(60))
    tracked, reset = (find_hand(network, HIDDEN, fit, "left", p) for p in (near, far))
    assert tracked is not None and np.abs(tracked.xy.mean(0) - near.xy.mean(0)).max() < 8
    assert not np.allclose(tracked.xy, first.xy)
    assert reset is not None and np.allclose(reset.xy, first.xy)  # as without a previous frame


class Grid:
    """A mesh whose points 33 and 263 (corners of the eyes) are level; presence by brightness."""

    def __init__(self) -> None:
        self.mesh_ = np.random.default_rng(0).uniform(48, 144, (468, 2)).astype(np.float32)
        self.mesh_[33], self.mesh_[263] = (60, 90), (132, 90)
        self.calls = 0

    def mesh(self, image: Floats) -> tuple[Floats, float]:
        assert image.shape == (FACE_SIZE, FACE_SIZE, 3)
        self.calls += 1
        return self.mesh_, 0.9 if image.mean() > 0.5 else 0.1


def test_a_face() -> None:
    """Two passes at first, one in the next frame, and two again if the face has moved away."""
    head = {"nose": (200.0, 200.0), "left_eye": (220.0, 180.0), "right_eye": (180.0, 180.0)}
    head |= {"left_ear": (240.0, 190.0), "right_ear": (160.0, 190.0)}
    others = SKELETON.joints[:11]
    fit = pose(dict.fromkeys(others, (200.0, 200.0)) | head)
    network, bright = Grid(), np.full((400, 400, 3), 255, np.uint8)
    face = find_face(network, bright, fit, None)
    assert face is not None and network.calls == 2 and face.mesh.shape == (468, 2)
    assert face.mesh[263, 0] > face.mesh[33, 0]
    assert face.mesh[263, 1] == pytest.approx(face.mesh[33, 1], abs=0.1)
    find_face(network, bright, fit, face)
    assert network.calls == 3
    find_face(network, bright, fit, Face(mesh=face.mesh + np.float32(150), presence=0.9))
    assert network.calls == 5
    assert find_face(network, HIDDEN, fit, None) is None
    fit.score[SKELETON.index("nose")] = 0.1
    assert find_face(network, bright, fit, None) is None


def test_the_70_points_of_a_face() -> None:
    mesh = np.arange(468 * 2, dtype=np.float32).reshape(468, 2)
    points = points_70(mesh)
    assert points.shape == (len(FACE_70.joints), 2)
    for name, number in (("chin", 152), ("nose_bridge_4", 4), ("right_eye_1", 33)):
        assert np.array_equal(points[FACE_70.index(name)], mesh[number])
    assert np.array_equal(points[FACE_70.index("left_outer_lip_1")], mesh[291])


# --- the estimator ---


def run(
    world: World, finder: DetailFinder, count: int, smoothing: float = 0.0
) -> list[list[PersonPose]]:
    options = PoseOptions(
        estimator="blazepose",
        hands=finder.hands is not None,
        face=finder.face is not None,
        smoothing=smoothing,
    )
    return [p for _, p in BlazePose(options, world, finder).run(world.frames(count))]


def test_every_person_gets_hands() -> None:
    world = World(Actor(path=lambda n: (150, 180)), Actor(path=lambda n: (450, 180)))
    network = Centred()
    frames = run(world, DetailFinder(hands=network), 60)
    assert all(len(people) == 2 for people in frames)
    for person in frames[30]:
        assert person.xy.shape == (75, 2) and person.score.shape == (75,)
        assert person.xyz is not None and person.xyz.shape == (75, 3)
        assert np.allclose(person.score[33:], 0.9) and np.isfinite(person.xy).all()
        near = np.linalg.norm(person.xy[33:54] - person.xy[SKELETON.index("left_wrist")], axis=1)
        assert near.min() < 60
    assert network.hands == 2 * 2 * 60  # once for each hand of each person and frame


def test_hands_of_frames_that_were_followed_backwards() -> None:
    """The person is detected from the tenth frame on and followed back to the first."""
    actor = Actor(path=lambda n: (300, 180), detected=lambda n: n >= 10)
    frames = run(World(actor), DetailFinder(hands=Centred()), 60)
    assert all(len(people) == 1 for people in frames)
    assert all(np.allclose(people[0].score[33:], 0.9) for people in frames)


class Intermittent(Centred):
    """Recognises the two hands of a person in every other frame."""

    def landmarks(self, image: Floats) -> RawHand:
        raw = super().landmarks(image)
        return raw if (self.hands - 1) // 2 % 2 else replace(raw, presence=0.1)


def test_missing_hands_stay_missing_when_smoothed() -> None:
    world = World(Actor(path=lambda n: (300 + n / 10, 180)))
    raw, smoothed = (run(world, DetailFinder(hands=Intermittent()), 40, s) for s in (0.0, 1.0))
    seen = [bool(p[0].score[33:].any()) for p in raw]
    assert 10 < sum(seen) < 30
    for (before,), (after,) in zip(raw, smoothed, strict=True):
        assert np.array_equal(np.isnan(before.xy), np.isnan(after.xy))
        assert np.array_equal(before.score, after.score)
        assert np.isfinite(after.xy[:33]).all()


def test_without_options_nothing_changes() -> None:
    world = World(Actor(path=lambda n: (300, 180)))
    assert {p.xy.shape for people in world.run(30) for p in people} == {(33, 2)}
    assert BlazePose(PoseOptions(estimator="blazepose"), world).skeleton == SKELETON


# --- weights, options, a real video ---


@pytest.mark.usefixtures("networks")
def test_weights_of_hands_are_only_needed_for_hands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in weights.BODY_FILES:
        (tmp_path / file.name).write_bytes(weights.find(file).read_bytes())
    monkeypatch.setenv("SKELACT_MODELS", str(tmp_path))
    monkeypatch.setattr(
        "skelact.pose.blazepose.weights.find_spec",
        lambda name: None if name == "mediapipe" else find_spec(name),
    )
    weights.fingerprint.cache_clear()
    assert weights.check() == str(tmp_path) and weights.fingerprint()
    for options in ({"hands": True}, {"face": True}):
        with pytest.raises(WeightsMissing, match=r"\.tflite is not in") as missing:
            BlazePose(PoseOptions(estimator="blazepose", **options))  # type: ignore[arg-type]
        assert missing.value.hint == "skelact models pull blazepose"
    weights.fingerprint.cache_clear()


@pytest.mark.usefixtures("networks")
def test_the_fingerprint_covers_the_weights_that_are_used() -> None:
    prints = [weights.fingerprint(hands=h, face=f) for h in (False, True) for f in (False, True)]
    assert len(set(prints)) == 4 and prints[0] == weights.fingerprint()


def test_options() -> None:
    plain = PoseOptions(estimator="blazepose").key_part()
    assert "hands" not in plain and "face" not in plain  # cached poses stay valid
    assert PoseOptions(estimator="blazepose", hands=True).key_part() == plain | {"hands": True}
    assert PoseOptions(estimator="blazepose", face=True).key_part() == plain | {"face": True}


@pytest.mark.usefixtures("networks")
def test_hands_and_face_in_a_real_clip(clip: Path) -> None:
    """The hand begins at the wrist of the body, and the face surrounds its nose."""
    info = probe(clip)
    frames: list[Frame] = list(read_frames(info))
    estimator = BlazePose(PoseOptions(estimator="blazepose", hands=True, face=True))
    refs = [FrameRef(video=0, frame=n, fps=info.fps, image=f) for n, f in enumerate(frames)]
    people = [p for _, found in estimator.run(refs) for p in found]
    assert len(people) == 20 and estimator.skeleton.name == "blazepose-33-hands-face"
    parts = parts_of(estimator.skeleton)
    hands = 0
    for person in people:
        torso = np.linalg.norm(person.xy[[11, 12]].mean(0) - person.xy[[23, 24]].mean(0))
        for part, joint in (("hand_left", "left_wrist"), ("hand_right", "right_wrist")):
            xy = person.xy[parts[part]]  # type: ignore[index]
            if np.isfinite(xy).all():
                hands += 1
                gap = np.linalg.norm(xy[0] - person.xy[SKELETON.index(joint)])
                assert gap < 0.4 * torso and np.ptp(xy, axis=0).max() < torso
    assert hands >= 10
