"""Pixels or metres -> numbers of order one, and the network's channels."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from skelact.errors import ConfigError
from skelact.skeletons import Skeleton
from skelact.types import Floats, PoseSequence

MODES = ("body", "image", "none")


@dataclass(frozen=True)
class NormaliseOptions:
    """What the network sees of a sequence."""

    mode: str = field(
        default="body",
        metadata={
            "help": "body (centre and scale by the person), image (PYSKL's PreNormalize2D) or none"
        },
    )
    dims: int = field(
        default=2,
        metadata={
            "help": "2: x, y and score; 3: x, y, z in metres from the estimator's world landmarks"
        },
    )

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ConfigError(
                f"normalise mode must be one of {', '.join(MODES)}, got {self.mode!r}"
            )
        if self.dims not in (2, 3):
            raise ConfigError(f"dims must be 2 or 3, got {self.dims}")
        if self.dims == 3 and self.mode == "image":
            raise ConfigError(
                "image normalisation needs pixels, and dims = 3 has none", "normalise.mode=body"
            )


def network_input(sequence: PoseSequence, options: NormaliseOptions) -> Floats:
    """(M, T, V, C) float32 with C = x, y, score or x, y, z; missing joints are NaN in the
    coordinates (and 0 in the score).

    ConfigError if 3-D is asked of an estimator that gives none."""
    if options.dims == 3:
        if sequence.xyz is None:
            raise ConfigError(
                "these poses have no 3-D coordinates",
                "the blazepose estimator gives them; or use --dims 2",
            )
        return by_body(sequence.xyz, sequence.skeleton) if options.mode == "body" else sequence.xyz
    if options.mode == "body":
        xy = by_body(sequence.xy, sequence.skeleton)
    elif options.mode == "image":
        xy = by_image(sequence.xy, sequence.width, sequence.height)
    else:
        xy = sequence.xy
    return np.concatenate([xy, sequence.score[..., None]], axis=-1).astype(np.float32)


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
