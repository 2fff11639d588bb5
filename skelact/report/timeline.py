"""The strip below an overlay video: one row of coloured segments for each person, and the time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skelact.report import text
from skelact.report.drawing import Image, name_of
from skelact.report.palette import DARK, LIGHT, bgr, class_colour, person_colour, text_on
from skelact.types import Prediction

ROWS = 8  # persons at most
_SHARE = 0.34  # of the height of the frame at most, for the rows
_TRACK = "#34383D"  # the row of a person where it has no segment
_DIM = "#B8BCC2"  # text beside the rows
_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 3600)


class SegmentStrip:
    """The strip of a video of `duration_s`. The persons that are visible longest have a row, in the
    order of their ids; the number of the others is written below. A name that does not fit into its
    segment is shortened, and the names and colours stand below the rows then."""

    def __init__(
        self,
        width: int,
        height: int,
        size: int,
        predictions: Sequence[Prediction],
        duration_s: float,
    ) -> None:
        """`width` and `height` are those of the frame [px], `size` that of the text."""
        self.width, self.size, self.duration_s = width, size, duration_s
        self.row_height = round(size * 1.7)
        most = max(1, min(ROWS, int(height * _SHARE) // self.row_height))
        longest = sorted(predictions, key=lambda p: -sum(s.end_s - s.start_s for s in p.segments))
        self.rows = sorted(longest[:most], key=lambda p: p.person_id)
        self.more = len(predictions) - len(self.rows)
        names = [name_of(p.person_id) for p in self.rows]
        widest = max((text.alpha_of(n, size).shape[1] for n in names), default=0)
        self.left = size // 2 + max(widest, size) + size // 2
        self.line = round(size * 1.5)
        legend = self._legend()
        lines = 1 + (self.more > 0) + len(legend)
        self.height = size // 2 + self.row_height * len(self.rows) + self.line * lines
        self.image = self._draw(legend)

    def at(self, time_s: float) -> Image:
        """The strip (height, width, 3) with a mark at this time."""
        image = self.image.copy()
        x, half = self.x(time_s), max(1, self.size // 12)
        bottom = self.size // 2 + self.row_height * max(1, len(self.rows))
        text.fill(image, (x - half - 1, 2, x + half + 1, bottom + 2), DARK)
        text.fill(image, (x - half, 2, x + half, bottom + 2), LIGHT)
        return image

    def x(self, time_s: float) -> int:
        """The column of a time."""
        width = self.width - self.left - self.size // 2
        return self.left + round(width * min(max(time_s / self.duration_s, 0), 1))

    def _draw(self, legend: list[list[str]]) -> Image:
        image = np.full((self.height, self.width, 3), bgr(DARK), np.uint8)
        pad = self.size // 2
        for row, prediction in enumerate(self.rows):
            top = pad + row * self.row_height
            bottom = top + self.row_height - max(2, self.size // 5)
            y = top + (bottom - top - round(self.size * 1.35)) // 2
            text.put(
                image,
                name_of(prediction.person_id),
                *(pad, y, self.size, person_colour(prediction.person_id)),
            )
            text.fill(image, (self.x(0), top, self.x(self.duration_s), bottom), _TRACK)
            for segment in prediction.segments:
                a, b = self.x(segment.start_s), self.x(segment.end_s)
                colour = class_colour(segment.label, prediction.classes)
                text.fill(image, (a, top, max(a + 1, b - 1), bottom), colour)
                name = text.shortened(segment.label, self.size, b - a - pad)
                if name:
                    text.put(image, name, a + pad // 2, y, self.size, text_on(colour))
        y = pad + self.row_height * len(self.rows)
        self._times(image, y)
        for line in legend:
            y += self.line
            self._names(image, line, y)
        if self.more > 0:
            text.put(image, f"and {self.more} more", self.left, y + self.line, self.size, _DIM)
        return image

    def _times(self, image: Image, y: int) -> None:
        """Numbers below the rows: the time in seconds, or in minutes and seconds."""
        room = self.width - self.left - self.size // 2
        label = text.alpha_of("00:00:00", self.size).shape[1] + self.size
        most = max(1, room // label)
        step = next((s for s in _STEPS_S if self.duration_s / s <= most), self.duration_s / most)
        for n in range(int(self.duration_s / step + 1e-6) + 1):
            x, content = self.x(n * step), clock(n * step, step, self.duration_s)
            w = text.alpha_of(content, self.size).shape[1]
            text.fill(image, (x, y - max(2, self.size // 5), x + 1, y + self.size // 6), _DIM)
            if n == 0 or x + w // 2 <= self.width:
                text.put(image, content, x - w // 2, y + self.size // 8, self.size, _DIM)

    def _legend(self) -> list[list[str]]:
        """The labels whose name does not fit into one of their segments, in at most two lines."""
        cut: list[str] = []
        for p in self.rows:
            for s in p.segments:
                room = self.x(s.end_s) - self.x(s.start_s) - self.size // 2
                if text.alpha_of(s.label, self.size).shape[1] > room:
                    cut.append(s.label)
        lines: list[list[str]] = [[]]
        x = self.left
        for label in dict.fromkeys(cut):
            w = self._entry(label)
            if x + w > self.width and lines[-1]:
                lines.append([])
                x = self.left
            lines[-1].append(label)
            x += w
        return [line for line in lines[:2] if line]

    def _entry(self, label: str) -> int:
        """The width of a square and a name."""
        return text.alpha_of(label, self.size).shape[1] + round(self.size * 2.2)

    def _names(self, image: Image, labels: Sequence[str], y: int) -> None:
        x = self.left
        for label in labels:
            colour = class_colour(label, self.rows[0].classes)
            side = round(self.size * 0.8)
            top = y + round(self.size * 0.35)
            text.fill(image, (x, top, x + side, top + side), colour)
            room = self.width - x - round(self.size * 1.5)
            name = text.shortened(label, self.size, room)
            if name:
                text.put(image, name, x + round(self.size * 1.2), y, self.size, _DIM)
            x += self._entry(label)


def clock(time_s: float, step_s: float, duration_s: float) -> str:
    """A time as seconds, or as minutes and seconds in videos of two minutes and more."""
    if duration_s < 120:
        return f"{time_s:.1f} s" if step_s < 1 else f"{time_s:.0f} s"
    minutes, seconds = divmod(round(time_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
