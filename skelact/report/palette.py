"""Colours of classes and persons, the same in overlays, reports and the application.

They can be told apart with normal vision and without one of the three kinds of cones: the test
simulates protanopia, deuteranopia and tritanopia (Machado et al., 2009) and asks for a minimum
distance in CIELAB. A name always stands beside a colour, which repeats where there are more classes
than colours."""

from __future__ import annotations

from collections.abc import Sequence

from skelact.types import UNKNOWN

Bgr = tuple[int, int, int]  # of OpenCV

# The first seven are those of Okabe and Ito (2008) without black; the others were searched for the
# largest distance to all before them, to grey and to the backgrounds.
CLASS_COLOURS = (
    *("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442"),
    *("#9C00FC", "#843C18", "#9CC06C", "#9078FC", "#6CFCB4"),
)
# Light ones, for lines with a dark outline on an image.
PERSON_COLOURS = ("#56B4E9", "#FC9000", "#C0A878", "#48FC6C", "#9CB4B4", "#FCE418")
UNKNOWN_COLOUR = "#666666"  # no label, or unknown
LIGHT, DARK = "#FFFFFF", "#202226"  # backgrounds
BLACK = "#000000"


def colour_of(index: int | None) -> str:
    """The colour "#RRGGBB" of the class with this index in the model's classes; grey for None."""
    return UNKNOWN_COLOUR if index is None else CLASS_COLOURS[index % len(CLASS_COLOURS)]


def class_colour(label: str, classes: Sequence[str]) -> str:
    """The colour of a label by its place in `classes`; grey if it is unknown or not one of them."""
    return colour_of(classes.index(label) if label in classes and label != UNKNOWN else None)


def person_colour(person_id: int) -> str:
    """The colour of a person by its id."""
    return PERSON_COLOURS[person_id % len(PERSON_COLOURS)]


def text_on(colour: str) -> str:
    """LIGHT or BLACK, whichever has the higher contrast as text on `colour`."""
    contrasts = {text: contrast(text, colour) for text in (LIGHT, BLACK)}
    return max(contrasts, key=lambda text: contrasts[text])


def contrast(a: str, b: str) -> float:
    """The contrast ratio of two colours, from 1 to 21 (WCAG 2.1)."""
    dark, light = sorted((_luminance(a), _luminance(b)))
    return (light + 0.05) / (dark + 0.05)


def bgr(colour: str) -> Bgr:
    """The colour "#RRGGBB" as OpenCV wants it."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return blue, green, red


def _luminance(colour: str) -> float:
    """Relative luminance, from 0 to 1 (WCAG 2.1, sRGB)."""
    linear = [
        v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4
        for v in (c / 255 for c in bgr(colour))
    ]
    return 0.0722 * linear[0] + 0.7152 * linear[1] + 0.2126 * linear[2]
