"""Regions of hands and faces: squares that are rotated with the hand or the face, as in MediaPipe's
holistic graph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skelact.pose.blazepose.landmarks import Region
from skelact.types import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far a region that was tracked from the previous frame may differ from the one that the
    current frame suggests: rotation [rad], shift and change of size as fractions of the side, and
    by which fraction of the side the joints of the previous frame have to be inside."""

    rotation: float
    shift: float
    scale: float
    margin: float


def upwards(tail: Floats, tip: Floats) -> float:
    """The angle of a region in which `tip` is above `tail`."""
    dx, dy = (tip - tail).tolist()
    return float(np.pi / 2 - np.arctan2(-dy, dx))


def square(
    centre: Floats, side: float, angle: float, *, scale: float = 1.0, up: float = 0.0
) -> Region:
    """A region around a point: moved by `up` times the side towards its upper edge, then enlarged
    by `scale`."""
    region = Region(x=float(centre[0]), y=float(centre[1]), size=side, angle=angle)
    middle = region.to_frame(np.array([[0.5, 0.5 - up]], np.float32))[0]
    return Region(x=float(middle[0]), y=float(middle[1]), size=side * scale, angle=angle)


def enclosing(xy: Floats, angle: float, *, scale: float, up: float = 0.0) -> Region:
    """A region with the bounding box of points (N, 2) at that angle, moved up by a fraction of its
    height and enlarged."""
    rotation = Region(x=0, y=0, size=1, angle=angle).rotation
    turned = xy @ rotation
    low, high = turned.min(axis=0), turned.max(axis=0)
    width, height = (high - low).tolist()
    centre = np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2 - up * height], np.float32)
    return square(rotation @ centre, max(width, height) * scale, angle)


def agree(tracked: Region, current: Region, xy: Floats, limits: Agreement) -> bool:
    """Whether the region of the previous frame, whose joints are at xy (V, 2), still fits the
    current frame."""
    turn = abs((tracked.angle - current.angle + np.pi) % (2 * np.pi) - np.pi)
    centre = np.array([[tracked.x, tracked.y]], np.float32)
    shift = np.abs(current.to_unit(centre) - 0.5).max()
    inside = np.abs(current.to_unit(xy) - 0.5).max() < (1 - limits.margin) / 2
    return bool(
        turn <= limits.rotation
        and shift <= limits.shift
        and abs(tracked.size - current.size) <= limits.scale * current.size
        and inside
    )
