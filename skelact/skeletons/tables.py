"""Tables of layouts."""

from __future__ import annotations

from typing import Any

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
