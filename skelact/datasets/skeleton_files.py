"""The user's own skeleton files as a collection: their format from skeletons.toml and the data, an
item for each sequence."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from skelact.datasets.base import Collection, Item
from skelact.errors import InputError, MissingDataset, counted
from skelact.escaping import for_terminal
from skelact.readers import description
from skelact.readers.base import RawSequence, SequenceFile
from skelact.readers.description import Described
from skelact.readers.format import Format, build
from skelact.readers.guess import complete
from skelact.schemas import Sections
from skelact.sequence.stack import take_frames, visible_frames
from skelact.types import PoseSequence

_SAMPLES = 12  # files that are looked at for guesses
_WHOLE_S = 10.0  # files up to this median length are one clip each


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A file of a dataset with what its folder or table states about it."""

    file: SequenceFile
    label: str = ""
    groups: dict[str, str]
    span_s: tuple[float, float | None] | None = None


@dataclass(frozen=True, kw_only=True)
class Source:
    """The skeleton files of a dataset: their description, their complete format, the guesses in it,
    and the samples that were looked at."""

    described: Described
    form: Format
    guesses: tuple[str, ...]
    samples: tuple[RawSequence, ...]

    def read(self, file: SequenceFile) -> list[RawSequence]:
        """The sequences of a file as it states them. Raises InputError if it is damaged."""
        return file.read(self.described.content, len(self.form.skeleton.joints))

    def sequence(self, file: SequenceFile, key: str = "") -> PoseSequence:
        """The sequence with that key. Raises InputError if it cannot be read, or has no joint."""
        raw = next((s for s in self.read(file) if s.key == key), None)
        if raw is None:
            raise InputError(f"{file.path} has no sequence {key!r}")
        return self.build(raw, file)

    def build(self, raw: RawSequence, file: SequenceFile) -> PoseSequence:
        """The sequence of what a file states. Raises InputError if it does not fit."""
        where = f"{file.path}:{raw.key}" if raw.key else str(file.path)
        sequence = build(raw, self.form, where)
        if not visible_frames(sequence).any():
            raise InputError(f"{where} holds no joint that is not missing")
        return sequence


