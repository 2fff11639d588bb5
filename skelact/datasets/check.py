"""Check the files, labels and splits of a dataset before training."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from skelact import limits
from skelact.datasets import registry, similar, splits
from skelact.datasets.base import Collection, Item
from skelact.errors import SkelactError, counted
from skelact.video.probe import probe

_MIN_ITEMS, _MAX_IMBALANCE = 10, 5.0
_LISTED = 20  # names in one message, and pairs of similar items


@dataclass(frozen=True, kw_only=True)
class ClassSummary:
    """The number of items of a class, and their total, shortest and longest duration [s]."""

    label: str
    items: int
    seconds: float
    shortest_s: float
    longest_s: float


@dataclass(frozen=True, kw_only=True)
class Findings:
    """The result of `inspect`. The `warnings` require attention."""

    items: int
    classes: tuple[ClassSummary, ...]
    splits: tuple[str, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


def inspect(name: str, place: Path) -> Findings:
    """Check every file of a dataset. Raises MissingDataset if there is none."""
    collection = registry.get_spec(name).find(place)
    lengths: dict[str, list[float]] = defaultdict(list)
    warnings: list[str] = []
    contents: dict[str, list[Item]] = defaultdict(list)
    file_lengths: dict[Path, float | None] = {}
    for item in collection.items:
        if item.path not in file_lengths or collection.read:
            file_lengths[item.path] = _length(collection, item, warnings)
            if file_lengths[item.path] is not None and not item.key:
                contents[_digest(collection, item)].append(item)
        length = file_lengths[item.path]
        if length is not None:
            lengths[item.label].append(_part(item, length, warnings, collection.read is not None))
    warnings += [*_duplicates(contents), *_imbalance(lengths)]
    pairs = _similar(collection) if collection.merge_similar else []
    usable = ", ".join(_usable(collection, warnings)) or "none"
    shares = _shares(collection, warnings)
    groups = ", ".join(sorted({g for i in collection.items for g in i.groups}))
    notice = collection.notice.splitlines()
    classes = tuple(
        ClassSummary(label=label, items=len(s), seconds=sum(s), shortest_s=min(s), longest_s=max(s))
        for label, s in sorted(lengths.items())
    )
    return Findings(
        items=len(collection.items),
        classes=classes,
        splits=tuple(collection.protocols),
        notes=(*notice, f"splits: {usable}", f"groups: {groups}", *shares, *pairs),
        warnings=tuple(warnings),
    )


def _length(collection: Collection, item: Item, warnings: list[str]) -> float | None:
    """The length of an item's file in seconds; None, with a warning, if it cannot be read."""
    try:
        if collection.read:
            sequence = collection.read(item)
            return sequence.frames / sequence.fps
        info = probe(item.path)
        return info.frames / info.fps
    except SkelactError as error:
        warnings.append(error.message)
        return None


def _digest(collection: Collection, item: Item) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for path in collection.files(item):
        digest.update(limits.read_bytes(path))
    return digest.hexdigest()


def _part(item: Item, length: float, warnings: list[str], is_read: bool) -> float:
    """The length of the item's part of its file [s]; files that are read give only that part."""
    if item.span_s is None or item.key or is_read:
        return length
    start, end = item.span_s
    if start >= length or (end or 0) > length + 0.1:
        warnings.append(
            f"{item.path}: the span from {start:g} to {end} s exceeds the video of {length:.1f} s"
        )
    return max(0.0, min(end or length, length) - start)


def _duplicates(contents: dict[str, list[Item]]) -> list[str]:
    out = []
    for same in contents.values():
        names = sorted({str(i.path) for i in same})
        if len(names) > 1:
            labels = {i.label for i in same}
            what = "have the same content"
            if len(labels) > 1:
                what += f" but different labels ({', '.join(sorted(labels)[:_LISTED])})"
            more = f" and {len(names) - _LISTED} others" if len(names) > _LISTED else ""
            out.append(f"{' and '.join(names[:_LISTED])}{more} {what}")
    return out


def _imbalance(lengths: dict[str, list[float]]) -> list[str]:
    counts = {k: len(v) for k, v in lengths.items()}
    out = [
        f"Class {k} has only {counted(n, 'item')}"
        for k, n in sorted(counts.items())
        if n < _MIN_ITEMS
    ]
    if counts and max(counts.values()) > _MAX_IMBALANCE * min(counts.values()):
        most, least = max(counts, key=lambda k: counts[k]), min(counts, key=lambda k: counts[k])
        out.append(
            f"{most} has {counts[most]} items, {least} {counts[least]}: consider "
            "--set train.balance=loss"
        )
    return out


def _usable(collection: Collection, warnings: list[str]) -> list[str]:
    """The splits that do not leak and leave no class empty; the others add a warning."""
    usable = []
    for name in collection.protocols:
        try:
            splits.apply(collection, name)
            usable.append(name)
        except SkelactError as error:
            warnings.append(error.message)
    return usable


def _shares(collection: Collection, warnings: list[str]) -> list[str]:
    """What the first split reaches, with the default share of validation; too few items of a class
    are a warning."""
    name = next(iter(collection.protocols), "")
    try:
        subsets = splits.hold_out(collection.items, splits.apply(collection, name), 0.25, 0)
    except SkelactError:  # reported by _usable
        return []
    labels = [i.label for i in collection.items]
    takes = [i.groups.get("take", "") for i in collection.items]
    try:
        splits.check_counts(labels, subsets, collection.classes)
    except SkelactError as error:
        warnings.append(error.message)
    return [f"split {name}, items: {splits.describe(labels, takes, subsets)}"]


def _similar(collection: Collection) -> list[str]:
    """Items of different takes whose content is nearly the same: by their joints, as in training,
    or by the frames of a video, whose poses may not be estimated yet."""
    rows, tracks = [], []
    compared = collection.items[: similar.MAX_COMPARED]
    for n, item in enumerate(compared):
        try:
            if collection.read is None:
                track = similar.video_track(item.path, item.span_s)
            else:
                sequence = collection.read(item)
                points = sequence.xy if sequence.xyz is None else sequence.xyz
                track = similar.pose_track(points[0], sequence.fps)
        except SkelactError:  # reported by _length
            continue
        rows.append(n)
        tracks.append(track)
    by_joints: dict[int, list[int]] = defaultdict(list)
    for k, track in enumerate(tracks):
        by_joints[track.shape[1]].append(k)
    pairs = {
        (rows[same[a]], rows[same[b]])
        for same in by_joints.values()
        for a, b in similar.similar_pairs([tracks[k] for k in same])
    }
    overlapping = set(similar.overlapping(collection.items))
    out = []
    if len(compared) < len(collection.items):
        out.append(similar.limit_notice(len(compared), len(collection.items), "items"))
    for a, b in sorted(pairs | overlapping):
        first, second = collection.items[a], collection.items[b]
        if first.groups["take"] == second.groups["take"]:
            continue
        names = f"{first.name(collection.root)} and {second.name(collection.root)}"
        if (a, b) in overlapping:
            out.append(f"{names} overlap in time; training keeps them in one subset")
        elif collection.read is not None:
            out.append(f"{names} are nearly the same; training keeps them in one subset")
        else:  # training compares poses, not frames
            out.append(
                f"{names} look nearly the same; if they are parts of one recording, name it in the "
                "column source of a labels.csv, so that they stay in one subset"
            )
    if len(out) > _LISTED:
        out[_LISTED:] = [f"… and {len(out) - _LISTED} more pairs of similar or overlapping items"]
    return out
