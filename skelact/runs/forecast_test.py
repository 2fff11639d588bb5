"""Measuring forecasts of poses by a run: fits the linear forecaster on the training clips and
compares all methods on held-out clips."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from skelact.cache import Cache
from skelact.datasets import splits
from skelact.device import resolve_device
from skelact.errors import ConfigError, DatasetError, InputError
from skelact.inference.ensemble import input_spec
from skelact.inference.forecast import (
    NETWORK,
    Forecaster,
    LinearForecaster,
    NetworkForecaster,
    velocity_forecasters,
)
from skelact.models import spec
from skelact.outputs import check
from skelact.runs.test import check_not_trained_on, load_run
from skelact.schemas import (
    FORECAST,
    LINEAR_FORECAST,
    Checkpoint,
    ForecastErrors,
    ForecastResult,
    LinearForecast,
    load_json,
    save_json,
    save_tensors,
)
from skelact.sequence.clean import choose_persons
from skelact.sequence.forecast import (
    CONTEXT_S,
    LINEAR,
    ZERO_VELOCITY,
    RidgeFit,
    at_times,
    coordinates,
    mean_errors,
    stack_pasts,
)
from skelact.sequence.resample import at_rate
from skelact.sequence.stack import take_frames, to_skeleton
from skelact.stages.dataset import ReadyDataset, extract_collection
from skelact.stages.pack import ClipReader
from skelact.types import Event, Floats, PoseSequence, ProgressCallback, no_progress

TIMES_S = (0.08, 0.16, 0.32, 0.4)
_STEP_S = 0.1  # between two forecasts in a clip
_ALPHAS = (0.01, 0.1, 1.0, 10.0, 100.0)
_FOLDS = 5
_HELD_OUT = 0.2  # of the training takes, for a run without a validation subset
_MIN_KNOWN = 0.5  # of the joints in the last pose of the past


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Past sequences of one person each, what really followed, (N, H, V, D), and the group of each
    that the split keeps in one subset, such as its camera."""

    pasts: list[PoseSequence]
    future: Floats
    groups: list[str]

    @classmethod
    def join(cls, parts: Sequence[Windows]) -> Windows:
        """The windows of at least one part."""
        return cls(
            pasts=[past for part in parts for past in part.pasts],
            future=np.concatenate([part.future for part in parts]),
            groups=[group for part in parts for group in part.groups],
        )

    def take(self, rows: npt.NDArray[np.bool_]) -> Windows:
        """The windows under a mask (N,)."""
        numbers = np.flatnonzero(rows)
        return Windows(
            pasts=[self.pasts[n] for n in numbers],
            future=self.future[numbers],
            groups=[self.groups[n] for n in numbers],
        )


@dataclass(frozen=True, kw_only=True)
class ForecastTest:
    """The result of `test_forecast`, and the files that it wrote into the run folder."""

    result: ForecastResult
    files: tuple[Path, ...]


