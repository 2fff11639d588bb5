"""Select, check and open pose estimators by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from skelact.errors import ConfigError
from skelact.pose import weights
from skelact.pose.base import (
    AUTO,
    IMPORT,
    Estimator,
    EstimatorSpec,
    PoseOptions,
    estimator_specs,
    get_spec,
)
from skelact.pose.mirrored import Mirrored


def fallback() -> EstimatorSpec:
    """The estimator that `auto` selects on a machine without a GPU."""
    return next(s for s in _auto_candidates() if not s.needs_gpu)


def resolve(options: PoseOptions) -> PoseOptions:
    """Replace the estimator `auto` by the best one that can run on this machine: on a GPU the best
    mmpose network whose weights are available, else BlazePose. Options that only some estimators
    support limit the choice to these estimators.

    Raises ConfigError for imported poses, which no estimator makes."""
    if options.estimator == IMPORT:
        raise ConfigError("Imported poses are read from a folder", "Add --poses-from FOLDER.")
    if options.estimator != AUTO:
        return options
    for spec in _auto_candidates():
        if not set(options.specific) <= set(spec.options):
            continue
        if not spec.needs_gpu or (spec.status().ready and _has_gpu()):
            return replace(options, estimator=spec.name)
    raise ConfigError("No pose estimator supports these options", "Leave some of them out.")


def _auto_candidates() -> list[EstimatorSpec]:
    """Best first."""
    ranked = [(s.auto_rank, s) for s in estimator_specs().values() if s.auto_rank is not None]
    return [spec for _, spec in sorted(ranked, key=lambda pair: -pair[0])]


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def pullable() -> dict[str, Callable[[Path | None], Iterator[str]]]:
    """What `skelact models pull` can download, by name: the weights of estimators, and those of the
    person detectors of mmpose. See EstimatorSpec.pull."""
    estimators = {s.name: s.pull for s in estimator_specs().values() if s.pull is not None}
    return estimators | {name: partial(weights.pull, name) for name in weights.DETECTORS}


def fingerprint_of(options: PoseOptions) -> str:
    """Hash of the weights that a resolved estimator would use. Raises BackendMissing or
    WeightsMissing if it cannot run."""
    return get_spec(options.estimator).fingerprint(options)


def open_estimator(options: PoseOptions) -> Estimator:
    """Load a resolved estimator. Raises EstimatorError if it cannot run."""
    estimator = get_spec(options.estimator).open(options)
    return Mirrored(estimator) if options.mirrored else estimator
