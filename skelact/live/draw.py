"""Draw a step of live recognition: skeletons, ids and labels, and the probabilities beside them."""

from __future__ import annotations

import numpy as np

from skelact.live.session import LiveStatistics, LiveStep
from skelact.report import text
from skelact.report.drawing import Painter
from skelact.report.palette import DARK, LIGHT
from skelact.report.panel import Panel
from skelact.skeletons import Skeleton
from skelact.video.decode import Frame


class LivePainter:
    """Draws frames of one size; made again when the size changes."""

    def __init__(self, skeleton: Skeleton, classes: tuple[str, ...]) -> None:
        self.skeleton, self.classes = skeleton, classes
        self._shape: tuple[int, ...] = ()

    def paint(self, step: LiveStep, statistics: LiveStatistics) -> Frame:
        """The frame with everything drawn on it and the panel beside it, (H, W', 3) uint8 BGR."""
        image = step.frame.image
        height, width = image.shape[:2]
        if image.shape != self._shape:
            self.painter = Painter(width, height, self.skeleton, self.classes)
            self.panel = Panel(height, self.painter.size, self.classes)
            self._shape = image.shape
        out = image.copy()
        self.painter.draw(out, step.persons, step.labels)
        self._status(out, statistics)
        return np.hstack([out, self.panel.draw(step.labels)])

    def _status(self, image: Frame, statistics: LiveStatistics) -> None:
        """Frames per second, latency and dropped frames, in the lower left corner."""
        recent = list(statistics.pose_s)[-30:]
        latency = 1000 * sum(recent) / max(1, len(recent))
        line = f"{statistics.fps:.0f} fps   {latency:.0f} ms   {statistics.dropped} dropped"
        size = max(10, round(0.7 * self.painter.size))
        height, width = text.alpha_of(line, size).shape[:2]
        top = image.shape[0] - height - 4
        text.fill(image, (0, top, width + size, image.shape[0]), DARK, 0.6)
        text.put(image, line, size // 2, top + 2, size, LIGHT)
