"""Adjacency matrices of a skeleton. A[j, i] = 1 means that joint i receives from joint j: columns
are receivers.

spatial        K = 3: self, inward (child -> parent) and outward edges, columns normalised
stgcn_spatial  K = 1 + 2 max_hop: ST-GCN's spatial configuration, see `stgcn_spatial`
uniform        K = 1: all joints within max_hop, columns normalised (ST-GCN's uni-labelling)
distance       K = max_hop + 1: the same, one matrix for each number of hops
binary_adj     K = 1: 0/1, symmetric, no self loops

In addition, MS-G3D's scales of exactly k hops and the KTH report's partitions.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from skelact.errors import ConfigError
from skelact.skeletons import Skeleton

Matrix = npt.NDArray[np.float64]
MODES = ("stgcn_spatial", "spatial", "uniform", "distance", "binary_adj")
PARTITIONS = ("uni", "distance", "spatial", "symmetrical")
_KTH_ALPHA = 0.001  # equation 5 of the KTH report


def edges_to_matrix(edges: Sequence[tuple[int, int]], joints: int) -> Matrix:
    """(V, V) with A[j, i] = 1 for every edge (i, j)."""
    a = np.zeros((joints, joints))
    for i, j in edges:
        a[j, i] = 1
    return a


def normalise_columns(a: Matrix) -> Matrix:
    """A diag(1 / column sums). Empty columns stay zero."""
    sums = a.sum(axis=0)
    return np.asarray(a / np.where(sums > 0, sums, 1))


def hop_distance(edges: Sequence[tuple[int, int]], joints: int, max_hop: int) -> Matrix:
    """(V, V) number of edges between two joints; inf beyond max_hop."""
    step = edges_to_matrix(edges, joints)
    step = (step + step.T > 0).astype(float)
    distance, power = np.full((joints, joints), np.inf), np.eye(joints)
    for hop in range(max_hop + 1):
        distance[(power > 0) & np.isinf(distance)] = hop
        power = power @ step
    return distance


def stgcn_spatial(
    edges: Sequence[tuple[int, int]],
    joints: int,
    centre: int,
    max_hop: int = 1,
    true_centre: bool = False,
) -> Matrix:
    """(K, V, V) ST-GCN's spatial configuration (Yan et al. 2018, sec. 3.3). For each hop, the first
    matrix has the edges from joints that are at most as far from the centre as the receiver, the
    second one the other edges. All matrices are normalised together.

    The published code limits distances to the centre to max_hop, so that almost all joints count as
    equally far. This is the default, because published weights depend on it. `true_centre` uses the
    real distances, as in the paper."""
    hop = hop_distance(edges, joints, max_hop)
    to_centre = (hop_distance(edges, joints, joints) if true_centre else hop)[:, centre]
    normalised = normalise_columns((hop <= max_hop).astype(float))
    # [j, i]: j is at least as far from the centre as i
    closer = to_centre[:, None] >= to_centre[None, :]
    out = []
    for h in range(max_hop + 1):
        at = hop == h
        close, further = normalised * (at & closer), normalised * (at & ~closer)
        out += [close + further] if h == 0 else [close, further]
    return np.stack(out)


def adjacency(
    skeleton: Skeleton, mode: str = "stgcn_spatial", max_hop: int = 1, true_centre: bool = False
) -> npt.NDArray[np.float32]:
    """(K, V, V) float32 of a skeleton, see the module's table. Raises ConfigError for an unknown
    mode."""
    edges, joints = skeleton.edge_indices, len(skeleton.joints)
    inward = edges_to_matrix(edges, joints)
    if mode == "stgcn_spatial":
        stack = stgcn_spatial(edges, joints, skeleton.index(skeleton.centre), max_hop, true_centre)
    elif mode == "spatial":
        stack = np.stack([np.eye(joints), normalise_columns(inward), normalise_columns(inward.T)])
    elif mode in ("uniform", "distance"):
        hop = hop_distance(edges, joints, max_hop)
        stack = normalise_columns((hop <= max_hop).astype(float))[None]
        if mode == "distance":
            stack = np.concatenate([stack * (hop == h) for h in range(max_hop + 1)])
    elif mode == "binary_adj":
        stack = (inward + inward.T)[None]
    else:
        raise ConfigError(f"Unknown graph mode {mode!r}", f"Use one of {', '.join(MODES)}.")
    return stack.astype(np.float32)


def k_adjacency(a: Matrix, scales: int, norm: Literal["col", "sym"] = "col") -> Matrix:
    """(scales, V, V) MS-G3D's disentangled scales (Liu et al. 2020, eq. 4): joints exactly k hops
    apart, and self. `a` (V, V) is 0/1. Normalised by columns (PYSKL, mmaction2) or as D^-1/2 A
    D^-1/2 (the authors' code). Raises ConfigError for another `norm`."""
    joints = len(a)
    reach = [np.eye(joints)]
    for _ in range(scales - 1):
        reach.append(np.minimum(reach[-1] @ (a + np.eye(joints)), 1))
    rings = [reach[0]] + [after - before + reach[0] for before, after in pairwise(reach)]
    if norm == "col":
        return np.stack([normalise_columns(r) for r in rings])
    if norm != "sym":
        raise ConfigError(f"Unknown normalisation {norm!r}", "Use col or sym.")
    roots = [r.sum(axis=1) ** -0.5 for r in rings]
    return np.stack([d[:, None] * r * d for d, r in zip(roots, rings, strict=True)])


def window_graph(a: Matrix, window: int) -> Matrix:
    """(window V, window V) MS-G3D's graph over a window of frames: every joint has edges to itself
    and its neighbours in all frames of the window. The frame is the slow index. `a` (V, V) is 0/1.
    """
    return np.tile(a + np.eye(len(a)), (window, window))


def kth_partition(
    skeleton: Skeleton, partition: str, distances: Sequence[float] | None = None
) -> Matrix:
    """(K, V, V) 0/1 matrices of the KTH report (sec. 3): uni [I + E]; distance [I, E]; spatial
    [same distance, centripetal, centrifugal]; or symmetrical, where a joint also receives from the
    left/right counterparts of itself and of its neighbours.

    `distances` (V,) is each joint's mean distance to the centre of the body over the training set,
    for `spatial`; without it the number of hops to the centre joint is used. Raises ConfigError for
    an unknown partition or a wrong number of distances."""
    joints = len(skeleton.joints)
    inward = edges_to_matrix(skeleton.edge_indices, joints)
    eye, near = np.eye(joints), inward + inward.T
    if partition == "uni":
        return (eye + near)[None]
    if partition == "distance":
        return np.stack([eye, near])
    if partition == "symmetrical":
        swap = eye[skeleton.flip_index]
        mirrored = swap - np.diag(np.diag(swap))  # joints of the midline have no counterpart
        return np.stack([eye, np.minimum(near + mirrored + near @ mirrored, 1) * (1 - eye)])
    if partition != "spatial":
        raise ConfigError(
            f"Unknown partition {partition!r}", f"Use one of {', '.join(PARTITIONS)}."
        )
    if distances is None:
        hops = hop_distance(skeleton.edge_indices, joints, joints)
        distances = hops[skeleton.index(skeleton.centre)].tolist()
    r = np.asarray(distances, float)
    if r.shape != (joints,):
        raise ConfigError(f"Expected {joints} mean distances, one for each joint, got {r.size}")
    gap, edges = r[:, None] - r[None, :], eye + near  # gap[j, i]: how much farther out j is than i
    return np.stack([edges * (gap == 0), edges * (gap < 0), edges * (gap > 0)])


def kth_normalise(a: Matrix, norm: Literal["report", "row", "published"] = "report") -> Matrix:
    """The KTH report's equation 5, L^-1/2 A L^-1/2 with L_ii = (sum of what i receives) + 0.001;
    `row`, L^-1 A; or `published`, the report's code, which adds 0.001 to every element of L and
    takes element-wise powers, so that little of the graph remains. Raises ConfigError for another
    `norm`."""
    received = a.sum(axis=1) + _KTH_ALPHA  # (K, V): over senders j of A[j, i]
    if norm == "row":
        return a / received[:, None, :]
    if norm == "report":
        root = received**-0.5
        return root[:, :, None] * a * root[:, None, :]
    if norm != "published":
        raise ConfigError(f"Unknown normalisation {norm!r}", "Use report, row or published.")
    dense = np.stack([(np.diag(d.sum(axis=0)) + _KTH_ALPHA) ** -0.5 for d in a])
    return dense @ a @ dense
