"""The sweep of `benchmarks/few_shot.py`: every video of the sample set as the anchor of its
action."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from skelact.config import shipped
from skelact.datasets import mads_truth
from skelact.inference.embedding import window_embeddings
from skelact.inference.predictor import Predictor
from skelact.inference.windows import find_tracks
from skelact.models.enrolled import similarity, whitening
from skelact.options import PredictOptions

Floats = npt.NDArray[np.float64]


def sweep(run: Path) -> None:
    """Print precision, recall and F1 (means over the actions) of all choices of anchors."""
    predictor = Predictor.load(run, PredictOptions(device="cpu"))
    (member,) = predictor.members
    found = mads_truth.find(shipped("sample_videos"), projected=True)
    items = [i for i in found.items if i.label in ("HipHop", "Jazz", "Kata", "Taichi")]
    assert found.read is not None
    tracks = [find_tracks(found.read(item), True, 0.5)[0] for item in items]
    length = round(member.clip_s * mads_truth.FPS)
    windows = [t.windows(length, max(1, length // 2)) for t in tracks]
    each = window_embeddings(member, tracks, windows, 32, predictor.device)
    rows = torch.from_numpy(np.stack([e.mean(axis=0) for e in each]))
    statistics = predictor.model.features  # type: ignore[union-attr]
    labels = np.array([i.label for i in items])
    takes = np.array([i.groups["take"] for i in items])
    spaces = {"as it is": rows}
    if statistics is not None:
        scale = whitening(statistics)
        spaces["as enroll compares it"] = (rows - statistics.mean) @ scale
    print(
        f"{len(items)} videos, {len(set(takes))} takes; features, distance: precision, recall, F1"
    )
    for name, x in spaces.items():
        for method in ("cosine", "jsd"):
            near = _similarities(method, name, x)
            scores = _all_anchors(near.numpy(), labels, takes)
            low, high = np.quantile(scores[:, 2], [0.025, 0.975])
            p, r, f1 = scores.mean(axis=0)
            print(
                f"{name}, {method}: {p:.1%}, {r:.1%}, {f1:.1%} (95 % of the {len(scores)} choices: "
                f"F1 {low:.1%} to {high:.1%})",
                flush=True,
            )


def _similarities(method: str, name: str, x: Tensor) -> Tensor:
    """(N, N). The thesis takes the softmax of the features without scaling them."""
    if method == "cosine" or name != "as it is":
        return similarity(method, x, x)
    p = F.softmax(x, dim=1)
    entropy = -torch.special.xlogy(p, p).sum(dim=1)
    mean = [(p + q) / 2 for q in p]
    mixed = torch.stack([-torch.special.xlogy(m, m).sum(dim=1) for m in mean], dim=1)
    return 1 - mixed + (entropy[:, None] + entropy) / 2


def _all_anchors(near: Floats, labels: npt.NDArray[np.str_], takes: npt.NDArray[np.str_]) -> Floats:
    """(choices, 3): macro precision, recall and F1 of every choice of one anchor per action, over
    the videos of takes that no anchor is from."""
    classes = sorted(set(labels))
    k, truth = len(classes), np.searchsorted(classes, labels)
    choices = np.array(list(product(*(np.flatnonzero(labels == c) for c in classes))))
    out = []
    for part in np.array_split(choices, max(1, len(choices) // 2000)):
        guess = near[:, part].argmax(axis=2)  # (N, choices)
        tested = (takes[:, None, None] != takes[part]).all(axis=2)
        cell = (np.arange(len(part)) * k + truth[:, None]) * k + guess
        table = np.bincount(cell.ravel(), tested.ravel(), len(part) * k * k).reshape(-1, k, k)
        right = table.diagonal(axis1=1, axis2=2)
        precision = right / np.maximum(table.sum(axis=1), 1)
        recall = right / np.maximum(table.sum(axis=2), 1)
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
        out.append(np.stack([v.mean(axis=1) for v in (precision, recall, f1)], axis=1))
    return np.concatenate(out)
