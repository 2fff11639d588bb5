"""Subsets of a split: protocols are applied, leaks found, and a validation subset is taken from the
training subset by whole takes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from skelact.cache import key_of
from skelact.datasets.base import Collection, Item
from skelact.errors import ConfigError, LeakingSplit
from skelact.types import nearest


def apply(collection: Collection, protocol: str) -> list[str]:
    """The subset of every item, 'train' or 'test'. ConfigError for an unknown protocol,
    LeakingSplit if it leaks."""
    protocol = protocol or next(iter(collection.protocols), "")
    if protocol not in collection.protocols:
        known = list(collection.protocols)
        raise ConfigError(
            f"{collection.name} has no split {protocol!r}{nearest(protocol, known)}",
            f"one of {', '.join(known)}",
        )
    rule, disjoint_groups = collection.protocols[protocol]
    subsets = rule(collection.items)
    check_leaks(collection.items, subsets, disjoint_groups)
    for subset in ("train", "test"):
        absent = set(collection.classes) - {
            i.label for i, s in zip(collection.items, subsets, strict=True) if s == subset
        }
        if absent:
            raise LeakingSplit(
                f"split {protocol} of {collection.name} leaves no {subset} clip of "
                f"{', '.join(sorted(absent))}",
                "add videos, or choose another --split",
            )
    return subsets


def check_leaks(
    items: Sequence[Item], subsets: Sequence[str], disjoint_groups: Sequence[str]
) -> None:
    """LeakingSplit, naming files, if a group (take, performer …) that must stay together is on more
    than one subset."""
    for group in disjoint_groups:
        where: dict[str, dict[str, Item]] = defaultdict(dict)
        for item, subset in zip(items, subsets, strict=True):
            if subset == "none":
                continue
            where[item.groups[group]].setdefault(subset, item)
        for name, found in where.items():
            if len(found) > 1:
                files = " and ".join(
                    f"{item.path.name} ({subset})" for subset, item in sorted(found.items())
                )
                raise LeakingSplit(
                    f"{group} {name} is on both subsets of the split: {files}",
                    f"keep all clips of one {group} together",
                )


def hold_out(items: Sequence[Item], subsets: Sequence[str], share: float, seed: int) -> list[str]:
    """The same subsets with part of 'train' turned into 'val': of each class about `share` of its
    takes, at least one, never its only one. Nothing changes where the protocol has a 'val'."""
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
        if share > 0 and len(names) > 1:
            count = min(len(names) - 1, max(1, round(share * len(names))))
            chosen.update(str(n) for n in rng.choice(names, count, replace=False))
    return [
        "val" if s == "train" and i.groups["take"] in chosen else s
        for i, s in zip(items, subsets, strict=True)
    ]


def fingerprint(ids: Sequence[str], subsets: Sequence[str]) -> str:
    """A short hash of who is on which subset: two runs with the same one can be compared."""
    return key_of(split=sorted(zip(ids, subsets, strict=True)))
