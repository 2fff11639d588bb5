"""Several runs as one: their probabilities joined by sample, and a checkpoint that predicts with
all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt

from skelact.errors import ConfigError, InputError
from skelact.metrics import Scores, score
from skelact.models.checkpoint import load_checkpoint
from skelact.pose.base import PoseOptions
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
from skelact.types import nearest

# weights by stream: joint : joint-motion : bone : bone-motion, as in PYSKL and mmaction2
PRESETS = {
    "equal": {"joint": 1.0, "bone": 1.0, "joint-motion": 1.0, "bone-motion": 1.0},
    "2s": {"joint": 1.0, "bone": 1.0},
    "4s": {"joint": 2.0, "joint-motion": 1.0, "bone": 2.0, "bone-motion": 1.0},
}
_GRID = (0.0, 0.5, 1.0, 1.5, 2.0)


@dataclass(frozen=True)
class Fused:
    """What `fuse` made. `alone` are the runs' own scores on the same samples."""

    folder: Path
    scores: Scores
    alone: tuple[Scores, ...]
    weights: tuple[float, ...]


def fuse(
    runs: Sequence[Path],
    folder: Path,
    weights: Sequence[float] | None = None,
    preset: str | None = None,
    search: bool = False,
) -> Fused:
    """Join the test predictions of several runs; `folder` gets result.json, predictions.json and
    best.pt, which `predict` takes. Weights are given, a preset's by stream, searched on the
    validation subset, or equal. InputError if the runs were not tested on the same samples."""
    if len(runs) < 2:
        raise ConfigError("one run cannot be fused", "name two or more")
    contents = [load_checkpoint(run / BEST) for run in runs]
    for run, content in zip(runs, contents, strict=True):
        if _poses_of(content) != _poses_of(contents[0]):
            raise InputError(
                f"{run} and {runs[0]} were trained on poses of different estimators",
                "or of one with other settings: a recogniser takes its poses from one",
            )
    streams = [c.recipe.get("sampling", {}).get("streams", "joint") for c in contents]
    if search:
        chosen = searched(_joined(runs, VALIDATION, contents))
    elif weights is not None:
        chosen = tuple(map(float, weights))
    else:
        chosen = _of_preset(preset or "equal", streams)
    if len(chosen) != len(runs) or min(chosen) < 0 or sum(chosen) <= 0:
        raise ConfigError(
            f"{len(runs)} runs need {len(runs)} weights, none negative, got {list(chosen)}"
        )
    names, probs, labels = _joined(runs, PREDICTIONS, contents)
    classes = contents[0].classes
    majority = load_json(runs[0] / RESULT, RunResult).scores.majority

    def judged(p: npt.NDArray[np.float32]) -> Scores:
        return replace(score(p, labels, 0), majority=majority)

    whole = _weighted(probs, chosen)
    scores = judged(whole)
    folder.mkdir(parents=True, exist_ok=True)
    samples = {
        n: PredictedSample.rounded(classes[k], p)
        for n, k, p in zip(names, labels, whole, strict=True)
    }
    save_json(folder / PREDICTIONS, Predictions(samples=samples))
    result = RunResult(
        scores=scores, classes=classes, runs=tuple(map(str, runs)), weights=tuple(chosen)
    )
    save_json(folder / RESULT, result)
    members = [Member(weight=w, checkpoint=c) for w, c in zip(chosen, contents, strict=True)]
    save_tensors(folder / BEST, Ensemble(members=tuple(members), metrics=scores))
    return Fused(folder, scores, tuple(judged(p) for p in probs), tuple(chosen))


def _poses_of(content: Checkpoint) -> tuple[str, str, dict[str, object]]:
    """What makes a difference to the poses a run was trained on."""
    e = content.estimator
    return e.name, e.weights, PoseOptions(**e.pose).key_part()


Joined = tuple[list[str], npt.NDArray[np.float32], npt.NDArray[np.int64]]


def _joined(runs: Sequence[Path], file: str, contents: list[Checkpoint]) -> Joined:
    """Sample names, probabilities (R, N, K) and labels (N,) of the samples that all runs have."""
    classes = contents[0].classes
    found = [load_json(run / file, Predictions).samples for run in runs]
    names = sorted(found[0])
    for run, content, rows in zip(runs, contents, found, strict=True):
        if content.classes != classes:
            raise InputError(f"{run} and {runs[0]} know different classes")
        if sorted(rows) != names:
            odd = next(iter(set(rows) ^ set(names)))
            raise InputError(
                f"{run} and {runs[0]} were tested on different samples: {odd} is in one only",
                "train them with the same split and clips",
            )
    probs = np.array([[rows[n].probabilities for n in names] for rows in found], np.float32)
    return names, probs, np.array([classes.index(found[0][n].label) for n in names])


def _weighted(probs: npt.NDArray[np.float32], weights: Sequence[float]) -> npt.NDArray[np.float32]:
    shares = np.asarray(weights, np.float32) / np.float32(sum(weights))
    return np.asarray(np.tensordot(shares, probs, axes=1), np.float32)


def searched(joined: Joined) -> tuple[float, ...]:
    """The weights of a coarse grid with the best accuracy, then the least log loss."""
    _, probs, labels = joined
    at = np.arange(len(labels))

    def quality(weights: tuple[float, ...]) -> tuple[float, float]:
        p = _weighted(probs, weights)
        return float((p.argmax(1) == labels).mean()), float(np.log(p[at, labels] + 1e-9).mean())

    grid = [w for w in product(_GRID, repeat=len(probs)) if sum(w) > 0]
    return max(grid, key=quality)


def _of_preset(preset: str, streams: list[str]) -> tuple[float, ...]:
    if preset not in PRESETS:
        raise ConfigError(
            f"no preset is called {preset!r}{nearest(preset, PRESETS)}",
            f"one of {', '.join(PRESETS)}",
        )
    if preset == "equal":
        return (1.0,) * len(streams)
    missing = [s for s in streams if s not in PRESETS[preset]]
    if missing:
        raise ConfigError(
            f"preset {preset} has no weight for the stream {missing[0]}", "give --weights"
        )
    return tuple(PRESETS[preset][s] for s in streams)