def source(files: Sequence[SequenceFile], place: Path, known: Format | None = None) -> Source:
    """The description that applies to files in `place`, completed by looking at some of them.
    Damaged files are passed over. Raises InputError if all of those are damaged, ConfigError if the
    description is not valid or the layout cannot be guessed."""
    described = description.find(place)
    layout = described.skeleton() or (known.skeleton if known else None)
    step = max(1, len(files) // _SAMPLES)
    samples: list[RawSequence] = []
    error: InputError | None = None
    for file in [*files[::step], *files[:_SAMPLES]]:
        try:
            samples += file.read(described.content, len(layout.joints) if layout else None)
        except InputError as found:
            error = error or found
        if len(samples) >= _SAMPLES:
            break
    if not samples:
        raise error or MissingDataset(f"{place} holds no skeleton files")
    usual = _most_common(samples)
    form, guesses = complete(described, usual, place, known)
    if described.path is not None:
        guesses.insert(0, f"format from {described.path}")
    return Source(described=described, form=form, guesses=tuple(guesses), samples=tuple(usual))


def _most_common(samples: list[RawSequence]) -> list[RawSequence]:
    """The samples whose numbers of joints and coordinates are the most common ones."""
    shapes = [s.values.shape[2:] for s in samples]
    best = max(dict.fromkeys(shapes), key=shapes.count)
    return [s for s, shape in zip(samples, shapes, strict=True) if shape == best]


def collection(name: str, root: Path, entries: Sequence[Entry]) -> tuple[Collection, Source]:
    """The sequences of all entries, without protocols. Labels are those of the entries, of the
    names of the files (`file_names`) or of a column. Raises MissingDataset if no sequence has a
    label, and the errors of `source`."""
    found = source([e.file for e in entries], root)
    files = {e.file.path: e.file for e in entries}
    items: list[Item] = []
    unlabelled = 0
    for entry in entries:
        for item in _items(entry, found):
            if item.label:
                items.append(item)
            else:
                unlabelled += 1
    if not items:
        raise MissingDataset(
            f"{root}: {unlabelled} skeleton sequences without a label",
            "Put them into one folder for each class, list them in labels.csv, or set file_names "
            "in skeletons.toml.",
        )
    notices = list(found.guesses)
    if unlabelled:
        notices.append(f"left out: {counted(unlabelled, 'sequence')} without a label")

    @lru_cache(maxsize=2)
    def sequences(path: Path) -> dict[str, RawSequence]:
        return {s.key: s for s in found.read(files[path])}

    def read(item: Item) -> PoseSequence:
        raw = sequences(item.path).get(item.key)
        if raw is None:
            raise InputError(f"{item.path} has no sequence {item.key!r}")
        return part_of(found.build(raw, files[item.path]), item)

    return Collection(
        name=name,
        root=root,
        items=tuple(items),
        protocols={},
        notice="\n".join(for_terminal(f"{root.name}: {text}") for text in notices),
        read=read,
        files=lambda item: tuple(p for p in files[item.path].files if p.is_file()),
        format=found.form,
    ), found


def _items(entry: Entry, found: Source) -> list[Item]:
    """An item for each sequence of a file. Only tables with a column `sequence` or `label` have
    groups of their own and are read for it."""
    path, columns = entry.file.path, found.described.content.table.columns
    named = found.described.groups_of(path.stem if path.suffix else path.name)
    stated = [RawSequence(values=np.empty((0, 0, 0, 0), np.float32))]
    if {"sequence", "label"} & set(columns) or found.samples[0].key or found.samples[0].groups:
        with contextlib.suppress(InputError):  # reported when the item is read
            stated = found.read(entry.file)
    items = []
    for raw in stated:
        groups = {**named, **raw.groups, **entry.groups}
        label = entry.label or groups.get("label", "")
        groups.pop("label", None)
        groups["take"] = groups.get("source") or "_".join(filter(None, (path.stem, raw.key)))
        if label:
            label = found.described.class_name(label)
        items.append(Item(path, label, groups=groups, key=raw.key, span_s=entry.span_s))
    return items


def part_of(sequence: PoseSequence, item: Item) -> PoseSequence:
    """The part of a sequence that an item is limited to. Raises InputError if it is outside."""
    if item.span_s is None:
        return sequence
    start_s, end_s = item.span_s
    first = round(start_s * sequence.fps)
    last = sequence.frames if end_s is None else min(round(end_s * sequence.fps), sequence.frames)
    if first >= last:
        raise InputError(
            f"{item.path}: the part from {start_s:g} s is beyond the end of the sequence",
            f"It is {sequence.frames / sequence.fps:.1f} s long.",
        )
    return take_frames(sequence, first, last)


def defaults(found: Source, items: Sequence[Item]) -> Sections:
    """The options of a recipe that follow from the data: two or three dimensions, one clip for
    each file or part unless they are long, two persons where most sequences have them."""
    two = sum(_persons(s) > 1 for s in found.samples) > len(found.samples) / 2
    if all(i.span_s is not None and i.span_s[1] is not None for i in items):
        lengths = [float(i.span_s[1] or 0) - i.span_s[0] for i in items if i.span_s]
    else:
        lengths = [s.values.shape[1] / (s.fps or found.form.fps) for s in found.samples]
    return {
        "normalise": {"mode": "body", "dims": found.form.dims},
        "sequence": {"persons": 2 if two else 1},
        "clips": {"length_s": 0.0 if float(np.median(lengths)) <= _WHOLE_S else 5.0},
    }


def _persons(raw: RawSequence) -> int:
    """Persons who are visible in a quarter of the frames."""
    seen = (np.nan_to_num(raw.values) != 0).any(axis=(2, 3)).mean(axis=1)
    return int((seen > 0.25).sum())
