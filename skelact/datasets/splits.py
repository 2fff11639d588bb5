"""Apply split protocols, find leaks, and take a validation subset from the training subset, all
clips of a take together.

Besides the protocols of a dataset there are `kfold<k>-<n>`, the n-th of k folds; `no-test`, which
trains on everything; `only-test`, which tests on everything; and split files."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from skelact.cache import key_of
from skelact.datasets.base import NEGATIVES, WITHOUT, Collection, Item, Protocol, SplitRule
from skelact.datasets.grouping import divide, is_stratified
from skelact.datasets.split_file import SUFFIXES, split_file
from skelact.errors import ConfigError, DatasetError, LeakingSplit, lookup

NO_TEST, ONLY_TEST = "no-test", "only-test"
MIN_CLIPS = {"train": 2, "test": 1}  # of each class
_FOLD = re.compile(r"kfold(\d+)(?:-(\d+))?")


def folds(protocol: str) -> list[str]:
    """The protocols that `kfold<k>` stands for, one for each fold; empty for any other name. Raises
    ConfigError if there are fewer than two folds."""
    match = _FOLD.fullmatch(protocol)
    if match is None or match[2]:
        return []
    if int(match[1]) < 2:
        raise ConfigError(f"{protocol}: two folds or more are needed", "Use --split kfold5.")
    return [f"{protocol}-{n + 1}" for n in range(int(match[1]))]


def resolve(collection: Collection, protocol: str) -> Protocol:
    """The rule of a protocol and the groups that it keeps disjoint. Negatives are divided as the
    other items are, a take into one subset. Raises ConfigError for an unknown protocol, InputError
    for a split file that cannot be used."""
    rule, disjoint_groups = _resolve(collection, protocol)
    return _with_negatives(rule), disjoint_groups


def _with_negatives(rule: SplitRule) -> SplitRule:
    def both(items: Sequence[Item]) -> list[str]:
        own = rule([i for i in items if NEGATIVES not in i.groups])
        negatives = [i for i in items if NEGATIVES in i.groups]
        counts = Counter(subset for subset in own if subset != "none")
        if not negatives or not counts:
            return own + ["none"] * len(negatives)
        names = sorted(counts)
        shares = [counts[name] / counts.total() for name in names]
        takes = [i.groups["take"] for i in negatives]
        parts = iter(divide([i.label for i in negatives], takes, shares))
        subsets = iter(own)
        return [names[next(parts)] if NEGATIVES in i.groups else next(subsets) for i in items]

    return both


def _resolve(collection: Collection, protocol: str) -> Protocol:
    protocol = protocol or next(iter(collection.protocols), "")
    if protocol in (NO_TEST, ONLY_TEST):
        subset = "train" if protocol == NO_TEST else "test"
        return (lambda items: [subset] * len(items)), ()
    if Path(protocol).suffix in SUFFIXES:
        return split_file(Path(protocol), collection.root), ()
    match = _FOLD.fullmatch(protocol)
    if match is not None:
        if not match[2]:
            raise ConfigError(
                f"{protocol} stands for {match[1]} splits",
                f"Name one of them, such as {protocol}-1.",
            )
        return _fold(int(match[1]), int(match[2])), ("take",)
    return lookup(f"split of {collection.name}", protocol, collection.protocols)


def _fold(count: int, number: int) -> SplitRule:
    """Test on fold `number` of `count`; takes are kept together, classes in equal shares."""
    if count < 2 or not 1 <= number <= count:
        raise ConfigError(f"kfold{count}-{number}: there is no such fold", "Use --split kfold5.")

    def rule(items: Sequence[Item]) -> list[str]:
        labels, takes = [i.label for i in items], [i.groups["take"] for i in items]
        for label in sorted(set(labels)):
            known = {t for t, other in zip(takes, labels, strict=True) if other == label}
            if len(known) < count:
                raise LeakingSplit(
                    f"The class {label} has {len(known)} takes, fewer than {count} folds",
                    f"Use --split kfold{len(known)}, or add recordings."
                    if len(known) > 1
                    else "Add recordings of this class.",
                )
        parts = divide(labels, takes, [1 / count] * count)
        return ["test" if p == number - 1 else "train" for p in parts]

    return rule


def apply(collection: Collection, protocol: str) -> list[str]:
    """The subset of every item: 'train', 'test', 'val' if the protocol has one, or 'none'. An empty
    `protocol` is the first. Raises ConfigError for an unknown protocol, LeakingSplit if a group is
    in two subsets or a class is missing in one."""
    protocol = protocol or next(iter(collection.protocols), "")
    rule, disjoint_groups = resolve(collection, protocol)
    subsets = rule(collection.items)
    check_leaks(collection.items, subsets, disjoint_groups)
    present = {ONLY_TEST: ("test",), NO_TEST: ("train",)}.get(protocol, ("train", "test"))
    if protocol.startswith(WITHOUT):
        present = ("train",)
    for subset in present:
        absent = set(collection.classes) - {
            i.label for i, s in zip(collection.items, subsets, strict=True) if s == subset
        }
        if absent:
            raise LeakingSplit(
                f"Split {protocol} of {collection.name} leaves no {subset} clip of "
                f"{', '.join(sorted(absent))}",
                "Add clips, choose another --split, or name the other classes with --classes.",
            )
    return subsets


def check_counts(
    labels: Sequence[str], subsets: Sequence[str], classes: Sequence[str], protocol: str = ""
) -> None:
    """Raise DatasetError if a class has fewer training or test clips than MIN_CLIPS. A subset
    without any clip is not checked, nor are the test clips of a protocol that tests on another
    dataset."""
    counts = Counter(zip(subsets, labels, strict=True))
    for subset, least in MIN_CLIPS.items():
        if subset == "test" and protocol.startswith(WITHOUT):
            continue
        few = {c: counts[subset, c] for c in classes if counts[subset, c] < least}
        if subset in subsets and few:
            listed = ", ".join(f"{c} ({n})" for c, n in list(few.items())[:5])
            raise DatasetError(
                f"Too few clips in the {subset} subset: {listed}; each class needs {least}",
                "Add recordings of these classes: all clips of one recording (take, source) are in "
                "one subset. --classes leaves classes out, --no-test needs no test clips.",
            )


def describe(labels: Sequence[str], takes: Sequence[str], subsets: Sequence[str]) -> str:
    """The shares that a split reached, in one line."""
    total = sum(s != "none" for s in subsets)
    parts = []
    for subset in ("train", "val", "test"):
        rows = [n for n, s in enumerate(subsets) if s == subset]
        if rows:
            per_class = Counter(labels[n] for n in rows)
            least = min(per_class.get(c, 0) for c in set(labels))
            parts.append(
                f"{subset} {len(rows)} ({len(rows) / total:.0%}, {len({takes[n] for n in rows})} "
                f"takes, at least {least} per class)"
            )
    return ", ".join(parts)


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
    but never its only one. Where takes hold several classes, they are chosen for all classes
    together, and a class may have none. A protocol with its own 'val' subset is left unchanged."""
    if "val" in subsets or fraction <= 0:
        return list(subsets)
    rows = [n for n, s in enumerate(subsets) if s == "train"]
    labels, names = ([items[n].label for n in rows], [items[n].groups["take"] for n in rows])
    if not is_stratified(labels, names):
        return _hold_out_mixed(rows, labels, names, subsets, fraction, seed)
    rng = np.random.default_rng(seed)
    takes: dict[str, set[str]] = defaultdict(set)
    for item, subset in zip(items, subsets, strict=True):
        if subset == "train":
            takes[item.label].add(item.groups["take"])
    chosen: set[str] = set()
    for label in sorted(takes):
        names = sorted(takes[label])
        if len(names) > 1:
            count = min(len(names) - 1, max(1, round(fraction * len(names))))
            chosen.update(str(n) for n in rng.choice(names, count, replace=False))
    return [
        "val" if s == "train" and i.groups["take"] in chosen else s
        for i, s in zip(items, subsets, strict=True)
    ]


def _hold_out_mixed(
    rows: Sequence[int],
    labels: Sequence[str],
    takes: Sequence[str],
    subsets: Sequence[str],
    fraction: float,
    seed: int,
) -> list[str]:
    """`hold_out` for takes of several classes. Nothing is held out if a class would be left with
    fewer than the minimum of training clips."""
    parts = divide(labels, takes, [1 - fraction, fraction], seed)
    left = Counter(label for label, p in zip(labels, parts, strict=True) if p == 0)
    out = list(subsets)
    if min(left[label] for label in set(labels)) >= MIN_CLIPS["train"]:
        for n, p in zip(rows, parts, strict=True):
            out[n] = "val" if p else out[n]
    return out


def fingerprint(ids: Sequence[str], subsets: Sequence[str]) -> str:
    """A short hash of the subset of every item. Runs with the same hash can be compared."""
    return key_of(split=sorted(zip(ids, subsets, strict=True)))
