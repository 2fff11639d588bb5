"""From a recipe to a packed dataset with subsets: find the dataset, split it, extract poses or read
files, pack them. Training and testing use it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from skelact.cache import Cache
from skelact.datasets import similar, splits
from skelact.datasets.base import NEGATIVES, Collection
from skelact.datasets.grouping import connected
from skelact.datasets.packed import Packed
from skelact.errors import ConfigError, DamagedEntry, DatasetError
from skelact.recipe import Recipe
from skelact.schemas import ClassDuration, EstimatorInfo, SplitDocument, SubsetVideos
from skelact.skeletons import Skeleton
from skelact.stages.negatives import add_negatives, clip_lengths, find_negatives
from skelact.stages.pack import ByVideo, pack
from skelact.stages.poses import MADE_AGAIN
from skelact.stages.resolve import find_collection, report_missing, resolve
from skelact.stages.sequences import ExtractedSequences, extract
from skelact.types import UNKNOWN, Event, Failure, ProgressCallback, no_progress

SUBSETS = ("train", "val", "test")
MIN_LOG_SD = 0.2  # of the duration of an action


@dataclass(frozen=True, kw_only=True)
class ReadyDataset:
    """A packed dataset; the subset ("train", "val", "test" or "none") of each of its clips, and of
    each item of the collection."""

    collection: Collection
    recipe: Recipe  # without automatic options
    packed: Packed
    subsets: tuple[str, ...]
    item_subsets: tuple[str, ...]
    protocol: str
    estimator: EstimatorInfo
    failed: tuple[Failure, ...]

    @property
    def clip_counts(self) -> dict[str, int]:
        """The number of clips in each subset."""
        return {subset: self.subsets.count(subset) for subset in SUBSETS}

    @property
    def negative_counts(self) -> dict[str, int]:
        """The number of clips in each subset that are negatives."""
        items = self.collection.items
        rows = zip(self.packed.items, self.subsets, strict=True)
        counts = Counter(s for n, s in rows if NEGATIVES in items[n].groups)
        return {subset: counts[subset] for subset in SUBSETS}

    def durations(self) -> dict[str, ClassDuration]:
        """The durations of the actions in the training clips, by class; empty if these are not
        complete actions. The standard deviation is at least MIN_LOG_SD, which few clips of a class
        may be below by chance."""
        if not self.collection.whole_actions or self.recipe.clips.length_s:
            return {}
        rows = np.array(self.subsets) == "train"
        rows &= [NEGATIVES not in self.collection.items[n].groups for n in self.packed.items]
        lengths_s = self.packed.lengths / self.packed.fps
        out = {}
        for k, label in enumerate(self.packed.classes):
            logs = np.log(lengths_s[rows & (self.packed.labels == k)])
            if label != UNKNOWN and len(logs):
                deviation = max(MIN_LOG_SD, float(logs.std()))
                median_s = max(0.01, float(np.exp(logs.mean())))
                out[label] = ClassDuration(median_s=median_s, log_sd=deviation)
        return out

    @property
    def fingerprint(self) -> str:
        """A hash of the clips in each subset."""
        return splits.fingerprint(self.packed.ids, self.subsets)

    def split_document(self) -> SplitDocument:
        """The split, for split.json."""
        names = [item.name(self.collection.root) for item in self.collection.items]
        rows = list(zip(names, self.item_subsets, strict=True))
        videos = {s: tuple(name for name, subset in rows if subset == s) for s in SUBSETS}
        return SplitDocument(
            fingerprint=self.fingerprint,
            protocol=self.protocol,
            disjoint_groups=splits.resolve(self.collection, self.protocol)[1],
            videos=SubsetVideos(**videos),
        )


def load_dataset(
    recipe: Recipe,
    cache: Cache,
    data: Path | None = None,
    on_progress: ProgressCallback = no_progress,
    skeleton: Skeleton | None = None,
    negatives: Path | None = None,
) -> ReadyDataset:
    """The dataset of a recipe, ready for training, in the joints of `skeleton` if it is for a
    trained network, with windows of the recordings at `negatives` as the class "unknown". Damaged
    entries of the cache are made again, with a notice. Raises ConfigError if the data do not fit
    the options, DatasetError if it does not exist, its subsets are not disjoint, or none of its
    clips can be used, PathMissing and InputError for negatives that cannot be used."""
    damaged: set[str] = set()
    while True:
        try:
            return _load_dataset(recipe, cache, data, on_progress, skeleton, negatives)
        except DamagedEntry as error:
            if error.message in damaged:
                raise
            damaged.add(error.message)
            on_progress(Event("train", "notice", text=f"{error.message}. {MADE_AGAIN}"))


def _load_dataset(
    recipe: Recipe,
    cache: Cache,
    data: Path | None,
    on_progress: ProgressCallback,
    skeleton: Skeleton | None,
    negatives: Path | None,
) -> ReadyDataset:
    collection = find_collection(recipe, data)
    for line in collection.notice.splitlines():
        on_progress(Event("train", "notice", text=line))
    resolved = resolve(recipe, collection, on_progress, skeleton)
    recipe = resolved.recipe
    protocol = recipe.dataset.protocol or next(iter(collection.protocols), "")
    item_subsets = splits.apply(collection, protocol)  # raises before poses are extracted
    others = None
    if negatives is not None:
        others = find_negatives(negatives, collection, recipe, cache)
    extracted, failed = extract_collection(collection, recipe, cache, on_progress)
    for source in dict.fromkeys(e.poses.manifest.skeleton for e in extracted.values()):
        report_missing(resolved.skeleton, source, on_progress)
    if others is not None:
        found, unseen = extract_collection(others, recipe, cache, on_progress)
        items = [i for i, s in zip(collection.items, item_subsets, strict=True) if s == "train"]
        lengths_s = clip_lengths(replace(collection, items=tuple(items)), recipe, extracted)
        extracted, failed = extracted | found, [*failed, *unseen]
        collection = add_negatives(collection, others, found, lengths_s)
    if collection.merge_similar:
        once, _ = pack(
            collection,
            recipe,
            resolved.skeleton,
            cache,
            extracted=extracted,
            mirrored={},
            on_progress=on_progress,
        )
        collection = merge_similar(collection, once, on_progress)
    subsets = splits.hold_out(
        collection.items,
        splits.apply(collection, protocol),
        recipe.train.val_fraction,
        recipe.train.seed,
    )
    packed, unread = pack(
        collection,
        recipe,
        resolved.skeleton,
        cache,
        extracted=extracted,
        mirrored=_extract_mirrored(collection, subsets, recipe, cache, on_progress),
        on_progress=on_progress,
    )
    clip_subsets = [
        "none" if is_mirrored and subsets[item] != "train" else subsets[item]
        for item, is_mirrored in zip(packed.items, packed.is_mirrored, strict=True)
    ]
    labels = [packed.classes[k] for k in packed.labels]
    takes = [collection.items[n].groups.get("take", "") for n in packed.items]
    if len(labels):
        shares = splits.describe(labels, takes, clip_subsets)
        on_progress(Event("train", "notice", text=f"split {protocol}, clips: {shares}"))
        splits.check_counts(labels, clip_subsets, packed.classes, protocol)
    return ReadyDataset(
        collection=collection,
        recipe=recipe,
        packed=packed,
        subsets=tuple(clip_subsets),
        item_subsets=tuple(subsets),
        protocol=protocol,
        estimator=_source(collection, extracted),
        failed=(*failed, *unread),
    )


def merge_similar(
    collection: Collection, packed: Packed, on_progress: ProgressCallback = no_progress
) -> Collection:
    """The collection with one take for items whose poses are nearly the same or that overlap in
    time; a notice names them."""
    takes = [item.groups["take"] for item in collection.items]
    own = np.flatnonzero(~packed.is_mirrored)
    rows = own[similar.first_rows(packed.items[own].tolist())]
    if len(rows) < len(own):
        text = similar.limit_notice(len(rows), len(own), "clips")
        on_progress(Event("train", "notice", text=text))
    tracks = []
    for row in rows:
        values = packed.frames(row)[:, 0]
        tracks.append(similar.pose_track(values[..., : packed.dims], float(packed.fps[row])))
    items = packed.items[rows].tolist()
    pairs = {(items[a], items[b]) for a, b in similar.similar_pairs(tracks)}
    pairs |= set(similar.overlapping(collection.items))
    apart = [(a, b) for a, b in sorted(pairs) if takes[a] != takes[b]]
    if not apart:
        return collection
    first = ", ".join(
        f"{collection.items[a].name(collection.root)} and "
        f"{collection.items[b].name(collection.root)}"
        for a, b in apart[:3]
    )
    count = "One pair" if len(apart) == 1 else f"{len(apart)} pairs"
    text = f"{count} of clips with nearly the same content will be kept in one subset: {first}"
    on_progress(Event("train", "notice", text=text))
    together = (
        replace(item, groups=item.groups | {"take": take})
        for item, take in zip(collection.items, connected(takes, apart), strict=True)
    )
    return replace(collection, items=tuple(together))


def extract_collection(
    collection: Collection,
    recipe: Recipe,
    cache: Cache,
    on_progress: ProgressCallback = no_progress,
) -> tuple[ByVideo, list[Failure]]:
    """The poses and sequences of a collection's videos, and the videos that failed. Empty for a
    collection whose files are read directly."""
    if collection.read is not None:
        return {}, []
    videos = list(dict.fromkeys(i.path for i in collection.items))
    batch = extract(
        videos,
        cache,
        pose=recipe.pose,
        clips=recipe.clips,
        sequence=recipe.sequence,
        on_progress=on_progress,
    )
    return {e.path: e for e in batch.results}, batch.failed


def _extract_mirrored(
    collection: Collection,
    subsets: Sequence[str],
    recipe: Recipe,
    cache: Cache,
    on_progress: ProgressCallback,
) -> ByVideo:
    """The same for mirrored frames of the training videos, where the recipe asks for it; a notice
    tells how many videos failed. Raises ConfigError if the dataset has no videos."""
    if not recipe.dataset.mirrored_poses:
        return {}
    if collection.read is not None:
        raise ConfigError(
            f"{collection.name} has no videos, so it has no mirrored frames",
            "Leave out dataset.mirrored_poses.",
        )
    pose = replace(recipe.pose, mirrored=not recipe.pose.mirrored)
    train = [
        i
        for i, subset in zip(collection.items, subsets, strict=True)
        if subset == "train" and NEGATIVES not in i.groups
    ]
    extracted, failed = extract_collection(
        replace(collection, items=tuple(train)), replace(recipe, pose=pose), cache, on_progress
    )
    if failed:
        text = f"no person was found in the mirrored frames of {len(failed)} training videos"
        on_progress(Event("train", "notice", text=text))
    return extracted


def _source(collection: Collection, extracted: ByVideo) -> EstimatorInfo:
    """Where the poses come from."""
    if collection.read is None:
        return _single_estimator(list(extracted.values()))
    files = collection.format.as_dict() if collection.format is not None else {}
    return EstimatorInfo(name=f"dataset {collection.name}", files=files)


def _single_estimator(extracted: Sequence[ExtractedSequences]) -> EstimatorInfo:
    """The estimator of all poses. Raises DatasetError if there are no poses, or poses of several
    estimators."""
    manifests = [e.poses.manifest for e in extracted]
    by_estimator = {(m.estimator, m.weights): m for m in manifests}
    if not by_estimator:
        raise DatasetError(
            "No video of the dataset could be used", "`skelact extract` lists the reasons."
        )
    if len(by_estimator) > 1:
        raise DatasetError(
            f"The poses come from {len(by_estimator)} different estimators",
            "Extract all videos with one estimator.",
        )
    manifest = next(iter(by_estimator.values()))
    return EstimatorInfo(name=manifest.estimator, weights=manifest.weights, pose=manifest.pose)
