"""A neutral body in every joint layout: a standing person who faces the viewer. What a joint
contributes is its colour and size. The same picture is drawn as SVG and by matplotlib.

The coordinates are for drawing only. The left side of the person is on the right of the picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from skelact.escaping import Html, join, markup
from skelact.skeletons import Skeleton

Point = tuple[float, float]
# joints of the middle, and of the left side: x to the right, y down, in units of the picture
_MIDDLE: dict[str, Point] = {
    "head": (0, 14), "nose": (0, 24), "neck": (0, 52), "spine_shoulder": (0, 64),
    "chest": (0, 92), "spine_mid": (0, 108), "spine": (0, 108), "pelvis": (0, 146),
    "mid_hip": (0, 146), "spine_base": (0, 146),
}  # fmt: skip
_LEFT: dict[str, Point] = {
    "eye_inner": (4, 17), "eye": (8, 16), "eye_outer": (12, 17), "ear": (18, 22),
    "mouth": (6, 33), "collar": (14, 60), "shoulder": (34, 62), "elbow": (52, 100),
    "wrist": (62, 136), "hand": (66, 150), "hand_tip": (70, 164), "thumb": (54, 152),
    "index": (66, 158), "pinky": (76, 152), "hip": (20, 150), "knee": (24, 204),
    "ankle": (26, 256), "heel": (20, 266), "foot": (36, 270), "foot_index": (38, 270),
    "big_toe": (34, 272), "small_toe": (46, 268),
}  # fmt: skip
_FINGERS = {"thumb": 50, "index": 20, "middle": 4, "ring": -12, "pinky": -28}  # angles


def _hand(joint: str) -> Point | None:
    """A joint of a hand with the wrist at (0, 0), fingers up."""
    if joint == "wrist":
        return 0.0, 0.0
    finger, _, number = joint.rpartition("_")
    if finger not in _FINGERS or not number.isdigit():
        return None
    reach = (22 if finger == "thumb" else 44) + 16 * (int(number) - 1)
    angle = math.radians(_FINGERS[finger])
    return -reach * math.sin(angle), -reach * math.cos(angle)


def _arc(n: float, centre: Point, radius: Point, start: float, end: float) -> Point:
    angle = math.radians(start + n * (end - start))
    return centre[0] + radius[0] * math.cos(angle), centre[1] + radius[1] * math.sin(angle)


def _face(joint: str) -> Point | None:
    """A point of the face; x for the left side. The nose is at (0, 0)."""
    part, _, number = joint.rpartition("_")
    n = int(number) if number.isdigit() else 0
    single = {"chin": (0, 92), "nose_base": (0, 12), "outer_lip_top": (0, 34),
              "inner_lip_top": (0, 40), "inner_lip_bottom": (0, 48), "outer_lip_bottom": (0, 56),
              "pupil": (36, -40)}  # fmt: skip
    if joint in single:
        return single[joint]
    match part:
        case "jaw":
            return _arc((n - 1) / 8, (0, -36), (80, 128), 0, 90)
        case "brow":
            return _arc((n - 1) / 4, (36, -48), (28, 18), 330, 210)
        case "nose_bridge":
            return 0, -36 + 12 * (n - 1)
        case "nostril":
            return (16, 8) if n == 1 else (8, 11)
        case "eye":
            return _arc((n - 1) / 6, (36, -40), (15, 8), 0, -360)
        case "outer_lip":
            return ((32, 44), (22, 36), (10, 33), (12, 55), (24, 51))[n - 1]
        case "inner_lip":
            return ((26, 44), (12, 41), (12, 47))[n - 1]
    return None


def place(joint: str) -> Point | None:
    """The position of a joint of any layout, None if it is unknown."""
    if joint in _MIDDLE:
        return _MIDDLE[joint]
    side, _, rest = joint.partition("_")
    if joint in ("mouth_left", "mouth_right"):
        rest, side = "mouth", joint.partition("_")[2]
    if side in ("left", "right"):
        sign = 1 if side == "left" else -1
        if rest.startswith("hand_") and (hand := _hand(rest.removeprefix("hand_"))):
            return sign * (130 + hand[0]), 190 + hand[1]
        if rest in _LEFT:
            return sign * _LEFT[rest][0], _LEFT[rest][1]
        if face := _face(rest):
            return sign * face[0], face[1]
    return _hand(joint) or _face(joint)


def places(skeleton: Skeleton) -> list[Point]:
    """The position of every joint. A layout with a joint whose position is not known is drawn as
    a tree, the root above."""
    found = [place(j) for j in skeleton.joints]
    points = [p for p in found if p is not None]
    if len(points) == len(found):
        return points
    tree = tree_places(skeleton)
    return [(40 * tree[j][0], 40 * tree[j][1]) for j in skeleton.joints]


def tree_places(skeleton: Skeleton) -> dict[str, Point]:
    """(x, y) of every joint: y is the depth in the tree, leaves have their own columns, and a
    parent is in the middle of its children."""
    children: dict[str, list[str]] = {joint: [] for joint in skeleton.joints}
    roots: list[str] = []
    for joint, parent in zip(skeleton.joints, skeleton.parents, strict=True):
        (roots if joint == parent else children[parent]).append(joint)
    found: dict[str, Point] = {}
    column = 0.0

    def put(joint: str, depth: int) -> float:
        nonlocal column
        below = [put(child, depth + 1) for child in children[joint]]
        if not below:
            below, column = [column], column + 1
        found[joint] = (sum(below) / len(below), float(depth))
        return found[joint][0]

    for root in roots:
        put(root, 0)
    return found


@dataclass(frozen=True, kw_only=True)
class Stroke:
    """A line of a picture; `colour` is #rrggbb."""

    start: Point
    end: Point
    width: float
    colour: str


