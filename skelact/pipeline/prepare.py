"""From a recipe to clips with sides: find the dataset, split it, extract or read it, pack it. What
training and testing have in common."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from skelact.cache import Cache
from skelact.datasets import registry, splits
from skelact.datasets.base import Collection
from skelact.datasets.packed import Packed
from skelact.errors import ConfigError, DatasetError
from skelact.pipeline.packing import pack
from skelact.pipeline.poses import Extracted
from skelact.pipeline.recipe import Recipe
from skelact.pipeline.sequences import extract
from skelact.skeletons import load_skeleton
from skelact.types import Event, Failure, Listener, silent


@dataclass(frozen=True)
class Prepared:
    """A packed dataset, the side of each of its clips ('train', 'val', 'test', 'none') and of each
    item of the collection."""

    collection: Collection
    packed: Packed
    sides: list[str]
    item_sides: list[str]
    protocol: str
    estimator: dict[str, Any]
    failed: tuple[Failure, ...]

    @property
    def fingerprint(self) -> str:
        """Who is on which side, as a hash."""
        return splits.fingerprint(self.packed.ids, self.sides)

    def described(self) -> dict[str, Any]:
        """The split, for split.json."""
        names = [i.name(self.collection.root) for i in self.collection.items]
        return {
            "fingerprint": self.fingerprint,
            "protocol": self.protocol,
            "apart": list(self.collection.protocols[self.protocol][1]),
            "videos": {
                side: [n for n, s in zip(names, self.item_sides, strict=True) if s == side]
                for side in ("train", "val", "test")
            },
        }


def prepare(
    recipe: Recipe, cache: Cache, data: Path | None = None, listener: Listener = silent
) -> Prepared:
    """Everything before a network. DatasetError and its kin if the dataset is not there, leaks, or
    nothing of it can be used."""
    collection = registry.find(recipe.dataset.name, data, recipe.dataset.classes)
    if collection.notice:
        listener(Event("train", "notice", text=collection.notice))
    protocol = recipe.dataset.protocol or next(iter(collection.protocols), "")
    sides = splits.apply(collection, protocol)
    sides = splits.hold_out(collection.items, sides, recipe.train.val_share, recipe.train.seed)
    by_path, failed = extracted(collection, recipe, cache, listener)
    again = second_look(collection, sides, recipe, cache, listener)
    estimator: dict[str, Any] = {"name": f"dataset {collection.name}", "weights": "", "pose": {}}
    if collection.read is None:
        estimator = _one_estimator(by_path)
    skeleton = load_skeleton(recipe.dataset.skeleton)
    packed, unread = pack(collection, by_path, recipe, skeleton, cache, listener, again)
    clip_sides = [
        "none" if second and sides[i] != "train" else sides[i]
        for i, second in zip(packed.items, packed.second, strict=True)
    ]
    return Prepared(collection, packed, clip_sides, sides, protocol, estimator, (*failed, *unread))


def extracted(
    collection: Collection, recipe: Recipe, cache: Cache, listener: Listener = silent
) -> tuple[dict[Path, Extracted], list[Failure]]:
    """The poses and sequences of a collection's videos, and those that failed; nothing for a
    collection that is read."""
    if collection.read is not None:
        return {}, []
    videos = list(dict.fromkeys(i.path for i in collection.items))
    outcome = extract(videos, cache, recipe.pose, recipe.split, recipe.sequence, listener=listener)
    return {e.path: e for e in outcome.results}, outcome.failed


def second_look(
    collection: Collection, sides: list[str], recipe: Recipe, cache: Cache, listener: Listener
) -> dict[Path, Extracted]:
    """The same of the training side's videos in mirrored pictures, where the recipe asks for it. A
    video in which nobody is found that way has the first look alone, which is told.
    ConfigError if the dataset has no videos."""
    if not recipe.dataset.second_look:
        return {}
    if collection.read is not None:
        raise ConfigError(
            f"{collection.name} has no videos to look at a second time",
            "leave out dataset.second_look",
        )
    pose = replace(recipe.pose, mirrored=not recipe.pose.mirrored)
    trained = [i for i, side in zip(collection.items, sides, strict=True) if side == "train"]
    part = replace(collection, items=tuple(trained))
    found, failed = extracted(part, replace(recipe, pose=pose), cache, listener)
    if failed:
        text = f"a second look found nobody in {len(failed)} training videos: they have one"
        listener(Event("train", "notice", text=text))
    return found


def _one_estimator(extracted: dict[Path, Extracted]) -> dict[str, Any]:
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
    return {"name": name, "weights": weights, "pose": options}
