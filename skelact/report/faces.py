"""Where the heads of persons are in every frame of a video, to make faces unrecognisable.

A head is found from its own joints, whatever their scores. Where a person has none, it is placed
above the shoulders, or above what else is visible of the person, and the region is larger. Persons
that are lost for some frames keep a region, and it begins before and ends after them. A person that
is never found has none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from skelact.skeletons import Skeleton
from skelact.types import Floats, PersonPose

_HEAD = {"nose", "head", "eye", "ear", "mouth", "face", "jaw", "chin", "brow", "lip", "nostril"}
_SHOULDERS = {"left_shoulder", "right_shoulder", "neck", "spine_shoulder"}
_HIPS = {"left_hip", "right_hip", "mid_hip", "pelvis"}
_HOLD_S = 1.0  # a region begins this much before a person is found, and ends this much after
_SMOOTHING_S = 0.2  # the largest radius within this time counts: joints tremble
_CELLS = 6  # colours across a region that are left
Region = tuple[float, float, float]  # x, y of the centre and the radius [px]


def head_regions(
    frames: Sequence[Sequence[PersonPose]], skeleton: Skeleton, fps: float
) -> list[list[Region]]:
    """The circles of every frame that cover the heads of its persons. `frames` are the persons of
    each frame; persons without an id are not followed through gaps."""
    joints = _Joints(skeleton)
    regions: list[list[Region]] = [[] for _ in frames]
    tracks: dict[int, Floats] = {}
    for t, persons in enumerate(frames):
        for person in persons:
            region = joints.head_of(person.xy)
            if region is None:
                continue
            if person.person_id < 0:
                regions[t].append(region)
            else:
                empty = np.full((len(frames), 3), np.nan, np.float32)
                tracks.setdefault(person.person_id, empty)[t] = region
    for track in tracks.values():
        for t, region in enumerate(_without_gaps(track, fps)):
            if not np.isnan(region[2]):
                regions[t].append((float(region[0]), float(region[1]), float(region[2])))
    return regions


class _Joints:
    """Numbers of the joints of a layout that tell where the head is."""

    def __init__(self, skeleton: Skeleton) -> None:
        names = skeleton.joints
        self.head = [n for n, joint in enumerate(names) if _HEAD & set(joint.split("_"))]
        self.shoulders = [n for n, joint in enumerate(names) if joint in _SHOULDERS]
        self.hips = [n for n, joint in enumerate(names) if joint in _HIPS]

    def head_of(self, xy: Floats) -> Region | None:
        """The region of one person from its joints (V, 2) [px]; None without any joint. Heads are
        0.13 m wide on each side of their middle at a shoulder width of 0.4 m and a distance from
        shoulders to hips of 0.5 m; the factors leave room for hair, errors and side views."""
        head, shoulders, hips = (_known(xy, j) for j in (self.head, self.shoulders, self.hips))
        if not len(head) and not len(shoulders):
            return _above(_known(xy, range(len(xy))))
        width = float(np.ptp(shoulders, axis=0).max()) if len(shoulders) else 0.0
        torso = np.zeros(2, np.float32)
        if len(shoulders) and len(hips):
            torso = shoulders.mean(axis=0) - hips.mean(axis=0)
        length = float(np.linalg.norm(torso))
        body = max(0.45 * width, 0.35 * length)
        if len(head):
            centre = head.mean(axis=0)
            extent = float(np.linalg.norm(head - centre, axis=1).max())
            return float(centre[0]), float(centre[1]), max(1.8 * extent, body, 4.0)
        centre = shoulders.mean(axis=0)
        centre = centre + (0.5 * torso if length else np.array((0, -0.7 * width), np.float32))
        return float(centre[0]), float(centre[1]), max(1.6 * body, 4.0)


def _known(xy: Floats, joints: Sequence[int]) -> Floats:
    points = xy[list(joints)]
    known: Floats = points[~np.isnan(points).any(axis=1)]
    return known


def _above(points: Floats) -> Region | None:
    """A region above and at the top of what is visible, for legs or an arm alone."""
    if not len(points):
        return None
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    size = max(float(bottom - top), float(right - left), 8.0)
    return float(left + right) / 2, float(top) - 0.4 * size, 0.8 * size


def _without_gaps(track: Floats, fps: float) -> Floats:
    """The regions (T, 3) of a person with those of gaps between its two ends, and held at its start
    and end. The radius grows with the time to the next frame in which the person was found, up to
    twice."""
    found = np.flatnonzero(~np.isnan(track[:, 2]))
    time = np.arange(len(track))
    out = np.stack([np.interp(time, found, track[found, k]) for k in range(3)], axis=1)
    after = np.minimum(np.searchsorted(found, time), len(found) - 1)
    before = np.maximum(after - 1, 0)
    distance_s = np.minimum(np.abs(found[after] - time), np.abs(found[before] - time)) / fps
    half = max(1, round(_SMOOTHING_S * fps))
    padded = np.pad(out[:, 2], half, mode="edge")
    out[:, 2] = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1).max(axis=1)
    out[:, 2] *= 1 + np.minimum(distance_s, 1)
    margin = _HOLD_S * fps
    out[(time < found[0] - margin) | (time > found[-1] + margin)] = np.nan
    return out.astype(np.float32)


def blur(image: npt.NDArray[np.uint8], regions: Sequence[Region]) -> None:
    """Replace each region of an image (H, W, 3) by a mosaic of a few colours, smoothed."""
    import cv2

    height, width = image.shape[:2]
    for x, y, radius in regions:
        left, top = max(0, int(x - radius)), max(0, int(y - radius))
        right, bottom = min(width, int(x + radius) + 1), min(height, int(y + radius) + 1)
        if left >= right or top >= bottom:
            continue
        part = image[top:bottom, left:right]
        cells = (min(_CELLS, right - left), min(_CELLS, bottom - top))
        small = cv2.resize(part, cells, interpolation=cv2.INTER_AREA)
        soft = cv2.resize(small, part.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        ys, xs = np.ogrid[top:bottom, left:right]
        inside = (xs - x) ** 2 + (ys - y) ** 2 <= radius**2
        part[inside] = soft[inside]
