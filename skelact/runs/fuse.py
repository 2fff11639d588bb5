"""Fusion: several runs as one ensemble, evaluated on their common test samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np

from skelact.errors import ConfigError, InputError, nearest
from skelact.inference.calibration import Labels, Probabilities
from skelact.inference.ensemble import check_members, input_spec
from skelact.metrics import Scores, score
from skelact.models.checkpoint import load_checkpoint
from skelact.schemas import (
    BEST,
    PREDICTIONS,
    RESULT,
    VALIDATION,
    Checkpoint,
    Ensemble,
    Member,
    PredictedSample,
    Predictions,
    RunResult,
    load_json,
    save_json,
    save_tensors,
)

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


@dataclass(frozen=True, kw_only=True)
class _MemberScores:
    """Samples that several runs have in common: names (N), probabilities (R, N, K), labels (N,)."""

    names: tuple[str, ...]
    probabilities: Probabilities
    labels: Labels


def fuse(
    runs: Sequence[Path],
    folder: Path,
    weights: Sequence[float] | None = None,
    preset: str | None = None,
    search: bool = False,
) -> FusionResult:
    """Average the test predictions of several runs. `folder` gets result.json, predictions.json and
    best.pt, an ensemble that `skelact predict` accepts.

    The weights are `weights`, those of a preset by stream, the best on the validation subset
    (`search`), or equal. The runs may differ in network, skeleton, streams and window length.
    Raises InputError if they were tested on different samples or cannot be combined, ConfigError
    for bad weights."""
    if len(runs) < 2:
        raise ConfigError("Fusion needs at least two runs", "Name two or more run folders.")
    checkpoints = [load_checkpoint(run / BEST) for run in runs]
    check_members(checkpoints, [str(run) for run in runs])
    if search:
        weights = _search_weights(_read(runs, VALIDATION, checkpoints))
    elif weights is None:
        streams = [input_spec(c).sampling.streams for c in checkpoints]
        weights = _preset_weights(preset or "equal", streams)
    weights = tuple(map(float, weights))
    if len(weights) != len(runs) or min(weights) < 0 or sum(weights) <= 0:
        raise ConfigError(
            f"{len(runs)} runs need {len(runs)} weights of 0 or more, not all 0; got "
            f"{list(weights)}"
        )
    samples = _read(runs, PREDICTIONS, checkpoints)
    classes = checkpoints[0].classes
    majority = load_json(runs[0] / RESULT, RunResult).scores.majority

    def scores_of(probabilities: Probabilities) -> Scores:
        return replace(score(probabilities, samples.labels, 0), majority=majority)

    mean = _weighted_mean(samples.probabilities, weights)
    scores = scores_of(mean)
    folder.mkdir(parents=True, exist_ok=True)
    rows = {
        name: PredictedSample.rounded(classes[label], p)
        for name, label, p in zip(samples.names, samples.labels, mean, strict=True)
    }
    save_json(folder / PREDICTIONS, Predictions(samples=rows))
    result = RunResult(scores=scores, classes=classes, runs=tuple(map(str, runs)), weights=weights)
    save_json(folder / RESULT, result)
    members = [Member(weight=w, checkpoint=c) for w, c in zip(weights, checkpoints, strict=True)]
    save_tensors(folder / BEST, Ensemble(members=tuple(members), metrics=scores))
    alone = tuple(scores_of(p) for p in samples.probabilities)
    return FusionResult(folder=folder, scores=scores, alone=alone, weights=weights)


def _read(runs: Sequence[Path], file: str, checkpoints: Sequence[Checkpoint]) -> _MemberScores:
    """The predictions of all runs. Raises InputError if their samples differ."""
    classes = checkpoints[0].classes
    predictions = [load_json(run / file, Predictions).samples for run in runs]
    first = predictions[0]
    names = tuple(sorted(first))
    for run, rows in zip(runs, predictions, strict=True):
        if rows.keys() != first.keys():
            example = min(rows.keys() ^ first.keys())
            raise InputError(
                f"{run} and {runs[0]} were tested on different samples: only one of them has "
                f"{example}",
                "Train them with the same split and clips.",
            )
    values = [[rows[name].probabilities for name in names] for rows in predictions]
    return _MemberScores(
        names=names,
        probabilities=np.array(values, np.float32),
        labels=np.array([classes.index(first[name].label) for name in names]),
    )


def _weighted_mean(probabilities: Probabilities, weights: Sequence[float]) -> Probabilities:
    """(R, N, K) -> (N, K)."""
    shares = np.asarray(weights, np.float32) / np.float32(sum(weights))
    return np.asarray(np.tensordot(shares, probabilities, axes=1), np.float32)


def _search_weights(samples: _MemberScores) -> tuple[float, ...]:
    """The weights of a coarse grid with the highest accuracy; of several, those with the smallest
    log loss."""
    labels = samples.labels
    rows = np.arange(len(labels))

    def quality(weights: tuple[float, ...]) -> tuple[float, float]:
        p = _weighted_mean(samples.probabilities, weights)
        return float((p.argmax(1) == labels).mean()), float(np.log(p[rows, labels] + 1e-9).mean())

    grid = [w for w in product(_GRID, repeat=len(samples.probabilities)) if sum(w) > 0]
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
