"""What a run is worth: scores of a subset, and the files that say so."""

from __future__ import annotations

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


def majority_class(packed: Packed, train: Indices) -> int:
    """The commonest class of the training clips."""
    return int(np.bincount(packed.labels[train]).argmax())


def measure(
    net: nn.Module,
    clips: DeviceClips,
    packed: Packed,
    rows: Indices,
    sampling: SamplingOptions,
    batch_size: int,
    majority: int,
) -> tuple[Scores, float, Probabilities]:
    """Scores, mean log loss and probabilities (N, K) of the clips `rows`."""
    probs = probabilities(net, clips, rows, sampling, batch_size)
    labels = packed.labels[rows]
    loss = float(-np.log(np.maximum(probs[np.arange(len(labels)), labels], 1e-12)).mean())
    return score(probs, labels, majority), loss, probs


def write_predictions(path: Path, packed: Packed, rows: Indices, probs: Probabilities) -> None:
    """Write the true labels and probabilities (N, K) of the clips `rows`."""
    samples = {
        packed.ids[i]: PredictedSample.rounded(packed.classes[packed.labels[i]], q)
        for i, q in zip(rows, probs, strict=True)
    }
    save_json(path, Predictions(samples=samples))
