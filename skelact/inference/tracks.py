"""A track with the outputs of the networks for its windows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from skelact.inference.calibration import apply_temperature
from skelact.inference.ensemble import WindowOutputs
from skelact.inference.segments import WindowProbabilities, combine_per_frame
from skelact.inference.windows import PersonTrack, Window
from skelact.stages.poses import Extracted
from skelact.stages.skeleton_input import SkeletonInput


@dataclass(frozen=True)
class VideoTrack:
    """One track of one video, its windows in frames of the track for each window length, and the
    probabilities and scores of the window lengths that have windows, the longest one last."""

    extracted: Extracted | SkeletonInput
    fps: float
    frames: int
    track: PersonTrack
    windows: list[list[Window]]
    parts: list[WindowProbabilities] = field(default_factory=list)
    part_scores: list[WindowProbabilities] = field(default_factory=list)

    def add(self, n: int, outputs: WindowOutputs, weight: float, temperature: float) -> bool:
        """Add the outputs for the windows of length number `n`. Returns whether they are finite
        numbers."""
        rows, scores = outputs.probabilities, outputs.scores
        if not (np.isfinite(rows).all() and np.isfinite(scores).all()):
            return False
        if len(rows):
            windows = [(self.track.start + a, self.track.start + b) for a, b in self.windows[n]]
            part = WindowProbabilities(
                windows=windows, probabilities=apply_temperature(rows, temperature), weight=weight
            )
            self.parts.append(part)
            self.part_scores.append(replace(part, probabilities=scores))
        return True

    @property
    def probabilities(self) -> npt.NDArray[np.float64]:
        """(frames, K), NaN where no window covers a frame."""
        return combine_per_frame(self.parts, self.frames)

    @property
    def scores(self) -> npt.NDArray[np.float64]:
        """(frames, S), NaN where no window covers a frame."""
        return combine_per_frame(self.part_scores, self.frames)

    @property
    def outputs(self) -> WindowOutputs:
        """The probabilities and scores of the longest windows; with windows of several lengths the
        means over their frames."""
        last, scores = self.parts[-1], self.part_scores[-1]
        if len(self.parts) == 1:
            return WindowOutputs(probabilities=last.probabilities, scores=scores.probabilities)
        rows = (self.probabilities, self.scores)
        means = [[np.nanmean(r[a:b], axis=0) for a, b in last.windows] for r in rows]
        probabilities, values = (np.asarray(m, np.float32) for m in means)
        return WindowOutputs(probabilities=probabilities, scores=values)
