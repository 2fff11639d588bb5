"""Pictures of a run. matplotlib is imported here only, without a display."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skelact.schemas import EpochLog


def _figure(width: float, height: float, columns: int = 1):  # type: ignore[no-untyped-def]
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(1, columns, squeeze=False)[0]


def curves(history: Sequence[EpochLog], path: Path) -> None:
    """Loss and accuracy over the epochs."""
    figure, (left, right) = _figure(9, 3.4, 2)
    epochs = [row.epoch for row in history]
    for axis, metric, name in ((left, "loss", "loss"), (right, "top1", "accuracy")):
        for subset, colour in (("train", "#4477aa"), ("val", "#ee6677")):
            key = f"{subset}_{metric}"
            if history and getattr(history[0], key) is not None:
                axis.plot(
                    epochs,
                    [getattr(row, key) for row in history],
                    color=colour,
                    marker="o",
                    markersize=3,
                    label="validation" if subset == "val" else subset,
                )
        best = next((row.epoch for row in reversed(history) if row.best), None)
        if best is not None:
            axis.axvline(best, color="#bbbbbb", linewidth=1, linestyle="--", label="kept")
        axis.set(xlabel="epoch", ylabel=name)
        axis.spines[["top", "right"]].set_visible(False)
    right.set_ylim(0, 1.02)
    left.legend(frameon=False)
    figure.savefig(path, dpi=120)


def confusion(matrix: list[list[int]], classes: tuple[str, ...], path: Path) -> None:
    """Rows true, columns predicted; colour is the share of the row, numbers are clips."""
    counts = np.array(matrix)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = 2.2 + 0.55 * len(classes)
    figure, (axis,) = _figure(size + 0.8, size)
    axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for i, j in np.ndindex(*counts.shape):
        if counts[i, j]:
            axis.text(
                j,
                i,
                counts[i, j],
                ha="center",
                va="center",
                color="white" if share[i, j] > 0.55 else "black",
            )
    axis.set_xticks(range(len(classes)), classes, rotation=40, ha="right")
    axis.set_yticks(range(len(classes)), classes)
    axis.set(xlabel="predicted", ylabel="true")
    figure.savefig(path, dpi=120)


def calibration(columns: list[list[Any]], chosen: float, path: Path) -> None:
    """What a threshold does. Columns: thresholds, how many known samples keep a label, how many of
    those labels are right (None: there are none), how many of the background's samples get one."""
    thresholds, coverage, accuracy, negatives = columns
    figure, (axis,) = _figure(6, 3.4)
    for values, name, colour in (
        (accuracy, "right, of those labelled", "#228833"),
        (coverage, "labelled, of the known", "#4477aa"),
        (negatives, "accepted negatives (false positive rate)", "#ee6677"),
    ):
        axis.plot(thresholds, values, color=colour, marker="o", markersize=3, label=name)
    axis.axvline(chosen, color="#bbbbbb", linewidth=1, linestyle="--", label="chosen")
    axis.set(xlabel="unknown below", ylabel="share", ylim=(0, 1.02))
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False)
    figure.savefig(path, dpi=120)


def bars(names: list[str], values: list[float], path: Path) -> None:
    """One horizontal bar for each value from 0 to 1."""
    figure, (axis,) = _figure(8, 1 + 0.35 * len(names))
    axis.barh(range(len(names)), values, color="#4477aa")
    for n, value in enumerate(values):
        axis.text(value + 0.01, n, f"{value:.1%}", va="center")
    axis.set_yticks(range(len(names)), names)
    axis.invert_yaxis()
    axis.set(xlim=(0, 1.12), xlabel="top-1")
    axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
