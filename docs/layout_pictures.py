"""Pictures of joint layouts: a standing person who faces the viewer, as an SVG with joint numbers.

The coordinates are for drawing only. The left side of the person is on the right of the picture.
"""

from __future__ import annotations

import math

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


def _place(joint: str) -> Point | None:
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


def picture(skeleton: Skeleton) -> str:
    """An SVG of the layout in one line, or nothing if the position of a joint is not known."""
    found = [_place(j) for j in skeleton.joints]
    points = [p for p in found if p is not None]
    if len(points) < len(found):
        return ""
    xs, ys = zip(*points, strict=True)
    if set(skeleton.joints) <= {"wrist"} | {j for j in skeleton.joints if _hand(j)}:
        scale = 3.0
    else:
        scale = 360 / max(max(ys) - min(ys), 1)
    points = [(scale * (x - min(xs)) + 16, scale * (y - min(ys)) + 16) for x, y in points]
    width, height = (max(axis) + 28 for axis in zip(*points, strict=True))
    lines = "".join(
        f'<line x1="{points[a][0]:.0f}" y1="{points[a][1]:.0f}" '
        f'x2="{points[b][0]:.0f}" y2="{points[b][1]:.0f}"/>'
        for a, b in skeleton.edge_indices
    )
    joints = "".join(
        f'<circle cx="{x:.0f}" cy="{y:.0f}" r="3"><title>{i} {name}</title></circle>'
        f'<text x="{x + 5:.0f}" y="{y - 4:.0f}">{i}</text>'
        for i, (name, (x, y)) in enumerate(zip(skeleton.joints, points, strict=True))
    )
    return (
        f'<div class="layout"><svg xmlns="http://www.w3.org/2000/svg" role="img" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}">'
        f"<title>{skeleton.name}</title>{lines}{joints}</svg></div>"
    )
