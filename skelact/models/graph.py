"""Adjacency matrices of a skeleton. Everywhere A[j, i] = 1 means that joint i receives from joint
j: the column is the receiver.

spatial        K = 3: self, inward (child -> parent) and outward links, columns normalised
stgcn_spatial  K = 1 + 2 max_hop: ST-GCN's spatial configuration in the form the published numbers
use, see `stgcn_spatial` binary_adj     K = 1: 0/1, symmetric, no self loops
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from skelact.errors import ConfigError
from skelact.skeletons import Skeleton

Matrix = npt.NDArray[np.float64]
MODES = ("stgcn_spatial", "spatial", "binary_adj")


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
    links, joints = skeleton.link_indices, len(skeleton.joints)
    if mode == "stgcn_spatial":
        stack = stgcn_spatial(links, joints, skeleton.index(skeleton.centre), max_hop, true_centre)
    elif mode == "spatial":
        inward = edges_to_matrix(links, joints)
        stack = np.stack([np.eye(joints), normalise_columns(inward), normalise_columns(inward.T)])
    elif mode == "binary_adj":
        inward = edges_to_matrix(links, joints)
        stack = (inward + inward.T)[None]
    else:
        raise ConfigError(f"unknown graph mode {mode!r}", f"one of {', '.join(MODES)}")
    return stack.astype(np.float32)
