"""The layout of joints without names: the shipped layout that fits the data, or else bones that are
estimated from the data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from skelact.skeletons.base import Skeleton
from skelact.skeletons.fit import (
    CLEARLY,
    MAX_RATIO,
    Distances,
    joint_distances,
    ranked_layouts,
    shortest_tree,
)
from skelact.skeletons.layouts import Context, layout_for


@dataclass(frozen=True, kw_only=True)
class Guess:
    """A layout, and one sentence that says why it was chosen. `is_shipped` is False if its bones
    are estimated and its joints have no names."""

    skeleton: Skeleton
    reason: str
    is_shipped: bool


def guess_layout(points: npt.NDArray[np.float32], context: Context = "pyskl") -> Guess:
    """The layout of points (..., V, C) in any unit, NaN where a joint is missing.

    Among the shipped layouts with V joints it is the usual one of the `context` if that fits,
    otherwise the one that fits best. If none fits, the bones are the shortest tree that connects
    the joints; they are called joint_0, joint_1 and so on, and left and right are unknown."""
    count = points.shape[-2]
    distances = joint_distances(points)
    ranked = [(s, ratio) for s, ratio in ranked_layouts(distances) if ratio <= MAX_RATIO]
    if ranked:
        best, least = ranked[0]
        try:
            usual = layout_for(count, context)
        except ValueError:
            usual = None
        if any(s is usual and ratio <= CLEARLY * least for s, ratio in ranked):
            assert usual is not None
            return Guess(skeleton=usual, reason=f"{count} joints", is_shipped=True)
        reason = f"{count} joints, and its bones fit the data best"
        return Guess(skeleton=best, reason=reason, is_shipped=True)
    return Guess(
        skeleton=_estimated(distances),
        reason=f"no shipped layout with {count} joints fits the data; the bones are estimated from "
        "the distances between joints, and left and right are unknown",
        is_shipped=False,
    )


def _estimated(distances: Distances) -> Skeleton:
    """The layout whose bones are the shortest tree, from the joint closest to all others."""
    means = [np.nanmean(row) if np.isfinite(row).any() else np.inf for row in distances]
    centre = int(np.argmin(means))
    parents = shortest_tree(distances, centre)
    joints = tuple(f"joint_{v}" for v in range(len(distances)))
    return Skeleton(
        name=f"estimated-{len(joints)}",
        joints=joints,
        parents=tuple(joints[p] for p in parents),
        edges=tuple((joints[v], joints[p]) for v, p in enumerate(parents) if v != centre),
        flip_pairs=(),
        centre=joints[centre],
    )
