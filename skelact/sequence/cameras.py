"""Random cameras: views of 3-D skeletons as a fixed, panning, tracking or hand-held camera films
them.

World coordinates are right-handed metres with y up; pixels have their origin at the top left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from skelact.config import check_ranges, option
from skelact.errors import ConfigError
from skelact.types import Floats

Floats64 = npt.NDArray[np.float64]
KINDS = ("fixed", "panning", "tracking", "handheld")
_TRIES = 6  # cameras that are drawn until the person is in the picture
_IN_VIEW = 0.7  # fraction of the frames in which most of the upper body must be in the picture
_BODY = 1.9  # metres: a picture that shows less cuts a standing person
_NEAR = 0.3  # metres: closer joints are not visible


@dataclass(frozen=True, kw_only=True)
class CameraOptions:
    """Random cameras. A range is two values, of which every camera draws one between them."""

    cameras: int = option(4, "Views of each clip, each by another random camera.", min=1)
    kinds: tuple[str, ...] = option(
        KINDS,
        "Kinds of cameras, of which each view draws one: fixed, panning (it stands still and turns "
        "after the person), tracking (it moves along), handheld (it turns and shakes).",
        choices=KINDS,
    )
    distance: tuple[float, ...] = option(
        (1.2, 9.0), "Range of the distance from the person, in metres.", above=0
    )
    height: tuple[float, ...] = option(
        (0.5, 3.0), "Range of the height above the floor, in metres.", min=-10, max=100
    )
    azimuth_deg: tuple[float, ...] = option(
        (0.0, 360.0),
        "Range of the direction to the camera about the vertical, in degrees: 0 is in front of the "
        "person at the start, 90 at its left.",
        min=-360,
        max=360,
    )
    fov_deg: tuple[float, ...] = option(
        (25.0, 65.0), "Range of the vertical field of view, in degrees.", min=5, max=150
    )
    sizes: tuple[str, ...] = option(
        ("320x240", "640x360", "640x480", "1280x720", "360x640"),
        "Picture sizes, of which each view draws one, as WIDTHxHEIGHT.",
    )
    seed: int = option(0, "Random seed.")

    def __post_init__(self) -> None:
        check_ranges(self)
        for name in ("distance", "height", "azimuth_deg", "fov_deg"):
            values = getattr(self, name)
            if len(values) != 2 or values[0] > values[1]:
                raise ConfigError(f"{name} must be two ascending values, got {values}")
        if not self.kinds or not self.sizes:
            raise ConfigError("At least one kind of camera and one picture size are needed")
        for size in self.sizes:
            parse_size(size)


def parse_size(text: str) -> tuple[int, int]:
    """'640x480' -> (640, 480). Raises ConfigError for anything else."""
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()) or min(int(width), int(height)) < 16:
        raise ConfigError(f"{text!r} is not a picture size", "Write it as 640x480.")
    return int(width), int(height)


@dataclass(frozen=True, kw_only=True)
class View:
    """What a camera sees: xy (M, T, V, 2) float32 in pixels, also outside the picture; depth
    (M, T, V) in metres along the line of sight; focal (T,) the focal length in pixels."""

    xy: Floats
    depth: Floats
    focal: Floats
    width: int
    height: int
    kind: str

    @property
    def outside(self) -> npt.NDArray[np.bool_]:
        """(M, T, V) whether a joint is outside the picture or behind the camera."""
        x, y = self.xy[..., 0], self.xy[..., 1]
        beside = (x < 0) | (x >= self.width) | (y < 0) | (y >= self.height)
        return np.asarray(beside | (self.depth < _NEAR))


def film(
    points: Floats,
    facing: Floats,
    fps: float,
    options: CameraOptions,
    rng: np.random.Generator,
) -> View:
    """The view of a random camera of points (M, T, V, 3), NaN for missing joints; `facing` (3,) is
    the direction in which the person looks at the start, for the azimuth. A person who would leave
    the picture for long gets another camera, at last one that is farther away."""
    width, height = parse_size(options.sizes[int(rng.integers(len(options.sizes)))])
    kind = options.kinds[int(rng.integers(len(options.kinds)))]
    view = None
    for attempt in range(_TRIES):
        view = _view(points, facing, fps, options, kind, width, height, 1.25**attempt, rng)
        # the upper half of the joints: legs are often cut off by the edge
        upper = points[:1, ..., 1] >= np.nanmedian(points[:1, ..., 1], axis=2, keepdims=True)
        share = (upper & ~view.outside[:1]).sum(axis=2) / np.maximum(upper.sum(axis=2), 1)
        if (share > 0.6).mean() >= _IN_VIEW:
            break
    assert view is not None
    return view


def _view(
    points: Floats,
    facing: Floats,
    fps: float,
    options: CameraOptions,
    kind: str,
    width: int,
    height: int,
    farther: float,
    rng: np.random.Generator,
) -> View:
    frames = points.shape[1]
    body = _path(points)  # (T, 3)
    floor = float(np.nanpercentile(points[..., 1], 2))
    distance = np.exp(_between(np.log(options.distance), rng)) * farther
    azimuth = np.arctan2(facing[0], facing[2]) + np.deg2rad(_between(options.azimuth_deg, rng))
    # a fixed camera looks at a place where the person is at some time
    anchor = body[int(rng.integers(frames))] if kind == "fixed" else body[0]
    away = np.array([np.sin(azimuth), 0.0, np.cos(azimuth)])
    position = np.tile(anchor + distance * away, (frames, 1))
    position[:, 1] = floor + _between(options.height, rng)
    target = np.tile(anchor, (frames, 1))
    if kind != "fixed":
        # an operator follows late and not exactly
        followed = _smooth(body, fps * rng.uniform(0.1, 0.6))
        gain = rng.uniform(0.6, 1.0)
        target = body[:1] + gain * (followed - body[:1])
        if kind == "tracking":
            position = position + (target - body[:1]) * np.array([1.0, 0.0, 1.0])
    fov = np.deg2rad(_between(options.fov_deg, rng))
    # close views show the upper body
    cut = max(0.0, _BODY - 2 * distance * float(np.tan(fov / 2)))
    target = target + np.array([0.0, cut / 2 * rng.uniform(0.2, 1.0), 0.0])
    turn = np.zeros((frames, 3))
    zoom = np.ones(frames)
    if kind == "handheld":
        shake = np.deg2rad(rng.uniform(0.2, 1.2))
        turn = shake * _wander(frames, 3, fps, rng.uniform(0.15, 0.6), rng)
        position = position + rng.uniform(0.01, 0.05) * _wander(frames, 3, fps, 0.6, rng)
    if kind in ("handheld", "panning") and rng.random() < 0.3:
        zoom = np.exp(np.linspace(0, rng.uniform(-0.4, 0.4), frames))
    focal = height / 2 / np.tan(fov / 2) * zoom
    rotation = _rotations(target - position, turn)
    local = np.einsum("tij,mtvj->mtvi", rotation, points.astype(np.float64) - position[:, None])
    depth = local[..., 2]
    safe = np.maximum(depth, _NEAR)
    # the person is not exactly in the middle
    middle = np.array([width, height]) * (0.5 + rng.uniform(-1, 1, 2) * [0.18, 0.1])
    x = middle[0] + focal[:, None] * local[..., 0] / safe
    y = middle[1] - focal[:, None] * local[..., 1] / safe
    return View(
        xy=np.stack([x, y], axis=-1).astype(np.float32),
        depth=depth.astype(np.float32),
        focal=focal.astype(np.float32),
        width=width,
        height=height,
        kind=kind,
    )


def _between(ends: Sequence[float] | Floats64, rng: np.random.Generator) -> float:
    low, high = map(float, ends)
    return float(rng.uniform(low, high))


def _path(points: Floats) -> Floats64:
    """(T, 3) the middle of the first person; frames without it repeat the nearest one."""
    known = ~np.isnan(points[0]).all(axis=(1, 2))
    rows = np.flatnonzero(known)
    out = np.zeros((points.shape[1], 3))
    if len(rows):
        seen = np.nanmean(points[0, rows].astype(np.float64), axis=1)
        for axis in range(3):
            out[:, axis] = np.interp(np.arange(len(out)), rows, seen[:, axis])
    return out


def _rotations(direction: Floats64, turn: Floats64) -> Floats64:
    """(T, 3, 3) world to camera, rows right, up, forward: looking along `direction` (T, 3), then
    turned by yaw, pitch and roll (T, 3) in radians."""
    forward = direction / np.linalg.norm(direction, axis=1, keepdims=True)
    right = np.cross(forward, [0.0, 1.0, 0.0])
    right /= np.maximum(np.linalg.norm(right, axis=1, keepdims=True), 1e-6)
    base = np.stack([right, np.cross(right, forward), forward], axis=1)
    out = np.tile(np.eye(3), (len(turn), 1, 1))
    for axis, (i, j) in enumerate(((0, 2), (1, 2), (0, 1))):
        one = np.tile(np.eye(3), (len(turn), 1, 1))
        cos, sin = np.cos(turn[:, axis]), np.sin(turn[:, axis])
        one[:, i, i] = one[:, j, j] = cos
        one[:, i, j], one[:, j, i] = -sin, sin
        out = one @ out
    return np.asarray(out @ base)


def _wander(
    frames: int, channels: int, fps: float, time_s: float, rng: np.random.Generator
) -> Floats64:
    """(T, channels) smooth random curves of standard deviation 1 that change within `time_s`."""
    steps = max(1, round(time_s * fps))
    noise = _smooth(rng.normal(size=(frames + 6 * steps, channels)), steps)[3 * steps :][:frames]
    return noise / max(float(noise.std()), 1e-6) if frames > 1 else np.zeros((frames, channels))


def _smooth(values: Floats64, sigma: float) -> Floats64:
    """values (T, C) smoothed over time by a Gaussian of `sigma` frames."""
    from scipy.ndimage import gaussian_filter1d

    return np.asarray(gaussian_filter1d(values, max(sigma, 1e-3), axis=0, mode="nearest"))
