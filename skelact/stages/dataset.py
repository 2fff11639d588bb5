"""From a recipe to clips with subsets: find the dataset, split it, extract or read it, pack it.
What training and testing have in common."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from skelact.cache import Cache
from skelact.datasets import registry, splits
from skelact.datasets.base import Collection
from skelact.datasets.packed import Packed
from skelact.errors import ConfigError, DatasetError
from skelact.recipe import Recipe
from skelact.schemas import EstimatorInfo, SplitDocument
from skelact.skeletons import load_skeleton
from skelact.stages.pack import pack
from skelact.stages.poses import Extracted
from skelact.stages.sequences import extract
from skelact.types import Event, Failure, ProgressCallback, no_progress


@dataclass(frozen=True)
class Prepared:
    """A packed dataset, the subset of each of its clips ('train', 'val', 'test', 'none') and of
    each item of the collection."""

    collection: Collection
    packed: Packed
    subsets: list[str]
    item_subsets: list[str]
    protocol: str
    estimator: EstimatorInfo
    failed: tuple[Failure, ...]

    @property
    def fingerprint(self) -> str:
        """Who is on which subset, as a hash."""
        return splits.fingerprint(self.packed.ids, self.subsets)

    def split_document(self) -> SplitDocument:
        """The split, for split.json."""
        names = [i.name(self.collection.root) for i in self.collection.items]
        items = list(zip(names, self.item_subsets, strict=True))
        return SplitDocument(
            fingerprint=self.fingerprint,
            protocol=self.protocol,
            disjoint_groups=tuple(self.collection.protocols[self.protocol][1]),
            videos={
                subset: tuple(n for n, s in items if s == subset)
                for subset in ("train", "val", "test")
            },
        )


def prepare(
    recipe: Recipe,
    cache: Cache,
    data: Path | None = None,
    on_progress: ProgressCallback = no_progress,
) -> Prepared:
    """Everything before a network. DatasetError and its kin if the dataset is not there, leaks, or
    nothing of it can be used."""
    collection = registry.find(recipe.dataset.name, data, recipe.dataset.classes)
    if collection.notice:
        on_progress(Event("train", "notice", text=collection.notice))
    protocol = recipe.dataset.protocol or next(iter(collection.protocols), "")
    subsets = splits.apply(collection, protocol)
    subsets = splits.hold_out(
        collection.items, subsets, recipe.train.val_fraction, recipe.train.seed
    )
    by_path, failed = extracted(collection, recipe, cache, on_progress)
    again = mirrored_poses(collection, subsets, recipe, cache, on_progress)
    estimator = EstimatorInfo(name=f"dataset {collection.name}")
    if collection.read is None:
        estimator = _one_estimator(by_path)
    skeleton = load_skeleton(recipe.dataset.skeleton)
    packed, unread = pack(collection, by_path, recipe, skeleton, cache, on_progress, again)
    clip_subsets = [
        "none" if is_mirrored and subsets[i] != "train" else subsets[i]
        for i, is_mirrored in zip(packed.items, packed.is_mirrored, strict=True)
    ]
    return Prepared(
        collection, packed, clip_subsets, subsets, protocol, estimator, (*failed, *unread)
    )


def extracted(
    collection: Collection,
    recipe: Recipe,
    cache: Cache,
    on_progress: ProgressCallback = no_progress,
) -> tuple[dict[Path, Extracted], list[Failure]]:
    """The poses and sequences of a collection's videos, and those that failed; nothing for a
    collection that is read."""
    if collection.read is not None:
        return {}, []
    videos = list(dict.fromkeys(i.path for i in collection.items))
    batch = extract(
        videos, cache, recipe.pose, recipe.clips, recipe.sequence, on_progress=on_progress
    )
    return {e.path: e for e in batch.results}, batch.failed


def mirrored_poses(
    collection: Collection,
    subsets: list[str],
    recipe: Recipe,
    cache: Cache,
    on_progress: ProgressCallback,
) -> dict[Path, Extracted]:
    """The same of the training subset's videos in mirrored pictures, where the recipe asks for it.
    A video in which nobody is found that way has the first look alone, which is told.
    ConfigError if the dataset has no videos."""
    if not recipe.dataset.mirrored_poses:
        return {}
    if collection.read is not None:
        raise ConfigError(
            f"{collection.name} has no videos to look at a second time",
            "leave out dataset.mirrored_poses",
        )
    pose = replace(recipe.pose, mirrored=not recipe.pose.mirrored)
    trained = [i for i, subset in zip(collection.items, subsets, strict=True) if subset == "train"]
    part = replace(collection, items=tuple(trained))
    found, failed = extracted(part, replace(recipe, pose=pose), cache, on_progress)
    if failed:
        text = f"a second look found nobody in {len(failed)} training videos: they have one"
        on_progress(Event("train", "notice", text=text))
    return found


def _one_estimator(extracted: dict[Path, Extracted]) -> EstimatorInfo:
    """Name, weights and options of the estimator that made all poses. DatasetError if there are
    none, or several made them."""
    found = {
        (e.poses.manifest["estimator"], e.poses.manifest["weights"]): e.poses.manifest["pose"]
        for e in extracted.values()
    }
    if not found:
        raise DatasetError("no video could be used", "see the reasons listed by `skelact extract`")
    if len(found) > 1:
        raise DatasetError(
            f"poses come from {len(found)} different estimators", "extract all videos with one"
        )
    (name, weights), options = next(iter(found.items()))
    return EstimatorInfo(name=name, weights=weights, pose=options)
