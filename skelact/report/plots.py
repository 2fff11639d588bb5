"""Plots of a run. Only this module imports matplotlib for plots; it needs no display."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skelact import outputs
from skelact.errors import InputError
from skelact.files import replacing
from skelact.report.body import tree_places
from skelact.report.palette import colour_of
from skelact.schemas import EpochLog
from skelact.skeletons import Skeleton

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = ("#4477aa", "#ee6677", "#228833", "#aa3377", "#ccaa00")
PICTURES = (".png", ".svg", ".pdf")  # formats of `layout`


@contextmanager
def axes_of(path: Path, width: float, height: float, columns: int = 1) -> Iterator[list[Axes]]:
    """A row of axes without a frame, which is saved to `path`; sizes in inches."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with rc_context({"text.parse_math": False}):  # a "$" in a name is a dollar
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        axes = list(figure.subplots(1, columns, squeeze=False)[0])
        for axis in axes:
            axis.spines[["top", "right"]].set_visible(False)
        yield axes
        with replacing(path) as temporary:
            figure.savefig(temporary, dpi=120)


def _line(axis: Axes, x: Sequence[float], y: Sequence[Any], name: str, colour: str) -> None:
    axis.plot(x, y, color=colour, marker="o", markersize=3, label=name)


def _mark(axis: Axes, x: float, name: str) -> None:
    axis.axvline(x, color="#bbbbbb", linewidth=1, linestyle="--", label=name)


def curves(history: Sequence[EpochLog], path: Path) -> None:
    """Plot loss and accuracy over the epochs."""
    epochs = [row.epoch for row in history]
    best = next((row.epoch for row in reversed(history) if row.best), None)
    with axes_of(path, 9, 3.4, 2) as (left, right):
        for axis, metric, label in ((left, "loss", "loss"), (right, "top1", "accuracy")):
            for subset, name, colour in (
                ("train", "train", colour_of(0)),
                ("val", "validation", colour_of(5)),
            ):
                values = [getattr(row, f"{subset}_{metric}") for row in history]
                if values and values[0] is not None:
                    _line(axis, epochs, values, name, colour)
            if best is not None:
                _mark(axis, best, "best")
            axis.set(xlabel="epoch", ylabel=label)
        right.set_ylim(0, 1.02)
        left.legend(frameon=False)


def wrapped(name: str, width: int = 24) -> str:
    """A name in lines of at most `width` characters, also without spaces."""
    return textwrap.fill(name.replace("_", "_ "), width).replace("_ ", "_")


def confusion(matrix: list[list[int]], classes: tuple[str, ...], path: Path) -> None:
    """Plot a confusion matrix: rows are true classes, columns are predicted ones. Colours are
    fractions of a row, numbers are clips."""
    counts = np.array(matrix)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [wrapped(name) for name in classes]
    longest = max((len(line) for name in names for line in name.splitlines()), default=0)
    size = 1.2 + 0.1 * longest + max(0.55 * len(classes), 2.0)
    with axes_of(path, size + 0.8, size) as (axis,):
        axis.spines[:].set_visible(True)
        axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
        for i, j in np.argwhere(counts):
            colour = "white" if share[i, j] > 0.55 else "black"
            axis.text(j, i, counts[i, j], ha="center", va="center", color=colour)
        turn = 90 if len(classes) > 12 else 40
        axis.set_xticks(
            range(len(names)), names, rotation=turn, ha="right", va="center", rotation_mode="anchor"
        )
        axis.set_yticks(range(len(names)), names)
        axis.set(xlabel="predicted", ylabel="true")


def calibration(columns: list[list[Any]], chosen: float, path: Path) -> None:
    """Plot the effect of the threshold. `columns` are the thresholds, and for each the fraction of
    known samples that get a label, the accuracy of these labels (None without labels) and the
    fraction of negative samples that get a label."""
    thresholds, coverage, accuracy, negatives = columns
    with axes_of(path, 6, 3.4) as (axis,):
        _line(axis, thresholds, accuracy, "accuracy of labelled clips", colour_of(2))
        _line(axis, thresholds, coverage, "labelled known clips", colour_of(0))
        _line(axis, thresholds, negatives, "labelled negatives (false positive rate)", colour_of(5))
        _mark(axis, chosen, "chosen")
        axis.set(xlabel="threshold", ylabel="fraction", ylim=(0, 1.02))
        axis.legend(frameon=False)


def bars(names: list[str], values: list[float], path: Path) -> None:
    """Plot one horizontal bar for each value from 0 to 1."""
    with axes_of(path, 8, 1 + 0.35 * len(names)) as (axis,):
        axis.barh(range(len(names)), values, color=colour_of(0))
        for n, value in enumerate(values):
            axis.text(value + 0.01, n, f"{value:.1%}", va="center")
        axis.set_yticks(range(len(names)), [wrapped(name, 48) for name in names])
        axis.invert_yaxis()
        axis.set(xlim=(0, 1.12), xlabel="top-1")


def layout(skeleton: Skeleton, path: Path, *, overwrite: bool = False) -> None:
    """Draw the graph with the numbers and names of the joints; the format follows from the suffix
    (.png, .svg, .pdf). The positions are those of a tree, the root above, not of a body. Raises
    OutputError as `outputs.check`, InputError if the file cannot be written."""
    outputs.check(path, overwrite=overwrite, suffixes=PICTURES)
    places = tree_places(skeleton)
    columns, rows = (1 + max(place[k] for place in places.values()) for k in (0, 1))
    try:
        with axes_of(path, min(40, 2 + 1.3 * columns), min(40, 1 + 0.9 * rows)) as (axis,):
            for a, b in skeleton.edges:
                axis.plot(*zip(places[a], places[b], strict=True), color="grey", zorder=1)
            for n, joint in enumerate(skeleton.joints):
                x, y = places[joint]
                colour = {"left": "tab:blue", "right": "tab:red"}.get(joint.split("_")[0], "black")
                axis.scatter([x], [y], s=160, color=colour, zorder=2)
                axis.text(x, y, str(n), color="white", ha="center", va="center", fontsize=7)
                axis.text(x, y + 0.22, joint, ha="center", va="top", fontsize=6)
            axis.invert_yaxis()
            axis.margins(0.1)
            axis.set_axis_off()
            axis.set_title(f"{skeleton.name}: {len(skeleton.joints)} joints")
    except OSError as error:
        raise InputError(f"Cannot write {path}: {error.strerror or error}") from error
