"""Apply split protocols, find leaks, and take a validation subset from the training subset, all
clips of a take together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from skelact.cache import key_of
from skelact.datasets.base import Collection, Item
from skelact.errors import LeakingSplit, lookup


def apply(collection: Collection, protocol: str) -> list[str]:
    """The subset of every item: 'train', 'test', 'val' if the protocol has one, or 'none'. An empty
    `protocol` is the first. Raises ConfigError for an unknown protocol, LeakingSplit if a group is
    in two subsets or a class is missing in one."""
    protocol = protocol or next(iter(collection.protocols), "")
    rule, disjoint_groups = lookup(f"split of {collection.name}", protocol, collection.protocols)
    subsets = rule(collection.items)
    check_leaks(collection.items, subsets, disjoint_groups)
    for subset in ("train", "test"):
        absent = set(collection.classes) - {
            i.label for i, s in zip(collection.items, subsets, strict=True) if s == subset
        }
        if absent:
            raise LeakingSplit(
                f"Split {protocol} of {collection.name} leaves no {subset} clip of "
                f"{', '.join(sorted(absent))}",
                "Add videos, or choose another --split.",
            )
    return subsets


def check_leaks(
    items: Sequence[Item], subsets: Sequence[str], disjoint_groups: Sequence[str]
) -> None:
    """Raise LeakingSplit with the names of files if a value of a group (take, performer …) occurs
    in more than one subset."""
    for group in disjoint_groups:
        by_value: dict[str, dict[str, Item]] = defaultdict(dict)
        for item, subset in zip(items, subsets, strict=True):
            if subset != "none":
                by_value[item.groups[group]].setdefault(subset, item)
        for name, first_items in by_value.items():
            if len(first_items) > 1:
                files = " and ".join(
                    f"{item.path.name} ({subset})" for subset, item in sorted(first_items.items())
                )
                raise LeakingSplit(
                    f"{group.capitalize()} {name} is in more than one subset of the split: {files}",
                    f"Keep all clips of one {group} together.",
                )


def hold_out(
    items: Sequence[Item], subsets: Sequence[str], fraction: float, seed: int
) -> list[str]:
    """Move takes from 'train' to 'val': of each class about `fraction` of its takes, at least one,
    but never its only one. A protocol with its own 'val' subset is left unchanged."""
    if "val" in subsets:
        return list(subsets)
    rng = np.random.default_rng(seed)
    takes: dict[str, set[str]] = defaultdict(set)
    for item, subset in zip(items, subsets, strict=True):
        if subset == "train":
            takes[item.label].add(item.groups["take"])
    chosen: set[str] = set()
    for label in sorted(takes):
        names = sorted(takes[label])
        if fraction > 0 and len(names) > 1:
            count = min(len(names) - 1, max(1, round(fraction * len(names))))
            chosen.update(str(n) for n in rng.choice(names, count, replace=False))
    return [
        "val" if s == "train" and i.groups["take"] in chosen else s
        for i, s in zip(items, subsets, strict=True)
    ]


def fingerprint(ids: Sequence[str], subsets: Sequence[str]) -> str:
    """A short hash of the subset of every item. Runs with the same hash can be compared."""
    return key_of(split=sorted(zip(ids, subsets, strict=True)))
