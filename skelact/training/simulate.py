"""Simulated footage: other cameras, other speeds and frame rates, and the mistakes of a pose
estimator, drawn for each training clip and applied to a batch on its device.

Curves over time are sums of sinusoids in seconds, so that a frame and the frame after it are
changed consistently, at any frame rate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from skelact.options import AugmentOptions
from skelact.sequence.imitate import MAX_FACTOR, PARTS, part_of
from skelact.sequence.sampling import Indices, Positions
from skelact.skeletons import Skeleton
from skelact.types import Floats

# ranges of frequencies; those of the errors give the correlations that were measured
_SHAKE_HZ, _JITTER_HZ = (0.5, 4.0), (0.2, 2.0)
_WAVES = 4
_LOST = 0.4  # largest part of a clip in which the person is missing
_HIDDEN_SCORE = 0.02  # of joints outside the picture, as measured
_LEGS = ("knee", "ankle", "heel", "foot", "toe")


def warp_time(
    positions: Positions, lengths: Indices, options: AugmentOptions, rng: np.random.Generator
) -> Positions:
    """Positions (N, L) in clips of `lengths` (N,) frames, at another speed: factors up to
    `time_warp` for the whole clip, as far as it has frames, and in its parts. Empty frames (-1) and
    the kind of the positions, whole or between frames, are kept."""
    if options.time_warp <= 1:
        return positions
    count, size = positions.shape
    largest = np.log(options.time_warp)
    # local speeds: a smooth curve of logarithms, of half the range
    knots = rng.uniform(-largest, largest, (count, 4)) / 2
    at = np.linspace(0, 3, size)
    speed = np.exp(np.stack([np.interp(at, np.arange(4), k) for k in knots]))
    path = np.cumsum(speed, axis=1)
    path = (path - path[:, :1]) / np.maximum(path[:, -1:] - path[:, :1], 1e-9)  # 0 to 1
    whole = np.exp(rng.uniform(-largest, largest, count) / 2)
    out = positions.astype(np.float64)
    for i, (factor, last) in enumerate(zip(whole, lengths - 1, strict=True)):
        used = positions[i] >= 0
        if used.sum() < 2:
            continue
        first, end = out[i, used].min(), out[i, used].max()
        span = min((end - first) * factor, float(last))
        start = np.clip((first + end - span) / 2, 0, last - span)
        moved = start + span * (out[i, used] - first) / max(end - first, 1e-9)
        if (np.diff(positions[i, used]) >= 0).all():  # not for clips that are repeated
            moved = start + span * np.interp(np.linspace(0, 1, int(used.sum())), at / 3, path[i])
        out[i, used] = moved
    whole_numbers = not np.issubdtype(positions.dtype, np.floating)
    return np.rint(out).astype(np.int64) if whole_numbers else out


def frame_steps(
    fps: npt.NDArray[np.float64], options: AugmentOptions, rng: np.random.Generator
) -> Floats | None:
    """(N,) the frames from one to the next of a lower frame rate, between `min_fps` and that of
    each clip; None if rates are not changed."""
    if options.min_fps <= 0:
        return None
    lowest = np.minimum(options.min_fps, fps)
    rates = np.exp(rng.uniform(np.log(lowest), np.log(fps)))
    return (fps / rates).astype(np.float32)


@dataclass(kw_only=True)
class Simulation:
    """The random parameters for N clips; waves are (N, ..., K) for K sinusoids. Applied first to
    the sampled frames and then, for streams of motion, to the frames after them, which are
    normalised by the same origin and unit."""

    options: AugmentOptions
    skeleton: Skeleton
    dims: int
    fps: npt.NDArray[np.float64]
    mode: str
    pan: Floats  # (N, D) units per second
    zoom: Floats  # (N,) logarithm of the change of size over the clip
    shake: Floats  # (N, D, K) amplitudes
    follow: Floats  # (N,) share of the motion that is removed
    jitter: Floats  # (N, V, D, K) amplitudes
    offset: Floats  # (N, V, D) the part of the errors that is constant
    waves: Floats  # (N, V + 1, D, K, 2) frequency [Hz] and phase; the last row is the camera's
    hidden: npt.NDArray[np.bool_]  # (N,) the legs are outside the picture
    lost: Floats  # (N, 2) the part of the clip without the person: from, to, where its end is 1
    _fixed: tuple[Tensor, Tensor] | None = None
    _times: tuple[Floats, Floats] | None = None

    @classmethod
    def draw(
        cls,
        options: AugmentOptions,
        skeleton: Skeleton,
        dims: int,
        fps: npt.NDArray[np.float64],
        mode: str,
        rng: np.random.Generator,
    ) -> Simulation | None:
        """Draw parameters for clips with these frame rates (N,); None if nothing is simulated."""
        o, n, joints = options, len(fps), len(skeleton.joints)
        if not any((o.pan, o.zoom, o.shake, o.follow, o.jitter, o.hide_legs, o.lose_person)):
            return None
        direction = rng.normal(size=(n, dims))
        direction /= np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-9)
        direction[:, 1] *= 0.3  # a camera pans mostly sideways
        low, high = np.log([_SHAKE_HZ, _JITTER_HZ]).T
        waves = np.empty((n, joints + 1, dims, _WAVES, 2))
        for rows, k in ((slice(joints, None), 0), (slice(joints), 1)):
            waves[:, rows, ..., 0] = np.exp(
                rng.uniform(low[k], high[k], waves[:, rows, ..., 0].shape)
            )
        waves[..., 1] = rng.uniform(0, 2 * np.pi, waves.shape[:-1])
        parts = [PARTS[part_of(j)] for j in skeleton.joints]
        errors = o.jitter * np.array([p.error for p in parts])
        constant = np.array([p.constant for p in parts])
        jitter = rng.normal(size=(n, joints, dims, _WAVES)) * np.sqrt(2 / _WAVES)
        jitter *= (errors * np.sqrt(1 - constant))[:, None, None]
        offset = rng.normal(size=(n, joints, dims)) * (errors * np.sqrt(constant))[:, None]
        part = rng.uniform(0, _LOST, n) * (rng.random(n) < o.lose_person)
        at_end = rng.random(n) < 0.3
        lost = np.stack(
            [np.where(at_end & (part > 0), 1 - part, 0), np.where(at_end & (part > 0), 2, part)],
            axis=1,
        )
        removed = rng.uniform(0.5, 1, n) * (rng.random(n) < o.follow)
        return cls(
            options=o,
            skeleton=skeleton,
            dims=dims,
            fps=fps,
            mode=mode,
            pan=(direction * rng.uniform(0, o.pan, (n, 1))).astype(np.float32),
            zoom=(np.log(1 - o.zoom) * rng.uniform(-1, 1, n)).astype(np.float32),
            shake=(
                rng.normal(size=(n, dims, _WAVES))
                * rng.uniform(0, o.shake, (n, 1, 1))
                * np.sqrt(2 / _WAVES)
            ).astype(np.float32),
            follow=removed.astype(np.float32),
            jitter=jitter.astype(np.float32),
            offset=offset.astype(np.float32),
            waves=waves.astype(np.float32),
            hidden=rng.random(n) < o.hide_legs,
            lost=lost.astype(np.float32),
        )

    def apply(self, x: Tensor, positions: Positions) -> Tensor:
        """x (N, M, L, V, C), NaN for missing joints and 0 in empty frames, at `positions` (N, L) in
        frames, -1 for empty ones; returns a new tensor. The first `dims` channels are
        coordinates."""
        o, empty = (
            self.options,
            torch.from_numpy(positions < 0).to(x.device)[:, None, :, None, None],
        )
        seconds, share = self._clock(positions)
        time, place = torch.from_numpy(seconds).to(x), torch.from_numpy(share).to(x)  # (N, L)
        points = torch.where(empty, torch.nan, x[..., : self.dims])
        if o.hide_legs:
            points, x = self._hide_legs(points, x)
        if o.jitter:
            points = points + self._errors(time, x)
        if o.follow or o.pan or o.shake or o.zoom:
            points = self._recentre(self._moved(points, time, place))
        if o.lose_person:
            first, end = torch.from_numpy(self.lost).to(x).unbind(dim=1)
            gone = (place >= first[:, None]) & (place < end[:, None])
            gone &= (end - first)[:, None] > 0
            gone = gone[:, None, :, None, None]
            points = points.masked_fill(gone, torch.nan)
            x = x.masked_fill(gone, 0)
        out = torch.cat([points, x[..., self.dims :]], dim=-1)
        return torch.where(empty, 0.0, out)

    def _clock(self, positions: Positions) -> tuple[Floats, Floats]:
        """(N, L) seconds from the first sampled frame, and the place 0 to 1 in what was sampled."""
        if self._times is None:
            first = np.where(positions < 0, np.inf, positions).min(axis=1, keepdims=True)
            last = positions.max(axis=1, keepdims=True)
            first = np.minimum(first, last).astype(np.float32)
            self._times = first, np.maximum(last - first, 1).astype(np.float32)
        first, extent = self._times
        passed = (positions - first).astype(np.float32)
        return passed / self.fps[:, None].astype(np.float32), passed / extent

    def _waves(self, rows: slice, amplitudes: Floats, time: Tensor) -> Tensor:
        """(N, R, D, L) the sums of sinusoids of these rows at `time` (N, L)."""
        waves = torch.from_numpy(self.waves[:, rows]).to(time)[..., None, :]
        frequency, phase = waves.unbind(dim=-1)  # (N, R, D, K, 1)
        angle = 2 * torch.pi * frequency * time[:, None, None, None] + phase
        return (torch.from_numpy(amplitudes).to(time)[..., None] * angle.sin()).sum(dim=3)

    def _errors(self, time: Tensor, x: Tensor) -> Tensor:
        """(N, 1 or M, L, V, D) imitated errors of the estimator."""
        error = self._waves(slice(-1), self.jitter, time)
        error = error + torch.from_numpy(self.offset).to(x)[..., None]  # (N, V, D, L)
        error = error.permute(0, 3, 1, 2)[:, None]
        if x.shape[-1] == self.dims:
            return error
        slopes = torch.tensor([PARTS[part_of(j)].slope for j in self.skeleton.joints]).to(x)
        score = x[..., self.dims].clamp(1e-3, 1 - 1e-3)
        factor = torch.exp(-slopes * (torch.logit(score) - 3)).clamp(max=MAX_FACTOR)
        return error * factor[..., None]

    def _hide_legs(self, points: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """The points and the input with legs that keep their mean position relative to the hips,
        which is what estimators invent outside the picture, and have a low score."""
        names = self.skeleton.joints
        legs = torch.tensor([any(w in j for w in _LEGS) for j in names], device=x.device)
        hidden = torch.from_numpy(self.hidden).to(x.device)[:, None, None, None]
        chosen = (hidden & legs)[..., None]
        hips = self._hips(points)[..., None, :]
        still = (points - hips).nanmean(dim=2, keepdim=True) + hips
        points = torch.where(chosen & ~points.isnan(), still, points)
        score = torch.where(chosen, x[..., self.dims :] * _HIDDEN_SCORE, x[..., self.dims :])
        return points, torch.cat([x[..., : self.dims], score], dim=-1)

    def _hips(self, points: Tensor) -> Tensor:
        """(N, M, L, D) the middle of the hips, of all joints in layouts without hips."""
        hips = self.skeleton.find("left_hip", "right_hip") or list(range(points.shape[3]))
        return points[:, :, :, hips].nanmean(dim=3)

    def _moved(self, points: Tensor, time: Tensor, place: Tensor) -> Tensor:
        """The points as the simulated camera sees them."""
        if self.options.follow:
            path = self._hips(points)[:, 0]  # (N, L, D)
            mean = path.nanmean(dim=1, keepdim=True)
            path = torch.where(path.isnan(), mean, path).nan_to_num() - mean.nan_to_num()
            size = max(3, path.shape[1] // 6 * 2 + 1)
            padded = F.pad(path.transpose(1, 2), (size // 2, size // 2), mode="replicate")
            smooth = F.avg_pool1d(padded, size, stride=1).transpose(1, 2)
            share = torch.from_numpy(self.follow).to(points)[:, None, None]
            points = points - (share * smooth)[:, None, :, None]
        zoom = torch.exp(torch.from_numpy(self.zoom).to(points)[:, None] * (place - 0.5))
        pan = torch.from_numpy(self.pan).to(points)[:, None] * time[..., None]  # (N, L, D)
        shake = self._waves(slice(-1, None), self.shake[:, None], time)[:, 0].transpose(1, 2)
        return points * zoom[:, None, :, None, None] + (pan + shake)[:, None, :, None]

    def _recentre(self, points: Tensor) -> Tensor:
        """Centred and scaled by the body again (`normalise.by_body`); unchanged in other modes."""
        if self.mode not in ("auto", "body", "body-frame"):
            return points
        if self._fixed is None:
            hips = self._hips(points)[:, 0]
            origin = hips.nanmean(dim=1).nan_to_num()[:, None, None, None]
            shoulders = self.skeleton.find("left_shoulder", "right_shoulder")
            unit = torch.ones_like(origin[..., :1])
            if len(shoulders) == 2 and len(self.skeleton.find("left_hip", "right_hip")) == 2:
                torso = (points[:, 0][:, :, shoulders].mean(dim=2) - hips).norm(dim=-1)
                unit = torch.nanquantile(torso, 0.5, dim=1).nan_to_num(1.0)[
                    :, None, None, None, None
                ]
            self._fixed = origin, unit.clamp(min=1e-3)
        origin, unit = self._fixed
        if self.mode == "body-frame":
            hips = self._hips(points)[:, :1, :, None]
            origin = torch.where(hips.isnan(), origin, hips)
        return (points - origin) / unit
