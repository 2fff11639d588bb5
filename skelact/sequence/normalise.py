"""Pixels or metres -> numbers of order one, and the network's channels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from skelact.config import check_ranges, option
from skelact.errors import ConfigError
from skelact.skeletons import Skeleton
from skelact.types import Floats, PoseSequence

Floats64 = npt.NDArray[np.float64]
MODES = ("body", "image", "unit", "kinect", "kinect-frame", "none")


@dataclass(frozen=True, kw_only=True)
class NormaliseOptions:
    """Normalisation of coordinates, and the channels of the network input."""

    mode: str = option(
        "body",
        "Normalisation: body (centred and scaled by the person), image (PYSKL's PreNormalize2D), "
        "unit (0 to 1 across the frame), kinect (PYSKL's PreNormalize3D, dims=3), kinect-frame "
        "(as in AS-GCN, centred in every frame) or none.",
        choices=MODES,
    )
    dims: int = option(
        2,
        "2 for x, y and score; 3 for x, y, z in metres from the estimator's world landmarks.",
        min=2,
        max=3,
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
    )

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.dims == 3 and self.mode in ("image", "unit"):
            raise ConfigError(
                f"{self.mode} normalisation needs pixel coordinates, which dims=3 does not have",
                "normalise.mode=body",
            )
        if self.dims == 2 and self.mode.startswith("kinect"):
            raise ConfigError(f"{self.mode} normalisation needs dims=3", "normalise.dims=3")


def network_input(sequence: PoseSequence, options: NormaliseOptions) -> Floats:
    """As `per_person`; with `flatten_persons` one person of as many frames as people were
    seen in."""
    values = per_person(sequence, options)
    return flatten_person_frames(values) if options.flatten_persons else values


def flatten_person_frames(values: Floats) -> Floats:
    """(M, T, V, C) -> (1, T', V, C): frame by frame everyone who is seen in it (SGN's rule for two
    people). What nobody is seen in keeps one empty frame."""
    order = values.transpose(1, 0, 2, 3)  # (T, M, V, C)
    there = ~np.isnan(order[..., :2]).all(axis=(2, 3))
    return order[there][None] if there.any() else values[:1, :1]


def per_person(sequence: PoseSequence, options: NormaliseOptions) -> Floats:
    """(M, T, V, C) float32 with C = x, y, score (or only x, y), or x, y, z; missing joints are NaN
    in the coordinates (and 0 in the score).

    ConfigError if 3-D is asked of an estimator that gives none."""
    if options.dims == 3:
        if sequence.xyz is None:
            raise ConfigError(
                "these poses have no 3-D coordinates",
                "the blazepose estimator gives them; or use --dims 2",
            )
        if options.mode.startswith("kinect"):
            every = options.mode == "kinect-frame"
            return by_kinect(sequence.xyz, sequence.skeleton, every)
        return by_body(sequence.xyz, sequence.skeleton) if options.mode == "body" else sequence.xyz
    xy, score = sequence.xy, sequence.score[..., None]
    if sequence.xyz is not None and xy.size and np.isnan(xy).all():
        raise ConfigError("these poses are 3-D and have no place in a picture", "--dims 3")
    if options.threshold is not None:
        xy = np.where(score > options.threshold, xy, np.float32(np.nan))
    if options.mode == "body":
        xy = by_body(xy, sequence.skeleton)
    elif options.mode == "image":
        xy = by_image(xy, sequence.width, sequence.height)
    elif options.mode == "unit":
        xy = xy / np.array([sequence.width, sequence.height], np.float32)
    return np.asarray(np.concatenate([xy, score] if options.score else [xy], axis=-1), np.float32)


def by_image(xy: Floats, width: int, height: int) -> Floats:
    """PYSKL's PreNormalize2D: x <- (x - w/2) / (w/2), y likewise. xy (M, T, V, 2) pixels."""
    half = np.array([width / 2, height / 2], np.float32)
    return ((xy - half) / half).astype(np.float32)


def by_body(points: Floats, skeleton: Skeleton) -> Floats:
    """Centre and scale by the first person's body: origin at the middle of its hips, averaged over
    the clip, unit the median length of its torso (shoulder middle to hip middle), so travel and the
    distance between persons stay. points (M, T, V, D); NaN stays NaN.

    Where hips or shoulders are never seen, the mean of all joints and their spread stand in."""
    if not points.size or np.isnan(points).all():
        return points
    first = points[0] if not np.isnan(points[0]).all() else points.reshape(-1, *points.shape[2:])
    hips, shoulders = (
        skeleton.find("left_hip", "right_hip"),
        skeleton.find("left_shoulder", "right_shoulder"),
    )
    middle = (
        first[:, hips].mean(axis=1)
        if len(hips) == 2
        else np.full((len(first), points.shape[-1]), np.nan, np.float32)
    )
    top = first[:, shoulders].mean(axis=1) if len(shoulders) == 2 else np.full_like(middle, np.nan)
    torso = np.linalg.norm(top - middle, axis=-1)
    if np.isnan(torso).all():
        flat = first.reshape(-1, points.shape[-1])
        centre, unit = np.nanmean(flat, axis=0), 2 * float(np.nanstd(flat, axis=0).max())
    else:
        centre, unit = np.nanmean(middle, axis=0), float(np.nanmedian(torso))
    return np.asarray((points - centre) / max(unit, 1e-6), np.float32)


def by_kinect(points: Floats, skeleton: Skeleton, every_frame: bool = False) -> Floats:
    """PYSKL's PreNormalize3D, for Kinect's skeletons. points (M, T, V, 3) metres, M 1 or more, NaN
    where missing -> (M, T', V, 3).

    Frames without the main person go; if the second is seen longer, the two change places. The
    middle of the main person's spine in the first frame becomes the origin; then everything is
    turned so that the spine stands along z and the shoulders lie along x (right minus left), as the
    main person is in the first frame. Skeletons without spine_mid take their centre joint.
    `every_frame` (AS-GCN's pre_normalization): the origin is the main person's spine in each frame,
    and no frame goes."""
    seen = ~np.isnan(points).all(axis=(2, 3))  # (M, T)
    if not seen.any():
        return points
    if len(points) > 1 and seen[1].sum() > seen[0].sum():
        points, seen = points[[1, 0, *range(2, len(points))]], seen[[1, 0, *range(2, len(seen))]]
    points = (points if every_frame else points[:, seen[0]]).astype(np.float64)
    names = skeleton.joints
    centre = skeleton.index("spine_mid" if "spine_mid" in names else skeleton.centre)
    first = int(seen[0].argmax()) if every_frame else 0
    origin = points[:1, :, centre, None] if every_frame else points[0, 0, centre]
    points = points - np.nan_to_num(origin)
    for ends, target in ((("pelvis", "spine_mid"), 2), (("left_shoulder", "right_shoulder"), 0)):
        if all(e in names for e in ends):
            a, b = (points[0, first, skeleton.index(e)] for e in ends)
            points = points @ _turn(b - a, np.eye(3)[target]).T
    return np.asarray(points, np.float32)


def _turn(source: Floats64, target: Floats64) -> Floats64:
    """(3, 3) rotation that brings `source` into the direction of `target` about their common
    normal (Rodrigues); the identity where either is missing or they already agree."""
    axis = np.cross(source, target)
    length = np.linalg.norm(axis)
    if not np.isfinite(length) or np.abs(axis).sum() < 1e-6:
        return np.eye(3)
    cosine = source @ target / np.linalg.norm(source) / np.linalg.norm(target)
    angle, (x, y, z) = np.arccos(np.clip(cosine, -1, 1)), axis / length
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)
