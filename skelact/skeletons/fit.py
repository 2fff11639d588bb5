"""How well a layout fits joints without names: its bones connect joints that are close together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from skelact.skeletons.base import Skeleton
from skelact.skeletons.layouts import SKELETONS

Distances = npt.NDArray[np.float64]
# A layout that fits is at most this much longer than the shortest tree of the joints. On NW-UCLA
# and on 20-joint, 17-joint and 33-joint files the right order of the joints gave 1.1 to 1.3,
# another order 1.5 to 3.1.
MAX_RATIO = 1.4
CLEARLY = 1.1  # ratio of two layouts from which on one of them fits better
_FRAMES = 300


def joint_distances(points: npt.NDArray[np.float32]) -> Distances:
    """(V, V) mean distance of every two joints over at most 300 frames of points (..., V, C), NaN
    where a joint is missing; NaN for joints that are never visible together."""
    frames = points.reshape(-1, *points.shape[-2:]).astype(np.float64)
    frames = frames[~np.isnan(frames).all(axis=(1, 2))]
    frames = frames[:: max(1, len(frames) // _FRAMES)][:_FRAMES]
    apart = np.linalg.norm(frames[:, :, None] - frames[:, None], axis=-1)
    known = ~np.isnan(apart)
    count, total = known.sum(axis=0), np.nansum(apart, axis=0)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def shortest_tree(distances: Distances, root: int) -> list[int]:
    """The parent of every joint in the minimum spanning tree of distances (V, V), where NaN is
    longer than any other; the root is its own parent (Prim's algorithm)."""
    costs = np.nan_to_num(distances, nan=np.inf)
    parents = np.full(len(costs), root)
    best = costs[root].copy()
    outside = np.arange(len(costs)) != root
    while outside.any():
        joint = int(np.flatnonzero(outside)[best[outside].argmin()])
        outside[joint] = False
        nearer = outside & (costs[joint] < best)
        parents[nearer], best[nearer] = joint, costs[joint][nearer]
    return [int(p) for p in parents]


def bone_ratio(skeleton: Skeleton, distances: Distances) -> float:
    """The mean length of a layout's bones, or of the edges of its graph if that is less, relative
    to the bones of the shortest tree. Bones that are never visible do not count."""
    tree = shortest_tree(distances, 0)
    shortest = _mean_length(list(enumerate(tree)), distances)
    if not shortest > 0:
        return 1.0
    bones = list(enumerate(skeleton.parent_indices))
    used = min(_mean_length(pairs, distances) for pairs in (bones, skeleton.edge_indices))
    return used / shortest


def ranked_layouts(distances: Distances) -> list[tuple[Skeleton, float]]:
    """The shipped layouts with as many joints as distances (V, V) has, with their `bone_ratio`, the
    smallest first."""
    same = [s for s in SKELETONS.values() if len(s.joints) == len(distances)]
    return sorted(((s, bone_ratio(s, distances)) for s in same), key=lambda pair: pair[1])


def _mean_length(pairs: list[tuple[int, int]], distances: Distances) -> float:
    lengths = np.array([distances[a, b] for a, b in pairs if a != b])
    known = lengths[~np.isnan(lengths)]
    return float(known.mean()) if len(known) else 0.0