def test_forecast(
    run: Path,
    cache: Cache,
    *,
    data: Path | None = None,
    on_progress: ProgressCallback = no_progress,
) -> ForecastTest:
    """Measure forecasts of the most prominent person on the clips of a run's dataset, and write
    forecast.json and the linear forecaster, forecast.pt.

    In every clip a forecast is made every 0.1 s from the moment that a third of a second is past,
    as long as 0.4 s follow. The penalty of the linear map is chosen by cross-validation on all but
    the test clips, whose folds are as disjoint as the split: with other cameras for a split by
    camera. The method that `forecast` uses by default is chosen on the validation clips; without a
    validation subset, on a fifth of the training takes, which the network has seen, so that its
    forecast is measured but not chosen. The test clips are looked at once, with a linear map that
    is fitted on all others.

    Raises DatasetError if no clip is long enough, and as `runs.test.test`."""
    files = (run / FORECAST, run / LINEAR_FORECAST)
    _check_replaceable(files)
    loaded = load_run(run, cache, data=data, on_progress=on_progress)
    checkpoint, dataset = loaded.checkpoint, loaded.dataset
    check_not_trained_on(run, dataset)
    train_fps = dataset.packed.fps[np.array(dataset.subsets) == "train"]
    if not len(train_fps):
        raise DatasetError(
            f"The split {dataset.protocol} of {run} has no training clips",
            "Test the run on the dataset that it was trained on.",
        )
    fps = float(np.median(train_fps))
    own = input_spec(checkpoint)
    dims = own.normalise.coordinates
    network = _network(checkpoint, on_progress)
    context = max(2, round(CONTEXT_S * fps))
    windows, clips, held_out = _windows(
        dataset, checkpoint, cache, fps, max(context, network.frames if network else 0), on_progress
    )
    train, val, test = (windows[subset] for subset in ("train", "val", "test"))

    def fit(part: Windows) -> RidgeFit:
        return RidgeFit(stack_pasts(part.pasts, dims, context), part.future, own.skeleton)

    def document(fitted: RidgeFit, alpha: float) -> LinearForecast:
        ridge = fitted.solve(alpha)
        return LinearForecast(
            skeleton=own.skeleton,
            dims=dims,
            fps=fps,
            context=context,
            horizon=_horizon(fps),
            alpha=alpha,
            weights=torch.from_numpy(ridge.weights),
            mean=torch.from_numpy(ridge.mean),
            offset=torch.from_numpy(ridge.offset),
        )

    fitting = Windows.join([train, val])
    total = dict.fromkeys(_ALPHAS, 0.0)
    for fold in disjoint_folds(fitting.groups):
        fitted, held = fit(fitting.take(~fold)), fitting.take(fold)
        for a in _ALPHAS:
            errors = _errors(LinearForecaster(document(fitted, a)), held, dims, fps)
            total[a] += sum(errors) * len(held.pasts)
    alpha = min(total, key=lambda a: total[a])
    on_val = _errors(LinearForecaster(document(fit(train), alpha)), val, dims, fps)
    linear = document(fit(fitting), alpha)
    methods: dict[str, Forecaster] = velocity_forecasters(dims)
    if network is not None:
        methods[NETWORK] = network
    rows = [
        ForecastErrors(
            method=name,
            validation=_errors(forecaster, val, dims, fps),
            test=_errors(forecaster, test, dims, fps),
        )
        for name, forecaster in methods.items()
    ]
    tested = _errors(LinearForecaster(linear), test, dims, fps)
    rows.insert(2, ForecastErrors(method=LINEAR, validation=on_val, test=tested))
    choices = [row for row in rows if held_out == "val" or row.method != NETWORK]
    result = ForecastResult(
        dataset=dataset.collection.name,
        protocol=dataset.protocol,
        unit="m" if dims == 3 else "px",
        fps=fps,
        times_s=TIMES_S,
        method=min(choices, key=lambda row: sum(row.validation)).method,
        held_out=held_out,
        clips=clips,
        windows={subset: len(part.pasts) for subset, part in windows.items()},
        errors=tuple(rows),
    )
    save_tensors(files[1], linear)
    save_json(files[0], result)
    return ForecastTest(result=result, files=files)


def losses(result: ForecastResult, method: str) -> list[float]:
    """The times [s] at which a method is not better than zero velocity on the test clips."""
    own, zero = result.of(method), result.of(ZERO_VELOCITY)
    if own is None or zero is None or method == ZERO_VELOCITY:
        return []
    rows = zip(result.times_s, own.test, zero.test, strict=True)
    return [time for time, error, least in rows if error >= least]


def disjoint_folds(groups: Sequence[str]) -> list[npt.NDArray[np.bool_]]:
    """Masks (N,) of up to _FOLDS parts without a common group; halves if there is one group."""
    names = sorted(set(groups))
    if len(names) < 2:
        first = np.arange(len(groups)) < len(groups) // 2
        return [first, ~first] if first.any() else []
    fold = {name: n % _FOLDS for n, name in enumerate(names)}
    numbers = np.array([fold[group] for group in groups])
    return [numbers == n for n in range(min(_FOLDS, len(names)))]


def _check_replaceable(files: tuple[Path, Path]) -> None:
    """Raises OutputError if what is there was not written by an earlier measurement."""
    kept = files[0]
    if kept.exists():
        load_json(kept, ForecastResult)
    else:
        check(*files)


def _network(checkpoint: Checkpoint, on_progress: ProgressCallback) -> NetworkForecaster | None:
    """The forecast head of a network that has one; a notice says why one cannot be used."""
    if not spec(checkpoint.model).backbone.has_forecast:
        return None
    try:
        return NetworkForecaster(checkpoint, resolve_device("auto"))
    except ConfigError as error:
        text = f"The forecast head is not measured. {error.message}. {error.hint}"
        on_progress(Event("test", "notice", text=text))
        return None


