"""Sides of a split: protocols applied, leaks found, a validation part taken from the training side
by whole takes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from skelact.cache import key_of
from skelact.datasets.base import Collection, Item
from skelact.errors import ConfigError, LeakingSplit
from skelact.types import nearest


def apply(collection: Collection, protocol: str) -> list[str]:
    """The side of every item, 'train' or 'test'. ConfigError for an unknown protocol, LeakingSplit
    if it leaks."""
    protocol = protocol or next(iter(collection.protocols), "")
    if protocol not in collection.protocols:
        known = list(collection.protocols)
        raise ConfigError(
            f"{collection.name} has no split {protocol!r}{nearest(protocol, known)}",
            f"one of {', '.join(known)}",
        )
    rule, apart = collection.protocols[protocol]
    sides = rule(collection.items)
    check_leaks(collection.items, sides, apart)
    for side in ("train", "test"):
        absent = set(collection.classes) - {
            i.label for i, s in zip(collection.items, sides, strict=True) if s == side
        }
        if absent:
            raise LeakingSplit(
                f"split {protocol} of {collection.name} leaves no {side} clip of "
                f"{', '.join(sorted(absent))}",
                "add videos, or choose another --split",
            )
    return sides


def check_leaks(items: Sequence[Item], sides: Sequence[str], apart: Sequence[str]) -> None:
    """LeakingSplit, naming files, if a group (take, performer …) that must stay together is on more
    than one side."""
    for group in apart:
        where: dict[str, dict[str, Item]] = defaultdict(dict)
        for item, side in zip(items, sides, strict=True):
            if side == "none":
                continue
            where[item.groups[group]].setdefault(side, item)
        for name, found in where.items():
            if len(found) > 1:
                files = " and ".join(
                    f"{item.path.name} ({side})" for side, item in sorted(found.items())
                )
                raise LeakingSplit(
                    f"{group} {name} is on both sides of the split: {files}",
                    f"keep all clips of one {group} together",
                )


def hold_out(items: Sequence[Item], sides: Sequence[str], share: float, seed: int) -> list[str]:
    """The same sides with part of 'train' turned into 'val': of each class about `share` of its
    takes, at least one, never its only one. Nothing changes where the protocol has a 'val'."""
    if "val" in sides:
        return list(sides)
    rng = np.random.default_rng(seed)
    takes: dict[str, set[str]] = defaultdict(set)
    for item, side in zip(items, sides, strict=True):
        if side == "train":
            takes[item.label].add(item.groups["take"])
    chosen: set[str] = set()
    for label in sorted(takes):
        names = sorted(takes[label])
        if share > 0 and len(names) > 1:
            count = min(len(names) - 1, max(1, round(share * len(names))))
            chosen.update(str(n) for n in rng.choice(names, count, replace=False))
    return [
        "val" if s == "train" and i.groups["take"] in chosen else s
        for i, s in zip(items, sides, strict=True)
    ]


def fingerprint(ids: Sequence[str], sides: Sequence[str]) -> str:
    """A short hash of who is on which side: two runs with the same one can be compared."""
    return key_of(split=sorted(zip(ids, sides, strict=True)))
