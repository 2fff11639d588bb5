"""Files about the contributions of joints: the neutral body and the joint-by-time matrix as PNG and
CSV, the video with coloured joints, and the pages about classes and graphs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from skelact.escaping import for_csv, join, markup
from skelact.files import write_bytes
from skelact.report.body import Picture, body, svg
from skelact.report.page import page
from skelact.report.plots import axes_of, wrapped
from skelact.skeletons import Skeleton

Floats64 = npt.NDArray[np.float64]
_TOP = 5  # joints that are named beside a body


def draw(picture: Picture, path: Path, title: str, notes: Sequence[str] = ()) -> None:
    """Write a picture as PNG, with a title above and lines of text beside it."""
    width, height = picture.size
    inches = 4.6 * width / height
    with axes_of(path, inches + 3.0, 5.0, 2) as (axis, text):
        for line in picture.lines:
            xs, ys = zip(line.start, line.end, strict=True)
            axis.plot(xs, ys, color=line.colour, linewidth=line.width * 0.92, zorder=1)
            axis.lines[-1].set_solid_capstyle("round")
        for disc in picture.discs:
            axis.plot(
                *disc.centre, "o", color=disc.colour, markersize=2 * disc.radius * 0.92, zorder=2
            )
        axis.set(xlim=(0, width), ylim=(height, 0), aspect="equal")
        text.text(0, 1, "\n".join([wrapped(title, 30), "", *notes]), va="top", fontsize=9)
        for part in (axis, text):
            part.set_axis_off()


def draw_body(skeleton: Skeleton, totals: Floats64, path: Path, title: str) -> None:
    """Write the neutral body with the total (V,) of every joint as PNG."""
    draw(body(skeleton, totals), path, title, [*top_joints(skeleton, totals), "", *_LEGEND])


_LEGEND = (
    "red: speaks for it",
    "blue: speaks against it",
    "seen from the front",
)


def top_joints(skeleton: Skeleton, totals: Floats64) -> list[str]:
    """The joints that speak most for it, with their shares of the sum of all absolute totals."""
    whole = max(float(np.abs(totals).sum()), 1e-12)
    order = np.argsort(-totals, kind="stable")[:_TOP]
    return [f"{skeleton.joints[v]} {totals[v] / whole:.0%}" for v in order if totals[v] > 0]


def draw_matrix(
    values: Floats64, skeleton: Skeleton, start_s: float, fps: float, path: Path, title: str
) -> None:
    """Write the contributions (T, V) as PNG: joints are rows, time goes to the right."""
    joints, limit = len(skeleton.joints), max(float(np.abs(values).max()), 1e-12)
    with axes_of(path, 9, min(30, 1.2 + 0.17 * joints)) as (axis,):
        end_s = start_s + len(values) / fps
        image = axis.imshow(
            values.T,
            cmap="RdBu_r",
            vmin=-limit,
            vmax=limit,
            aspect="auto",
            interpolation="nearest",
            extent=(start_s, end_s, joints - 0.5, -0.5),
        )
        axis.set_yticks(range(joints), skeleton.joints, fontsize=7)
        axis.set(xlabel="time [s]", title=wrapped(title, 80))
        axis.figure.colorbar(image, ax=axis, label="contribution", fraction=0.03)


def write_matrix(
    values: Floats64,
    skeleton: Skeleton,
    persons: Sequence[int],
    start: int,
    fps: float,
    path: Path,
) -> None:
    """Write the contributions (M, T, V) as CSV: one row for each person and frame of the video."""
    rows: list[Iterable[object]] = [("person", "frame", "time_s", *skeleton.joints)]
    for person, frames in zip(persons, values, strict=True):
        for n, frame in enumerate(frames, start):
            rows.append((person, n, round(n / fps, 3), *map(rounded, frame)))
    write_csv(rows, path)


def rounded(value: float) -> float:
    """A number with six significant digits. Text would be escaped where it starts with a minus."""
    return float(f"{value:.6g}")


def write_csv(rows: Iterable[Iterable[object]], path: Path) -> None:
    """Write rows of cells as CSV."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([for_csv(c) for c in row] for row in rows)
    write_bytes(path, text.getvalue().encode())


def write_page(
    path: Path, title: str, intro: str, cards: Sequence[tuple[str, Picture, Sequence[str]]]
) -> None:
    """Write a page with one picture for each card: its name, the picture, and lines below it."""
    figures = (
        markup(
            "<figure style='width:auto'>{}<figcaption><b>{}</b>{}</figcaption></figure>",
            svg(picture),
            name,
            join(markup("<br>{}", line) for line in lines),
        )
        for name, picture, lines in cards
    )
    content = page(title, [markup("<p>{}</p>", intro), join(figures, "\n")])
    write_bytes(path, content.encode())
