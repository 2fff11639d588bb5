"""Divide groups of items into parts of given shares, with every class in every part: the stratified
group split of scikit-learn (StratifiedGroupKFold), with an exchange of groups after the greedy pass
and a minimum number of items per class and part."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

_SCARCE = 10.0  # penalty for each class that a part lacks completely
_MAX_ROUNDS = 20
_MAX_EXCHANGED = 400  # groups; with more, the greedy pass alone comes close to the shares

Counts = npt.NDArray[np.float64]


def divide(
    labels: Sequence[str], groups: Sequence[str], shares: Sequence[float], seed: int = 0
) -> list[int]:
    """The part, from 0, of every item. Items of one group are in one part; of every class, part p
    has about `shares[p]` (they add up to 1) of the items. The result depends on the arguments only:
    groups that are equally good are ordered by `seed`."""
    names, group_of = np.unique(np.asarray(groups), return_inverse=True)
    classes, class_of = np.unique(np.asarray(labels), return_inverse=True)
    counts = np.zeros((len(names), len(classes)))
    np.add.at(counts, (group_of, class_of), 1)
    relative = counts / counts.sum(axis=0)
    target = np.asarray(shares, np.float64)[:, None]
    # large groups first, because small ones can fill the gaps
    tie = np.random.default_rng(seed).permutation(len(names))
    order = np.lexsort((tie, -relative.max(axis=1)))
    parts = np.zeros(len(names), np.int64)
    filled = np.zeros((len(shares), len(classes)))
    for g in order:
        # a part that has nothing of a class yet needs it most
        missing = ((filled == 0) & (counts[g] > 0)).sum(axis=1) * (target[:, 0] > 0)
        gain = ((filled + relative[g] - target) ** 2 - (filled - target) ** 2).sum(axis=1)
        parts[g] = min(
            range(len(shares)), key=lambda p: (round(float(gain[p]), 12), -int(missing[p]), p)
        )
        filled[parts[g]] += relative[g]
    if len(names) <= _MAX_EXCHANGED:
        _exchange(parts, relative, filled, target)
    return [int(p) for p in parts[group_of]]


def _cost(filled: Counts, target: Counts) -> float:
    """Squared deviation from the shares, and the penalty for classes that a part lacks."""
    lacking = ((filled < 1e-9) & (target > 0)).sum()
    return float(((filled - target) ** 2).sum() + _SCARCE * lacking)


def _exchange(
    parts: npt.NDArray[np.int64], relative: Counts, filled: Counts, target: Counts
) -> None:
    """Move single groups, and swap pairs of groups if no move helps, as long as the cost falls."""
    for _ in range(_MAX_ROUNDS):
        if not _move(parts, relative, filled, target) and not _swap(
            parts, relative, filled, target
        ):
            return


def _move(parts: npt.NDArray[np.int64], relative: Counts, filled: Counts, target: Counts) -> bool:
    moved = False
    for g in range(len(parts)):
        old, best = int(parts[g]), _cost(filled, target) - 1e-9
        filled[old] -= relative[g]
        chosen = old
        for p in range(len(target)):
            filled[p] += relative[g]
            cost = _cost(filled, target)
            filled[p] -= relative[g]
            if cost < best:
                chosen, best = p, cost
        filled[chosen] += relative[g]
        parts[g] = chosen
        moved |= chosen != old
    return moved


def _swap(parts: npt.NDArray[np.int64], relative: Counts, filled: Counts, target: Counts) -> bool:
    if len(parts) > _MAX_EXCHANGED // 4:
        return False
    before = _cost(filled, target) - 1e-9
    for a in range(len(parts)):
        for b in range(a):
            p, q = int(parts[a]), int(parts[b])
            if p == q:
                continue
            difference = relative[a] - relative[b]
            filled[p] -= difference
            filled[q] += difference
            if _cost(filled, target) < before:
                parts[a], parts[b] = q, p
                return True
            filled[p] += difference
            filled[q] -= difference
    return False


def connected(groups: Sequence[str], links: Iterable[tuple[int, int]]) -> list[str]:
    """The groups after the items of every link (positions) have been put together with all items of
    their groups; a joined group has the name that is first in alphabetical order."""
    parent: dict[str, str] = {}

    def find(name: str) -> str:
        while (above := parent.get(name, name)) != name:
            parent[name] = parent.get(above, above)  # shortens the path for the next search
            name = above
        return name

    for a, b in links:
        first, second = sorted((find(groups[a]), find(groups[b])))
        parent[second] = first
    return [find(name) for name in groups]


def is_stratified(labels: Sequence[str], groups: Sequence[str]) -> bool:
    """Whether every group has items of one class only."""
    classes: dict[str, set[str]] = defaultdict(set)
    for label, group in zip(labels, groups, strict=True):
        classes[group].add(label)
    return all(len(names) == 1 for names in classes.values())
