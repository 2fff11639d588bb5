"""Scores of a subset, and its predictions as a document."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import nn

from skelact.datasets.packed import Packed
from skelact.metrics import Scores, score
from skelact.schemas import PredictedSample, Predictions, save_json
from skelact.sequence.sampling import Indices, SamplingOptions
from skelact.training.batches import DeviceClips
from skelact.training.evaluate import probabilities

Probabilities = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Scores, mean cross entropy and probabilities (N, K) of a network on N clips."""

    scores: Scores
    loss: float
    probabilities: Probabilities


def majority_class(packed: Packed, train: Indices) -> int:
    """The index of the most frequent class of the training clips."""
    return int(np.bincount(packed.labels[train]).argmax())


def measure(
    net: nn.Module,
    clips: DeviceClips,
    packed: Packed,
    rows: Indices,
    *,
    sampling: SamplingOptions,
    batch_size: int,
    majority: int,
) -> Measured:
    """Test a network on the clips `rows` (N,). `majority` is the index of the majority class."""
    probs = probabilities(net, clips, rows, sampling, batch_size=batch_size)
    labels = packed.labels[rows]
    loss = float(-np.log(np.maximum(probs[np.arange(len(labels)), labels], 1e-12)).mean())
    return Measured(scores=score(probs, labels, majority), loss=loss, probabilities=probs)


def write_predictions(path: Path, packed: Packed, rows: Indices, probs: Probabilities) -> None:
    """Write the true labels and the probabilities (N, K) of the clips `rows` (N,), rounded to six
    digits. Raises InputError if the file cannot be written."""
    samples = {
        packed.ids[i]: PredictedSample.rounded(packed.classes[packed.labels[i]], row)
        for i, row in zip(rows, probs, strict=True)
    }
    save_json(path, Predictions(samples=samples))
