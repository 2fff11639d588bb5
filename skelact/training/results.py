"""Predictions for the clips of a subset, their scores, and the file they are stored in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from skelact.errors import DatasetError, InputError
from skelact.metrics import Labels, Probabilities, Scores, score
from skelact.models.base import ActionClassifier
from skelact.models.evaluate import mean_features, mean_probabilities
from skelact.schemas import PredictedSample, Predictions, load_json, save_json
from skelact.sequence.sampling import Indices, SamplingOptions
from skelact.training.batches import DeviceClips


@dataclass(frozen=True, kw_only=True)
class SubsetPredictions:
    """The names, true labels (N,) and class probabilities (N, K) of N clips."""

    names: tuple[str, ...]
    labels: Labels
    probabilities: Probabilities

    def take(self, rows: Sequence[int]) -> SubsetPredictions:
        """The predictions of some clips."""
        names, kept = tuple(self.names[i] for i in rows), list(rows)
        return SubsetPredictions(
            names=names, labels=self.labels[kept], probabilities=self.probabilities[kept]
        )

    def save(self, path: Path, classes: tuple[str, ...]) -> None:
        """Write the probabilities, rounded to six digits. Raises InputError if the file cannot be
        written."""
        rows = zip(self.names, self.labels, self.probabilities, strict=True)
        samples = {name: PredictedSample.rounded(classes[label], p) for name, label, p in rows}
        save_json(path, Predictions(samples=samples))


def load_predictions(path: Path, classes: tuple[str, ...]) -> SubsetPredictions:
    """The predictions that `SubsetPredictions.save` wrote. Raises InputError if the file is damaged
    or holds other classes."""
    samples = load_json(path, Predictions).samples
    widths = {len(s.probabilities) for s in samples.values()}
    if widths != {len(classes)}:
        raise InputError(f"{path} has no probabilities of {len(classes)} classes", Predictions.hint)
    probabilities = np.array([s.probabilities for s in samples.values()], np.float32)
    try:
        labels = np.array([classes.index(s.label) for s in samples.values()], np.int64)
    except ValueError as error:
        raise InputError(
            f"{path} holds other classes than the checkpoint", Predictions.hint
        ) from error
    return SubsetPredictions(names=tuple(samples), labels=labels, probabilities=probabilities)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The predictions of a network for a subset, their scores and their mean cross entropy."""

    predictions: SubsetPredictions
    scores: Scores
    loss: float


def measure(
    net: nn.Module,
    clips: DeviceClips,
    rows: Indices,
    *,
    train_rows: Indices,
    sampling: SamplingOptions,
    batch_size: int,
) -> Measured:
    """Test a network on the clips `rows` (N,), averaged over the test draws of each, and always in
    float32, so that the result does not depend on the precision of training. `train_rows` are the
    training clips, whose most frequent class is the majority class. Raises DatasetError if there is
    no clip to test, or if the network gives NaN."""
    packed = clips.packed
    if not len(rows):
        raise DatasetError(
            "There are no clips in the test subset",
            "Choose another split, or see the table of `skelact extract` for failed videos.",
        )
    net.eval()
    batches = [rows[n : n + batch_size] for n in range(0, len(rows), batch_size)]
    means = [mean_probabilities(net, *clips.testing(batch, sampling)) for batch in batches]
    probabilities = torch.cat(means).cpu().numpy()  # copied once, so that a GPU is never idle
    if not np.isfinite(probabilities).all():
        raise DatasetError(
            "The network gives results that are not finite numbers",
            "Training diverged: lower the learning rate, for example --set train.lr=0.02.",
        )
    labels = packed.labels[rows]
    majority = np.bincount(packed.labels[train_rows], minlength=len(packed.classes)).argmax()
    return Measured(
        predictions=SubsetPredictions(
            names=tuple(packed.ids[i] for i in rows), labels=labels, probabilities=probabilities
        ),
        scores=score(probabilities, labels, int(majority)),
        loss=float(-np.log(np.maximum(probabilities[range(len(labels)), labels], 1e-12)).mean()),
    )


MAX_CLIPS = 1024  # whose embeddings are computed


def clip_features(
    net: ActionClassifier,
    clips: DeviceClips,
    rows: Indices,
    sampling: SamplingOptions,
    batch_size: int,
) -> Tensor:
    """The embeddings (N, D) of the clips `rows`, MAX_CLIPS of them at most, evenly spaced."""
    net.eval()
    if len(rows) > MAX_CLIPS:
        rows = rows[np.linspace(0, len(rows) - 1, MAX_CLIPS).round().astype(np.int64)]
    batches = [rows[n : n + batch_size] for n in range(0, len(rows), batch_size)]
    parts = [mean_features(net, *clips.testing(batch, sampling)) for batch in batches]
    empty = torch.zeros((0, net.cls_head.fc.in_features), device=clips.labels.device)
    return torch.cat([empty, *parts])
