"""The layout of joints without names: the shipped layout that fits the data, or else bones that are
estimated from the data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from skelact.skeletons.base import Skeleton
from skelact.skeletons.layouts import SKELETONS, Context, layout_for

Distances = npt.NDArray[np.float64]
# The bones of a layout that fits connect joints that are close to each other: all together they are
# at most this much longer than the shortest tree. On NW-UCLA the right order of the joints gives
# 1.1 to 1.2, another order 1.5 to 3.1.
MAX_RATIO = 1.4
_MARGIN = 1.1  # the usual layout is preferred to one that fits better by less than this factor
_FRAMES = 300


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
    distances = mean_distances(points)
    candidates = [s for s in SKELETONS.values() if len(s.joints) == count]
    try:
        usual = layout_for(count, context)
    except ValueError:
        usual = None
    shortest = _shortest_tree(distances)
    total = float(np.nansum([distances[a, b] for a, b in shortest]))
    ratios = {s.name: _length(s, distances) / total if total > 0 else 1.0 for s in candidates}
    fitting = [s for s in candidates if ratios[s.name] <= MAX_RATIO]
    best_ratio = min(ratios.values(), default=1.0)
    if usual is not None and usual in fitting and ratios[usual.name] <= _MARGIN * best_ratio:
        return Guess(skeleton=usual, reason=f"{count} joints", is_shipped=True)
    if fitting:
        best = min(fitting, key=lambda s: ratios[s.name])
        return Guess(
            skeleton=best,
            reason=f"{count} joints, and its bones fit the data best",
            is_shipped=True,
        )
    return Guess(
        skeleton=_estimated(distances, shortest),
        reason=f"no shipped layout with {count} joints fits the data; the bones are estimated from "
        "the distances between joints, and left and right are unknown",
        is_shipped=False,
    )


def mean_distances(points: npt.NDArray[np.float32]) -> Distances:
    """(V, V) mean distance of every two joints over at most 300 frames of points (..., V, C); NaN
    for joints that are never visible together."""
    frames = points.reshape(-1, *points.shape[-2:]).astype(np.float64)
    frames = frames[~np.isnan(frames).all(axis=(1, 2))]
    frames = frames[:: max(1, len(frames) // _FRAMES)][:_FRAMES]
    apart = np.linalg.norm(frames[:, :, None] - frames[:, None], axis=-1)
    known = ~np.isnan(apart)
    count = known.sum(axis=0)
    total = np.where(known, apart, 0).sum(axis=0)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def _length(skeleton: Skeleton, distances: Distances) -> float:
    """The length of all bones, or of all edges of the graph if that is less. Those that are never
    visible do not count."""
    bones = [(v, p) for v, p in enumerate(skeleton.parent_indices) if v != p]
    return float(
        min(np.nansum([distances[a, b] for a, b in p]) for p in (bones, skeleton.edge_indices))
    )


def _shortest_tree(distances: Distances) -> list[tuple[int, int]]:
    """The edges (from, to) of the minimum spanning tree (Prim's algorithm), which starts at the
    joint with the smallest mean distance from all others."""
    filled = np.where(np.isnan(distances), np.inf, distances)
    finite = np.where(np.isinf(filled), np.nan, filled)
    means = [np.nanmean(row) if np.isfinite(row).any() else np.inf for row in finite]
    inside, edges = [int(np.argmin(means))], []
    while len(inside) < len(filled):
        outside = [v for v in range(len(filled)) if v not in inside]
        part = filled[np.ix_(inside, outside)]
        a, b = np.unravel_index(int(np.argmin(part)), part.shape)
        edges.append((inside[a], outside[b]))
        inside.append(outside[b])
    return edges


def _estimated(distances: Distances, tree: list[tuple[int, int]]) -> Skeleton:
    """The layout with the bones of a tree, whose first edge starts at the centre."""
    joints = tuple(f"joint_{v}" for v in range(len(distances)))
    bones = {joints[b]: joints[a] for a, b in tree}
    return Skeleton(
        name=f"estimated-{len(joints)}",
        joints=joints,
        parents=tuple(bones.get(joint, joint) for joint in joints),
        edges=tuple(bones.items()),
        flip_pairs=(),
        centre=joints[tree[0][0]] if tree else joints[0],
    )
