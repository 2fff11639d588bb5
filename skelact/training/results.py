"""What a run is worth: scores of a subset, and the files that say so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from skelact.datasets.packed import Packed
from skelact.errors import InputError
from skelact.metrics import Scores, score
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
    """Sample id -> true label and probabilities, as JSON."""
    content = {
        packed.ids[i]: {
            "label": packed.classes[packed.labels[i]],
            "probabilities": [round(float(v), 6) for v in q],
        }
        for i, q in zip(rows, probs, strict=True)
    }
    write_json(path, content)


def read_predictions(path: Path) -> dict[str, dict[str, Any]]:
    """The inverse of write_predictions. InputError if the file is missing or damaged."""
    try:
        content = json.loads(path.read_bytes())
        return {
            str(k): {"label": v["label"], "probabilities": v["probabilities"]}
            for k, v in content.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} cannot be read: {error}", "a finished run has it: skelact train, skelact test"
        ) from error


def write_json(path: Path, content: Any) -> None:
    """Indented, with a line's end."""
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
