"""Labelled videos or skeleton files: items, collections, the split rules, and how a dataset
declares itself."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from skelact import limits
from skelact.config import check_ranges, option
from skelact.datasets.grouping import divide
from skelact.errors import ConfigError, DatasetError, InputError, escaped, lookup
from skelact.readers.format import Format
from skelact.schemas import Sections
from skelact.skeletons import Skeleton
from skelact.types import Floats, PoseSequence

NEGATIVES = "negatives"  # the group of items that are negatives (see stages.negatives)


@dataclass(frozen=True)
class Item:
    """One labelled video or skeleton sequence. `groups` names what it shares with other items: its
    take (one performance, recorded by one or more cameras), camera, performer. `key` identifies a
    sequence in a file that holds several; `span_s` limits a video to a part (start, end) in
    seconds, where an end of None is the end of the video, and `person_id` to one of the persons who
    were tracked in it."""

    path: Path
    label: str
    _: KW_ONLY
    groups: dict[str, str]
    key: str = ""
    span_s: tuple[float, float | None] | None = None
    person_id: int | None = None

    def __post_init__(self) -> None:
        """Names of files and folders may hold bytes that are not UTF-8; documents cannot."""
        object.__setattr__(self, "label", escaped(self.label))
        object.__setattr__(self, "key", escaped(self.key))
        object.__setattr__(self, "groups", {k: escaped(v) for k, v in self.groups.items()})

    def name(self, root: Path) -> str:
        """The name of the item in splits and predictions. It does not depend on where the dataset
        is stored."""
        if NEGATIVES in self.groups:
            name = f"{NEGATIVES}/{self.groups[NEGATIVES]}"
        elif self.path.is_relative_to(root):
            name = escaped(self.path.relative_to(root).as_posix())
        else:
            name = escaped(self.path.name)
        if self.span_s is not None:
            start, end = self.span_s
            name += f"@{start:g}-" + ("" if end is None else f"{end:g}")
        if self.person_id is not None:
            name += f"@person{self.person_id}"
        return f"{name}:{self.key}" if self.key else name


# protocols that test on one of several datasets, which may lack some of the classes
WITHOUT = "without-"
# assigns 'train', 'val', 'test' or 'none' (left out) to every item
SplitRule = Callable[[Sequence[Item]], list[str]]
# a rule, and the groups of which no value may occur in more than one subset
Protocol = tuple[SplitRule, tuple[str, ...]]
# reads the sequence of an item that is not a video; raises InputError if its file is damaged
Reader = Callable[[Item], PoseSequence]


@dataclass(frozen=True, kw_only=True)
class Collection:
    """A dataset on disk. The first of `protocols` is the default. `read` is None for videos, whose
    poses have to be extracted. `files` are the files of an item. `format` is that of skeleton files
    of the user's own, whose sequences are cleaned as the poses of videos are; other datasets are
    used as they were published. `optional` items belong to classes that are only used if the user
    names them. `place` is the path where the dataset was found by name; None if it was not."""

    name: str
    root: Path
    items: tuple[Item, ...]
    protocols: dict[str, Protocol]
    notice: str = ""
    read: Reader | None = None
    files: Callable[[Item], tuple[Path, ...]] = lambda item: (item.path,)
    format: Format | None = None
    dev_protocols: tuple[str, ...] = ()  # for development: no results are reported on these
    optional: tuple[Item, ...] = ()
    layout_notice: str = ""  # how the layout of joints without names was chosen
    mode_2d: str = "body"  # the automatic normalisation of 2-D data
    place: Path | None = None
    merge_similar: bool = False  # put items of nearly the same content into one take
    whole_actions: bool = False  # every item shows one action from its start to its end

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", escaped(self.name))

    @property
    def official(self) -> list[str]:
        """The protocols whose results can be reported."""
        return [p for p in self.protocols if p not in self.dev_protocols]

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(sorted({item.label for item in self.items}))

    def select_classes(self, classes: Sequence[str] | None) -> Collection:
        """The collection with the items of these classes only (None: all but the optional ones).

        Raises ConfigError for an unknown class, DatasetError if fewer than two are left."""
        items = self.items if classes is None else (*self.items, *self.optional)
        known = sorted({item.label for item in items})
        for label in classes or ():
            lookup(f"class of {self.name}", label, dict.fromkeys(known))
        selected = tuple(classes or known)
        kept = tuple(i for i in items if i.label in selected)
        if len({i.label for i in kept}) < 2:
            raise DatasetError(
                f"{self.root} has only the class {', '.join(selected)}",
                "A classifier needs two or more classes.",
            )
        return replace(self, items=kept, optional=())


@dataclass(frozen=True, kw_only=True)
class DatasetSpec:
    """A dataset that can be selected by name. `find` returns its collection at a path and raises
    MissingDataset if it is not there; `layout` describes the expected files, `origin` is where to
    get them. `fallback` is a collection that is used if the user names no path and the dataset is
    in none of the default places. `defaults` returns options that follow from the data at a
    path."""

    name: str
    title: str
    origin: str
    layout: str
    find: Callable[[Path], Collection]
    fallback: Callable[[], Collection] | None = None
    defaults: Callable[[Path], Sections] | None = None


@dataclass(frozen=True, kw_only=True)
class DatasetOptions:
    """Selection of a dataset, its split and its classes."""

    name: str = option("mads", "Name of the dataset.", flag="dataset")
    protocol: str = option(
        "",
        "Split of the dataset, such as xsub, kfold5-1, no-test or a split file.",
        flag="split",
        default_text="the first",
    )
    classes: tuple[str, ...] | None = option(None, "Use only these classes.")
    skeleton: str = option(
        "auto",
        "Joint layout of the network input, by name or as a .toml file; auto for coco-17 with "
        "videos and for the layout of the data with skeleton files.",
    )
    source_skeleton: str = option(
        "auto",
        "Joint layout of skeleton files that do not name their joints, by name or as a .toml file; "
        "auto for the known layout that fits.",
    )
    mirrored_poses: bool = option(
        False,
        "Also extract the training videos from mirrored frames and train on both poses. This "
        "doubles the extraction time; testing is unchanged.",
    )

    def __post_init__(self) -> None:
        check_ranges(self)


def spatial(xyz: Any, skeleton: Skeleton, fps: float) -> PoseSequence:
    """A sequence of 3-D joints without pixels: xyz (M, T, V, 3) in metres, NaN where a joint is
    missing; scores are 1 where it is not. Raises InputError for infinite or damaged coordinates."""
    with np.errstate(over="ignore"):  # too large for float32: infinite
        points: Floats = np.asarray(xyz, np.float32)
    if (np.abs(points) > limits.COORDINATE).any():
        raise InputError("It holds infinite or damaged coordinates")
    known = ~np.isnan(points).any(axis=-1)
    return PoseSequence(
        xy=np.full((*points.shape[:3], 2), np.nan, np.float32),
        score=known.astype(np.float32),
        skeleton=skeleton,
        fps=fps,
        width=1,
        height=1,
        ids=tuple(range(len(points))),
        xyz=points,
    )


def with_layout(collection: Collection, skeleton: Skeleton) -> Collection:
    """The collection with another layout for the joints of its files, in the same order. Raises
    ConfigError if it consists of videos; reading raises InputError for another number of joints."""
    read = collection.read
    if read is None:
        raise ConfigError(
            f"{collection.name} consists of videos, whose layout is that of the pose estimator",
            "Leave out dataset.source_skeleton.",
        )

    def relabelled(item: Item) -> PoseSequence:
        sequence = read(item)
        if len(sequence.skeleton.joints) != len(skeleton.joints):
            raise InputError(
                f"{item.path.name}:{item.key}: {len(sequence.skeleton.joints)} joints, but the "
                f"layout {skeleton.name} has {len(skeleton.joints)}",
                "Correct dataset.source_skeleton.",
            )
        return replace(sequence, skeleton=skeleton)

    return replace(collection, read=relabelled, layout_notice="")


def by_value(group: str, subsets: Mapping[str, str], other: str = "none") -> SplitRule:
    """The subset of each value of a group; items with another value are in the subset `other`."""
    return lambda items: [subsets.get(i.groups[group], other) for i in items]


def by_group(group: str, test: Sequence[str]) -> SplitRule:
    """Test on these values of a group, train on the others."""
    return by_value(group, dict.fromkeys(test, "test"), other="train")


def every_third(group: str) -> SplitRule:
    """Test on every third group of each class, from the second on in alphabetical order."""

    def rule(items: Sequence[Item]) -> list[str]:
        groups_of: dict[str, set[str]] = defaultdict(set)
        for i in items:
            groups_of[i.label].add(i.groups[group])
        test: set[str] = set()
        for names in groups_of.values():
            test.update(sorted(names - test)[1::3])
        return ["test" if i.groups[group] in test else "train" for i in items]

    return rule


def stratified(group: str, share: float = 1 / 3) -> SplitRule:
    """Test on groups that hold about `share` of every class, chosen for all classes together. The
    rule raises DatasetError if there is only one group."""

    def rule(items: Sequence[Item]) -> list[str]:
        names = [i.groups[group] for i in items]
        if len(set(names)) < 2:
            raise DatasetError(
                f"There is only one {group}, {names[0]}, so there is nothing to test on",
                "Choose another --split, add recordings, or train for use with --no-test.",
            )
        parts = divide([i.label for i in items], names, [1 - share, share])
        return ["test" if p else "train" for p in parts]

    return rule


def smallest_group(group: str) -> SplitRule:
    """Test on the smallest group of each class."""

    def rule(items: Sequence[Item]) -> list[str]:
        sizes = Counter((i.label, i.groups[group]) for i in items)
        smallest: dict[str, str] = {}
        for (label, name), _ in sorted(sizes.items(), key=lambda pair: (pair[1], pair[0])):
            smallest.setdefault(label, name)
        return ["test" if smallest[i.label] == i.groups[group] else "train" for i in items]

    return rule


def split_half(group: str) -> SplitRule:
    """Test on the last half of the groups in alphabetical order. The rule raises DatasetError if
    there is only one group."""

    def rule(items: Sequence[Item]) -> list[str]:
        names = sorted({i.groups[group] for i in items})
        if len(names) < 2:
            raise DatasetError(f"There is only one {group}, {names[0]}", "Choose another --split.")
        test = set(names[(len(names) + 1) // 2 :])
        return ["test" if i.groups[group] in test else "train" for i in items]

    return rule
