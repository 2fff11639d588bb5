"""Training in closed form: features of all training clips, then ridge regression for the head."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from msgspec import structs
from torch import Tensor
from torch.nn import functional as F

from skelact.errors import ConfigError, DatasetError
from skelact.models.base import ActionClassifier
from skelact.models.checkpoint import load_checkpoint, load_weights
from skelact.models.enrolled import LOGIT_SCALE, feature_statistics
from skelact.options import TrainOptions
from skelact.schemas import BEST, LOG, Checkpoint, FeatureStatistics, save_log, save_tensors
from skelact.training import distributed
from skelact.training.base import BaseTrainer
from skelact.training.epoch import seeded
from skelact.types import Event


@dataclass(frozen=True, kw_only=True)
class Solution:
    """Loss and accuracy on the clips that a head was fitted to, two scalars, and the statistics of
    their embeddings."""

    loss: Tensor
    accuracy: Tensor
    features: FeatureStatistics


_USED = (  # options of the section train that matter for a closed form
    *("repeat", "batch_size", "val_fraction", "ridge_alpha", "seed", "device", "balance"),
)


def check_explicit(given: Mapping[str, Any]) -> None:
    """Raises ConfigError for options of the section train that a user names and that have no effect
    in a closed form. One epoch is what it has."""
    unused = [name for name in given if name not in _USED and (name, given[name]) != ("epochs", 1)]
    if unused:
        raise ConfigError(
            f"This network is trained in closed form, without {', '.join(unused)}",
            "Leave these options out, or choose another --model. --set train.repeat=8 trains on "
            "more augmented copies of the clips.",
        )


def check_options(options: TrainOptions) -> None:
    """Raises ConfigError for options that need gradient descent. The options that recipes set for
    it (optimiser, learning rate, schedule, label smoothing) are ignored instead, and so is the
    default number of epochs, which a recipe has that says nothing about it."""
    neutral = {"ema_decay": 0.0, "compile": False, "microbatches": 1}
    refused = ["epochs"] if options.epochs not in (1, TrainOptions.epochs) else []
    refused += [name for name, value in neutral.items() if getattr(options, name) != value]
    if refused:
        raise ConfigError(
            f"This network is trained in closed form, without {', '.join(refused)}",
            "Leave these options out; epochs must be 1. --set train.repeat=8 trains on more "
            "augmented copies of the clips.",
        )


class ClosedFormTrainer(BaseTrainer):
    """One pass over `repeat` augmented copies of the training clips, one checkpoint, no epochs:
    log.jsonl is empty, and result.json has 0 epochs. All batches and their features are in memory
    at once, which is fine for thousands of clips but not for hundreds of thousands."""

    is_trained = False

    def resume(self) -> bool:
        """Load best.pt, so that nothing is left to train; returns False if there is none."""
        checkpoint = distributed.on_rank0(self._stored_checkpoint)
        if checkpoint is None:
            return False
        load_weights(self.net, checkpoint.weights)
        self.is_trained = True
        return True

    def _stored_checkpoint(self) -> Checkpoint | None:
        path = self.folder / BEST
        if not path.is_file():
            return None
        checkpoint = load_checkpoint(path)
        self.check_same_run(checkpoint)
        return checkpoint

    def fit(self) -> None:
        """Solve for the head, unless a resumed run has already done so."""
        steps = self.batches.steps
        done = steps if self.is_trained else 0
        text = f"Training {self.plan.recipe.network} on {self.device}."
        self.on_progress(Event("train", "start", done, steps, text))
        if not self.is_trained:
            self._fit()
        self.on_progress(Event("train", "end"))

    def _fit(self) -> None:
        steps = self.batches.steps
        started = time.monotonic()
        batches = []
        # every process computes all batches
        with seeded(self.options.seed, 0, self.device) as rng:
            for batch in self.batches.epoch(rng):
                batches.append(batch)
                self.on_progress(Event("train", "advance", 1, steps))
        try:
            solved = solve(self.net, batches, self.options.ridge_alpha, self.loss_weights())
        except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]
            raise DatasetError(
                "The closed form has no solution for these clips", "Raise train.ridge_alpha."
            ) from error
        self.check_finite()
        text = f"closed form  loss {solved.loss:.3f}  train {solved.accuracy:.1%}"
        val = self.validate()
        if val is not None:
            text += f"  val {val.scores.top1:.1%} (loss {val.loss:.3f})"
        self.seconds = time.monotonic() - started
        if self.rank == 0:
            save_log(self.folder / LOG, self.history)
            checkpoint = self.make_checkpoint(epoch=0)
            save_tensors(self.folder / BEST, structs.replace(checkpoint, features=solved.features))
        self.is_trained = True
        self.on_progress(Event("train", "advance", 0, steps, text))


@torch.no_grad()
def solve(
    net: ActionClassifier,
    batches: list[tuple[Tensor, Tensor]],
    ridge_alpha: float,
    weights: Tensor | None = None,
) -> Solution:
    """Fit the scaler of the backbone, then the head by ridge regression on standardised features.

    Each batch is x (N, M, T, V, C) float32 and labels (N,) int64 or class proportions (N, K). The
    penalty is `ridge_alpha` times the number of features; `weights` (K,) weight the clips by their
    class."""
    fc, classes = net.cls_head.fc, net.cls_head.fc.out_features
    net.eval()
    net.backbone.fit_scaler(x for x, _ in batches)
    features = torch.cat([net.cls_head.pool(net.features(x)) for x, _ in batches])
    target = torch.cat([F.one_hot(y, classes) if y.ndim == 1 else y for _, y in batches]).float()
    mean, deviation = features.mean(dim=0), features.std(dim=0, correction=0) + 1e-3
    scaled, centred = (features - mean) / deviation, target - 1 / classes
    cohort = scaled
    if weights is not None:
        root = (target @ weights).sqrt()[:, None]
        scaled, centred = scaled * root, centred * root
    penalty = ridge_alpha * scaled.shape[1]
    if len(scaled) <= scaled.shape[1]:  # the dual problem is smaller
        gram = scaled @ scaled.T
        gram.diagonal().add_(penalty)
        solution = scaled.T @ torch.linalg.solve(gram, centred)
    else:
        gram = scaled.T @ scaled
        gram.diagonal().add_(penalty)
        solution = torch.linalg.solve(gram, scaled.T @ centred)
    fc.weight.copy_((LOGIT_SCALE * solution / deviation[:, None]).T)
    fc.bias.copy_(-fc.weight @ mean)
    logits = fc(features)
    loss = F.cross_entropy(logits, target, weights)
    correct = (logits.argmax(dim=1) == target.argmax(dim=1)).float().mean()
    statistics = feature_statistics(scaled, mean, deviation, cohort, penalty)
    return Solution(loss=loss, accuracy=correct, features=statistics)
