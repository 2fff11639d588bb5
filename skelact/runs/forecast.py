"""`forecast`: the future poses of the persons in a video or a skeleton file, by a run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from msgspec import structs

from skelact.analysis_options import ForecastOptions
from skelact.cache import Cache
from skelact.errors import ConfigError, InputError, NoPersonFound, escaped
from skelact.inference.ensemble import check_file, check_joints, members_of
from skelact.inference.forecast import (
    NETWORK,
    Forecaster,
    LinearForecaster,
    NetworkForecaster,
    velocity_forecasters,
)
from skelact.inference.groups import stored_tracks
from skelact.inference.predictor import Predictor
from skelact.inference.windows import PersonTrack, find_tracks
from skelact.models import spec as network_spec
from skelact.readers.format import Format
from skelact.runs.forecast_test import losses
from skelact.schemas import (
    FORECAST,
    LINEAR_FORECAST,
    Ensemble,
    Forecast,
    ForecastResult,
    FuturePose,
    LinearForecast,
    PersonFuture,
    load_json,
    load_tensors,
)
from skelact.sequence.clean import clean
from skelact.sequence.forecast import LINEAR, ZERO_VELOCITY, coordinates, held
from skelact.sequence.input import InputSpec
from skelact.sequence.resample import at_rate
from skelact.sequence.stack import take_frames, to_skeleton
from skelact.stages.poses import Extracted, poses_of
from skelact.stages.skeleton_input import SkeletonInput, find_inputs
from skelact.types import Floats, PoseSequence, ProgressCallback, no_progress
from skelact.video.probe import find_videos

_NEAR_S = 0.5  # a person who was seen this long before the time of the forecast gets one
_MEASURE = "skelact test RUN --forecast measures the methods and fits the linear one."


@dataclass(frozen=True, kw_only=True)
class VideoForecast:
    """The forecast for one video, the sources of a picture of it, and what a user should know."""

    document: Forecast
    source: Extracted | SkeletonInput
    tracks: tuple[PersonTrack, ...]
    forecaster: Forecaster
    spec: InputSpec
    fps: float
    frame: int
    notes: tuple[str, ...]

    def ahead(self, track: PersonTrack, ends: Sequence[int]) -> tuple[Floats, Floats]:
        """The last poses (N, V, D) of a person before frames `ends` of the track, and the poses
        (N, H, V, D) that follow, at `document.fps`."""
        rate = self.document.fps
        frames = self.forecaster.frames
        pasts = [causal_past(track, end, frames, self.spec, rate) for end in ends]
        now = np.stack([held(coordinates(p, self.spec.normalise.coordinates))[-1] for p in pasts])
        return now, self.forecaster(pasts, self.document.frames)


def forecast(
    model: Path | str,
    path: Path | str,
    cache: Cache,
    options: ForecastOptions | None = None,
    *,
    poses_from: Path | None = None,
    on_progress: ProgressCallback = no_progress,
) -> VideoForecast:
    """Forecast the poses of every person who is visible at the time `options.at`, by default the
    end. `model` is a run folder, a checkpoint or the name of a shipped model; forecasts in
    coordinates of the video (2-D) or in metres (3-D), as the model was trained.

    Raises ConfigError if the model does not have the method, or the method no such horizon;
    NoPersonFound if nobody is visible; InputError if the video cannot be used."""
    options = options or ForecastOptions()
    predictor = Predictor.load(model)
    run = Path(model) if Path(model).is_dir() else None
    measured = _measured(run)
    spec = predictor.members[0].spec
    forecaster = _forecaster(predictor, run, measured, options.method)
    source, tracks, fps, length = _tracks(predictor, path, cache, poses_from, on_progress)
    rate = forecaster.fps or fps
    frames = math.ceil(options.horizon * rate - 1e-6)
    if forecaster.horizon is not None and frames > forecaster.horizon:
        raise ConfigError(
            f"The method {forecaster.name} of {model} forecasts {forecaster.horizon / rate:.2f} s "
            f"at most, not {options.horizon:g} s",
            "Choose a shorter --horizon, or --method constant-velocity.",
        )
    if options.at is not None and options.at > length / fps:
        raise InputError(
            f"{source.path} ends at {length / fps:.2f} s, before {options.at:g} s",
            "Choose an earlier time with --at.",
        )
    frame = length - 1 if options.at is None else min(round(options.at * fps), length - 1)
    near = [t for t in tracks if _last_seen(t, frame, fps) is not None]
    if not near:
        raise NoPersonFound(
            f"No person is visible in {source.path} at {frame / fps:.2f} s",
            "Choose another time with --at.",
        )
    errors = None if measured is None else measured.of(forecaster.name)
    document = Forecast(
        path=escaped(source.path),
        model=escaped(model),
        method=forecaster.name,
        unit="m" if spec.normalise.coordinates == 3 else "px",
        fps=rate,
        frames=frames,
        joints=spec.skeleton.joints,
        persons=(),
        error_times_s=measured.times_s if measured and errors else (),
        errors=errors.test if errors else (),
    )
    result = VideoForecast(
        document=document,
        source=source,
        tracks=tuple(near),
        forecaster=forecaster,
        spec=spec,
        fps=fps,
        frame=frame,
        notes=_notes(measured, forecaster.name),
    )
    persons = []
    for track in near:
        last = _last_seen(track, frame, fps)
        assert last is not None
        _, poses = result.ahead(track, [last + 1 - track.start])
        persons.append(
            PersonFuture(
                person_id=track.person_id,
                last_seen_s=round(last / fps, 4),
                poses=tuple(
                    FuturePose(time_s=round(last / fps + n / rate, 4), points=_points(pose))
                    for n, pose in enumerate(poses[0], 1)
                ),
            )
        )
    return replace(result, document=structs.replace(document, persons=tuple(persons)))


def causal_past(
    track: PersonTrack, end: int, frames: int, spec: InputSpec, fps: float
) -> PoseSequence:
    """The person before frame `end` of the track, cleaned without what follows, in the joints of
    the model, with at least `frames` frames at `fps` where the track has them."""
    sequence = track.sequence
    start = max(0, end - math.ceil(frames * sequence.fps / fps) - 1)
    past = take_frames(sequence, start, end)
    if not track.as_stored:
        past = clean(past, replace(spec.sequence, persons=1))
    return at_rate(to_skeleton(past, spec.skeleton), fps)


def _points(pose: Floats) -> tuple[tuple[float, ...] | None, ...]:
    return tuple(None if np.isnan(p).any() else tuple(round(float(v), 4) for v in p) for p in pose)


def _last_seen(track: PersonTrack, frame: int, fps: float) -> int | None:
    """The last frame of the video, up to `frame`, in which the person is visible; None if that is
    too long ago."""
    known = np.flatnonzero(track.sequence.known[0].any(axis=1)) + track.start
    before = known[known <= frame]
    if not len(before) or frame - before[-1] > _NEAR_S * fps:
        return None
    return int(before[-1])


def _measured(run: Path | None) -> ForecastResult | None:
    if run is None or not (run / FORECAST).is_file():
        return None
    return load_json(run / FORECAST, ForecastResult)


def _forecaster(
    predictor: Predictor, run: Path | None, measured: ForecastResult | None, method: str
) -> Forecaster:
    checkpoint = members_of(predictor.model)[0].checkpoint
    dims = predictor.members[0].spec.normalise.coordinates
    has_head = network_spec(checkpoint.model).backbone.has_forecast
    if method == "auto":
        if measured is None and not has_head:
            raise ConfigError(
                f"{checkpoint.model} has no forecast head, and no other method was measured",
                f"{_MEASURE} Or choose --method constant-velocity.",
            )
        method = NETWORK if measured is None else measured.method
    if method == NETWORK:
        if isinstance(predictor.model, Ensemble):
            raise ConfigError(
                "An ensemble has no forecast head", "Name one of the runs that were fused."
            )
        return NetworkForecaster(checkpoint, predictor.device)
    if method == LINEAR:
        if run is None or not (run / LINEAR_FORECAST).is_file():
            raise ConfigError(f"{run or 'The model'} has no linear forecaster", _MEASURE)
        linear = LinearForecaster(load_tensors(run / LINEAR_FORECAST, LinearForecast))
        own = (predictor.members[0].spec.skeleton, dims)
        if (linear.document.skeleton, linear.document.dims) != own:
            raise ConfigError(f"{run / LINEAR_FORECAST} belongs to another run", _MEASURE)
        return linear
    return velocity_forecasters(dims)[method]


def _notes(measured: ForecastResult | None, method: str) -> tuple[str, ...]:
    """The measured errors, and that a method is not better than no motion at all."""
    own = measured.of(method) if measured else None
    if measured is None or own is None:
        return (f"The error of this forecast ({method}) was not measured. {_MEASURE}",)
    zero = measured.of(ZERO_VELOCITY)
    pairs = zip(measured.times_s, own.test, strict=True)
    listed = ", ".join(f"{e:.3g} {measured.unit} at {t:g} s" for t, e in pairs)
    note = f"method {method}; mean error per joint on test clips of {measured.dataset}: {listed}"
    if zero is not None and method != ZERO_VELOCITY:
        note += (
            f" (zero velocity: {zero.test[-1]:.3g} {measured.unit} at {measured.times_s[-1]:g} s)"
        )
    worse = losses(measured, method)
    if not worse:
        return (note,)
    times = ", ".join(f"{t:g} s" for t in worse)
    return (
        note,
        f"At {times} this forecast is not better than the last pose without motion (zero "
        "velocity). Do not rely on it.",
    )


def _tracks(
    predictor: Predictor,
    path: Path | str,
    cache: Cache,
    poses_from: Path | None,
    on_progress: ProgressCallback,
) -> tuple[Extracted | SkeletonInput, list[PersonTrack], float, int]:
    """The source, the persons, the frame rate and the number of frames of one video or file."""
    checkpoint = members_of(predictor.model)[0].checkpoint
    files = checkpoint.estimator.files
    inputs = find_inputs([path], Format.from_dict(files) if files else None)
    spec, min_seen_s = predictor.members[0].spec, predictor.options.min_seen_s
    if inputs.skeletons:
        if len(inputs.skeletons) > 1:
            raise ConfigError(f"{path} holds {len(inputs.skeletons)} sequences", "Name one file.")
        source = inputs.skeletons[0]
        sequence = source.load()
        check_file(spec, sequence, source.path)
        as_stored = source.as_stored or checkpoint.estimator.name.startswith("dataset ")
        tracks = [replace(t, as_stored=as_stored) for t in find_tracks(sequence, True, min_seen_s)]
        return source, tracks, sequence.fps, sequence.frames
    videos = find_videos(inputs.videos or [path])
    if len(videos) > 1:
        raise ConfigError(f"{path} holds {len(videos)} videos", "Name one video.")
    batch = poses_of(videos, cache, predictor.pose(poses_from), on_progress=on_progress)
    for failure in batch.failed:
        raise InputError(failure.message, failure.hint)
    extracted = batch.results[0]
    check_joints(spec, extracted.poses.manifest.skeleton)
    tracks, frames = stored_tracks(extracted.poses, True, min_seen_s)
    return extracted, tracks, extracted.poses.manifest.fps, frames
