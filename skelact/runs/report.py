"""report.html of a run: the page, and the data of its most confident mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from skelact.datasets.packed import Packed
from skelact.files import write_bytes
from skelact.report.confidence import plot_confidence
from skelact.report.page import Mistake, run_page
from skelact.schemas import PREDICTIONS, Predictions, load_json

PAGE = "report.html"
_MISTAKES, _FRAMES = 8, 60  # maximum numbers to show


def write_report(run: Path, data: Packed | None) -> Path:
    """Write report.html and confidence.png into the run folder. The page has the most confident
    mistakes if `data`, the clips they belong to, is given."""
    mistakes = most_confident_mistakes(run, data) if data is not None else ()
    path = run / PAGE
    plot_confidence(run)
    write_bytes(path, run_page(run, mistakes).encode())
    return path


def most_confident_mistakes(run: Path, data: Packed) -> list[Mistake]:
    """The test samples with a wrong prediction of the highest probability, highest first."""
    if not (run / PREDICTIONS).is_file():  # a run without a test
        return []
    wrong = []
    for name, sample in load_json(run / PREDICTIONS, Predictions).samples.items():
        best = int(np.argmax(sample.probabilities))
        if data.classes[best] != sample.label:
            wrong.append((sample.probabilities[best], name, sample.label, data.classes[best]))
    wrong.sort(reverse=True)
    positions = {sample: n for n, sample in enumerate(data.ids)}
    edges = data.skeleton.edge_indices
    mistakes = []
    for probability, name, label, predicted in wrong[:_MISTAKES]:
        if name in positions:
            frames, step_ms = _frames_to_draw(data, positions[name])
            mistakes.append(
                Mistake(
                    sample=name,
                    label=label,
                    predicted=predicted,
                    probability=probability,
                    frames=frames,
                    edges=edges,
                    step_ms=step_ms,
                )
            )
    return mistakes


def _frames_to_draw(data: Packed, n: int) -> tuple[list[Any], int]:
    """At most 60 frames of clip `n` as [T][M][V] of [x, y] or None, y pointing down, and the
    duration of each in milliseconds."""
    values = np.asarray(data.frames(n))
    every = max(1, len(values) // _FRAMES)
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
