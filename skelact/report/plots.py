"""Plots of a run. Only this module imports matplotlib for plots; it needs no display."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skelact.schemas import EpochLog

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _figure(width: float, height: float, columns: int = 1) -> tuple[Figure, Any]:
    """A figure with a row of axes; sizes in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(1, columns, squeeze=False)[0]


def curves(history: Sequence[EpochLog], path: Path) -> None:
    """Plot loss and accuracy over the epochs."""
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
            axis.axvline(best, color="#bbbbbb", linewidth=1, linestyle="--", label="best")
        axis.set(xlabel="epoch", ylabel=name)
        axis.spines[["top", "right"]].set_visible(False)
    right.set_ylim(0, 1.02)
    left.legend(frameon=False)
    figure.savefig(path, dpi=120)


def confusion(matrix: list[list[int]], classes: tuple[str, ...], path: Path) -> None:
    """Plot a confusion matrix: rows are true classes, columns are predicted ones. Colours are
    fractions of a row, numbers are clips."""
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
    """Plot the effect of the threshold. `columns` are the thresholds, and for each the fraction of
    known samples that get a label, the accuracy of these labels (None without labels) and the
    fraction of negative samples that get a label."""
    thresholds, coverage, accuracy, negatives = columns
    figure, (axis,) = _figure(6, 3.4)
    for values, name, colour in (
        (accuracy, "accuracy of labelled clips", "#228833"),
        (coverage, "labelled known clips", "#4477aa"),
        (negatives, "labelled negatives (false positive rate)", "#ee6677"),
    ):
        axis.plot(thresholds, values, color=colour, marker="o", markersize=3, label=name)
    axis.axvline(chosen, color="#bbbbbb", linewidth=1, linestyle="--", label="chosen")
    axis.set(xlabel="threshold", ylabel="fraction", ylim=(0, 1.02))
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False)
    figure.savefig(path, dpi=120)


def bars(names: list[str], values: list[float], path: Path) -> None:
    """Plot one horizontal bar for each value from 0 to 1."""
    figure, (axis,) = _figure(8, 1 + 0.35 * len(names))
    axis.barh(range(len(names)), values, color="#4477aa")
    for n, value in enumerate(values):
        axis.text(value + 0.01, n, f"{value:.1%}", va="center")
    axis.set_yticks(range(len(names)), names)
    axis.invert_yaxis()
    axis.set(xlim=(0, 1.12), xlabel="top-1")
    axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