@dataclass(frozen=True, kw_only=True)
class Disc:
    """A disc of a picture, with a text that a browser shows when the mouse is over it."""

    centre: Point
    radius: float
    colour: str
    title: str


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Lines below discs, in units of the picture, y down, from (0, 0) to `size`."""

    size: Point
    lines: list[Stroke] = field(default_factory=list)
    discs: list[Disc] = field(default_factory=list)


HEIGHT, _MARGIN = 360.0, 24.0
_LIMB, _BODY, _GRAPH_OLD, _GRAPH_NEW = "#dcdcdc", "#b9b9b9", "#2166ac", "#d6662a"
# for -1, 0 and 1: blue, grey, orange, dark red; distinguishable with any colour vision
_SCALE = (
    (-1.0, (33, 102, 172)),
    (0.0, (170, 170, 170)),
    (0.5, (244, 165, 60)),
    (1.0, (165, 15, 40)),
)


def heat(value: float) -> str:
    """The colour of a value from -1 (speaks against) to 1 (speaks for) as #rrggbb."""
    at = [v for v, _ in _SCALE]
    rgb = [round(float(np.interp(value, at, [c[k] for _, c in _SCALE]))) for k in range(3)]
    return "#{:02x}{:02x}{:02x}".format(*rgb)


def _scaled(skeleton: Skeleton) -> tuple[list[Point], Point]:
    points = np.array(places(skeleton), float)
    low, extent = points.min(axis=0), np.maximum(np.ptp(points, axis=0), 1e-6)
    scale = (HEIGHT - 2 * _MARGIN) / max(extent[1], extent[0] / 1.4)
    points = (points - low) * scale + _MARGIN
    size = extent * scale + 2 * _MARGIN
    return [(float(x), float(y)) for x, y in points], (float(size[0]), float(size[1]))


def body(skeleton: Skeleton, totals: Sequence[float] | npt.NDArray[np.float64]) -> Picture:
    """The body with the total (V,) of each joint, relative to the largest absolute one."""
    points, size = _scaled(skeleton)
    largest = max(float(np.abs(totals).max()), 1e-12)
    dense = len(skeleton.joints) > 33
    lines = [
        Stroke(start=points[a], end=points[b], width=4 if dense else 12, colour=_LIMB)
        for a, b in skeleton.edge_indices
    ]
    unit = min(_spacing(points) / 2, 7.0)
    order = np.argsort(
        np.abs(totals), kind="stable"
    )  # the most important joint is above the others
    discs = [
        Disc(
            centre=points[v],
            radius=unit * (0.4 + 1.2 * math.sqrt(abs(totals[v]) / largest)),
            colour=heat(totals[v] / largest),
            title=f"{skeleton.joints[v]} {totals[v] / largest:+.0%}",
        )
        for v in order
    ]
    return Picture(size=size, lines=lines, discs=discs)


def _spacing(points: Sequence[Point]) -> float:
    """The median distance of a joint to the nearest other one."""
    p = np.array(points)
    distance = np.linalg.norm(p[:, None] - p[None], axis=-1)
    np.fill_diagonal(distance, np.inf)
    near = distance.min(axis=1)
    return float(np.median(near)) if np.isfinite(near).all() else 20.0


def graph(skeleton: Skeleton, weights: npt.NDArray[np.float64], most: int) -> Picture:
    """The skeleton with the `most` heaviest links between two different joints: the larger
    absolute weight of both directions of weights (V, V). Links along a bone are blue, others are
    orange."""
    points, size = _scaled(skeleton)
    both = np.triu(np.maximum(np.abs(weights), np.abs(weights.T)), 1)
    largest = max(float(both.max()), 1e-12)
    bones = {frozenset(e) for e in skeleton.edge_indices}
    lines = [
        Stroke(start=points[a], end=points[b], width=3, colour=_LIMB)
        for a, b in skeleton.edge_indices
    ]
    for flat in np.argsort(-both, axis=None, kind="stable")[:most][::-1]:
        a, b = divmod(int(flat), len(points))
        if both[a, b] > 0:
            colour = _GRAPH_OLD if frozenset((a, b)) in bones else _GRAPH_NEW
            width = 0.5 + 4.5 * float(both[a, b]) / largest
            lines.append(Stroke(start=points[a], end=points[b], width=width, colour=colour))
    radius = min(_spacing(points) / 4, 4.0)
    discs = [
        Disc(centre=p, radius=radius, colour=_BODY, title=name)
        for p, name in zip(points, skeleton.joints, strict=True)
    ]
    return Picture(size=size, lines=lines, discs=discs)


def svg(picture: Picture) -> Html:
    """The picture as an element of a page."""
    lines = (
        markup(
            "<line x1='{}' y1='{}' x2='{}' y2='{}' stroke='{}' stroke-width='{}'/>",
            *(f"{v:.1f}" for v in (*n.start, *n.end)),
            n.colour,
            f"{n.width:.1f}",
        )
        for n in picture.lines
    )
    discs = (
        markup(
            "<circle cx='{}' cy='{}' r='{}' fill='{}'><title>{}</title></circle>",
            *(f"{v:.1f}" for v in (*d.centre, d.radius)),
            d.colour,
            d.title,
        )
        for d in picture.discs
    )
    width, height = (f"{v:.0f}" for v in picture.size)
    return markup(
        "<svg viewBox='0 0 {} {}' width='{}' height='{}' stroke-linecap='round'>{}{}</svg>",
        *(width, height, width, height),
        join(lines),
        join(discs),
    )
