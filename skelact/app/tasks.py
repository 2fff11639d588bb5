"""What the worker does: the functions of the command line, with results that can be sent to another
process. torch is imported here, so that the server does not need it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skelact import config
from skelact.app.results import Curve, PredictionBatch, VideoResult
from skelact.cache import Cache
from skelact.datasets.folder import labelled_rows
from skelact.errors import DatasetError, InputError
from skelact.options import PredictOptions
from skelact.pose.base import PoseOptions
from skelact.pose.registry import resolve
from skelact.recipe import compose
from skelact.report import writers
from skelact.schemas import ExplanationDocument
from skelact.stages.poses import Extracted, stored_poses
from skelact.types import Failure, ProgressCallback

# of the poses that labels refer to, and of the models that are trained here
OWN_POSE = PoseOptions(estimator="blazepose")
NETWORK = "rocket"  # fitted in closed form: seconds for hundreds of labels
_WINDOW_S = (1.0, 5.0)  # shortest and longest clip
MIN_TEST_VIDEOS = 3  # of each class, for a test


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """A run that was trained. `top1` is None without a test."""

    folder: Path
    classes: tuple[str, ...]
    clips: dict[str, int]
    top1: float | None
    mean_class: float | None
    failed: list[Failure]


_loaded: dict[tuple[str, float], Any] = {}  # the predictor that was used last


def prepare() -> None:
    """Import what most tasks need."""
    import skelact.inference.curves  # noqa: F401


def predict(
    *, videos: Sequence[Path], model: str, cache: str, on_progress: ProgressCallback
) -> PredictionBatch:
    """Predict the actions in videos; missing poses are estimated first."""
    predictor = _predictor(model)
    batch = predictor.predict_many(videos, Cache(cache), on_progress)
    curves = predictor.take_curves()
    own = resolve(predictor.pose()) == resolve(OWN_POSE)
    results = [
        VideoResult(
            path=result.path,
            model=model,
            classes=predictor.classes,
            predictions=result.predictions,
            curves=[Curve.of(curves[result.path, p.person_id]) for p in result.predictions],
            extracted=result.extracted,
            is_own_tracking=own,
        )
        for result in batch.results
        if isinstance(result.extracted, Extracted)
    ]
    return PredictionBatch(results=results, failed=batch.failed)


def predict_stored(
    *, videos: Sequence[Path], model: str, cache: str, on_progress: ProgressCallback
) -> PredictionBatch:
    """Predict in those of the videos whose poses are stored."""
    ready = stored_poses(videos, Cache(cache), _predictor(model).pose())
    if not ready:
        return PredictionBatch(results=[], failed=[])
    return predict(
        videos=[e.path for e in ready], model=model, cache=cache, on_progress=on_progress
    )


def train(
    *, labels: Path, runs: Path, cache: str, test: bool, on_progress: ProgressCallback
) -> TrainResult:
    """Train on a table of labels, on all of them or, with `test`, with a test on other videos. The
    settings are those of `skelact train --dataset labels.csv --model rocket`, but the clips are as
    long as the labels are."""
    from skelact.runs.train import train as train_run

    settings: dict[str, dict[str, Any]] = {
        "dataset": {"protocol": "takes" if test else "no-test"},
        "pose": asdict(OWN_POSE),
        "clips": {"length_s": window_length(labels)},
    }
    recipe = compose("labels", NETWORK, None, config.merge(settings), labels)
    run = train_run(
        recipe,
        Cache(cache),
        data=labels,
        runs=runs,
        name="tested" if test else "labels",
        on_progress=on_progress,
    )
    scores = run.scores
    return TrainResult(
        folder=run.folder,
        classes=run.dataset.packed.classes,
        clips=run.dataset.clip_counts,
        top1=None if scores is None else scores.top1,
        mean_class=None if scores is None else scores.mean_class,
        failed=list(run.dataset.failed),
    )


def window_length(labels: Path) -> float:
    """The length of a clip [s]: the median of the labels, or less where an action has so little
    labelled time that it would not give two clips; between 1 and 5 s. A longer label becomes
    several clips. Raises DatasetError if there are fewer than two classes."""
    shortest, longest = _WINDOW_S
    lengths: list[float] = []
    totals: dict[str, float] = {}
    for item in labelled_rows(labels):
        start, end = item.span_s or (0.0, None)
        length = end - start if end is not None else 2 * longest  # that of the video is not known
        lengths.append(length)
        totals[item.label] = totals.get(item.label, 0.0) + length
    if len(totals) < 2:
        raise DatasetError(
            f"All labels are {', '.join(totals)}",
            "Label at least two different actions; a part without an action can be 'unknown'.",
        )
    fitting = min(float(np.median(lengths)), min(totals.values()) / 2)
    return math.floor(10 * min(max(fitting, shortest), longest)) / 10


def export(*, result: VideoResult, form: str, out: Path, on_progress: ProgressCallback) -> Path:
    """Write a result in a format of `skelact predict`."""
    writer = writers.load_writers()[form]
    names = {result.path: Path(result.path.stem)}
    writers.write(writer, [result], names, out, overwrite=True)
    return out


def explain(
    *,
    video: Path,
    model: str,
    person: int,
    label: str | None,
    span_s: tuple[float, float] | None,
    cache: str,
    out: Path,
    on_progress: ProgressCallback,
) -> ExplanationDocument:
    """Explain the prediction of one person, or of a part of its time with `span_s` [s], and write
    the files of `skelact explain` into the new folder `out`."""
    from skelact.runs.explain import explain_video

    predictor = _predictor(model)
    try:
        found = explain_video(
            model,
            video,
            out,
            label=label,
            person=person,
            span_s=span_s,
            predictor=predictor,
            cache=Cache(cache),
            on_progress=on_progress,
        )
    finally:
        predictor.take_curves()  # of the prediction that is explained
    return found.document


def _predictor(model: str) -> Any:
    """The predictor of a model, which stays in memory until another one is used."""
    from skelact.inference.curves import CurvePredictor
    from skelact.inference.zoo import find

    path = find(model)
    try:
        key = (model, path.stat().st_mtime)
    except OSError as error:
        raise InputError(f"{model} does not exist any more", "Choose another model.") from error
    if key not in _loaded:
        _loaded.clear()
        _loaded[key] = CurvePredictor.load(model, PredictOptions())
    return _loaded[key]


TASKS = (predict, predict_stored, train, export, explain)
