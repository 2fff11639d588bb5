"""Text on images. OpenCV draws ASCII only; here Pillow draws any script that a font has."""

from __future__ import annotations

from functools import cache, lru_cache
from itertools import groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt

from skelact.escaping import for_terminal
from skelact.report.palette import bgr

_MOST_FONTS = 400  # of the system that are searched for a character
ELLIPSIS = "…"


@lru_cache(maxsize=1024)
def alpha_of(content: str, size: int) -> npt.NDArray[np.float32]:
    """A line of text as an alpha mask (h, w, 1) float32 in [0, 1]; `size` is that of the font [px].
    The font is DejaVu Sans. Characters that it lacks, such as Chinese ones, come from a font of the
    system, or are boxes if none has them."""
    from PIL import Image, ImageDraw, ImageFont

    content = for_terminal(content)
    runs = [
        (ImageFont.truetype(path, size), "".join(chars))
        for path, chars in groupby(content, _font_of)
    ]
    width = sum(font.getlength(part) for font, part in runs)
    image = Image.new("L", (max(1, int(width) + 2), int(size * 1.35)))
    draw, x, baseline = ImageDraw.Draw(image), 1.0, round(size * 0.93)
    for font, part in runs:
        draw.text((x, baseline), part, fill=255, font=font, anchor="ls")
        x += font.getlength(part)
    return np.asarray(image, np.float32)[..., None] / 255


def shortened(content: str, size: int, width: int) -> str:
    """The text, or as much of its beginning as fits into `width` pixels with an ellipsis; empty if
    not even two characters do."""
    if alpha_of(content, size).shape[1] <= width:
        return content
    low, high = 0, min(len(content), 200)
    while low < high:
        middle = (low + high + 1) // 2
        fits = alpha_of(content[:middle].rstrip() + ELLIPSIS, size).shape[1] <= width
        low, high = (middle, high) if fits else (low, middle - 1)
    return content[:low].rstrip() + ELLIPSIS if low > 1 else ""


def put(
    image: npt.NDArray[np.uint8], content: str, x: int, y: int, size: int, colour: str
) -> tuple[int, int]:
    """Draw text with its top left corner at (x, y), moved into the image where it would leave it.
    Returns its width and height [px]."""
    alpha = alpha_of(content, size)
    h, w = alpha.shape[:2]
    x, y = max(0, min(x, image.shape[1] - w)), max(0, min(y, image.shape[0] - h))
    part = image[y : y + h, x : x + w]
    a = alpha[: part.shape[0], : part.shape[1]]
    part[:] = (part * (1 - a) + np.array(bgr(colour), np.float32) * a).astype(np.uint8)
    return w, h


def fill(
    image: npt.NDArray[np.uint8], box: tuple[int, int, int, int], colour: str, opacity: float = 1
) -> None:
    """Fill the box (left, top, right, bottom) [px], without the last two, as far as it is inside
    the image."""
    left, top, right, bottom = (max(0, v) for v in box)
    part = image[top:bottom, left:right]
    mixed = part * (1 - opacity) + np.array(bgr(colour), np.float32) * opacity
    part[:] = mixed.astype(np.uint8)


@lru_cache(maxsize=8192)
def _font_of(character: str) -> str:
    """The font file that has a character."""
    code = ord(character)
    if code in _characters(_default_font()) or character.isspace():
        return _default_font()
    return next((f for f in _system_fonts() if code in _characters(f)), _default_font())


@cache
def _default_font() -> str:
    import matplotlib

    return str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf")


@cache
def _system_fonts() -> tuple[str, ...]:
    """Font files of the system, those without a serif first."""
    from matplotlib import font_manager

    files = sorted(font_manager.findSystemFonts(), key=lambda f: ("sans" not in f.lower(), f))
    return tuple(files[:_MOST_FONTS])


@cache
def _characters(font: str) -> frozenset[int]:
    """The characters of a font file; none if it cannot be read."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(font).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()
