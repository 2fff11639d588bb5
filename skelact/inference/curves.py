"""Predictions together with the probabilities of every frame, which pages draw as curves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from skelact.inference.predictor import Predictor
from skelact.inference.tracks import VideoTrack
from skelact.types import Prediction

Curve = npt.NDArray[np.float32]


class CurvePredictor(Predictor):
    """A Predictor that keeps in `curves`, for each video and person id, the probabilities (frames,
    K) from which the segments are made; NaN where nobody is visible. They take memory until they
    are taken out with `take_curves`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.curves: dict[tuple[Path, int], Curve] = {}

    def take_curves(self) -> dict[tuple[Path, int], Curve]:
        """The curves since the last call."""
        curves, self.curves = self.curves, {}
        return curves

    def prediction(self, track: VideoTrack) -> Prediction:
        prediction = super().prediction(track)
        key = (prediction.path, prediction.person_id)
        self.curves[key] = track.probabilities.astype(np.float32)
        return prediction
