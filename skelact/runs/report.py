"""The report of a run, written beside it: what the page needs of the data is gathered here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from skelact.datasets.packed import Packed
from skelact.schemas import PREDICTIONS
from skelact.training.results import read_predictions
from skelact.report.page import Mistake, run_page

PAGE = "report.html"
_MOST, _FRAMES = 8, 60


def write_report(run: Path, data: Packed | None) -> Path:
    """report.html in the run folder, with the most confident mistakes if their data is given."""
    page = run_page(run, worst(run, data) if data is not None else ())
    path = run / PAGE
    path.write_text(page, encoding="utf-8")
    return path


def worst(run: Path, data: Packed) -> list[Mistake]:
    """The wrong test clips that the network was surest of."""
    rows = []
    for sample, row in read_predictions(run / PREDICTIONS).items():
        best = int(np.argmax(row["probabilities"]))
        if data.classes[best] != row["label"]:
            rows.append((row["probabilities"][best], sample, row["label"], data.classes[best]))
    rows.sort(reverse=True)
    index = {sample: n for n, sample in enumerate(data.ids)}
    edges = data.skeleton.edge_indices
    out = []
    for probability, sample, truth, guess in rows[:_MOST]:
        if sample in index:
            frames, step = _drawn(data, index[sample])
            out.append(Mistake(sample, truth, guess, probability, frames, edges, step))
    return out


def _drawn(data: Packed, n: int) -> tuple[list[Any], int]:
    """At most 60 frames of a clip as [T][M][V] of [x, y] or None, y downwards, and the
    milliseconds of each."""
    whole = np.asarray(data.keypoints[data.offsets[n] : data.offsets[n + 1]])
    every = max(1, len(whole) // _FRAMES)
    xy = whole[..., :2]
    if data.meta["dims"] == 3:  # seen from the front, whichever axis stands upright
        extent = [np.nanmax(whole[..., a]) - np.nanmin(whole[..., a]) for a in (1, 2)]
        up = 2 if extent[1] > extent[0] else 1
        sign = -1 if data.meta.get("upwards", True) else 1
        xy = np.stack([whole[..., 0], sign * whole[..., up]], axis=-1)
    frames = [
        [
            [
                None if np.isnan(p).any() else [round(float(p[0]), 3), round(float(p[1]), 3)]
                for p in person
            ]
            for person in frame
        ]
        for frame in xy[::every]
    ]
    return frames, round(1000 * every / float(data.fps[n]))
