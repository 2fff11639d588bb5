"""Calibration of a run: a temperature from clips that it was not trained on; and the score, with
its threshold for "unknown", from videos of persons who do none of its actions (negatives)."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import structs

from skelact.cache import Cache
from skelact.datasets.base import Item
from skelact.datasets.packed import Packed
from skelact.device import resolve_device
from skelact.errors import ConfigError, InputError, SkelactError, nearest
from skelact.inference.calibration import (
    apply_temperature,
    evaluate_threshold,
    fit_temperature,
)
from skelact.inference.choice import (
    CalibrationPart,
    Scored,
    choose,
    evaluate_score,
    halves,
    with_combination,
)
from skelact.inference.ensemble import WindowOutputs
from skelact.inference.predictor import Predictor
from skelact.inference.score_names import COMBINED, PROBABILITY, SCORES, obstacle
from skelact.inference.scores import Scorer
from skelact.models.checkpoint import load_model
from skelact.options import PredictOptions
from skelact.report.confidence import THRESHOLD_PLOT
from skelact.runs.known import KnownSamples, known_samples, with_statistics
from skelact.runs.report import PAGE, write_report
from skelact.runs.test import clips_of_run
from skelact.schemas import (
    BEST,
    CALIBRATION,
    PREVIOUS_CALIBRATION,
    Calibration,
    Checkpoint,
    Ensemble,
    ReliabilityBins,
    ScoreResult,
    load_json,
    save_json,
    save_tensors,
    to_plain,
)
from skelact.types import Failure, ProgressCallback, no_progress

MIN_NEGATIVES = 50  # windows to choose a threshold on: a share of 0.1 is then 5 of them
MIN_KNOWN = 20  # known samples that can be divided into a part to choose on and one to measure on
MAX_REJECTED = 0.5  # share of the known samples that a stored threshold may make unknown
_THRESHOLDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True, kw_only=True)
class CalibrationResult:
    """The calibration, the figures of the chosen score, and what they were made from.

    `samples` counts the known samples that temperature, score and thresholds were chosen on and
    those that everything was measured on, `negatives` the windows of negatives. The second number
    is 0 if there were fewer than MIN_KNOWN samples or only one video, which then serve for both.
    `forced` says that the user chose the score; `notice` is about what could not be used."""

    calibration: Calibration
    chosen: ScoreResult
    samples: tuple[int, int]
    negatives: tuple[int, int]
    failed: tuple[Failure, ...]
    forced: bool
    applied: bool
    notice: str

    @property
    def temperature(self) -> float:
        return self.calibration.temperature

    @property
    def rejected(self) -> float:
        """The share of known samples that the chosen threshold makes unknown."""
        return 1 - (self.chosen.coverage or 0.0)

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

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        c = self.calibration
        return {
            "temperature": c.temperature,
            "score": c.score,
            "forced": self.forced,
            "chosen": to_plain(self.chosen),
            "scores": to_plain(c.scores),
            "calibration_error": [b.error for b in (c.before, c.after) if b is not None],
            "curve": to_plain(c.curve[1:]),
            "known": c.known,
            "samples": list(self.samples),
            "negatives": list(self.negatives),
            "notice": self.notice,
            "applied": self.applied,
        }


def calibrate(
    run: Path,
    videos: Sequence[Path | str],
    *,
    target_fpr: float = 0.1,
    score: str | None = None,
    apply: bool = False,
    cache: Cache | None = None,
    data: Path | None = None,
    poses_from: Path | None = None,
    min_confidence: float | None = None,
    on_progress: ProgressCallback = no_progress,
) -> CalibrationResult:
    """Calibrate the best checkpoint of a run. With `apply` the result is saved in best.pt,
    calibration.json and calibration.png, and `undo` restores the earlier state; otherwise nothing
    is written.

    The known samples are the validation clips of the run, or its test clips if it has no validation
    subset. One half of those of every class and every second negatives video are for choices: the
    temperature, the threshold of each score (at most the share `target_fpr` of the windows gets a
    label) and the score (see `choice.choose`), unless `score` names one. The others measure them.

    The clips of the run are read from where they were in training, or from `data`; without them,
    only the probability can be a score. `poses_from` is the folder of the videos' poses for a run
    on imported poses, `min_confidence` the confidence of person detections in the videos, if it is
    not that of the training. Raises ConfigError if `target_fpr` is outside [0, 1) or there is no
    such score, InputError if no negatives video can be used or the run cannot give the score, and
    with `apply` if they have fewer than MIN_NEGATIVES windows to choose on or if the threshold
    makes more than the share MAX_REJECTED of the known samples unknown."""
    if not 0 <= target_fpr < 1:
        raise ConfigError(f"target_fpr must be in [0, 1), got {target_fpr:g}")
    if score is not None and score not in SCORES:
        raise ConfigError(f"Unknown score {score!r}{nearest(score, SCORES)}", _one_of(SCORES))
    cache = cache or Cache()
    model = load_model(run / BEST)
    device = resolve_device(PredictOptions.device)
    samples = known_samples(run, model, cache, data, device, on_progress)
    labels, divided = samples.labels, len(samples.labels) >= MIN_KNOWN
    parts = halves(labels) if divided else (np.arange(len(labels)),) * 2
    temperature = fit_temperature(samples.probabilities[parts[0]], labels[parts[0]])
    model = with_statistics(model, samples.statistics)
    predictor = Predictor(
        structs.replace(model, calibration=Calibration(temperature=temperature)),
        PredictOptions(min_confidence=min_confidence),
    )
    obstacles = _obstacles(predictor, samples)
    names = tuple(name for name in SCORES if not obstacles[name])
    base = tuple(name for name in names if name != COMBINED)
    if score is not None and score not in names:
        raise InputError(f"{run} cannot give the score {score}: {obstacles[score]}", _one_of(names))
    predictor.scorer = Scorer(names=base, classes=model.classes, temperature=temperature)
    by_video, failed = predictor.predict_windows(videos, cache, on_progress, poses_from)
    if not by_video:
        raise InputError(f"No negative video can be used: {failed[0].message}", failed[0].hint)
    rows = [by_video[path] for path in sorted(by_video)]
    negatives = [
        Scored.of(WindowOutputs.joined(part), base, model.classes)
        for part in (rows[::2], rows[1::2] or rows)
    ]
    known = Scored.of(samples.scored(predictor), base, model.classes)
    choosing, measuring = (
        CalibrationPart(known=known.take(part), labels=labels[part], negatives=scored)
        for part, scored in zip(parts, negatives, strict=True)
    )
    combination: dict[str, float] = {}
    if COMBINED in names:
        choosing, measuring, combination = with_combination(choosing, measuring)
    results = {
        name: ScoreResult(name=name, obstacle=obstacles[name])
        if obstacles[name]
        else evaluate_score(name, choosing, measuring, target_fpr)
        for name in SCORES
    }
    chosen = results[score or choose(choosing, names, target_fpr)]
    raw, own = samples.probabilities[parts[1]], labels[parts[1]]
    points = [
        evaluate_threshold(t, measuring.known.probabilities, own, measuring.negatives.probabilities)
        for t in (max(0.0, results[PROBABILITY].threshold or 0.0), *_THRESHOLDS)
    ]
    result = CalibrationResult(
        calibration=Calibration(
            temperature=temperature,
            unknown_threshold=points[0].threshold,
            known=samples.file,
            curve=tuple(points),
            score=chosen.name,
            scores=tuple(results.values()),
            combination=combination,
            before=ReliabilityBins.of(raw, own),
            after=ReliabilityBins.of(apply_temperature(raw, temperature), own),
        ),
        chosen=chosen,
        samples=(len(parts[0]), len(parts[1]) if divided else 0),
        negatives=(
            len(choosing.negatives.scores),
            len(measuring.negatives.scores) if len(rows) > 1 else 0,
        ),
        failed=tuple(failed),
        forced=score is not None,
        applied=apply,
        notice=samples.notice,
    )
    if apply:
        if result.obstacle:
            raise InputError(
                result.obstacle,
                "Nothing was changed. Add longer or more negative videos, raise --target-fpr, or "
                "choose a threshold for one prediction with `predict --unknown-threshold`.",
            )
        previous = model.calibration
        _store(run, model, result.calibration)
        if previous is None:
            (run / PREVIOUS_CALIBRATION).unlink(missing_ok=True)
        else:
            save_json(run / PREVIOUS_CALIBRATION, previous)
        if (run / PAGE).is_file():
            write_report(run, samples.packed, samples.items)
    return result


def _one_of(names: Sequence[str]) -> str:
    return f"Use one of {', '.join(names)}."


def _obstacles(predictor: Predictor, samples: KnownSamples) -> dict[str, str]:
    """Why a score cannot be computed, for every score; empty if it can."""
    groups = [[m.statistics for m in g] for g in predictor.by_window_length.values()]
    return {
        name: "" if name == PROBABILITY else samples.obstacle or obstacle(name, groups)
        for name in SCORES
    }


def undo(
    run: Path, cache: Cache | None = None, on_progress: ProgressCallback = no_progress
) -> Calibration | None:
    """Restore the calibration that the run had before the last one was applied, and return it; None
    if it had none. Raises InputError if the run is not calibrated."""
    model = load_model(run / BEST)
    if model.calibration is None:
        raise InputError(f"{run} is not calibrated", "There is nothing to undo.")
    file = run / PREVIOUS_CALIBRATION
    previous = load_json(file, Calibration) if file.is_file() else None
    _store(run, model, previous)
    file.unlink(missing_ok=True)
    if (run / PAGE).is_file() and isinstance(model, Checkpoint):
        clips: Packed | None = None
        items: Sequence[Item] = ()
        with contextlib.suppress(SkelactError):  # the page is then without drawn mistakes
            dataset = clips_of_run(run, model, cache or Cache(), None, on_progress)
            clips, items = dataset.packed, dataset.collection.items
        write_report(run, clips, items)
    return previous


def _store(run: Path, model: Checkpoint | Ensemble, calibration: Calibration | None) -> None:
    """Write or remove the calibration in the checkpoint, as JSON, and as a plot."""
    save_tensors(run / BEST, structs.replace(model, calibration=calibration))
    plot = run / THRESHOLD_PLOT
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
