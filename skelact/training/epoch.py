"""The training batches of one epoch. All random draws depend only on the seed and the number of the
epoch, so a resumed run takes the same steps as an uninterrupted one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from skelact.recipe import Recipe
from skelact.sequence.sampling import Indices
from skelact.training.augment import mixup
from skelact.training.batches import DeviceClips


@contextmanager
def seeded(seed: int, epoch: int, device: torch.device) -> Iterator[np.random.Generator]:
    """Seed torch for one epoch and yield a NumPy generator for it. The global state of torch's
    generators is restored afterwards."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed * 1_000_003 + epoch)
        yield np.random.default_rng([seed, epoch])


def class_weights(labels: npt.NDArray[np.int64], classes: int) -> npt.NDArray[np.float64]:
    """(K,) weights inversely proportional to the frequency of each class; their mean over the clips
    with these labels (N,) is 1."""
    counts = np.bincount(labels, minlength=classes)
    return counts.sum() / np.maximum(counts, 1) / (counts > 0).sum()


@dataclass(frozen=True, kw_only=True)
class TrainBatches:
    """Augmented batches of the training clips `rows`. `weights` (K,) are the class weights that
    the balancing sampler uses."""

    recipe: Recipe
    clips: DeviceClips
    rows: Indices
    weights: npt.NDArray[np.float64]

    @property
    def size(self) -> int:
        """Clips in a batch; there may be fewer than options ask for."""
        options = self.recipe.train
        return min(options.batch_size, len(self.rows) * options.repeat)

    @property
    def steps(self) -> int:
        """Batches per epoch; an incomplete last batch is dropped."""
        options = self.recipe.train
        return max(1, len(self.rows) * options.repeat // options.batch_size)

    def epoch(self, rng: np.random.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield `steps` batches: x (N, M, T, V, C) float32 without NaN; labels (N,) int64, or class
        proportions (N, K) float32 with mixup."""
        size, augment = self.recipe.train.batch_size, self.recipe.augment
        order = self._order(rng)
        for step in range(self.steps):
            batch = order[step * size : (step + 1) * size]
            mode = self.recipe.normalise.mode
            x, labels = self.clips.training(batch, self.recipe.sampling, augment, rng, mode)
            if augment.mixup_alpha:
                x, labels = mixup(x, labels, len(self.weights), augment.mixup_alpha, rng)
            yield x, labels

    def _order(self, rng: np.random.Generator) -> Indices:
        """All clips `repeat` times; with the balancing sampler as many draws, in which every class
        is equally likely."""
        repeat = self.recipe.train.repeat
        if self.recipe.train.balance == "sampler":
            chance = self.weights[self.clips.packed.labels[self.rows]]
            return rng.choice(self.rows, len(self.rows) * repeat, p=chance / chance.sum())
        return np.concatenate([rng.permutation(self.rows) for _ in range(repeat)])
