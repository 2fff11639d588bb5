"""The report of a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from skelact.datasets.packed import Packed
from skelact.runs.report import most_confident_mistakes
from skelact.schemas import PREDICTIONS
from skelact.skeletons import SKELETONS
from skelact.training.results import SubsetPredictions


@pytest.mark.parametrize(("fps", "frames", "step"), [(15, 40, 67), (60, 40, 17), (15, 120, 133)])
def test_mistakes_play_at_the_speed_of_their_clip(
    fps: float, frames: int, step: int, tmp_path: Path
) -> None:
    """`step` is the milliseconds of each frame drawn; of 120 frames every second is. The clip
    before it has another rate."""
    data = Packed(
        keypoints=np.ones((10 + frames, 1, 17, 3), np.float32),
        offsets=np.array([0, 10, 10 + frames]),
        labels=np.array([0, 0]),
        items=np.array([0, 1]),
        fps=np.array([24.0, fps]),
        is_mirrored=np.zeros(2, bool),
        ids=("right", "wrong"),
        classes=("a", "b"),
        skeleton=SKELETONS["coco-17"],
        dataset="waves",
        dims=2,
    )
    predictions = SubsetPredictions(
        names=data.ids,
        labels=data.labels,
        probabilities=np.array([[0.9, 0.1], [0.2, 0.8]], np.float32),
    )
    predictions.save(tmp_path / PREDICTIONS, data.classes)
    (mistake,) = most_confident_mistakes(tmp_path, data)
    assert (mistake.sample, mistake.step_ms) == ("wrong", step)
