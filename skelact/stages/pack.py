"""A collection as one packed dataset: videos by way of their extracted sequences, other files by
the reader of the dataset."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from skelact.cache import Cache, key_of
from skelact.datasets import packed
from skelact.datasets.base import Collection, Item
from skelact.errors import InputError
from skelact.pose.store import read_poses
from skelact.recipe import Recipe
from skelact.sequence.clean import clean
from skelact.sequence.input import clip_values
from skelact.skeletons import Skeleton
from skelact.stages.poses import Extracted
from skelact.stages.sequences import load_sequences, stack_poses
from skelact.types import ClipSpan, Event, Failure, PoseSequence, ProgressCallback, no_progress
from skelact.video.cut import plan

READERS_VERSION = 1
MOST_PERSONS = 8  # of 'all'
_FAILED = "failed"

Clip = tuple[str, PoseSequence]  # its part of the item, as text, and what is in it


def pack(
    collection: Collection,
    extracted: dict[Path, Extracted],
    recipe: Recipe,
    skeleton: Skeleton,
    cache: Cache,
    on_progress: ProgressCallback = no_progress,
    mirrored: dict[Path, Extracted] | None = None,
) -> tuple[packed.Packed, list[Failure]]:
    """All clips of the collection, cached, and the files that could not be read. `extracted` is
    for videos; a video that is not in it is left out. `mirrored` gives more clips of them."""
    mirrored = mirrored or {}
    names = [i.name(collection.root) for i in collection.items]
    wanted = [n for n, i in enumerate(collection.items) if collection.read or i.path in extracted]
    parts = []
    for n in wanted:
        item = collection.items[n]
        parts.append([names[n], item.label, n, _content(collection, item, extracted, cache)])
        if item.path in mirrored:
            parts[-1].append(_content(collection, item, mirrored, cache))
    settings: dict[str, Any] = {
        "normalise": asdict(recipe.normalise),
        "skeleton": skeleton.as_dict(),
        "persons": recipe.sequence.persons,
    }
    if collection.read or any(i.span_s for i in collection.items):
        settings["clip_options"] = asdict(recipe.clips)
        settings["readers"] = READERS_VERSION
        settings["dataset"] = collection.name
    cache.save_hashes()
    key = key_of(version=packed.VERSION, clips=parts, **settings)
    entry = cache.find(packed.STAGE, key)
    if entry is None:
        failed: list[Failure] = []

        def samples() -> Iterator[packed.Sample]:
            on_progress(Event("pack", "start", 0, len(wanted), f"reading {collection.name}"))
            for n in wanted:
                item = collection.items[n]
                try:
                    sources = [("", extracted)]
                    if item.path in mirrored:
                        sources.append(("#mirrored", mirrored))
                    for mark, source in sources:
                        for part, sequence in _clips(collection, item, source, recipe):
                            name = (f"{names[n]}#{part}" if part else names[n]) + mark
                            values = clip_values(sequence, skeleton, recipe.normalise)
                            yield packed.Sample(
                                name, item.label, n, values, sequence.fps, bool(mark)
                            )
                except InputError as error:
                    failed.append(Failure.from_error(item.path, error))
                on_progress(Event("pack", "advance", 1))
            on_progress(Event("pack", "end"))

        meta: dict[str, Any] = {"dims": recipe.normalise.dims, "dataset": collection.name}
        meta["minmax"] = recipe.normalise.minmax
        meta["upwards"] = collection.read is not None  # BlazePose's y points down
        about = {"dataset": collection.name, "samples": len(wanted)}
        with cache.write(packed.STAGE, key, about) as folder:
            made: Any = samples()
            persons = recipe.sequence.persons
            if recipe.normalise.flatten_persons:
                persons = 1
            elif persons is None:
                made = list(made)
                persons = min(MOST_PERSONS, max((len(s.values) for s in made), default=1))
            packed.write(folder, made, collection.classes, skeleton, persons or 1, meta)
            listed = [[str(f.path), f.reason, f.hint] for f in failed]
            (folder / _FAILED).write_text(json.dumps(listed), encoding="utf-8")
        entry = cache.require(packed.STAGE, key)
    again = json.loads(entry.read(_FAILED))
    return packed.open_packed(entry), [Failure(Path(p), r, h) for p, r, h in again]


def _content(
    collection: Collection, item: Item, extracted: dict[Path, Extracted], cache: Cache
) -> str:
    """What the item's sequences depend on, as a hash or the key of a cache entry."""
    if collection.read:
        return cache.content_hash(item.path)
    found = extracted[item.path]
    if item.span_s is not None:
        return f"{found.poses.path.name} {item.span_s}"
    return found.sequences.path.name if found.sequences else ""


def _clips(
    collection: Collection, item: Item, extracted: dict[Path, Extracted], recipe: Recipe
) -> list[Clip]:
    if collection.read:
        whole = collection.read(item)
        spans = plan(whole.frames, whole.fps, recipe.clips)
        if len(spans) == 1:
            return [("", whole)]
        return [(f"{s.start}-{s.end}", part_of(whole, s)) for s in spans]
    found = extracted[item.path]
    if item.span_s is None:
        assert found.sequences is not None
        return [(f"{s.start}-{s.end}", q) for s, q in load_sequences(found.sequences)]
    frames, fps = read_poses(found.poses), float(found.poses.manifest["fps"])
    start, end = item.span_s
    first, last = round(start * fps), len(frames) if end is None else round(end * fps)
    if first >= min(last, len(frames)):
        raise InputError(
            f"{item.path}: the part from {start:g} s lies beyond its end",
            f"it is {len(frames) / fps:.1f} s long",
        )
    out = []
    for s in plan(min(last, len(frames)) - first, fps, recipe.clips):
        span = ClipSpan(first + s.start, first + s.end)
        sequence = clean(stack_poses(found.poses, frames, span), recipe.sequence)
        if sequence.persons:
            out.append((f"{span.start}-{span.end}", sequence))
    return out


def part_of(sequence: PoseSequence, span: ClipSpan) -> PoseSequence:
    """Some frames of a sequence."""
    cut = slice(span.start, span.end)
    xyz = None if sequence.xyz is None else sequence.xyz[:, cut]
    return PoseSequence(
        xy=sequence.xy[:, cut],
        score=sequence.score[:, cut],
        skeleton=sequence.skeleton,
        fps=sequence.fps,
        width=sequence.width,
        height=sequence.height,
        ids=sequence.ids,
        xyz=xyz,
    )
