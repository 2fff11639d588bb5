"""From window probabilities to segments: who does what, from when to when."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from skelact.types import UNKNOWN, Floats, Segment


@torch.inference_mode()
def window_probabilities(
    net: nn.Module, windows: list[Floats], batch_size: int, device: torch.device
) -> npt.NDArray[np.float32]:
    """windows: arrays (clips, M, L, V, C) without NaN -> (W, K): softmax averaged over each
    window's clips."""
    out: list[npt.NDArray[np.float32]] = []
    for start in range(0, len(windows), batch_size):
        part = windows[start : start + batch_size]
        x = torch.from_numpy(np.concatenate(part)).to(device)
        logits = net(x).float()
        probs = torch.softmax(logits, dim=1).view(len(part), -1, logits.shape[1]).mean(dim=1)
        out.append(probs.cpu().numpy())
    return np.concatenate(out)


def per_frame(
    probabilities: npt.NDArray[np.float32], spans: list[tuple[int, int]], frames: int
) -> npt.NDArray[np.float64]:
    """(frames, K): each frame's mean over the windows that cover it, those whose middle is near
    counting most; NaN where no window does."""
    total, weight = np.zeros((frames, probabilities.shape[1])), np.zeros((frames, 1))
    for p, (a, b) in zip(probabilities, spans, strict=True):
        w = 1.05 - np.abs(np.linspace(-1, 1, b - a))[:, None]
        total[a:b] += w * p
        weight[a:b] += w
    return np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 0)


def label_of(
    probs: npt.NDArray[np.float64], classes: tuple[str, ...], unknown_threshold: float
) -> tuple[str, float]:
    """The likeliest class and its probability; "unknown" if that is below the threshold."""
    best = int(probs.argmax())
    return (classes[best] if probs[best] >= unknown_threshold else UNKNOWN), float(probs[best])


def segments(
    frame_probs: npt.NDArray[np.float64],
    fps: float,
    classes: tuple[str, ...],
    min_segment_s: float,
    unknown_threshold: float = 0.0,
) -> list[Segment]:
    """Runs of one label over the frames that have one; runs shorter than `min_segment_s` join the
    neighbour that explains them better. Where no class reaches `unknown_threshold` the label is
    "unknown"."""
    threshold = np.full((len(frame_probs), 1), unknown_threshold)
    known = ~np.isnan(frame_probs[:, 0])
    frame_probs = np.hstack([frame_probs, threshold])  # one class more
    best = np.where(known, np.nan_to_num(frame_probs).argmax(axis=1), -1)
    runs = [
        [int(r[0]), int(r[-1]) + 1]
        for r in np.split(np.arange(len(best)), np.flatnonzero(np.diff(best)) + 1)
        if len(r)
    ]
    labels = [int(best[a]) for a, _ in runs]
    shortest = min_segment_s * fps
    while True:
        short = [
            i
            for i, (a, b) in enumerate(runs)
            if labels[i] >= 0 and b - a < shortest and _neighbours(i, labels)
        ]
        if not short:
            break
        i = min(short, key=lambda k: runs[k][1] - runs[k][0])
        a, b = runs[i]
        labels[i] = max(
            (labels[k] for k in _neighbours(i, labels)), key=lambda c: frame_probs[a:b, c].mean()
        )
        runs, labels = _joined(runs, labels)
    out = []
    for (a, b), c in zip(runs, labels, strict=True):
        if c >= 0:
            mean = frame_probs[a:b, : len(classes)].mean(axis=0)
            label, sure = (UNKNOWN, mean.max()) if c == len(classes) else (classes[c], mean[c])
            each = tuple(float(v) for v in mean)
            out.append(Segment(a / fps, b / fps, label, float(sure), each))
    return out


def _neighbours(i: int, labels: list[int]) -> list[int]:
    return [k for k in (i - 1, i + 1) if 0 <= k < len(labels) and labels[k] >= 0]


def _joined(runs: list[list[int]], labels: list[int]) -> tuple[list[list[int]], list[int]]:
    """Neighbouring runs of one label as one."""
    new_runs: list[list[int]] = []
    new_labels: list[int] = []
    for run, label in zip(runs, labels, strict=True):
        if new_labels and new_labels[-1] == label:
            new_runs[-1][1] = run[1]
        else:
            new_runs.append(list(run))
            new_labels.append(label)
    return new_runs, new_labels
