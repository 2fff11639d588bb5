"""The data and the options of one training run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from torch import nn

from skelact.datasets.packed import Packed
from skelact.models.base import ActionClassifier
from skelact.recipe import Recipe
from skelact.schemas import ClassDuration, EstimatorInfo
from skelact.sequence.sampling import Indices
from skelact.stages.dataset import SUBSETS

# Changes the weights of a new network in place; returns the modules that are not trained.
Initialiser = Callable[[ActionClassifier], list[nn.Module]]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The clips, the subset of each ("train", "val", "test", or anything else for unused clips),
    and all options. `estimator`, `clip_s` (window length in seconds), `split` (fingerprint),
    `dataset` (name) and `durations` (of the actions, by class) are stored in the checkpoint."""

    packed: Packed
    subsets: tuple[str, ...]
    recipe: Recipe
    estimator: EstimatorInfo
    clip_s: float
    split: str
    dataset: str
    initialise: Initialiser | None = None
    durations: dict[str, ClassDuration] = field(default_factory=dict)
    no_test: bool = False  # all clips are for training, and there is no test result

    def subset_rows(self) -> dict[str, Indices]:
        """Subset -> indices of its clips, int64."""
        subsets = np.array(self.subsets)
        return {name: np.flatnonzero(subsets == name) for name in SUBSETS}
