"""Calibration of a run: a temperature from clips that it was not trained on, and a threshold for
"unknown" from videos of persons who do none of its actions (negatives)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from msgspec import structs

from skelact.cache import Cache
from skelact.errors import ConfigError, InputError
from skelact.inference.calibration import (
    apply_temperature,
    evaluate_threshold,
    fit_temperature,
    named_probabilities,
    threshold_for,
)
from skelact.inference.predictor import Predictor
from skelact.models.checkpoint import load_model
from skelact.options import PredictOptions
from skelact.runs.test import run_predictions
from skelact.schemas import (
    BEST,
    CALIBRATION,
    PREDICTIONS,
    PREVIOUS_CALIBRATION,
    VALIDATION,
    Calibration,
    Checkpoint,
    Ensemble,
    ThresholdPoint,
    load_json,
    save_json,
    save_tensors,
)
from skelact.types import UNKNOWN, Failure, ProgressCallback, no_progress

MIN_NEGATIVES = 50  # windows to choose a threshold on: a share of 0.1 is then 5 of them
MAX_REJECTED = 0.5  # share of the known samples that a stored threshold may make unknown
_THRESHOLDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True, kw_only=True)
class CalibrationResult:
    """The temperature, the chosen threshold, and a curve over fixed thresholds. `known` is the file
    of known samples. `negatives` counts the windows that the threshold was chosen on and those that
    `chosen` and `curve` were measured on; the latter is 0 if there was only one video, which then
    serves for both."""

    temperature: float
    chosen: ThresholdPoint
    curve: tuple[ThresholdPoint, ...]
    known: str
    negatives: tuple[int, int]
    failed: tuple[Failure, ...]
    applied: bool

    @property
    def rejected(self) -> float:
        """The share of known samples that the chosen threshold makes unknown."""
        return 1 - self.chosen.coverage

    @property
    def obstacle(self) -> str:
        """Why the threshold should not be used; empty if nothing speaks against it."""
        if self.negatives[0] < MIN_NEGATIVES:
            return (
                f"The negative videos give {self.negatives[0]} windows to choose the threshold on, "
                f"at least {MIN_NEGATIVES} are needed"
            )
        if self.rejected > MAX_REJECTED:
            return (
                f"The threshold {self.chosen.threshold:.2f} makes {self.rejected:.0%} of the known "
                f"samples unknown, more than {MAX_REJECTED:.0%}"
            )
        return ""


def calibrate(
    run: Path,
    videos: Sequence[Path | str],
    *,
    target_fpr: float = 0.1,
    apply: bool = False,
    cache: Cache | None = None,
    poses_from: Path | None = None,
    min_confidence: float | None = None,
    on_progress: ProgressCallback = no_progress,
) -> CalibrationResult:
    """Calibrate the best checkpoint of a run. With `apply` the result is saved in best.pt,
    calibration.json and calibration.png, and `undo` restores the earlier state; otherwise nothing
    is written.

    The temperature is fitted to the validation clips of the run, or to its test clips if it has no
    validation subset. The threshold is chosen such that at most the share `target_fpr` of the
    windows of every second negatives video gets a label; the other videos measure its effect.
    `poses_from` is the folder of the videos' poses for a run on imported poses, `min_confidence`
    the confidence of person detections in the videos, if it is not that of the training.
    Raises ConfigError if `target_fpr` is outside [0, 1), InputError if no negatives video can be
    used, and with `apply` if they have fewer than MIN_NEGATIVES windows to choose on or if the
    threshold makes more than the share MAX_REJECTED of the known samples unknown."""
    if not 0 <= target_fpr < 1:
        raise ConfigError(f"target_fpr must be in [0, 1), got {target_fpr:g}")
    model = load_model(run / BEST)
    file = VALIDATION if (run / VALIDATION).is_file() else PREDICTIONS
    samples = run_predictions(run, file, model, cache, on_progress)
    temperature = fit_temperature(samples.probabilities, samples.labels)
    uncalibrated = Predictor(
        structs.replace(model, calibration=None), PredictOptions(min_confidence=min_confidence)
    )
    by_video, failed = uncalibrated.predict_windows(videos, cache, on_progress, poses_from)
    if not by_video:
        raise InputError("No person was found in the negatives videos", failed[0].reason)
    rows = [by_video[path] for path in sorted(by_video)]
    chosen_on = apply_temperature(np.concatenate(rows[::2]), temperature)
    measured_on = (
        apply_temperature(np.concatenate(rows[1::2]), temperature) if len(rows) > 1 else chosen_on
    )
    chosen_on, measured_on = (
        named_probabilities(p, model.classes) for p in (chosen_on, measured_on)
    )
    threshold = threshold_for(chosen_on, target_fpr)
    known = named_probabilities(
        apply_temperature(samples.probabilities, temperature), model.classes
    )
    is_named = np.array([c != UNKNOWN for c in model.classes])[samples.labels]
    chosen, *curve = (
        evaluate_threshold(t, known[is_named], samples.labels[is_named], measured_on)
        for t in (threshold, *_THRESHOLDS)
    )
    calibration = Calibration(
        temperature=temperature,
        unknown_threshold=threshold,
        known=file,
        curve=(chosen, *curve),
    )
    result = CalibrationResult(
        temperature=temperature,
        chosen=chosen,
        curve=tuple(curve),
        known=file,
        negatives=(len(chosen_on), len(measured_on) if len(rows) > 1 else 0),
        failed=tuple(failed),
        applied=apply,
    )
    if apply:
        if result.obstacle:
            raise InputError(
                result.obstacle,
                "Nothing was changed. Add longer or more negative videos, raise --target-fpr, or "
                "choose a threshold for one prediction with `predict --unknown-threshold`.",
            )
        _store(run, model, calibration)
        if model.calibration is None:
            (run / PREVIOUS_CALIBRATION).unlink(missing_ok=True)
        else:
            save_json(run / PREVIOUS_CALIBRATION, model.calibration)
    return result


def undo(run: Path) -> Calibration | None:
    """Restore the calibration that the run had before the last one was applied, and return it; None
    if it had none. Raises InputError if the run is not calibrated."""
    model = load_model(run / BEST)
    if model.calibration is None:
        raise InputError(f"{run} is not calibrated", "There is nothing to undo.")
    file = run / PREVIOUS_CALIBRATION
    previous = load_json(file, Calibration) if file.is_file() else None
    _store(run, model, previous)
    file.unlink(missing_ok=True)
    return previous


def _store(run: Path, model: Checkpoint | Ensemble, calibration: Calibration | None) -> None:
    """Write or remove the calibration in the checkpoint, as JSON, and as a plot."""
    save_tensors(run / BEST, structs.replace(model, calibration=calibration))
    plot = run / "calibration.png"
    if calibration is None:
        (run / CALIBRATION).unlink(missing_ok=True)
        plot.unlink(missing_ok=True)
        return
    save_json(run / CALIBRATION, calibration)
    curve = calibration.curve[1:]  # the first point is the chosen one
    if not curve:
        return
    from skelact.report import plots

    columns = [list(c) for c in zip(*map(structs.astuple, curve), strict=True)]
    plots.calibration(columns, calibration.unknown_threshold, plot)
