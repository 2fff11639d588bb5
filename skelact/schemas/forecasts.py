"""Forecasts of poses: the linear forecaster of a run, the errors of all methods, and the forecast
for a video."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from msgspec import Meta

from skelact.errors import CheckpointError, SkelactError
from skelact.schemas.base import Amount, Count, Document, Positive, Rate, Record, Seconds
from skelact.schemas.runs import RunDocument
from skelact.skeletons import Skeleton

FORECAST, LINEAR_FORECAST = "forecast.json", "forecast.pt"
_FIT = "Measure it again: skelact test RUN --forecast."


class LinearForecast(Document, tag="linear-forecast", frozen=True, kw_only=True):
    """A linear map from the poses of `context` frames to those of `horizon` frames that follow, at
    `fps` frames per second: displacements in torso lengths = (features - mean) @ weights + offset,
    see `inference.forecast`. Tensors: weights (F, H V D), mean (F,), offset (H V D,) float32."""

    error: ClassVar[type[SkelactError]] = CheckpointError
    hint: ClassVar[str] = _FIT

    skeleton: Skeleton
    dims: Annotated[int, Meta(ge=2, le=3)]
    fps: Rate
    context: Annotated[int, Meta(ge=2, le=10_000)]
    horizon: Annotated[int, Meta(ge=1, le=10_000)]
    alpha: Amount
    weights: Any
    mean: Any
    offset: Any

    def __post_init__(self) -> None:
        points = len(self.skeleton.joints) * self.dims
        inputs, outputs = self.context * points, self.horizon * points
        shapes = tuple(tuple(t.shape) for t in (self.weights, self.mean, self.offset))
        if shapes != ((inputs, outputs), (inputs,), (outputs,)):
            raise ValueError(f"its tensors have the shapes {shapes}")


class ForecastErrors(Record, frozen=True, kw_only=True):
    """The mean distance of forecast joints from the true ones, in the unit of the result, at each
    of its times: of the clips that choose the method, and of the test clips."""

    method: str
    validation: tuple[Amount, ...]
    test: tuple[Amount, ...]


class ForecastResult(RunDocument, tag="forecast-errors", frozen=True, kw_only=True):
    """The errors of all methods on held-out clips of a run's dataset. `method` is the one with the
    lowest mean error on the clips of the training side that were held out (`held_out`)."""

    hint: ClassVar[str] = _FIT

    dataset: str
    protocol: str
    unit: str
    fps: Rate
    times_s: tuple[Seconds, ...]
    method: str
    held_out: str
    clips: dict[str, Count]
    windows: dict[str, Count]
    errors: tuple[ForecastErrors, ...]

    def __post_init__(self) -> None:
        if self.method not in {row.method for row in self.errors}:
            raise ValueError(f"it has no errors of the method {self.method}")
        lengths = {len(e) for row in self.errors for e in (row.validation, row.test)}
        if lengths != {len(self.times_s)}:
            raise ValueError("the errors are not those of its times")

    def of(self, method: str) -> ForecastErrors | None:
        """The errors of a method, None if it was not measured."""
        return next((row for row in self.errors if row.method == method), None)


class FuturePose(Record, frozen=True, kw_only=True):
    """A pose: the time in the video [s], and for each joint its coordinates, None where the joint
    was not visible."""

    time_s: Seconds
    points: tuple[tuple[float, ...] | None, ...]


class PersonFuture(Record, frozen=True, kw_only=True):
    """The forecast for one person after the pose at `last_seen_s`."""

    person_id: int
    last_seen_s: Seconds
    poses: tuple[FuturePose, ...]


class Forecast(Document, tag="forecast", frozen=True, kw_only=True):
    """The forecast poses of the persons of a video, in its pixels ("px") or in metres ("m").
    `errors` are the mean errors of the method on held-out clips, in the same unit, at
    `error_times_s` after the last pose; empty if they were not measured."""

    hint: ClassVar[str] = "Write it with `skelact forecast RUN VIDEO --out FILE.json`."

    path: str
    model: str
    method: str
    unit: str
    fps: Rate
    frames: Positive
    joints: tuple[str, ...]
    persons: tuple[PersonFuture, ...]
    error_times_s: tuple[Seconds, ...] = ()
    errors: tuple[Amount, ...] = ()
