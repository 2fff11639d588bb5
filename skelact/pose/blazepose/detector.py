"""Detection of persons in a frame and in square tiles of it.

The detector processes 224 x 224 pixels, so that it misses persons who are small in the frame. Tiles
show them larger.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import numpy as np

from skelact.pose.blazepose.landmarks import Region, sigmoid
from skelact.pose.blazepose.network import DETECTOR_SIZE
from skelact.types import Floats
from skelact.video.decode import Frame

_STRIDES = ((8, 2), (16, 2), (32, 6))  # of the feature maps, with the anchors per cell
_OVERLAP = 0.3  # of boxes that belong to one person
_FINE = 0.6  # side of a fine tile, as a fraction of the shorter side of the frame
_NEAR = 0.15  # distance of two detections of one person, as a fraction of the region's side
_SIMILAR_SIZE = 1.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A rectangle of a frame in pixels."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """A person that the detector found: its confidence and the person's region."""

    score: float
    region: Region


class DetectorNetwork(Protocol):
    """See Networks."""

    def detect(self, image: Floats) -> tuple[Floats, Floats]: ...


@cache
def anchors() -> Floats:
    """(2254, 2) centres of the anchors in [0, 1]."""
    centres = []
    for stride, count in _STRIDES:
        cells = DETECTOR_SIZE // stride
        axis = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        x, y = np.meshgrid(axis, axis)
        centres.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), count, axis=0))
    return np.concatenate(centres)


def decode(raw: Floats, centres: Floats) -> tuple[Floats, Floats]:
    """Boxes (N, 4) as x1, y1, x2, y2 and keypoints (N, 4, 2) in [0, 1], from raw outputs (N, 12)
    and the centres (N, 2) of their anchors."""
    values = raw.reshape(-1, 6, 2) / DETECTOR_SIZE
    centre, half = values[:, 0] + centres, values[:, 1] / 2
    return (
        np.concatenate([centre - half, centre + half], axis=1),
        values[:, 2:] + centres[:, None],
    )


def merge_boxes(boxes: Floats, scores: Floats) -> list[tuple[float, list[int], Floats]]:
    """Weighted non-maximum suppression: groups of boxes that overlap their best box, each as the
    highest score, the indices and the weights of its members. Best first."""
    order = [int(i) for i in np.argsort(-scores, kind="stable")]
    groups = []
    while order:
        best = order[0]
        overlaps = _iou(boxes[best], boxes[order])
        members = [i for i, o in zip(order, overlaps, strict=True) if o > _OVERLAP or i == best]
        weights = scores[members] / scores[members].sum()
        groups.append((float(scores[best]), members, weights))
        order = [i for i in order if i not in members]
    return groups


def _iou(box: Floats, others: Floats) -> Floats:
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod()
    return np.asarray(shared / np.maximum(areas - shared, 1e-9), np.float32)


def detect(network: DetectorNetwork, image: Frame, tile: Tile, min_score: float) -> list[Detection]:
    """The persons in a tile of a BGR frame, best first."""
    import cv2

    side = max(tile.width, tile.height)
    left, top = tile.x - (side - tile.width) / 2, tile.y - (side - tile.height) / 2
    scale = DETECTOR_SIZE / side
    # bilinear and without a filter, as in MediaPipe, for the same regions
    part = image[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width]
    matrix = np.array([[scale, 0, (tile.x - left) * scale], [0, scale, (tile.y - top) * scale]])
    small = cv2.warpAffine(part, matrix, (DETECTOR_SIZE, DETECTOR_SIZE), flags=cv2.INTER_LINEAR)
    square = cv2.cvtColor(small, cv2.COLOR_BGR2RGB) * np.float32(1 / 127.5) - np.float32(1)
    raw, logits = network.detect(square)
    scores = sigmoid(logits)
    candidates = np.flatnonzero(scores >= min_score)
    boxes, keypoints = decode(raw[candidates], anchors()[candidates])
    found = []
    for score, members, weights in merge_boxes(boxes, scores[candidates]):
        points = (keypoints[members] * weights[:, None, None]).sum(axis=0) * DETECTOR_SIZE
        points = points / scale + [left, top]
        found.append(Detection(score=score, region=Region.around(points[0], points[1])))
    return found


def merge_detections(found: Sequence[Detection]) -> list[Detection]:
    """Detections of several tiles without those that repeat a person with a higher score."""
    kept: list[Detection] = []
    for detection in sorted(found, key=lambda d: -d.score):
        if not any(is_same(detection.region, other.region) for other in kept):
            kept.append(detection)
    return kept


def is_same(a: Region, b: Region, near: float = _NEAR) -> bool:
    """Whether two regions belong to one person: similar sizes, and centres closer than `near` times
    the smaller size."""
    small, large = min(a.size, b.size), max(a.size, b.size)
    return math.hypot(a.x - b.x, a.y - b.y) < near * small and large < _SIMILAR_SIZE * small


def whole(width: int, height: int) -> list[Tile]:
    """The complete frame as a tile."""
    return [Tile(x=0, y=0, width=width, height=height)]


def squares(width: int, height: int) -> list[Tile]:
    """Overlapping square tiles of the shorter side; none for a frame that is almost square."""
    short, long = min(width, height), max(width, height)
    return [] if long < 1.2 * short else _grid(width, height, short, 0.12)


def fine(width: int, height: int) -> list[Tile]:
    """Overlapping square tiles of 0.6 of the shorter side."""
    return _grid(width, height, round(_FINE * min(width, height)), 0.3)


def _grid(width: int, height: int, side: int, overlap: float) -> list[Tile]:
    """Square tiles that cover the frame and overlap by at least that fraction of their side."""
    return [
        Tile(x=x, y=y, width=side, height=side)
        for y in _offsets(height, side, overlap)
        for x in _offsets(width, side, overlap)
    ]


def _offsets(length: int, side: int, overlap: float) -> list[int]:
    if length <= side:
        return [0]
    count = math.ceil((length - side) / (side * (1 - overlap))) + 1
    return [round(i * (length - side) / (count - 1)) for i in range(count)]
