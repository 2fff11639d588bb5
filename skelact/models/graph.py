"""Adjacency matrices of a skeleton. Everywhere A[j, i] = 1 means that joint i receives from joint
j: the column is the receiver.

spatial        K = 3: self, inward (child -> parent) and outward links, columns normalised
stgcn_spatial  K = 1 + 2 max_hop: ST-GCN's spatial configuration, see `stgcn_spatial`
uniform        K = 1: everything within max_hop, columns normalised (ST-GCN's uni-labelling)
distance       K = max_hop + 1: the same, one matrix for each number of hops
binary_adj     K = 1: 0/1, symmetric, no self loops

Beside these, MS-G3D's shells of exactly k hops and the KTH report's partitions.
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
ALPHA = 0.001  # of the KTH report's equation 5


def edges_to_matrix(links: Sequence[tuple[int, int]], joints: int) -> Matrix:
    """(V, V) with A[j, i] = 1 for every link (i, j)."""
    a = np.zeros((joints, joints))
    for i, j in links:
        a[j, i] = 1
    return a


def normalise_columns(a: Matrix) -> Matrix:
    """A diag(1 / column sums); empty columns stay empty."""
    sums = a.sum(axis=0)
    return np.asarray(a / np.where(sums > 0, sums, 1))


def hop_distance(links: Sequence[tuple[int, int]], joints: int, max_hop: int) -> Matrix:
    """(V, V) number of links between two joints; inf beyond max_hop."""
    step = edges_to_matrix(links, joints)
    step = (step + step.T > 0).astype(float)
    distance, reached, power = (
        np.full((joints, joints), np.inf),
        np.zeros((joints, joints), bool),
        np.eye(joints),
    )
    for hop in range(max_hop + 1):
        new = (power > 0) & ~reached
        distance[new] = hop
        reached |= new
        power = power @ step
    return distance


def stgcn_spatial(
    links: Sequence[tuple[int, int]],
    joints: int,
    centre: int,
    max_hop: int = 1,
    true_centre: bool = False,
) -> Matrix:
    """(K, V, V) ST-GCN's spatial configuration (Yan et al. 2018, sec. 3.3): for each hop, links
    from joints as close to or closer than the receiver, then the rest; the values are those of the
    jointly normalised matrix.

    The published code knows distances to the centre only up to max_hop, so that almost everything
    counts as equally far and lands in the first group; that is the default, since published weights
    depend on it. `true_centre` uses real distances, as the paper says."""
    hop = hop_distance(links, joints, max_hop)
    to_centre = (hop_distance(links, joints, joints) if true_centre else hop)[:, centre]
    whole = normalise_columns((hop <= max_hop).astype(float))
    closer = (
        to_centre[:, None] >= to_centre[None, :]
    )  # [j, i]: j is at least as far from the centre as i
    out = []
    for h in range(max_hop + 1):
        at = hop == h
        close, further = whole * (at & closer), whole * (at & ~closer)
        out += [close + further] if h == 0 else [close, further]
    return np.stack(out)


def adjacency(
    skeleton: Skeleton, mode: str = "stgcn_spatial", max_hop: int = 1, true_centre: bool = False
) -> npt.NDArray[np.float32]:
    """(K, V, V) float32 of a skeleton. ConfigError for an unknown mode."""
    links, joints = skeleton.edge_indices, len(skeleton.joints)
    inward = edges_to_matrix(links, joints)
    if mode == "stgcn_spatial":
        stack = stgcn_spatial(links, joints, skeleton.index(skeleton.centre), max_hop, true_centre)
    elif mode == "spatial":
        stack = np.stack([np.eye(joints), normalise_columns(inward), normalise_columns(inward.T)])
    elif mode in ("uniform", "distance"):
        hop = hop_distance(links, joints, max_hop)
        whole = normalise_columns((hop <= max_hop).astype(float))
        shells = range(max_hop + 1)
        stack = whole[None] if mode == "uniform" else np.stack([whole * (hop == h) for h in shells])
    elif mode == "binary_adj":
        stack = (inward + inward.T)[None]
    else:
        raise ConfigError(f"unknown graph mode {mode!r}", f"one of {', '.join(MODES)}")
    return stack.astype(np.float32)


def k_adjacency(links: Matrix, scales: int, norm: Literal["col", "sym"] = "col") -> Matrix:
    """(scales, V, V) MS-G3D's disentangled shells (Liu et al. 2020, eq. 4): joints exactly k hops
    apart, and self. `links` (V, V) is 0/1. Normalised by columns (PYSKL, mmaction2) or as
    D^-1/2 A D^-1/2 (the original)."""
    joints = len(links)
    reach = [np.eye(joints)]
    for _ in range(scales - 1):
        reach.append(np.minimum(reach[-1] @ (links + np.eye(joints)), 1))
    shells = [reach[0]] + [b - a + reach[0] for a, b in pairwise(reach)]
    if norm == "col":
        return np.stack([normalise_columns(s) for s in shells])
    if norm != "sym":
        raise ConfigError(f"unknown normalisation {norm!r}", "col or sym")
    roots = [s.sum(axis=1) ** -0.5 for s in shells]
    return np.stack([r[:, None] * s * r for r, s in zip(roots, shells, strict=True)])


def window_graph(a: Matrix, window: int) -> Matrix:
    """(window V, window V) MS-G3D's graph over a window of frames: every joint is tied to itself
    and its neighbours in all frames of the window. Time is the slow index. `a` (V, V) is 0/1."""
    return np.tile(a + np.eye(len(a)), (window, window))


def kth_partition(
    skeleton: Skeleton, partition: str, distances: Sequence[float] | None = None
) -> Matrix:
    """(K, V, V) 0/1 matrices of the KTH report (sec. 3): uni [I + E], distance [I, E], spatial
    (same distance, centripetal, centrifugal) by `distances` (V,), each joint's mean distance to the
    body's middle over the training set (None: hops to the centre joint), or symmetrical, where a
    joint also hears the left/right twins of itself and of its neighbours."""
    joints = len(skeleton.joints)
    inward = edges_to_matrix(skeleton.edge_indices, joints)
    self_, near = np.eye(joints), inward + inward.T
    if partition == "uni":
        return (self_ + near)[None]
    if partition == "distance":
        return np.stack([self_, near])
    if partition == "symmetrical":
        swap = self_[skeleton.flip_index]
        twins = swap - np.diag(np.diag(swap))  # joints on the middle line have none
        return np.stack([self_, np.minimum(near + twins + near @ twins, 1) * (1 - self_)])
    if partition != "spatial":
        raise ConfigError(f"unknown partition {partition!r}", f"one of {', '.join(PARTITIONS)}")
    if distances is None:
        hops = hop_distance(skeleton.edge_indices, joints, joints)
        distances = hops[skeleton.index(skeleton.centre)].tolist()
    r = np.asarray(distances, float)
    if r.shape != (joints,):
        raise ConfigError(f"{joints} mean distances are needed, got {r.size}")
    gap, whole = r[:, None] - r[None, :], self_ + near  # [j, i]: how much farther out j is
    return np.stack([whole * (gap == 0), whole * (gap < 0), whole * (gap > 0)])


def kth_normalise(a: Matrix, norm: Literal["report", "row", "published"] = "report") -> Matrix:
    """The KTH report's equation 5, L^-1/2 A L^-1/2 with L_ii = (what i receives) + 0.001; or `row`,
    L^-1 A; or `published`: what its code computes, which adds 0.001 to every element of L and then
    takes powers element by element, so that hardly anything of the graph is left."""
    received = a.sum(axis=1) + ALPHA  # (K, V): over senders j of A[j, i]
    if norm == "row":
        return a / received[:, None, :]
    if norm == "report":
        root = received**-0.5
        return root[:, :, None] * a * root[:, None, :]
    if norm != "published":
        raise ConfigError(f"unknown normalisation {norm!r}", "report, row or published")
    dense = np.stack([(np.diag(d.sum(axis=0)) + ALPHA) ** -0.5 for d in a])
    return dense @ a @ dense
