"""Normalisation: pixels or metres to numbers of order one, as the channels of the network."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from skelact.config import check_ranges, option
from skelact.errors import ConfigError
from skelact.skeletons import Skeleton
from skelact.types import Floats, PoseSequence

Floats64 = npt.NDArray[np.float64]
MODES = ("auto", "body", "body-frame", "image", "unit", "kinect", "kinect-frame", "none")
PER_FRAME_MODES = ("image", "unit", "none")


@dataclass(frozen=True, kw_only=True)
class NormaliseOptions:
    """Normalisation of coordinates, and the channels of the network input."""

    mode: str = option(
        "auto",
        "Normalisation: auto (body, but image for 2-D pickles of PYSKL), body (centred and "
        "scaled by the person), body-frame (the same, but centred in every frame, which removes "
        "the motion of the camera and of the person through the picture), image (PYSKL's "
        "PreNormalize2D), "
        "unit (0 to 1 across the frame), kinect (PYSKL's PreNormalize3D, dims=3), kinect-frame "
        "(as in AS-GCN, centred in every frame) or none.",
        choices=MODES,
    )
    dims: int | None = option(
        None,
        "2 for x, y and score; 3 for x, y, z in metres, from skeleton files or the estimator's "
        "world landmarks; auto for 3 if the data are 3-D files.",
        min=2,
        max=3,
        none="auto",
    )
    score: bool = option(True, "Use the joint score as third channel (dims=2).")
    minmax: bool = option(
        False,
        "Scale each axis of the sampled frames to -1..1 after augmentation (as in CTR-GCN for "
        "NW-UCLA).",
    )
    flatten_persons: bool = option(
        False, "Convert the persons of each frame to consecutive frames of one person (SGN)."
    )
    threshold: float | None = option(
        None,
        "Joints with a score up to this value are treated as missing (dims=2; PYSKL uses 0.01).",
        min=-1,
        max=1,
    )

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.dims == 3 and self.mode in ("image", "unit"):
            raise ConfigError(
                f"Normalisation {self.mode} needs pixel coordinates, which dims=3 does not have",
                "normalise.mode=body",
            )
        if self.dims == 2 and self.mode.startswith("kinect"):
            raise ConfigError(
                f"Normalisation {self.mode} needs 3-D data, but dims is 2",
                "normalise.dims=3, or normalise.mode=body for 2-D data.",
            )

    @property
    def coordinates(self) -> int:
        """The number of coordinates, 2 or 3. Raises ValueError while `dims` is automatic."""
        if self.dims is None:
            raise ValueError("normalise.dims is automatic and was not resolved")
        return self.dims

    def resolved(self, dims: int = 2, mode_2d: str = "body") -> NormaliseOptions:
        """With values for what is automatic: `dims`, and the mode body in 3-D or `mode_2d` in 2-D.
        Raises ConfigError if the other options do not fit."""
        dims = self.dims or dims
        mode = (mode_2d if dims == 2 else "body") if self.mode == "auto" else self.mode
        return replace(self, dims=dims, mode=mode)


def normalise(sequence: PoseSequence, options: NormaliseOptions) -> Floats:
    """(M, T, V, C) float32 with C = x, y, score (or only x, y), or x, y, z. Missing joints are NaN
    in the coordinates and 0 in the score. T shrinks in mode "kinect" only.

    Raises ConfigError if the poses do not have the coordinates that `options` ask for."""
    options = options.resolved()  # 2-D where the dimensions are automatic
    if options.dims == 3:
        if sequence.xyz is None:
            raise ConfigError(
                "These poses have no 3-D coordinates",
                "The blazepose estimator provides them; or use --dims 2.",
            )
        if options.mode.startswith("kinect"):
            every_frame = options.mode == "kinect-frame"
            return by_kinect(sequence.xyz, sequence.skeleton, every_frame)
        if options.mode in ("body", "body-frame"):
            return by_body(sequence.xyz, sequence.skeleton, options.mode == "body-frame")
        return sequence.xyz
    xy, score = sequence.xy, sequence.score[..., None]
    if is_only_3d(sequence):
        raise ConfigError("These poses are 3-D and have no image coordinates", "Use --dims 3.")
    if options.threshold is not None:
        xy = np.where(score > options.threshold, xy, np.float32(np.nan))
    if options.mode in ("body", "body-frame"):
        xy = by_body(xy, sequence.skeleton, options.mode == "body-frame")
    elif options.mode == "image":
        xy = by_image(xy, sequence.width, sequence.height)
    elif options.mode == "unit":
        xy = xy / np.array([sequence.width, sequence.height], np.float32)
    return np.asarray(np.concatenate([xy, score] if options.score else [xy], axis=-1), np.float32)


def is_only_3d(sequence: PoseSequence) -> bool:
    """Whether the sequence has 3-D joints and no pixels."""
    xyz = sequence.xyz
    return xyz is not None and bool(np.isnan(sequence.xy).all() and np.isfinite(xyz).any())


def is_per_frame(options: NormaliseOptions) -> bool:
    """Whether every frame is normalised by itself, so that a slice of a normalised video equals the
    normalised slice. The other modes use statistics of the clip or its first frame."""
    return options.mode in PER_FRAME_MODES


def flatten_person_frames(values: Floats) -> Floats:
    """(M, T, V, C) -> (1, T', V, C): the visible persons of the first frame, then those of the
    second, and so on (SGN's rule for two persons). A clip without a visible person keeps one empty
    frame."""
    order = values.transpose(1, 0, 2, 3)  # (T, M, V, C)
    visible = ~np.isnan(order[..., :2]).all(axis=(2, 3))
    return order[visible][None] if visible.any() else values[:1, :1]


def by_image(xy: Floats, width: int, height: int) -> Floats:
    """xy (M, T, V, 2) in pixels -> -1..1 across the image: x <- (x - w/2) / (w/2), y likewise
    (PYSKL's PreNormalize2D)."""
    half = np.array([width / 2, height / 2], np.float32)
    return ((xy - half) / half).astype(np.float32)


def by_body(points: Floats, skeleton: Skeleton, every_frame: bool = False) -> Floats:
    """Centre and scale points (M, T, V, D) by the body of the first person; NaN stays NaN.

    The origin is the middle of the hips, averaged over the clip; the unit is the median distance
    from the middle of the shoulders to the middle of the hips. Movement through the image and the
    distance between persons are kept. If hips or shoulders are never visible, the mean and the
    standard deviation of all joints are used instead. With `every_frame`, the origin is that of
    each frame, interpolated where the hips are not visible, and movement through the image is lost.
    """
    if not points.size or np.isnan(points).all():
        return points
    body = points[0] if not np.isnan(points[0]).all() else points.reshape(-1, *points.shape[2:])

    def middle_of(joint: str) -> Floats:
        pair = skeleton.find(f"left_{joint}", f"right_{joint}")
        missing = np.full((len(body), points.shape[-1]), np.nan, np.float32)
        return body[:, pair].mean(axis=1) if len(pair) == 2 else missing

    middle = middle_of("hip")
    torso = np.linalg.norm(middle_of("shoulder") - middle, axis=-1)
    if np.isnan(torso).all():
        flat = body.reshape(-1, points.shape[-1])
        centre, unit = np.nanmean(flat, axis=0), 2 * float(np.nanstd(flat, axis=0).max())
    else:
        centre, unit = np.nanmean(middle, axis=0), float(np.nanmedian(torso))
    if every_frame:
        centre = _path(middle, body)[:, None]
    return np.asarray((points - centre) / max(unit, 1e-6), np.float32)


def _path(middle: Floats, body: Floats) -> Floats:
    """(T, D) the middle of the hips (T, D), or of all joints of `body` (T, V, D) if the hips are
    never visible; interpolated, and constant beyond the ends, where it is missing."""
    if np.isnan(middle).all():
        known = ~np.isnan(body).all(axis=(1, 2))
        middle = np.full_like(middle, np.nan)
        middle[known] = np.nanmean(body[known], axis=1)
    rows = np.flatnonzero(~np.isnan(middle).any(axis=1))
    frames = np.arange(len(middle))
    return np.stack([np.interp(frames, rows, axis[rows]) for axis in middle.T], axis=1).astype(
        np.float32
    )


def by_kinect(points: Floats, skeleton: Skeleton, every_frame: bool = False) -> Floats:
    """PYSKL's PreNormalize3D for Kinect skeletons: points (M, T, V, 3) in metres, M >= 1, NaN for
    missing joints -> (M, T', V, 3).

    Frames without the first person are removed; if the second person is visible in more frames, the
    two are exchanged first. The origin is the middle of the first person's spine in the first
    frame. Then all points are rotated so that in the first frame that person's spine points along z
    and its shoulders along x, from left to right. Skeletons without spine_mid use their centre
    joint. With `every_frame` (AS-GCN's pre_normalization), the origin is the middle of the first
    person's spine in each frame, and no frame is removed."""
    seen = ~np.isnan(points).all(axis=(2, 3))  # (M, T)
    if not seen.any():
        return points
    order, kept = kinect_order(points, every_frame)
    seen = seen[order]
    points = points[order][:, kept].astype(np.float64)
    names = skeleton.joints
    centre = skeleton.index("spine_mid" if "spine_mid" in names else skeleton.centre)
    first = int(seen[0].argmax()) if every_frame else 0
    origin = points[:1, :, centre, None] if every_frame else points[0, 0, centre]
    points = points - np.nan_to_num(origin)
    for ends, target in ((("pelvis", "spine_mid"), 2), (("left_shoulder", "right_shoulder"), 0)):
        if all(e in names for e in ends):
            a, b = (points[0, first, skeleton.index(e)] for e in ends)
            points = points @ _rotation(b - a, np.eye(3)[target]).T
    return np.asarray(points, np.float32)


def kinect_order(points: Floats, every_frame: bool) -> tuple[list[int], npt.NDArray[np.int64]]:
    """The persons and the frames of points (M, T, V, 3) that `by_kinect` returns, in its order."""
    seen = ~np.isnan(points).all(axis=(2, 3))
    order = list(range(len(points)))
    if len(points) > 1 and seen[1].sum() > seen[0].sum():
        order[:2] = [1, 0]
    frames = np.arange(points.shape[1])
    return order, frames if every_frame or not seen.any() else frames[seen[order[0]]]


def _rotation(source: Floats64, target: Floats64) -> Floats64:
    """(3, 3) rotation from the direction of `source` to that of `target` (Rodrigues' formula); the
    identity if either is missing or they are parallel."""
    axis = np.cross(source, target)
    length = np.linalg.norm(axis)
    if not np.isfinite(length) or np.abs(axis).sum() < 1e-6:
        return np.eye(3)
    cosine = source @ target / np.linalg.norm(source) / np.linalg.norm(target)
    angle, (x, y, z) = np.arccos(np.clip(cosine, -1, 1)), axis / length
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)
