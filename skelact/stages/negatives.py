"""Negatives: recordings of people who do none of the actions of a dataset. Windows of them become
items of the class "unknown", so that it is trained like any other class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from skelact.cache import Cache
from skelact.datasets import registry, skeleton_files
from skelact.datasets.base import NEGATIVES, Collection, Item, with_layout
from skelact.datasets.skeleton_files import Entry, part_of
from skelact.errors import DatasetError, InputError, MissingDataset, PathMissing, counted
from skelact.readers.find import find_files
from skelact.recipe import Recipe
from skelact.skeletons import load_skeleton
from skelact.stages.pack import ByVideo
from skelact.types import UNKNOWN, PoseSequence
from skelact.video.cut import plan
from skelact.video.probe import find_videos

MEASURED = 500  # items whose lengths are looked at
MIN_RECORDINGS = 3  # one for each of training, validation and test
_MIN_REST = 0.5  # of a window, for what is left at the end of a recording, as in `video.cut.plan`


def find_negatives(path: Path, collection: Collection, recipe: Recipe, cache: Cache) -> Collection:
    """The recordings at `path`, one item for each, all with the label "unknown": videos if the
    dataset consists of videos, else sequences that can be read like those of the dataset.
    Recordings with the same content are one take.

    Raises PathMissing if the path does not exist, InputError if it holds no or too few such
    recordings or one that is also in the dataset."""
    if not path.exists():
        raise PathMissing(f"{path}: no such file or folder", "Negatives are a folder of videos.")
    found = _recordings(path, collection, recipe)
    own = {_content(collection, item, cache): item for item in collection.items}
    groups = {name for item in collection.items for name in item.groups}
    items = []
    for item in found.items:
        content = _content(found, item, cache)
        if content in own:
            raise InputError(
                f"{item.path} is also in the dataset, as {own[content].name(collection.root)}",
                "Negatives must be recordings of people who do none of the actions.",
            )
        name = item.name(found.root)
        take = " ".join(content) if item.groups.get("take") is None else item.groups["take"]
        take = f"{NEGATIVES} {take}"
        items.append(
            replace(
                item,
                label=UNKNOWN,
                groups={**dict.fromkeys(groups, take), "take": take, NEGATIVES: name},
            )
        )
    cache.save_hashes()
    takes = len({item.groups["take"] for item in items})
    if takes < MIN_RECORDINGS:
        raise InputError(
            f"{path} holds {counted(takes, 'recording')}, at least {MIN_RECORDINGS} are needed",
            "All windows of a recording are in one subset: training, validation or test.",
        )
    return replace(found, items=tuple(items))


def _recordings(path: Path, collection: Collection, recipe: Recipe) -> Collection:
    if collection.read is None:
        root = path if path.is_dir() else path.parent
        # without a take: that of videos is their content
        items = [Item(video, UNKNOWN, groups={}) for video in find_videos([path])]
        return replace(collection, root=root, items=tuple(items))
    try:
        if collection.format is None:
            found = registry.get_spec(recipe.dataset.name).find(path)
        else:
            files = find_files(path)
            entries = [Entry(file=file, label=UNKNOWN, groups={}) for file in files]
            found = skeleton_files.collection(path.name, path, entries)[0]
    except (MissingDataset, IndexError) as error:
        raise InputError(
            f"{path} holds no sequences that can be read like those of {collection.name}",
            "Negatives need the format of the dataset.",
        ) from error
    if recipe.dataset.source_skeleton != "auto":
        found = with_layout(found, load_skeleton(recipe.dataset.source_skeleton))
    return found


def _content(collection: Collection, item: Item, cache: Cache) -> tuple[str, ...]:
    """What identifies a recording: the hashes of its files, and its key in them."""
    files = (item.path,) if collection.read is None else collection.files(item)
    return (*(cache.content_hash(file) for file in files if file.exists()), item.key)


def add_negatives(
    collection: Collection,
    negatives: Collection,
    extracted: ByVideo,
    lengths_s: Sequence[float],
) -> Collection:
    """The collection with windows of the negatives as further items. The lengths of the windows are
    drawn from `lengths_s`, those of the training clips of the dataset, so that the length does not
    tell negatives from actions. If there are more windows than items of the dataset, so many of
    them are used, from all recordings in turn. Videos that are not in `extracted` are left out.
    Raises DatasetError if there are no lengths."""
    if not lengths_s:
        raise DatasetError("No training clip of the dataset can be used")
    rng = np.random.default_rng(0)  # the same windows in every run
    windows: list[tuple[int, Item]] = []  # with the random rank of the window in its recording
    for item in negatives.items:
        frames, fps = _length(negatives, item, extracted)
        spans = window_spans(frames / fps, lengths_s, rng)
        for rank, n in zip(rng.permutation(len(spans)), range(len(spans)), strict=True):
            windows.append((int(rank), replace(item, span_s=spans[n])))
    order = sorted(range(len(windows)), key=lambda n: windows[n][0])
    kept = [windows[n][1] for n in sorted(order[: len(collection.items)])]
    own, other = collection.read, negatives.read

    def read(item: Item) -> PoseSequence:
        assert own is not None and other is not None
        if NEGATIVES in item.groups:
            return part_of(other(replace(item, span_s=None)), item)
        return own(item)

    def files(item: Item) -> tuple[Path, ...]:
        return (negatives if NEGATIVES in item.groups else collection).files(item)

    return replace(
        collection,
        items=(*collection.items, *kept),
        read=None if own is None else read,
        files=files,
    )


def clip_lengths(collection: Collection, recipe: Recipe, extracted: ByVideo) -> list[float]:
    """The lengths [s] of the clips of a collection, of at most MEASURED of its items. Items that
    cannot be used have none."""
    lengths_s = []
    for item in collection.items[:: -(-len(collection.items) // MEASURED)]:
        frames, fps = _length(collection, item, extracted)
        spans = plan(frames, fps, recipe.clips) if frames else []
        lengths_s += [(span.end - span.start) / fps for span in spans]
    return lengths_s


def _length(collection: Collection, item: Item, extracted: ByVideo) -> tuple[int, float]:
    """The number of frames of an item, and their rate [Hz]; 0 frames if it cannot be used."""
    if collection.read is not None:
        try:
            sequence = collection.read(item)
        except InputError:
            return 0, 1.0
        return sequence.frames, sequence.fps
    if item.path not in extracted:
        return 0, 1.0
    manifest = extracted[item.path].poses.manifest
    if item.span_s is None:
        return manifest.frames, manifest.fps
    start_s, end_s = item.span_s
    length_s = min(manifest.frames / manifest.fps, math.inf if end_s is None else end_s) - start_s
    return max(0, round(length_s * manifest.fps)), manifest.fps


def window_spans(
    length_s: float, lengths_s: Sequence[float], rng: np.random.Generator
) -> list[tuple[float, float]]:
    """Successive windows of a recording of `length_s`; their lengths are drawn from `lengths_s`.
    What is left at the end becomes a window too if it is long enough."""
    spans: list[tuple[float, float]] = []
    start = 0.0
    while start < length_s:
        drawn = float(rng.choice(np.asarray(lengths_s)))
        end = min(start + drawn, length_s)
        if not spans or end - start >= _MIN_REST * drawn:
            spans.append((round(start, 3), round(end, 3)))
        start = end
    return spans
