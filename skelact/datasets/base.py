"""A collection of labelled videos before anything is computed from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Item:
    """One labelled video. `groups` says what it shares with others: take (one performance, seen by
    several cameras), camera, performer."""

    path: Path
    label: str
    groups: dict[str, str]


# the rule that puts items on sides, and the groups that must not be on both
Protocol = tuple[Callable[[Sequence[Item]], list[str]], tuple[str, ...]]


@dataclass(frozen=True)
class Collection:
    """A dataset found on disk. `protocols` maps a name to the function that puts every item on a
    side ('train' or 'test'), and to the groups that must not be on both."""

    name: str
    root: Path
    items: tuple[Item, ...]
    protocols: dict[str, Protocol]
    notice: str = ""

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(sorted({item.label for item in self.items}))


@dataclass(frozen=True)
class DatasetOptions:
    """What to train on."""

    name: str = field(default="mads", metadata={"help": "which dataset"})
    protocol: str = field(
        default="xseq",
        metadata={"help": "split: xseq (sequences), xview (cameras) or xsub (performers)"},
    )
    classes: tuple[str, ...] | None = field(default=None, metadata={"help": "only these classes"})
    skeleton: str = field(
        default="coco-17", metadata={"help": "joint layout the network sees, or a .toml file"}
    )
