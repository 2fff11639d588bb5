"""Tables and drawings of layouts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from skelact.errors import InputError
from skelact.skeletons.base import Skeleton
from skelact.skeletons.layouts import SKELETONS, USED_BY

HEADS = ("number", "name", "parent", "flip partner")


def overview() -> list[dict[str, Any]]:
    """Every shipped layout: name, number of joints, centre, and what uses it."""
    return [
        {"name": s.name, "joints": len(s.joints), "centre": s.centre, "used_by": USED_BY[s.name]}
        for s in SKELETONS.values()
    ]


def joint_rows(skeleton: Skeleton) -> list[tuple[int, str, str, str]]:
    """Number, name, parent (empty for a root) and flip partner (empty if there is none) of every
    joint, in the order of the data."""
    partners = {a: b for pair in skeleton.flip_pairs for a, b in (pair, pair[::-1])}
    return [
        (n, joint, "" if parent == joint else parent, partners.get(joint, ""))
        for n, (joint, parent) in enumerate(zip(skeleton.joints, skeleton.parents, strict=True))
    ]


def markdown() -> str:
    """The overview and the tables of all shipped layouts as Markdown, for the documentation."""
    lines = [*_table(("layout", "joints", "centre", "used by"), map(dict.values, overview()))]
    for skeleton in SKELETONS.values():
        lines += ["", f"## {skeleton.name}", "", *_table(HEADS, joint_rows(skeleton))]
    return "\n".join(lines) + "\n"


def _table(heads: Any, rows: Any) -> list[str]:
    def line(cells: Any) -> str:
        return f"| {' | '.join(map(str, cells))} |"

    return [line(heads), line("---" for _ in heads), *map(line, rows)]


def draw(skeleton: Skeleton, path: Path) -> None:
    """Draw the graph with the numbers and names of the joints; the format follows from the suffix
    (.png, .svg, .pdf). The positions are those of a tree, the root above, not of a body. Raises
    InputError if the file cannot be written."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    places = _places(skeleton)
    height = 2 + max(y for _, y in places.values())
    figure = Figure(figsize=(min(40, 2 + 1.3 * _width(places)), min(40, 0.9 * height)))
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for a, b in skeleton.edges:
        axes.plot(*zip(places[a], places[b], strict=True), color="grey", zorder=1)
    for n, joint in enumerate(skeleton.joints):
        x, y = places[joint]
        colour = {"left": "tab:blue", "right": "tab:red"}.get(joint.split("_")[0], "black")
        axes.scatter([x], [y], s=160, color=colour, zorder=2)
        axes.text(x, y, str(n), color="white", ha="center", va="center", fontsize=7, zorder=3)
        axes.text(x, y + 0.22, joint, ha="center", va="top", fontsize=6, zorder=3)
    axes.invert_yaxis()
    axes.margins(0.1)
    axes.set_axis_off()
    axes.set_title(f"{skeleton.name}: {len(skeleton.joints)} joints")
    try:
        figure.savefig(path, dpi=150, bbox_inches="tight")
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be written: {error}", "Use .png or .svg.") from error


def _width(places: dict[str, tuple[float, float]]) -> float:
    return 1 + max(x for x, _ in places.values())


def _places(skeleton: Skeleton) -> dict[str, tuple[float, float]]:
    """(x, y) of every joint: y is the depth in the tree, leaves have their own columns, and a
    parent is in the middle of its children."""
    children: dict[str, list[str]] = {joint: [] for joint in skeleton.joints}
    roots = []
    for joint, parent in zip(skeleton.joints, skeleton.parents, strict=True):
        (roots if joint == parent else children[parent]).append(joint)
    places: dict[str, tuple[float, float]] = {}
    column = 0.0

    def place(joint: str, depth: int) -> float:
        nonlocal column
        below = [place(child, depth + 1) for child in children[joint]]
        if not below:
            below, column = [column], column + 1
        places[joint] = (sum(below) / len(below), float(depth))
        return places[joint][0]

    for root in roots:
        place(root, 0)
    return places
