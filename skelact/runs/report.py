"""report.html of a run: the page, and the data of its most confident mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skelact.datasets.base import Item
from skelact.datasets.packed import Packed
from skelact.files import write_bytes
from skelact.report.page import Mistake, run_page
from skelact.report.sections import MOST_CONFUSIONS
from skelact.report.statistics import TestOutcome
from skelact.schemas import PREDICTIONS, Predictions, load_json

PAGE = "report.html"
_MISTAKES, _FRAMES = 8, 60  # maximum numbers to show


def write_report(run: Path, data: Packed | None, items: Sequence[Item] = ()) -> Path:
    """Write report.html into the run folder, with the most confident mistakes and an example of
    each confusion if `data`, the clips they belong to, is given. `items` are those of the dataset,
    for results by person or camera."""
    mistakes: Sequence[Mistake] = ()
    examples: Sequence[Mistake] = ()
    groups = {}
    if data is not None:
        mistakes, examples = most_confident_mistakes(run, data), examples_of_confusions(run, data)
        if items:
            groups = {name: items[n].groups for name, n in zip(data.ids, data.items, strict=True)}
    path = run / PAGE
    write_bytes(path, run_page(run, mistakes, examples, groups).encode())
    return path


def most_confident_mistakes(run: Path, data: Packed) -> list[Mistake]:
    """The test samples with a wrong prediction of the highest probability, highest first."""
    outcome = _outcome(run, data)
    wrong = sorted(np.flatnonzero(~outcome.correct), key=lambda n: -outcome.confidence[n])
    return _mistakes([outcome.names[n] for n in wrong[:_MISTAKES]], outcome, data, _FRAMES)


def examples_of_confusions(run: Path, data: Packed) -> list[Mistake]:
    """One test sample for each of the most frequent confusions, with few frames."""
    outcome = _outcome(run, data)
    names = [c.samples[0] for c in outcome.confusions(MOST_CONFUSIONS)]
    return _mistakes(names, outcome, data, 3)


def _outcome(run: Path, data: Packed) -> TestOutcome:
    """The predictions of the test samples; none for a run without a test."""
    predictions = Predictions(samples={})
    if (run / PREDICTIONS).is_file():
        predictions = load_json(run / PREDICTIONS, Predictions)
    return TestOutcome(predictions, data.classes)


def _mistakes(
    names: Sequence[str], outcome: TestOutcome, data: Packed, frames: int
) -> list[Mistake]:
    """The samples of these names that are in `data`, with at most `frames` frames."""
    positions = {sample: n for n, sample in enumerate(data.ids)}
    rows = {name: n for n, name in enumerate(outcome.names)}
    mistakes = []
    for name in names:
        if name in positions:
            shown, step_ms = _frames_to_draw(data, positions[name], frames)
            mistakes.append(
                Mistake(
                    sample=name,
                    label=data.classes[outcome.labels[rows[name]]],
                    predicted=data.classes[outcome.predicted[rows[name]]],
                    probability=float(outcome.confidence[rows[name]]),
                    frames=shown,
                    edges=data.skeleton.edge_indices,
                    step_ms=step_ms,
                )
            )
    return mistakes


def _frames_to_draw(data: Packed, n: int, most: int) -> tuple[list[Any], int]:
    """About `most` frames of clip `n` as [T][M][V] of [x, y] or None, y pointing down, and the
    duration of each in milliseconds."""
    values = np.asarray(data.frames(n))
    every = max(1, len(values) // most)
    xy = values[..., :2]
    if data.dims == 3:  # front view: the vertical axis is the one of larger extent
        extent = [np.nanmax(values[..., a]) - np.nanmin(values[..., a]) for a in (1, 2)]
        up = 2 if extent[1] > extent[0] else 1
        sign = -1 if data.y_up else 1
        xy = np.stack([values[..., 0], sign * values[..., up]], axis=-1)
    frames = [
        [
            [
                None if not np.isfinite(p).all() else [round(float(p[0]), 3), round(float(p[1]), 3)]
                for p in person
            ]
            for person in frame
        ]
        for frame in xy[::every]
    ]
    return frames, round(1000 * every / float(data.fps[n]))
