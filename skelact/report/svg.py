"""Drawings inside a page as SVG: they take its colours, light or dark, and any size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from skelact.escaping import Html, join, markup
from skelact.report.palette import CLASS_COLOURS, person_colour

_WIDTH, _HEIGHT = 440, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 10, 12, 40  # margins of a chart
_DASHES = ("none", "7 4", "2 3", "10 3 2 3")
_POINTS = 120  # of a line at most
_NUMBERED = 30  # classes of a confusion matrix with numbers


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of a chart: points (x, y), where y may be None, its name, and its place among the
    colours and dashes."""

    name: str
    points: Sequence[tuple[float, float | None]]
    style: int = 0
    dots: bool = False


def chart(
    lines: Sequence[Line],
    x_label: str,
    y_label: str,
    y_range: tuple[float, float] | None = None,
    x_range: tuple[float, float] | None = None,
) -> Html:
    """A line chart with a legend. An axis without a range holds all points."""
    known = [(x, y) for line in lines for x, y in line.points if y is not None]
    if not known:
        return Html()
    xs, ys = [x for x, _ in known], [y for _, y in known]
    x0, x1 = x_range or (min(xs), max(xs))
    y0, y1 = y_range or (min(0.0, *ys), max(ys))
    x1, y1 = (x1 if x1 > x0 else x0 + 1), (y1 if y1 > y0 else y0 + 1)

    def px(x: float) -> float:
        return _LEFT + (x - x0) / (x1 - x0) * (_WIDTH - _LEFT - _RIGHT)

    def py(y: float) -> float:
        return _HEIGHT - _BOTTOM - (y - y0) / (y1 - y0) * (_HEIGHT - _TOP - _BOTTOM)

    parts = []
    for n in range(5):
        x, y = x0 + (x1 - x0) * n / 4, y0 + (y1 - y0) * n / 4
        parts.append(
            markup(
                "<line class='grid' x1='{}' x2='{}' y1='{}' y2='{}'/>"
                "<text x='{}' y='{}' text-anchor='end'>{}</text>"
                "<text x='{}' y='{}' text-anchor='middle'>{}</text>",
                *(_LEFT, _WIDTH - _RIGHT, _n(py(y)), _n(py(y))),
                *(_LEFT - 6, _n(py(y) + 4), f"{y:.3g}"),
                *(_n(px(x)), _HEIGHT - _BOTTOM + 16, f"{x:.3g}"),
            )
        )
    for line in lines:
        every = max(1, len(line.points) // _POINTS)
        points = list(dict.fromkeys((*line.points[::every], *line.points[-1:])))
        colour = CLASS_COLOURS[line.style * 5 % len(CLASS_COLOURS)]
        shown = [(px(x), py(min(max(y, y0), y1))) for x, y in points if y is not None]
        path = " ".join(f"{_n(x)},{_n(y)}" for x, y in shown)
        parts.append(
            markup(
                "<polyline fill='none' stroke='{}' stroke-width='2' stroke-dasharray='{}' "
                "points='{}'/>",
                *(colour, _DASHES[line.style % len(_DASHES)], path),
            )
        )
        if line.dots or len(shown) == 1:
            for x, y in shown:
                dot = "<circle cx='{}' cy='{}' r='3.5' fill='{}'/>"
                parts.append(markup(dot, _n(x), _n(y), colour))
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(
        markup(
            "<text x='{}' y='{}' text-anchor='middle'>{}</text>"
            "<text transform='rotate(-90)' x='{}' y='11' text-anchor='middle'>{}</text>",
            *(_n(middle), _HEIGHT - 6, x_label, _n(-(_HEIGHT - _BOTTOM + _TOP) / 2), y_label),
        )
    )
    names = [
        markup(
            "<span class='key'><svg viewBox='0 0 28 8' width='28' height='8'><line x1='0' x2='28' "
            "y1='4' y2='4' stroke='{}' stroke-width='3' stroke-dasharray='{}'/></svg> {}</span>",
            CLASS_COLOURS[line.style * 5 % len(CLASS_COLOURS)],
            _DASHES[line.style % len(_DASHES)],
            line.name,
        )
        for line in lines
    ]
    return markup(
        "<figure class='chart'><svg viewBox='0 0 {} {}' role='img' aria-label='{}'>{}</svg>"
        "<figcaption>{}</figcaption></figure>",
        *(_WIDTH, _HEIGHT, f"{y_label} by {x_label}", join(parts), join(names, " ")),
    )


def bar(share: float, low: float | None = None, high: float | None = None) -> Html:
    """A horizontal bar of a share, with a confidence interval as a line."""
    parts = [markup("<rect class='bar' width='{}' height='12' rx='2'/>", _n(120 * share))]
    if low is not None and high is not None:
        line = "<line class='error' x1='{}' x2='{}' y1='6' y2='6'/>"
        parts.append(markup(line, _n(120 * low), _n(120 * high)))
    return markup("<svg class='bars' viewBox='0 0 120 12' width='120'>{}</svg>", join(parts))


def confusion_matrix(matrix: Sequence[Sequence[int]], classes: Sequence[str]) -> Html:
    """Rows are true classes, columns predicted ones. The strength of a colour is the share of the
    row, errors have another colour than correct ones; numbers are clips, up to 30 classes."""
    count, cell = len(classes), 24 if len(classes) <= _NUMBERED else max(4, 720 // len(classes))
    named = cell >= 9
    longest = max(map(len, classes), default=0)
    margin = min(170, 7 * min(longest, 24) + 10) if named else 4
    size = margin + count * cell + 20
    parts = []
    for row, values in enumerate(matrix):
        total = max(1, sum(values))
        for column, value in enumerate(values):
            if not value:
                continue
            x, y = margin + column * cell, margin + row * cell
            kind = "right" if row == column else "wrong"
            title = f"{classes[row]}, predicted {classes[column]}: {value} of {total}"
            parts.append(
                markup(
                    "<g><title>{}</title><rect class='{}' x='{}' y='{}' width='{}' height='{}' "
                    "fill-opacity='{}'/>{}</g>",
                    *(title, kind, x, y, cell - 1, cell - 1, _n(0.12 + 0.88 * value / total)),
                    _number(value, x, y, cell, value / total) if count <= _NUMBERED else Html(),
                )
            )
    if named:
        for n, name in enumerate(classes):
            short = name if len(name) <= 24 else name[:23] + "…"
            at = margin + n * cell + cell * 0.5
            parts.append(
                markup(
                    "<text x='{}' y='{}' text-anchor='end'>{}</text>"
                    "<text transform='translate({} {}) rotate(-90)'>{}</text>",
                    *(margin - 5, _n(at + 4), short, _n(at + 4), margin - 5, short),
                )
            )
    frame = "<rect class='frame' x='{}' y='{}' width='{}' height='{}'/>"
    parts.append(markup(frame, margin - 1, margin - 1, count * cell + 1, count * cell + 1))
    return markup(
        "<figure class='matrix'><svg viewBox='0 0 {} {}' style='max-width:{}px' role='img' "
        "aria-label='confusion matrix'>{}</svg><figcaption>Rows: what it was. Columns: what was "
        "predicted.</figcaption></figure>",
        *(size, size, size, join(parts)),
    )


def _number(value: int, x: int, y: int, cell: int, share: float) -> Html:
    kind = "strong" if share > 0.5 else "weak"
    text = "<text class='{}' x='{}' y='{}' text-anchor='middle'>{}</text>"
    return markup(text, kind, _n(x + cell / 2 - 0.5), _n(y + cell / 2 + 4), value)


def skeleton(frame: Sequence[Any], edges: Sequence[tuple[int, int]]) -> Html:
    """The persons of one frame, each a list of [x, y] or None by joint; nothing if no joint is
    known."""
    known = [point for person in frame for point in person if point is not None]
    if not known:
        return Html()
    left, top = (min(p[k] for p in known) for k in (0, 1))
    extent = max(max(p[k] for p in known) - low for k, low in ((0, left), (1, top)))
    scale = 72 / max(extent, 1e-6)

    def at(point: Sequence[float]) -> tuple[str, str]:
        return _n(4 + (point[0] - left) * scale), _n(4 + (point[1] - top) * scale)

    lines = []
    for n, person in enumerate(frame):
        for a, b in edges:
            if person[a] is not None and person[b] is not None:
                line = "<line x1='{}' y1='{}' x2='{}' y2='{}' stroke='{}'/>"
                lines.append(markup(line, *at(person[a]), *at(person[b]), person_colour(n)))
    return markup("<svg class='skeleton' viewBox='0 0 80 80' width='80'>{}</svg>", join(lines))


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
