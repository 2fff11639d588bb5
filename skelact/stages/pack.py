"""The pack stage: a collection as one packed dataset of normalised arrays, cached. Videos are read
from their extracted poses, other files by the reader of the dataset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from msgspec import structs

from skelact.cache import Cache
from skelact.datasets import packed
from skelact.datasets.base import Collection, Item
from skelact.datasets.packed import PACKED, Packed, Sample
from skelact.errors import ConfigError, InputError, escaped
from skelact.pose.store import read_poses
from skelact.recipe import Recipe
from skelact.schemas import FailedInput, PackedManifest
from skelact.sequence.clean import clean, take_persons
from skelact.sequence.input import clip_values
from skelact.sequence.stack import take_frames, visible_frames
from skelact.skeletons import Skeleton, check_common_joints
from skelact.stages.sequences import ExtractedSequences, load_sequences, stack_poses
from skelact.types import (
    ClipSpan,
    Event,
    Failure,
    PersonPose,
    PoseSequence,
    ProgressCallback,
    no_progress,
)
from skelact.video.cut import plan

READERS_VERSION = 1
MAX_PERSONS = 8  # of a dataset whose recipe keeps all persons

Clip = tuple[str, PoseSequence]  # the part of the item, as text, and its sequence
ByVideo = dict[Path, ExtractedSequences]


@dataclass(frozen=True, kw_only=True)
class ClipReader:
    """Reads the clips of the items of a collection: from the extracted poses of videos, from other
    files directly."""

    collection: Collection
    recipe: Recipe
    extracted: ByVideo
    # the poses of the video that was read last: its parts follow one another
    _last: dict[Path, list[list[PersonPose]]] = field(default_factory=dict)

    def input_key(self, item: Item, cache: Cache) -> str:
        """What identifies the input of an item's clips: a hash, or the key of a cache entry."""
        if self.collection.read:
            return " ".join(map(cache.content_hash, self.collection.files(item)))
        extracted = self.extracted[item.path]
        if item.person_id is not None:
            return f"{extracted.poses.path.name} {item.span_s} person {item.person_id}"
        if item.span_s is not None:
            return f"{extracted.poses.path.name} {item.span_s}"
        return extracted.sequences.path.name

    def clips(self, item: Item) -> list[Clip]:
        """The clips of an item. Raises InputError if the item cannot be used."""
        if self.collection.read:
            return self._file_clips(self.collection.read(item))
        extracted = self.extracted[item.path]
        if item.span_s is None and item.person_id is None:
            sequences = load_sequences(extracted.sequences)
            return [(f"{span.start}-{span.end}", sequence) for span, sequence in sequences]
        return self._span_clips(extracted, item, *(item.span_s or (0.0, None)))

    def _file_clips(self, sequence: PoseSequence) -> list[Clip]:
        spans = plan(sequence.frames, sequence.fps, self.recipe.clips)
        parts = [(f"{s.start}-{s.end}", take_frames(sequence, s.start, s.end)) for s in spans]
        if len(spans) == 1:
            parts = [("", sequence)]
        if self.collection.format is None:
            return parts
        cleaned = [(part, clean(s, self.recipe.sequence)) for part, s in parts]
        return [(part, s) for part, s in cleaned if visible_frames(s).any()]

    def _span_clips(
        self, extracted: ExtractedSequences, item: Item, start_s: float, end_s: float | None
    ) -> list[Clip]:
        """The clips of a part of a video, of one person if the item names one."""
        path = extracted.poses.path
        if path not in self._last:
            self._last.clear()
            self._last[path] = read_poses(extracted.poses)
        frames, fps = self._last[path], extracted.poses.manifest.fps
        first = round(start_s * fps)
        last = len(frames) if end_s is None else min(round(end_s * fps), len(frames))
        if first >= last:
            raise InputError(
                f"{item.path}: the part from {start_s:g} s is beyond the end of the video",
                f"The video is {len(frames) / fps:.1f} s long.",
            )
        clips = []
        for part in plan(last - first, fps, self.recipe.clips):
            span = ClipSpan(first + part.start, first + part.end)
            sequence = stack_poses(extracted.poses, frames, span)
            if item.person_id is not None:
                rows = [n for n, i in enumerate(sequence.ids) if i == item.person_id]
                sequence = take_persons(sequence, rows)
            sequence = clean(sequence, self.recipe.sequence)
            if sequence.persons:
                clips.append((f"{span.start}-{span.end}", sequence))
        if not clips and item.person_id is not None:
            raise InputError(
                f"{item.path}: person {item.person_id} is not visible in this part",
                "The numbers of persons are those of `skelact predict` with the same options of "
                "pose estimation.",
            )
        return clips


