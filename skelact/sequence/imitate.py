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
class JointNoise:
    """How a kind of joint is estimated. Scores are logits: `score` is the mean of a joint in sight,
    `hidden` and `outside` are added to it where the body hides the joint and where it is outside
    the picture; `between` and `within` are the standard deviations between clips and over time.
    The error has the standard deviation `error` torso lengths per axis at a logit of 3, times
    exp(-slope) for each logit more; the fraction `constant` of its variance stays the same over a
    clip."""

    score: float
    hidden: float
    outside: float
    between: float
    within: float
    error: float
    slope: float
    constant: float


# for each kind of joint; the errors by benchmarks/estimator_noise.py, the scores by estimates of
# real footage
PARTS = {
    "face": JointNoise(
        score=6.2, hidden=-0.5, outside=-3.7, between=0.9, within=0.7, error=0.040, slope=0.1,
        constant=0.6,
    ),
    "shoulder": JointNoise(
        score=6.4, hidden=-0.5, outside=-4.0, between=0.95, within=0.6, error=0.050, slope=0.1,
        constant=0.75,
    ),
    "elbow": JointNoise(
        score=3.2, hidden=-4.5, outside=-1.6, between=1.8, within=0.9, error=0.038, slope=0.26,
        constant=0.4,
    ),
    "wrist": JointNoise(
        score=2.9, hidden=-4.5, outside=-2.0, between=1.7, within=0.9, error=0.036, slope=0.26,
        constant=0.3,
    ),
    "hip": JointNoise(
        score=6.0, hidden=-0.5, outside=-7.3, between=1.2, within=0.7, error=0.055, slope=0.1,
        constant=0.75,
    ),
    "knee": JointNoise(
        score=2.7, hidden=-2.7, outside=-5.0, between=1.6, within=0.8, error=0.031, slope=0.26,
        constant=0.6,
    ),
    "ankle": JointNoise(
        score=2.7, hidden=-3.0, outside=-6.2, between=1.7, within=0.85, error=0.036, slope=0.26,
        constant=0.65,
    ),
}  # fmt: skip
_ERROR_S, _SCORE_S = 0.15, 0.15  # time constants of the errors and of the scores
_FAST = 0.02  # fraction of the variance of the errors that changes from frame to frame
MAX_FACTOR = 5.0  # of the error by the score
_LOSS_PER_S, _LOSS_S = 0.06, 0.4  # how often nobody is found, and for how long on average
_LATE, _LATE_S = 0.1, 0.5  # how often a person is found late, and how late on average


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
    factor = np.minimum(np.exp(-of("slope") * (logit - 3)), MAX_FACTOR)
    size = of("error") * factor * torso[..., None] * strength
    constant = of("constant")[:, None]
    offset = rng.normal(size=(persons, 1, joints, 2)) * np.sqrt(constant)
    slow = _smooth_drift((*shape, 2), fps * _ERROR_S, rng) * np.sqrt((1 - constant) * (1 - _FAST))
    fast = rng.normal(size=(*shape, 2)) * np.sqrt((1 - constant) * _FAST)
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


def _smooth_drift(shape: tuple[int, ...], steps: float, rng: np.random.Generator) -> Floats64:
    """As `_drift`, but filtered twice: smooth, as the errors of an estimator that tracks."""
    from scipy.signal import lfilter

    keep = np.exp(-1 / max(steps, 1e-3))
    before = int(6 * steps) + 1
    noise = rng.normal(size=(shape[0], shape[1] + before, *shape[2:]))
    values = lfilter([1.0], [1.0, -2 * keep, keep**2], noise, axis=1)[:, before:]
    return np.asarray(values * np.sqrt((1 - keep**2) ** 3 / (1 + keep**2)))


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
