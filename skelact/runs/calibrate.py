"""A run that learns to say that it does not know: temperature and threshold from clips it was not
trained on and from videos of people who do none of its actions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from msgspec import structs

from skelact.cache import Cache
from skelact.errors import ConfigError, InputError
from skelact.inference.calibration import (
    Point,
    apply_temperature,
    fit_temperature,
    point,
    threshold_for,
)
from skelact.inference.predictor import Predictor
from skelact.models.checkpoint import load_model
from skelact.schemas import (
    BEST,
    CALIBRATION,
    PREDICTIONS,
    VALIDATION,
    Calibration,
    Predictions,
    ThresholdPoint,
    load_json,
    save_json,
    save_tensors,
)
from skelact.types import Failure, ProgressCallback, no_progress

_SHOWN = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True)
class Calibrated:
    """`curve` is over fixed thresholds, `chosen` at the one chosen; `negatives` counts the windows
    it was chosen on and those that `chosen.negatives` and the curve are measured on (none: there
    was one video only, they are the same)."""

    temperature: float
    chosen: Point
    curve: tuple[Point, ...]
    known: str  # the file of known samples
    negatives: tuple[int, int]
    failed: tuple[Failure, ...]


def calibrate(
    run: Path,
    videos: Sequence[Path | str],
    target_fpr: float = 0.1,
    cache: Cache | None = None,
    on_progress: ProgressCallback = no_progress,
) -> Calibrated:
    """Temperature from the run's validation clips (its test clips, if it has none); threshold such
    that of every second negatives video at most the share `target_fpr` of the windows gets a label.
    The other videos tell what it is worth. Kept in best.pt and calibration.json; drawn in
    calibration.png."""
    if not 0 <= target_fpr < 1:
        raise ConfigError(
            f"the share of negatives to be target_fpr must lie in [0, 1): {target_fpr}"
        )
    model = load_model(run / BEST)
    file = VALIDATION if _has_rows(run / VALIDATION) else PREDICTIONS
    probs, labels = _known(run / file, model.classes)
    temperature = fit_temperature(probs, labels)
    raw = structs.replace(model, calibration=None)
    found, failed = Predictor(raw).windows_of(videos, cache, on_progress)
    if not found:
        raise InputError("nobody was found in the negatives videos", failed[0].reason)
    rows = [found[path] for path in sorted(found)]
    first = apply_temperature(np.concatenate(rows[::2]), temperature)
    second = apply_temperature(np.concatenate(rows[1::2]), temperature) if len(rows) > 1 else first
    threshold = threshold_for(first, target_fpr)
    sure = apply_temperature(probs, temperature)
    result = Calibrated(
        temperature,
        point(threshold, sure, labels, second),
        tuple(point(t, sure, labels, second) for t in _SHOWN),
        file,
        (len(first), len(second) if len(rows) > 1 else 0),
        tuple(failed),
    )
    points = [ThresholdPoint(**asdict(p)) for p in (result.chosen, *result.curve)]
    calibration = Calibration(
        temperature=temperature, unknown_threshold=threshold, known=file, curve=tuple(points)
    )
    save_json(run / CALIBRATION, calibration)
    save_tensors(run / BEST, structs.replace(model, calibration=calibration))
    from skelact.report import plots

    columns = [list(c) for c in zip(*(astuple(p) for p in result.curve), strict=True)]
    plots.calibration(columns, threshold, run / "calibration.png")
    return result


def _has_rows(path: Path) -> bool:
    return path.is_file() and bool(load_json(path, Predictions).samples)


def _known(
    path: Path, classes: tuple[str, ...]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    samples = load_json(path, Predictions).samples.values()
    probs = np.array([s.probabilities for s in samples], np.float32)
    return probs, np.array([classes.index(s.label) for s in samples])
