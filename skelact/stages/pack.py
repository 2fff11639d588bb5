"""The pack stage: a collection as one packed dataset of normalised arrays, cached. Videos are read
from their extracted poses, other files by the reader of the dataset."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from msgspec import structs

from skelact.cache import Cache
from skelact.datasets import packed
from skelact.datasets.base import Collection, Item
from skelact.datasets.packed import PACKED, Packed, Sample
from skelact.errors import InputError
from skelact.pose.store import read_poses
from skelact.recipe import Recipe
from skelact.schemas import FailedInput, PackedManifest
from skelact.sequence.clean import clean
from skelact.sequence.input import clip_values
from skelact.sequence.stack import take_frames
from skelact.skeletons import Skeleton
from skelact.stages.sequences import ExtractedSequences, load_sequences, stack_poses
from skelact.types import ClipSpan, Event, Failure, PoseSequence, ProgressCallback, no_progress
from skelact.video.cut import plan

READERS_VERSION = 1
MAX_PERSONS = 8  # of a dataset whose recipe keeps all persons

Clip = tuple[str, PoseSequence]  # the part of the item, as text, and its sequence
ByVideo = dict[Path, ExtractedSequences]


@dataclass(frozen=True, kw_only=True)
class _Reader:
    """Clips of the items of a collection."""

    collection: Collection
    recipe: Recipe
    extracted: ByVideo

    def input_key(self, item: Item, cache: Cache) -> str:
        """What the clips of an item depend on, as a hash or the key of a cache entry."""
        if self.collection.read:
            return cache.content_hash(item.path)
        extracted = self.extracted[item.path]
        if item.span_s is not None:
            return f"{extracted.poses.path.name} {item.span_s}"
        return extracted.sequences.path.name

    def clips(self, item: Item) -> list[Clip]:
        """The clips of an item. Raises InputError if the item cannot be used."""
        if self.collection.read:
            return self._file_clips(self.collection.read(item))
        extracted = self.extracted[item.path]
        if item.span_s is None:
            sequences = load_sequences(extracted.sequences)
            return [(f"{span.start}-{span.end}", sequence) for span, sequence in sequences]
        return self._span_clips(extracted, item, *item.span_s)

    def _file_clips(self, sequence: PoseSequence) -> list[Clip]:
        spans = plan(sequence.frames, sequence.fps, self.recipe.clips)
        if len(spans) == 1:
            return [("", sequence)]
        return [(f"{s.start}-{s.end}", take_frames(sequence, s.start, s.end)) for s in spans]

    def _span_clips(
        self, extracted: ExtractedSequences, item: Item, start_s: float, end_s: float | None
    ) -> list[Clip]:
        """The clips of a part of a video."""
        frames, fps = read_poses(extracted.poses), extracted.poses.manifest.fps
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
            sequence = clean(stack_poses(extracted.poses, frames, span), self.recipe.sequence)
            if sequence.persons:
                clips.append((f"{span.start}-{span.end}", sequence))
        return clips


@dataclass(kw_only=True)
class _PackedSamples:
    """Iterates over the samples of a collection. Items that cannot be used are added to
    `failed`."""

    collection: Collection
    rows: list[int]  # of the items
    reader: _Reader
    mirrored: _Reader
    skeleton: Skeleton
    on_progress: ProgressCallback
    failed: list[FailedInput] = field(default_factory=list)

    def __iter__(self) -> Iterator[Sample]:
        name = self.collection.name
        self.on_progress(Event("pack", "start", 0, len(self.rows), f"reading {name}"))
        for row in self.rows:
            item = self.collection.items[row]
            try:
                yield from self._samples(row, item, self.reader, is_mirrored=False)
                if item.path in self.mirrored.extracted:
                    yield from self._samples(row, item, self.mirrored, is_mirrored=True)
            except InputError as error:
                self.failed.append(
                    FailedInput(path=str(item.path), reason=error.message, hint=error.hint)
                )
            self.on_progress(Event("pack", "advance", 1))
        self.on_progress(Event("pack", "end"))

    def _samples(
        self, row: int, item: Item, reader: _Reader, *, is_mirrored: bool
    ) -> Iterator[Sample]:
        name = item.name(self.collection.root)
        for part, sequence in reader.clips(item):
            marks = [name, part] if part else [name]
            yield Sample(
                id="#".join([*marks, "mirrored"] if is_mirrored else marks),
                label=item.label,
                item=row,
                values=clip_values(sequence, self.skeleton, reader.recipe.normalise),
                fps=sequence.fps,
                is_mirrored=is_mirrored,
            )


def pack(
    collection: Collection,
    recipe: Recipe,
    skeleton: Skeleton,
    cache: Cache,
    *,
    extracted: ByVideo,
    mirrored: ByVideo,
    on_progress: ProgressCallback = no_progress,
) -> tuple[Packed, tuple[Failure, ...]]:
    """All clips of a collection, cached, and the items that could not be used. A video that is not
    in `extracted` is left out; `mirrored` adds clips of the same videos in mirrored frames."""
    reader = _Reader(collection=collection, recipe=recipe, extracted=extracted)
    mirrored_reader = _Reader(collection=collection, recipe=recipe, extracted=mirrored)
    rows = [n for n, i in enumerate(collection.items) if collection.read or i.path in extracted]
    clips = []
    for row in rows:
        item = collection.items[row]
        parts = [item.name(collection.root), item.label, row, reader.input_key(item, cache)]
        if item.path in mirrored:
            parts.append(mirrored_reader.input_key(item, cache))
        clips.append(parts)
    cache.save_hashes()
    key = PACKED.key(clips=clips, **_settings(collection, recipe, skeleton))
    entry = cache.find(PACKED, key)
    if entry is None:

        def fill(folder: Path) -> PackedManifest:
            samples = _PackedSamples(
                collection=collection,
                rows=rows,
                reader=reader,
                mirrored=mirrored_reader,
                skeleton=skeleton,
                on_progress=on_progress,
            )
            return _write(folder, samples, recipe)

        entry = cache.write(PACKED, key, fill)
    failed = tuple(Failure(Path(f.path), f.reason, f.hint) for f in entry.manifest.failed)
    return packed.open_packed(entry), failed


def _settings(collection: Collection, recipe: Recipe, skeleton: Skeleton) -> dict[str, Any]:
    """The part of the cache key that is the same for all clips."""
    settings: dict[str, Any] = {
        "normalise": asdict(recipe.normalise),
        "skeleton": skeleton.as_dict(),
        "persons": recipe.sequence.persons,
    }
    if collection.read or any(i.span_s for i in collection.items):
        settings["clip_options"] = asdict(recipe.clips)
        settings["readers"] = READERS_VERSION
        settings["dataset"] = collection.name
    return settings


def _write(folder: Path, samples: _PackedSamples, recipe: Recipe) -> PackedManifest:
    stream: Any = samples
    persons = recipe.sequence.persons
    if recipe.normalise.flatten_persons:
        persons = 1
    elif persons is None:  # as many as the clip with most persons has
        stream = list(samples)
        persons = min(MAX_PERSONS, max((len(s.values) for s in stream), default=1))
    collection = samples.collection
    manifest = packed.write(
        folder,
        stream,
        dataset=collection.name,
        classes=collection.classes,
        skeleton=samples.skeleton,
        persons=persons or 1,
        dims=recipe.normalise.dims,
        minmax=recipe.normalise.minmax,
        y_up=collection.read is not None,  # in videos, y points down
    )
    return structs.replace(manifest, failed=tuple(samples.failed))