def _horizon(fps: float) -> int:
    return math.ceil(max(TIMES_S) * fps - 1e-6)


def _windows(
    dataset: ReadyDataset,
    checkpoint: Checkpoint,
    cache: Cache,
    fps: float,
    frames: int,
    on_progress: ProgressCallback,
) -> tuple[dict[str, Windows], dict[str, int], str]:
    """The windows of each subset, the number of clips that they come from, and the subset that
    choices are made on: "val", or "train" if a part of it is held out here. Raises DatasetError if
    a subset has no clip that is long enough."""
    subsets, held_out = list(dataset.item_subsets), "val"
    if "val" not in subsets:
        seed = dataset.recipe.train.seed
        subsets = splits.hold_out(dataset.collection.items, subsets, _HELD_OUT, seed)
        held_out = "train"
    extracted, _ = extract_collection(dataset.collection, dataset.recipe, cache, on_progress)
    disjoint = splits.resolve(dataset.collection, dataset.protocol)[1] or ("take",)
    reader = ClipReader(collection=dataset.collection, recipe=dataset.recipe, extracted=extracted)
    found: dict[str, list[Windows]] = {"train": [], "val": [], "test": []}
    on_progress(Event("test", "start", 0, len(subsets)))
    for item, subset in zip(dataset.collection.items, subsets, strict=True):
        on_progress(Event("test", "advance", 1))
        if subset not in found or not (dataset.collection.read or item.path in extracted):
            continue
        try:
            parts = reader.clips(item)
        except InputError:
            continue  # listed as failed by the dataset
        group = " ".join(item.groups.get(name, "") for name in disjoint)
        for _, sequence in parts:
            window = _clip_windows(sequence, checkpoint, fps, frames, group)
            if window.pasts:
                found[subset].append(window)
    on_progress(Event("test", "end"))
    for subset, windows in found.items():
        if not windows:
            seconds = CONTEXT_S + max(TIMES_S)
            raise DatasetError(
                f"No clip of the {subset} subset is long enough to measure a forecast",
                f"A clip needs {seconds:.2f} s with a visible person.",
            )
    joined = {subset: Windows.join(windows) for subset, windows in found.items()}
    return joined, {subset: len(windows) for subset, windows in found.items()}, held_out


def _clip_windows(
    sequence: PoseSequence, checkpoint: Checkpoint, fps: float, frames: int, group: str
) -> Windows:
    own = input_spec(checkpoint)
    person = at_rate(to_skeleton(choose_persons(sequence, 1), own.skeleton), fps)
    dims, horizon = own.normalise.coordinates, _horizon(fps)
    context, step = max(2, round(CONTEXT_S * fps)), max(1, round(_STEP_S * fps))
    pasts, future = [], []
    points = coordinates(person, dims) if person.persons else np.zeros((0, 1, dims), np.float32)
    known = ~np.isnan(points).any(axis=-1)
    for end in range(context, len(points) - horizon + 1, step):
        if known[end - 1].mean() > _MIN_KNOWN and known[end : end + horizon].any():
            pasts.append(take_frames(person, max(0, end - frames), end))
            future.append(points[end : end + horizon])
    empty = np.zeros((0, horizon, points.shape[1], dims), np.float32)
    return Windows(
        pasts=pasts,
        future=np.stack(future) if future else empty,
        groups=[group] * len(pasts),
    )


def _errors(forecaster: Forecaster, windows: Windows, dims: int, fps: float) -> tuple[float, ...]:
    """The mean errors at TIMES_S. Joints that are missing now, or then, do not count."""
    horizon = windows.future.shape[1]
    last = np.stack([coordinates(past, dims)[-1:] for past in windows.pasts])
    ahead = forecaster(windows.pasts, min(horizon, forecaster.horizon or horizon))
    ahead = np.concatenate([ahead, np.repeat(ahead[:, -1:], horizon - ahead.shape[1], axis=1)], 1)
    truth = at_times(windows.future, last, fps, TIMES_S)
    return mean_errors(at_times(ahead, last, fps, TIMES_S), truth)
