"""A collection of labelled videos or skeleton files before anything is computed from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from skelact.config import check_ranges, option
from skelact.errors import ConfigError, DatasetError
from skelact.skeletons import Skeleton
from skelact.types import Floats, PoseSequence, nearest


@dataclass(frozen=True)
class Item:
    """One labelled video or skeleton sequence. `groups` says what it shares with others: take (one
    performance, seen by several cameras), camera, performer. `key` names a sequence within a file
    that holds many, `span_s` the part of a video that is meant (to its end, if the second is
    None)."""

    path: Path
    label: str
    groups: dict[str, str]
    key: str = ""
    span_s: tuple[float, float | None] | None = None

    def name(self, root: Path) -> str:
        """What the item is called in splits and predictions, the same wherever the data lies."""
        inside = self.path.is_relative_to(root)
        name = self.path.relative_to(root).as_posix() if inside else self.path.name
        if self.span_s is not None:
            start, end = self.span_s
            name += f"@{start:g}-" + ("" if end is None else f"{end:g}")
        return f"{name}:{self.key}" if self.key else name


# the rule that puts items on subsets, and the groups that must not be on both
Protocol = tuple[Callable[[Sequence[Item]], list[str]], tuple[str, ...]]
# how an item becomes a sequence, where it is no video; InputError if its file is damaged
Reader = Callable[[Item], PoseSequence]


@dataclass(frozen=True, kw_only=True)
class Collection:
    """A dataset found on disk. `protocols` maps a name to the function that puts every item on a
    subset ('train', 'test', where the protocol has one 'val'), and to the groups that must not be
    on both; the first is the default. `read` is None for videos, which go through extraction."""

    name: str
    root: Path
    items: tuple[Item, ...]
    protocols: dict[str, Protocol]
    notice: str = ""
    read: Reader | None = None
    dev_protocols: tuple[str, ...] = ()  # protocols that no number is reported on

    @property
    def official(self) -> list[str]:
        """The protocols whose results can be reported."""
        return [p for p in self.protocols if p not in self.dev_protocols]

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(sorted({item.label for item in self.items}))

    def select_classes(self, classes: Sequence[str] | None) -> Collection:
        """The items of those classes. ConfigError for an unknown one, DatasetError if fewer than
        two are left."""
        known = self.classes
        for label in classes or ():
            if label not in known:
                raise ConfigError(
                    f"{self.name} has no class {label!r}{nearest(label, known)}",
                    f"it has {', '.join(known)}",
                )
        wanted = tuple(classes or known)
        kept = tuple(i for i in self.items if i.label in wanted)
        if len({i.label for i in kept}) < 2:
            raise DatasetError(
                f"{self.root} has only the class {', '.join(wanted)}",
                "a recogniser needs two or more",
            )
        return replace(self, items=kept)


@dataclass(frozen=True, kw_only=True)
class DatasetOptions:
    """Selection of a dataset, its split and its classes."""

    name: str = option("mads", "Name of the dataset.", flag="dataset")
    protocol: str = option(
        "", "Split of the dataset, such as xsub or xview.", flag="split", default_text="the first"
    )
    classes: tuple[str, ...] | None = option(None, "Use only these classes.")
    skeleton: str = option(
        "coco-17", "Joint layout of the network input, by name or as a .toml file."
    )
    mirrored_poses: bool = option(
        False,
        "Also extract the training videos from mirrored frames and train on both poses. This "
        "doubles the extraction time; testing is unchanged.",
    )

    def __post_init__(self) -> None:
        check_ranges(self)


def spatial(xyz: Any, skeleton: Skeleton, fps: float) -> PoseSequence:
    """A sequence of 3-D joints alone, xyz (M, T, V, 3) metres with NaN where missing: no pixels,
    score 1 where a joint is there."""
    points: Floats = np.asarray(xyz, np.float32)
    there = ~np.isnan(points).any(axis=-1)
    xy = np.full((*points.shape[:3], 2), np.nan, np.float32)
    ids = tuple(range(len(points)))
    return PoseSequence(
        xy=xy,
        score=there.astype(np.float32),
        skeleton=skeleton,
        fps=fps,
        width=1,
        height=1,
        ids=ids,
        xyz=points,
    )


def by_group(group: str, test: Sequence[str]) -> Callable[[Sequence[Item]], list[str]]:
    """The rule that tests on those values of a group and trains on the others."""
    names = set(test)
    return lambda items: ["test" if i.groups[group] in names else "train" for i in items]
