"""Forecasts of the poses of a person: what a run or a checkpoint offers, by method.

A forecaster gets clean sequences of one person in the joints of the model, at its own frame rate,
and returns (N, frames, V, D) in the coordinates of the sequences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from skelact.errors import CheckpointError, ConfigError
from skelact.inference.ensemble import input_spec
from skelact.models.checkpoint import build_network
from skelact.schemas import Checkpoint, LinearForecast
from skelact.sequence import streams
from skelact.sequence.forecast import (
    CONSTANT_VELOCITY,
    LINEAR,
    VELOCITY_S,
    ZERO_VELOCITY,
    Ridge,
    constant_velocity,
    coordinates,
    held,
    stack_pasts,
    zero_velocity,
)
from skelact.sequence.input import ClipArrays, InputSpec, clip_values
from skelact.sequence.sampling import frames_before
from skelact.types import Floats, PoseSequence

NETWORK = "network"
_NATIVE = ("recent", "wrap", "edge", "zero")  # sampling of consecutive frames
_PER_FRAME = ("body-frame", "kinect-frame")  # the position of the person is lost
_BATCH = 64
_TOLERANCE = 1e-2  # of undoing the normalisation, relative to the extent of the pose


class Forecaster(Protocol):
    """A method, and what it needs."""

    @property
    def name(self) -> str:
        """The name of the method."""

    @property
    def frames(self) -> int:
        """The number of past frames that it looks at."""

    @property
    def horizon(self) -> int | None:
        """The most frames that it forecasts; None for any number."""

    @property
    def fps(self) -> float | None:
        """The rate of the frames [Hz]; None for any rate."""

    def __call__(self, pasts: Sequence[PoseSequence], frames: int) -> Floats:
        """(N, frames, V, D); a joint that is missing in a whole sequence is NaN."""


@dataclass(frozen=True, kw_only=True)
class VelocityForecaster:
    """The last pose (zero velocity), or its motion continued (constant velocity)."""

    name: str
    dims: int
    frames: int = 64
    horizon: int | None = None
    fps: float | None = None

    def __call__(self, pasts: Sequence[PoseSequence], frames: int) -> Floats:
        rate = pasts[0].fps
        past = stack_pasts(pasts, self.dims, 1 + max(1, round(VELOCITY_S * rate)))
        if self.name == ZERO_VELOCITY:
            return zero_velocity(past, frames)
        return constant_velocity(past, frames, rate)


class LinearForecaster:
    """The fitted linear map of a run."""

    name = LINEAR

    def __init__(self, document: LinearForecast) -> None:
        self.document = document
        self.frames, self.fps = document.context, document.fps
        self.horizon: int | None = document.horizon
        weights, mean, offset = (
            np.asarray(t, np.float32) for t in (document.weights, document.mean, document.offset)
        )
        self.ridge = Ridge(weights=weights, mean=mean, offset=offset)

    def __call__(self, pasts: Sequence[PoseSequence], frames: int) -> Floats:
        past = stack_pasts(pasts, self.document.dims, self.frames)
        return self.ridge(past, self.document.skeleton)[:, :frames]


class NetworkForecaster:
    """The forecast head of a network. Its input is built as in training; what it returns is brought
    back from the normalised coordinates by the affine map between the normalised and the original
    past poses."""

    name = NETWORK

    def __init__(self, checkpoint: Checkpoint, device: torch.device) -> None:
        """Raises ConfigError if the network has no forecast head, or its input no time scale or no
        position; CheckpointError if the weights do not fit."""
        self.spec = input_spec(checkpoint)
        self.net = build_network(checkpoint).to(device)
        self.backbone, self.device = self.net.backbone, device
        check_network(checkpoint.model, self.backbone.has_forecast, self.spec)
        self.fps = self.backbone.fps
        if not self.fps > 0:
            raise CheckpointError(
                f"The checkpoint of {checkpoint.model} does not hold its frame rate",
                "Train it again with this version of skelact.",
            )
        self.horizon: int | None = self.backbone.horizon
        self.frames = self.spec.sampling.length - self.backbone.horizon
        if self.frames < 1:
            raise ConfigError(
                f"The network was trained on {self.spec.sampling.length} frames, of which it would "
                f"forecast {self.horizon}, so it learnt no forecast",
                "Train it with a larger sampling.length, or a smaller model.horizon.",
            )

    def __call__(self, pasts: Sequence[PoseSequence], frames: int) -> Floats:
        parts = [self._batch(pasts[n : n + _BATCH]) for n in range(0, len(pasts), _BATCH)]
        return np.concatenate(parts)[:, :frames]

    def _batch(self, pasts: Sequence[PoseSequence]) -> Floats:
        spec, dims = self.spec, self.spec.normalise.coordinates
        clips = [clip_values(past, spec.skeleton, spec.normalise) for past in pasts]
        arrays = ClipArrays.of(clips, spec)
        frames = np.stack([frames_before(int(n), self.frames) for n in arrays.lengths])
        x = arrays.build_input(np.arange(len(clips)), frames, streams.parse(spec.sampling.streams))
        with torch.inference_mode():
            y = self.backbone.forecast(torch.from_numpy(x).to(self.device))
        ahead = y[:, 0, ..., :dims].float().cpu().numpy()
        out = []
        for past, clip, rows, normalised, future in zip(
            pasts, clips, frames, x[:, 0, ..., :dims], ahead, strict=True
        ):
            points = coordinates(past, dims)
            points = points[len(points) - clip.shape[1] :][rows]
            known = ~np.isnan(points).any(axis=-1) & ~np.isnan(clip[0, rows, :, :dims]).any(axis=-1)
            pose = undo_normalisation(normalised[known], points[known], future)
            # a joint that is missing now is at the origin of the network's input: it is kept where
            # it was seen last, NaN if it was not
            pose[:, ~known[-1]] = held(coordinates(past, dims))[-1][~known[-1]]
            out.append(pose)
        return np.stack(out).astype(np.float32)


def check_network(name: str, has_forecast: bool, spec: InputSpec) -> None:
    """Raises ConfigError if a network cannot forecast poses in the coordinates of its input."""
    if not has_forecast:
        raise ConfigError(
            f"{name} has no forecast head",
            "Train asgcn, which has one, or use another --method: linear works for every network "
            "after `skelact test RUN --forecast`.",
        )
    problem = ""
    if spec.sampling.method not in _NATIVE:
        problem = f"sampling.method={spec.sampling.method}: its frames are not consecutive"
    elif spec.sampling.streams != "joint":
        problem = f"sampling.streams={spec.sampling.streams}: it forecasts no positions of joints"
    elif spec.normalise.mode in _PER_FRAME or spec.normalise.flatten_persons:
        problem = "a normalisation of every frame by itself, which cannot be undone"
    if problem:
        raise ConfigError(
            f"The network was trained with {problem}",
            "Train with --config asgcn-forecast_nw-ucla, or with sampling.method=recent, "
            "sampling.streams=joint and normalise.mode=body.",
        )


def undo_normalisation(normalised: Floats, points: Floats, values: Floats) -> Floats:
    """`values` (..., D) in original coordinates, by the affine map that takes `normalised` (N, D)
    to the original `points` (N, D), by least squares. Raises ConfigError if there is none."""
    dims = points.shape[1]
    if len(points) <= dims:
        return np.full(values.shape, np.nan, np.float32)
    low, high = normalised.mean(axis=0), points.mean(axis=0)
    a, b = (normalised - low).astype(np.float64), (points - high).astype(np.float64)
    matrix = np.linalg.lstsq(a, b, rcond=1e-6)[0]
    extent = float(np.abs(b).max())
    if float(np.abs(a @ matrix - b).max()) > _TOLERANCE * max(extent, 1e-6):
        raise ConfigError(
            "The normalisation of the network's input cannot be undone",
            "Train with normalise.mode=body.",
        )
    return np.asarray((values - low) @ matrix + high, np.float32)


def velocity_forecasters(dims: int) -> dict[str, Forecaster]:
    """The two methods that need no training."""
    names = (ZERO_VELOCITY, CONSTANT_VELOCITY)
    return {name: VelocityForecaster(name=name, dims=dims) for name in names}
