"""The colours of classes and persons."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from skelact.report.palette import (
    CLASS_COLOURS,
    DARK,
    LIGHT,
    PERSON_COLOURS,
    UNKNOWN_COLOUR,
    bgr,
    class_colour,
    colour_of,
    contrast,
    person_colour,
    text_on,
)

Floats = npt.NDArray[np.float64]
# of linear RGB, severity 1: G. M. Machado, M. M. Oliveira and L. A. F. Fernandes, "A
# Physiologically-based Model for Simulation of Color Vision Deficiency", 2009, table 1
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
TO_XYZ = np.array(  # of linear sRGB, D65
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
)


def cielab(colours: Sequence[str], vision: str) -> Floats:
    """CIELAB of colours as somebody with this vision sees them, (N, 3)."""
    rgb = np.array([bgr(c)[::-1] for c in colours]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = np.clip(linear @ VISION[vision].T, 0, 1) @ TO_XYZ.T / TO_XYZ.sum(axis=1)
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = f.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


def nearest(colours: Sequence[str], vision: str) -> float:
    """The smallest distance of two colours."""
    lab = cielab(colours, vision)
    distance = np.linalg.norm(lab[:, None] - lab, axis=2)
    return float(distance[~np.eye(len(lab), dtype=bool)].min())


def test_the_measure_is_right() -> None:
    """Black and white are 100 apart; red and green are near each other without the M cones."""
    assert nearest(["#000000", "#FFFFFF"], "normal") == pytest.approx(100, abs=0.1)
    red_green = ["#B00000", "#507000"]
    assert nearest(red_green, "deuteranopia") < 0.35 * nearest(red_green, "normal")


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize(
    "colours",
    [(*CLASS_COLOURS, UNKNOWN_COLOUR, LIGHT, DARK), (*PERSON_COLOURS, LIGHT, DARK)],
    ids=["classes", "persons"],
)
def test_colours_are_told_apart_with_any_vision(colours: Sequence[str], vision: str) -> None:
    assert len(colours) >= 8 and nearest(colours, vision) > 15


def test_names_are_legible_on_every_colour() -> None:
    """4.5 is what WCAG 2.1 asks for at level AA."""
    for colour in (*CLASS_COLOURS, *PERSON_COLOURS, UNKNOWN_COLOUR, LIGHT, DARK):
        assert re.fullmatch("#[0-9A-F]{6}", colour)
        assert contrast(text_on(colour), colour) >= 4.5


def test_a_class_has_the_colour_of_its_index() -> None:
    classes = tuple(f"c{n}" for n in range(20))
    assert class_colour("c3", classes) == colour_of(3) == CLASS_COLOURS[3]
    assert colour_of(len(CLASS_COLOURS)) == CLASS_COLOURS[0]
    assert class_colour("unknown", ("walk", "unknown")) == UNKNOWN_COLOUR
    assert class_colour("none of them", classes) == colour_of(None) == UNKNOWN_COLOUR
    assert person_colour(7) == PERSON_COLOURS[1] and person_colour(-1) in PERSON_COLOURS


def test_colours_of_opencv() -> None:
    assert bgr("#0072B2") == (0xB2, 0x72, 0x00)
