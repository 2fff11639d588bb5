"""Pictures of joint layouts: a standing person who faces the viewer, as SVG with joint numbers."""

from __future__ import annotations

from skelact.report.body import place
from skelact.skeletons import Skeleton


def picture(skeleton: Skeleton) -> str:
    """An SVG of the layout in one line, or nothing if the position of a joint is not known."""
    found = [place(j) for j in skeleton.joints]
    points = [p for p in found if p is not None]
    if len(points) < len(found):
        return ""
    xs, ys = zip(*points, strict=True)
    is_hand = "wrist" in skeleton.joints and "nose" not in skeleton.joints
    scale = 3.0 if is_hand else 360 / max(max(ys) - min(ys), 1)
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
