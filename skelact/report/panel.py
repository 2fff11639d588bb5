"""The panel beside an overlay video: the most probable classes of each person as bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from skelact.report import text
from skelact.report.drawing import EVERYBODY, Image, name_of
from skelact.report.palette import DARK, LIGHT, bgr, class_colour, person_colour
from skelact.types import UNKNOWN, Segment

_TRACK = "#34383D"
_DIM = "#B8BCC2"
_CLASSES = 3  # for each person, and more for one person alone
_ALONE = 8


class Panel:
    """The panel beside a frame of `height` [px] with text of `size`."""

    def __init__(self, height: int, size: int, classes: Sequence[str]) -> None:
        self.height, self.size, self.classes = height, size, classes
        self.width = size * 13 // 2 * 2

    def draw(self, labels: Mapping[int, Segment]) -> Image:
        """The panel (height, width, 3) for the labels of a moment by person id. Persons that do not
        fit are counted in its last line."""
        image = np.full((self.height, self.width, 3), bgr(DARK), np.uint8)
        most = _ALONE if len(labels) == 1 else _CLASSES
        line, gap = round(self.size * 1.75), round(self.size * 0.8)
        pad, y = self.size // 2, self.size // 2
        people = sorted(labels.items())
        for n, (person, label) in enumerate(people):
            guesses = self._guesses(label)[:most]
            left, room = len(people) - n, self.height - y
            need = line * (1 + len(guesses)) + (line if left > 1 else 0)
            if need > room:
                fitting = max(0, room // line - 1 - (left > 1))
                if n or not fitting:
                    text.put(image, f"and {left} more", pad, y, self.size, _DIM)
                    break
                guesses = guesses[:fitting]
            name = "all persons" if person == EVERYBODY else name_of(person)
            w, _ = text.put(image, name, pad, y, self.size, person_colour(person))
            shown = text.shortened(label.label, self.size, self.width - w - 2 * self.size)
            text.put(image, shown, pad + w + self.size // 2, y, self.size, LIGHT)
            y += line
            for guess, probability in guesses:
                self._bar(image, guess, probability, y)
                y += line
            y += gap
        return image

    def _guesses(self, label: Segment) -> list[tuple[str, float]]:
        """The classes but that of other actions, the most probable first."""
        if len(label.probabilities) != len(self.classes):
            return []
        ranked = sorted(zip(self.classes, label.probabilities, strict=True), key=lambda g: -g[1])
        return [guess for guess in ranked if guess[0] != UNKNOWN]

    def _bar(self, image: Image, name: str, probability: float, y: int) -> None:
        """A name with its probability, and a bar below them."""
        pad, height = self.size // 2, max(2, self.size // 4)
        right = self.width - pad
        share = f"{probability:.0%}"
        w = text.alpha_of(share, self.size).shape[1]
        text.put(image, share, right - w, y, self.size, LIGHT)
        text.put(
            image, text.shortened(name, self.size, right - w - 2 * pad), pad, y, self.size, LIGHT
        )
        top = y + round(self.size * 1.3)
        text.fill(image, (pad, top, right, top + height), _TRACK)
        end = pad + round((right - pad) * min(max(probability, 0), 1))
        text.fill(image, (pad, top, end, top + height), class_colour(name, self.classes))
