"""Fusion: several runs as one ensemble, evaluated on their common test samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np

from skelact import outputs
from skelact.cache import Cache
from skelact.errors import ConfigError, InputError, escaped, nearest
from skelact.inference.ensemble import check_members, input_spec
from skelact.metrics import Probabilities, Scores, score
from skelact.models.checkpoint import load_checkpoint
from skelact.runs.test import run_predictions
from skelact.schemas import (
    BEST,
    CONFIG,
    PREDICTIONS,
    RESULT,
    VALIDATION,
    Checkpoint,
    Ensemble,
    Member,
    RunResult,
    load_json,
    save_json,
    save_tensors,
)
from skelact.training.results import SubsetPredictions
from skelact.types import ProgressCallback, no_progress

# weights by stream; 4s as in PYSKL and mmaction2
PRESETS = {
    "equal": {"joint": 1.0, "bone": 1.0, "joint-motion": 1.0, "bone-motion": 1.0},
    "2s": {"joint": 1.0, "bone": 1.0},
    "4s": {"joint": 2.0, "joint-motion": 1.0, "bone": 2.0, "bone-motion": 1.0},
}
_GRID = (0.0, 0.5, 1.0, 1.5, 2.0)


@dataclass(frozen=True, kw_only=True)
class FusionResult:
    """A fused run: its folder, its scores, the scores of each run on the same samples, and the
    weight of each run."""

    folder: Path
    scores: Scores
    alone: tuple[Scores, ...]
    weights: tuple[float, ...]


def fuse(
    runs: Sequence[Path],
    folder: Path,
    *,
    weights: Sequence[float] | None = None,
    preset: str | None = None,
    search: bool = False,
    overwrite: bool = False,
    cache: Cache | None = None,
    on_progress: ProgressCallback = no_progress,
) -> FusionResult:
    """Average the test predictions of several runs. `folder` gets result.json, predictions.json and
    best.pt, an ensemble that `skelact predict` accepts.

    The weights are `weights`, those of a preset by stream, the best on the validation subset
    (`search`), or equal. The runs may differ in network, skeleton, streams and window length.
    Raises InputError if they were tested on different samples or cannot be combined, OutputError if
    `folder` is one of them or holds another fusion and `overwrite` is not set, ConfigError for bad
    weights. `cache` is used where a class was enrolled in the runs, whose clips are measured
    again."""
    if len(runs) < 2:
        raise ConfigError("Fusion needs at least two runs", "Name two or more run folders.")
    if (folder / CONFIG).is_file():
        raise ConfigError(f"{folder} holds a trained run", "Choose another folder with --out.")
    files = (BEST, PREDICTIONS, RESULT)
    outputs.check_folder(folder)
    outputs.check(
        *(folder / file for file in files),
        inputs=[run / file for run in runs for file in (*files, VALIDATION)],
        overwrite=overwrite,
    )
    checkpoints = [load_checkpoint(run / BEST) for run in runs]
    check_members(checkpoints, [str(run) for run in runs])
    classes = checkpoints[0].classes

    def predictions(file: str) -> list[SubsetPredictions]:
        return common_predictions(runs, file, checkpoints, cache, on_progress)

    if search:
        weights = _search_weights(predictions(VALIDATION))
    elif weights is None:
        streams = [input_spec(c).sampling.streams for c in checkpoints]
        weights = _preset_weights(preset or "equal", streams)
    weights = tuple(map(float, weights))
    if len(weights) != len(runs) or min(weights) < 0 or sum(weights) <= 0:
        raise ConfigError(
            f"{len(runs)} runs need {len(runs)} weights of 0 or more, not all 0; got "
            f"{list(weights)}"
        )
    members = predictions(PREDICTIONS)
    labels = members[0].labels
    majority = load_json(runs[0] / RESULT, RunResult).test_scores.majority

    def scores_of(probabilities: Probabilities) -> Scores:
        return replace(score(probabilities, labels, 0), majority=majority)

    mean = weighted_mean([m.probabilities for m in members], weights)
    scores = scores_of(mean)
    folder.mkdir(parents=True, exist_ok=True)
    replace(members[0], probabilities=mean).save(folder / PREDICTIONS, classes)
    result = RunResult(
        scores=scores, classes=classes, runs=tuple(map(escaped, runs)), weights=weights
    )
    save_json(folder / RESULT, result)
    networks = [Member(weight=w, checkpoint=c) for w, c in zip(weights, checkpoints, strict=True)]
    save_tensors(folder / BEST, Ensemble(members=tuple(networks), metrics=scores))
    alone = tuple(scores_of(m.probabilities) for m in members)
    return FusionResult(folder=folder, scores=scores, alone=alone, weights=weights)


def common_predictions(
    runs: Sequence[Path],
    file: str,
    checkpoints: Sequence[Checkpoint],
    cache: Cache | None = None,
    on_progress: ProgressCallback = no_progress,
) -> list[SubsetPredictions]:
    """The predictions of each run, in the same order. Raises InputError if their samples differ,
    and as `run_predictions`."""
    pairs = zip(runs, checkpoints, strict=True)
    members = [run_predictions(r, file, c, cache, on_progress) for r, c in pairs]
    first = set(members[0].names)
    for run, member in zip(runs, members, strict=True):
        differing = first ^ set(member.names)
        if differing:
            raise InputError(
                f"{run} and {runs[0]} were tested on different samples: only one of them has "
                f"{min(differing)}",
                "Train them with the same split and clips.",
            )
    return [m.take(sorted(range(len(m.names)), key=m.names.__getitem__)) for m in members]


def weighted_mean(
    probabilities: Sequence[Probabilities], weights: Sequence[float]
) -> Probabilities:
    """R times (N, K) -> (N, K)."""
    shares = np.asarray(weights, np.float32) / np.float32(sum(weights))
    return np.asarray(np.tensordot(shares, np.stack(probabilities), axes=1), np.float32)


def _search_weights(members: Sequence[SubsetPredictions]) -> tuple[float, ...]:
    """The weights of a coarse grid with the highest accuracy; of several, those with the smallest
    log loss."""
    labels, probabilities = members[0].labels, [m.probabilities for m in members]
    rows = np.arange(len(labels))

    def quality(weights: tuple[float, ...]) -> tuple[float, float]:
        p = weighted_mean(probabilities, weights)
        return float((p.argmax(1) == labels).mean()), float(np.log(p[rows, labels] + 1e-9).mean())

    grid = [w for w in product(_GRID, repeat=len(members)) if sum(w) > 0]
    return max(grid, key=quality)


def _preset_weights(preset: str, streams: Sequence[str]) -> tuple[float, ...]:
    if preset not in PRESETS:
        raise ConfigError(
            f"Unknown preset {preset!r}{nearest(preset, PRESETS)}",
            f"Use one of {', '.join(PRESETS)}.",
        )
    if preset == "equal":
        return (1.0,) * len(streams)
    missing = [s for s in streams if s not in PRESETS[preset]]
    if missing:
        raise ConfigError(
            f"The preset {preset} has no weight for the stream {missing[0]}", "Use --weights."
        )
    return tuple(PRESETS[preset][s] for s in streams)
