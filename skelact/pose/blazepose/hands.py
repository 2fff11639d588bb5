"""The joints of the hands, as in MediaPipe's holistic graph.

The wrist and the knuckles of the pose give a rough region, which a small network corrects. While
the hand stays near, the joints of the previous frame give the region instead, which is steadier.
Because every frame starts from the wrist of the pose, a region cannot move to another hand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from skelact.pose.blazepose.details import Hand
from skelact.pose.blazepose.landmarks import SKELETON, Fit, Region, crop
from skelact.pose.blazepose.network import Network
from skelact.pose.blazepose.regions import Agreement, agree, enclosing, square, upwards
from skelact.pose.blazepose.weights import HAND, HAND_REGION, find
from skelact.skeletons import HAND_21
from skelact.types import Floats
from skelact.video.decode import Frame

Side = Literal["left", "right"]
JOINTS = len(HAND_21.joints)
REGION_SIZE, HAND_SIZE = 256, 224  # input of the two networks in pixels
MIN_VISIBILITY = 0.1  # of the wrist
MIN_PRESENCE = 0.5
MIN_REGION = 16.0  # side of a region in pixels
_POSE_SCALE, _TRACKED_SCALE, _UP = 2.7, 2.0, 0.1
_LIMITS = Agreement(rotation=math.radians(40), shift=0.2, scale=0.4, margin=0.1)
_WRIST, _INDEX, _MIDDLE, _RING = HAND_21.find("wrist", "index_1", "middle_1", "ring_1")
_PALM = HAND_21.find(
    "wrist",
    *(f"thumb_{n}" for n in (1, 2, 3)),
    *(f"{f}_{n}" for f in ("index", "middle", "ring", "pinky") for n in (1, 2)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RawHand:
    """Outputs of the hand network: xy (21, 2) in pixels of the crop, the probability that the crop
    shows a hand, and xyz (21, 3) in metres, in the axes of the crop."""

    xy: Floats
    presence: float
    xyz: Floats


class HandNetwork(Protocol):
    """See HandNetworks."""

    def region(self, image: Floats) -> Floats: ...

    def landmarks(self, image: Floats) -> RawHand: ...


class HandNetworks:
    """The two networks, loaded from their files. Raises BackendMissing or WeightsMissing."""

    def __init__(self) -> None:
        self._region = Network(find(HAND_REGION).read_bytes(), (0,))
        # output 2 says whether it is a left hand, which the pose already says
        self._landmarks = Network(find(HAND).read_bytes(), (0, 1, 3))

    def region(self, image: Floats) -> Floats:
        """The centre of a hand and the point that gives size and direction (2, 2), in pixels of an
        RGB crop (256, 256, 3) in [0, 1]."""
        return self._region(image)[0].reshape(2, 2)

    def landmarks(self, image: Floats) -> RawHand:
        """The joints of the hand in an RGB crop (224, 224, 3) in [0, 1]."""
        xyz, presence, world = self._landmarks(image)
        return RawHand(
            xy=xyz.reshape(JOINTS, 3)[:, :2],
            presence=float(presence.ravel()[0]),
            xyz=world.reshape(JOINTS, 3),
        )


def find_hand(
    network: HandNetwork, image: Frame, pose: Fit, side: Side, previous: Hand | None
) -> Hand | None:
    """The hand of a person in a BGR frame. `previous` is the hand in the frame before. None if the
    wrist is not visible, the hand is too small, or the region does not show a hand."""
    wrist, pinky, index = SKELETON.find(f"{side}_wrist", f"{side}_pinky", f"{side}_index")
    if pose.score[wrist] < MIN_VISIBILITY:
        return None
    rough = region_of_pose(pose.xy[wrist], pose.xy[index], pose.xy[pinky])
    if rough.size < MIN_REGION:
        return None
    region = corrected(network, image, rough)
    if previous is not None:
        tracked = region_of_joints(previous.xy)
        region = tracked if agree(tracked, region, previous.xy, _LIMITS) else region
    if region.size < MIN_REGION:
        return None
    raw = network.landmarks(crop(image, region, HAND_SIZE))
    if raw.presence < MIN_PRESENCE:
        return None
    xyz = (raw.xyz - raw.xyz[_WRIST]).astype(np.float32)
    xyz[:, :2] = xyz[:, :2] @ region.rotation.T
    return Hand(xy=region.to_frame(raw.xy / HAND_SIZE), xyz=xyz, presence=min(raw.presence, 1.0))


def region_of_pose(wrist: Floats, index: Floats, pinky: Floats) -> Region:
    """The rough region of a hand from three joints (2,) of the pose."""
    middle = (2 * index + pinky) / 3
    side = 2 * float(np.linalg.norm(middle - wrist))
    return square(middle, side, upwards(wrist, middle), scale=_POSE_SCALE, up=_UP)


def corrected(network: HandNetwork, image: Frame, rough: Region) -> Region:
    """The region of the hand that a rough region shows."""
    unit = network.region(crop(image, rough, REGION_SIZE)) / REGION_SIZE
    centre, below = rough.to_frame(np.asarray(unit, np.float32))
    side = 2 * float(np.linalg.norm(below - centre))
    return square(centre, side, upwards(below, centre), up=_UP)


def region_of_joints(xy: Floats) -> Region:
    """The region of a hand from its joints (21, 2)."""
    knuckles = ((xy[_INDEX] + xy[_RING]) / 2 + xy[_MIDDLE]) / 2
    return enclosing(xy[_PALM], upwards(xy[_WRIST], knuckles), scale=_TRACKED_SCALE, up=_UP)
