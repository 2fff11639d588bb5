"""Imitation of a pose estimator: true joints in a picture become what BlazePose would have found,
with its errors, its scores and the frames in which it finds nobody."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from skelact.config import check_ranges, option
from skelact.skeletons import Skeleton
from skelact.types import Floats

Floats64 = npt.NDArray[np.float64]
_MAX_LOGIT = 7.0


@dataclass(frozen=True, kw_only=True)
class Part:
    """How a kind of joint is estimated. Scores are logits: `score` is the mean of a joint in sight,
    `hidden` and `outside` are added to it where the body hides the joint and where it is outside
    the picture; `between` and `within` are the standard deviations between clips and over time.
    The error is `error` torso lengths at a logit of 3, times exp(-slope) for each logit more."""

    score: float
    hidden: float
    outside: float
    between: float
    within: float
    error: float
    slope: float


# for each kind of joint, fitted by benchmarks/estimator_noise.py
PARTS = {
    "face": Part(
        score=6.0, hidden=-0.5, outside=-2.0, between=1.0, within=0.6, error=0.06, slope=0.1
    ),
    "shoulder": Part(
        score=6.5, hidden=-0.5, outside=-2.0, between=1.0, within=0.6, error=0.06, slope=0.1
    ),
    "elbow": Part(
        score=3.3, hidden=-3.5, outside=-2.0, between=1.2, within=0.9, error=0.09, slope=0.2
    ),
    "wrist": Part(
        score=2.8, hidden=-3.2, outside=-2.5, between=1.2, within=1.0, error=0.12, slope=0.25
    ),
    "hip": Part(
        score=6.3, hidden=-0.5, outside=-7.0, between=1.0, within=0.6, error=0.07, slope=0.1
    ),
    "knee": Part(
        score=3.4, hidden=-3.0, outside=-6.5, between=1.2, within=0.9, error=0.10, slope=0.2
    ),
    "ankle": Part(
        score=3.3, hidden=-2.5, outside=-8.0, between=1.2, within=0.9, error=0.13, slope=0.2
    ),
}
SLOW_S, _SCORE_S = 0.4, 0.5  # time constants of the errors and of the scores
FAST = 0.2  # fraction of the variance of the errors that changes from frame to frame
OFFSET = 0.5  # fraction of it that stays the same over a clip
_LOSS_PER_S, _LOSS_S = 0.03, 0.3  # how often nobody is found, and for how long on average
_LATE, _LATE_S = 0.08, 0.5  # how often a person is found late, and how late on average


@dataclass(frozen=True, kw_only=True)
class ImitationOptions:
    """Imitation of a pose estimator on projected joints."""

    noise: float = option(
        1.0,
        "Strength of the imitated errors and drop-outs of the pose estimator; 1 is as measured on "
        "real estimates, 0 keeps exact joints with score 1.",
        min=0,
        max=5,
    )

    def __post_init__(self) -> None:
        check_ranges(self)


def imitate(
    xy: Floats,
    hidden: npt.NDArray[np.bool_],
    outside: npt.NDArray[np.bool_],
    torso: Floats,
    skeleton: Skeleton,
    fps: float,
    strength: float,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Estimated joints and scores, xy (M, T, V, 2) and score (M, T, V), for true joints `xy` in
    pixels. `hidden` and `outside` (M, T, V) say whether a joint is covered and outside the picture;
    `torso` (M, T) is the length of the torso in pixels as it would appear from the front. A person
    who is not found in a frame is NaN with score 0."""
    persons, frames, joints = hidden.shape
    missing = np.isnan(xy).any(axis=-1)
    if strength <= 0:
        shown = ~(missing | outside)
        return np.where(shown[..., None], xy, np.float32(np.nan)), shown.astype(np.float32)
    parts = [PARTS[part_of(joint)] for joint in skeleton.joints]

    def of(name: str) -> Floats64:
        """(V,) a number of every joint."""
        return np.array([getattr(p, name) for p in parts])

    shape = (persons, frames, joints)
    logit = of("score") + of("hidden") * _soft(hidden, fps) + of("outside") * outside
    logit = logit + of("between") * rng.normal(size=(persons, 1, joints))
    logit = logit + of("within") * _drift(shape, fps * _SCORE_S, rng)
    logit = logit.clip(-_MAX_LOGIT, _MAX_LOGIT)
    scores = 1 / (1 + np.exp(-logit))
    size = of("error") * np.exp(-of("slope") * (logit - 3)) * torso[..., None] * strength
    offset = rng.normal(size=(persons, 1, joints, 2)) * np.sqrt(OFFSET)
    slow = _drift((*shape, 2), fps * SLOW_S, rng) * np.sqrt(1 - FAST - OFFSET)
    fast = rng.normal(size=(*shape, 2)) * np.sqrt(FAST)
    out = xy + (offset + slow + fast) * size[..., None]
    lost = missing | ~_found(persons, frames, fps, strength, rng)[..., None]
    lost |= outside.all(axis=2, keepdims=True)
    out[lost], scores[lost] = np.nan, 0
    return out.astype(np.float32), scores.astype(np.float32)


def part_of(joint: str) -> str:
    """The key in PARTS of a joint, by its name."""
    for part, words in (
        ("wrist", ("wrist", "hand", "pinky", "index", "thumb")),
        ("ankle", ("ankle", "heel", "foot", "toe")),
    ):
        if any(word in joint for word in words) and not ("foot" in joint and part == "wrist"):
            return part
    for part in ("shoulder", "elbow", "hip", "knee"):
        if part in joint:
            return part
    return {"pelvis": "hip", "neck": "shoulder", "spine_shoulder": "shoulder"}.get(joint, "face")


def _drift(shape: tuple[int, ...], steps: float, rng: np.random.Generator) -> Floats64:
    """(M, T, ...) first-order autoregressive noise of variance 1 over the frames, with a time
    constant of `steps` frames."""
    from scipy.signal import lfilter

    keep = np.exp(-1 / max(steps, 1e-3))
    noise = rng.normal(size=shape)
    noise[:, 1:] *= np.sqrt(1 - keep**2)
    return np.asarray(lfilter([1.0], [1.0, -keep], noise, axis=1))


def _soft(mask: npt.NDArray[np.bool_], fps: float) -> Floats64:
    """A mask (M, T, V) as numbers 0 to 1 that change within a tenth of a second."""
    from scipy.ndimage import gaussian_filter1d

    values = mask.astype(np.float64)
    return np.asarray(gaussian_filter1d(values, max(0.1 * fps, 1e-3), axis=1, mode="nearest"))


def _found(
    persons: int, frames: int, fps: float, strength: float, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """(M, T) whether the estimator finds a person in a frame; every person is found somewhere."""
    found = np.ones((persons, frames), bool)
    for m in range(persons):
        for start in np.flatnonzero(rng.random(frames) < _LOSS_PER_S * strength / fps):
            found[m, start : start + 1 + int(rng.exponential(_LOSS_S) * fps)] = False
        if rng.random() < _LATE * strength:
            found[m, : int(rng.exponential(_LATE_S) * fps)] = False
        if not found[m].any():
            found[m, frames // 2 :] = True
    return found
