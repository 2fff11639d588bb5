"""From a region of a frame to the joints of the person in it, and to the region of the next frame.

Follows MediaPipe's pose landmark graph: a rotated square region, refinement by heat maps, and two
auxiliary landmarks that define the next region.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from skelact.pose.blazepose.details import Details
from skelact.pose.blazepose.network import LANDMARK_SIZE, RawLandmarks
from skelact.skeletons import SKELETONS
from skelact.types import Floats
from skelact.video.decode import Frame

SKELETON = SKELETONS["blazepose-33"]
JOINTS = len(SKELETON.joints)
_TORSO = [
    SKELETON.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("shoulder", "hip")
]
_CENTRE, _TOP = 33, 34  # auxiliary landmarks: between the hips, and on the circle around the body
_MARGIN = 1.25
_GRID = 64  # side of a heat map
_KERNEL = 3  # half the window in which a heat map refines its joint
_MIN_PEAK = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A square of a frame: centre and side in pixels, and the clockwise angle in radians by which
    it is rotated."""

    x: float
    y: float
    size: float
    angle: float = 0.0

    @classmethod
    def around(cls, centre: Floats, top: Floats) -> Region:
        """The region of a person, from the point between the hips and the point above it that gives
        size and direction of the body."""
        dx, dy = float(top[0] - centre[0]), float(top[1] - centre[1])
        return cls(
            x=float(centre[0]),
            y=float(centre[1]),
            size=2 * _MARGIN * float(np.hypot(dx, dy)),
            angle=float(np.pi / 2 - np.arctan2(-dy, dx)),
        )

    def moved(self, by: npt.NDArray[Any]) -> Region:
        """The region shifted by (x, y) pixels."""
        return Region(
            x=self.x + float(by[0]), y=self.y + float(by[1]), size=self.size, angle=self.angle
        )

    @property
    def rotation(self) -> Floats:
        """(2, 2) matrix from the axes of the region to those of the frame."""
        c, s = np.cos(self.angle), np.sin(self.angle)
        return np.array([[c, -s], [s, c]], np.float32)

    def to_frame(self, unit: Floats) -> Floats:
        """Points (N, 2) in [0, 1] of the region as pixels of the frame."""
        shifted = (unit - 0.5) * self.size @ self.rotation.T
        return np.asarray(shifted + np.array([self.x, self.y]), np.float32)

    def to_unit(self, xy: Floats) -> Floats:
        """Pixels (N, 2) of the frame as points of the region, [0, 1] inside it."""
        centred = xy - np.array([self.x, self.y])
        return np.asarray(centred @ self.rotation / self.size + 0.5, np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A person in a region: xy (33, 2) in pixels of the frame, score (33,), xyz (33, 3) in metres,
    the probability of a person, the mean of the heat maps' maxima (all joints, and shoulders and
    hips), the region of the person in the next frame, and hands and face if they were searched."""

    xy: Floats
    score: Floats
    xyz: Floats
    presence: float
    peak: float
    torso_peak: float
    region: Region
    details: Details | None = None


class LandmarkNetwork(Protocol):
    """See Networks."""

    def landmarks(self, image: Floats) -> RawLandmarks: ...


def crop(image: Frame, region: Region, size: int = LANDMARK_SIZE) -> Floats:
    """The region of a BGR frame as RGB (size, size, 3) in [0, 1]. Outside the frame, its border is
    repeated."""
    import cv2

    corners = np.array([[0, 0], [1, 0], [0, 1]], np.float32)
    matrix = cv2.getAffineTransform(region.to_frame(corners), corners * size)
    small = cv2.warpAffine(
        image,
        matrix,
        (size, size),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return cv2.cvtColor(small, cv2.COLOR_BGR2RGB) * np.float32(1 / 255)


def fit(network: LandmarkNetwork, image: Frame, region: Region, mirrored: bool = False) -> Fit:
    """The person in a region of a BGR frame. With `mirrored`, the network processes the mirrored
    crop and the result is mirrored back."""
    square = crop(image, region)
    raw = network.landmarks(np.ascontiguousarray(square[:, ::-1]) if mirrored else square)
    xy, peaks = refine(raw.joints[:, :2], raw.heatmaps)
    unit, world = xy / LANDMARK_SIZE, raw.world[:JOINTS].astype(np.float32)
    order = np.arange(JOINTS)
    if mirrored:
        order = np.array(SKELETON.flip_index)
        unit[:, 0], world[:, 0] = 1 - unit[:, 0], -world[:, 0]
    points = region.to_frame(unit)
    world[:, :2] = world[:, :2] @ region.rotation.T
    return Fit(
        xy=points[:JOINTS][order],
        score=sigmoid(raw.joints[:JOINTS, 3])[order],
        xyz=world[order],
        presence=raw.presence,
        peak=float(peaks[:JOINTS].mean()),
        torso_peak=float(peaks[_TORSO].mean()),
        region=Region.around(points[_CENTRE], points[_TOP]),
    )


def refine(xy: Floats, heatmaps: Floats) -> tuple[Floats, Floats]:
    """Joints (N, 2) in pixels of the crop, moved to the weighted mean of a 7 x 7 window of their
    heat map (64, 64, N) of logits, where its maximum is at least 0.5; and these maxima (N,)."""
    steps = np.arange(-_KERNEL, _KERNEL + 1)
    cell = np.floor(xy * (_GRID / LANDMARK_SIZE)).astype(int)
    inside = ((cell >= 0) & (cell < _GRID)).all(axis=1)
    columns = cell[:, 0, None, None] + steps[None, None, :]
    rows = cell[:, 1, None, None] + steps[None, :, None]
    valid = (columns >= 0) & (columns < _GRID) & (rows >= 0) & (rows < _GRID)
    joints = np.arange(len(xy))[:, None, None]
    window = heatmaps[rows.clip(0, _GRID - 1), columns.clip(0, _GRID - 1), joints]
    weights = np.where(valid & inside[:, None, None], sigmoid(window), 0)
    total = weights.sum(axis=(1, 2))
    peaks = weights.max(axis=(1, 2))
    chosen = inside & (peaks >= _MIN_PEAK)
    safe = np.where(total > 0, total, 1)
    mean = np.stack([(weights * grid).sum(axis=(1, 2)) / safe for grid in (columns, rows)], axis=1)
    refined = np.where(chosen[:, None], mean * (LANDMARK_SIZE / _GRID), xy)
    return refined.astype(np.float32), peaks.astype(np.float32)


def sigmoid(logits: Floats) -> Floats:
    """The logistic function, without overflow."""
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -80, 80))), np.float32)