def pack(
    collection: Collection,
    recipe: Recipe,
    skeleton: Skeleton,
    cache: Cache,
    *,
    extracted: ByVideo,
    mirrored: ByVideo,
    on_progress: ProgressCallback = no_progress,
    changed: Mapping[Path, Failure] = MappingProxyType({}),
) -> tuple[Packed, tuple[Failure, ...]]:
    """All clips of a collection in the joints of `skeleton`, cached, and the items that could not
    be used. A video that is not in `extracted` is left out; `mirrored` adds clips of the same
    videos in mirrored frames. Items with a file in `changed` are left out; a file that changes
    while it is read becomes one of these, and the others are read again."""
    reader = ClipReader(collection=collection, recipe=recipe, extracted=extracted)
    mirrored_reader = ClipReader(collection=collection, recipe=recipe, extracted=mirrored)
    items = {n: i for n, i in enumerate(collection.items) if collection.read or i.path in extracted}
    items = {n: i for n, i in items.items() if changed.keys().isdisjoint(collection.files(i))}
    contents = _contents(collection, items.values(), cache)
    parts = []
    on_progress(Event("hash", "start", 0, len(items)))
    for n, item in items.items():
        on_progress(Event("hash", "advance", 1))
        part = [item.name(collection.root), item.label, n, reader.input_key(item, cache)]
        if item.path in mirrored:
            part.append(mirrored_reader.input_key(item, cache))
        parts.append(part)
    on_progress(Event("hash", "end"))
    cache.save_hashes()
    key = PACKED.key(clips=parts, **_settings(collection, recipe, skeleton))
    failed: list[FailedInput] = []

    def samples() -> Iterator[Sample]:
        on_progress(Event("pack", "start", 0, len(items), f"Reading {collection.name}."))
        for n, item in items.items():
            try:
                yield from _samples(reader, skeleton, n, item)
                if item.path in mirrored:
                    yield from _samples(mirrored_reader, skeleton, n, item, is_mirrored=True)
            except InputError as error:
                failed.append(
                    FailedInput(
                        path=escaped(item.path),
                        reason=error.message,
                        hint=error.hint,
                    )
                )
            on_progress(Event("pack", "advance", 1))
        on_progress(Event("pack", "end"))
        now_changed = {}
        for path, content in contents.items():
            try:
                cache.check_unchanged(path, content)
            except InputError as error:
                now_changed[path] = Failure.from_error(path, error)
        if now_changed:
            raise _FilesChangedError(now_changed)

    def fill(folder: Path) -> PackedManifest:
        persons = 1 if recipe.normalise.flatten_persons else recipe.sequence.persons
        if persons is None:  # as many as the clip with the most persons has; all are read twice
            persons = min(MAX_PERSONS, max((len(s.values) for s in samples()), default=1))
            failed.clear()
        manifest = packed.write(
            folder,
            samples(),
            dataset=collection.name,
            classes=collection.classes,
            skeleton=skeleton,
            persons=persons,
            dims=recipe.normalise.coordinates,
            minmax=recipe.normalise.minmax,
            y_up=collection.read is not None,  # in videos, y points down
        )
        return structs.replace(manifest, failed=tuple(failed))

    try:
        entry = cache.find(PACKED, key) or cache.write(PACKED, key, fill)
    except _FilesChangedError as error:
        return pack(
            collection,
            recipe,
            skeleton,
            cache,
            extracted=extracted,
            mirrored=mirrored,
            on_progress=on_progress,
            changed={**changed, **error.failures},
        )
    failures = [Failure(Path(f.path), f.reason, f.hint) for f in entry.manifest.failed]
    return packed.open_packed(entry), (*changed.values(), *failures)


class _FilesChangedError(Exception):
    """Some files changed while they were read, so that the result must not be stored."""

    def __init__(self, failures: dict[Path, Failure]) -> None:
        super().__init__()
        self.failures = failures


def _contents(collection: Collection, items: Iterable[Item], cache: Cache) -> dict[Path, str]:
    """The hash of every file of `items` that is read directly."""
    if collection.read is None:
        return {}
    files = dict.fromkeys(file for item in items for file in collection.files(item))
    return {file: cache.content_hash(file) for file in files}


def _samples(
    reader: ClipReader, skeleton: Skeleton, n: int, item: Item, is_mirrored: bool = False
) -> Iterator[Sample]:
    """The clips of item number `n`. Raises InputError if the item cannot be used."""
    name = item.name(reader.collection.root)
    for part, sequence in reader.clips(item):
        try:
            check_common_joints(skeleton, sequence.skeleton)
        except ConfigError as error:
            raise InputError(f"{name}: {error.message}", error.hint) from error
        yield Sample(
            id="#".join(filter(None, (name, part, "mirrored" if is_mirrored else ""))),
            label=item.label,
            item=n,
            values=clip_values(sequence, skeleton, reader.recipe.normalise),
            fps=sequence.fps,
            is_mirrored=is_mirrored,
        )


def _settings(collection: Collection, recipe: Recipe, skeleton: Skeleton) -> dict[str, Any]:
    """The part of the cache key that is the same for all clips."""
    settings: dict[str, Any] = {
        "normalise": asdict(recipe.normalise),
        "skeleton": skeleton.as_dict(),
        "persons": recipe.sequence.persons,
    }
    if collection.read or any(i.span_s or i.person_id is not None for i in collection.items):
        settings["clip_options"] = asdict(recipe.clips)
        settings["readers"] = READERS_VERSION
        settings["dataset"] = collection.name
    if collection.format is not None:
        settings["format"] = collection.format.as_dict()
        settings["sequence"] = asdict(recipe.sequence)
    return settings
