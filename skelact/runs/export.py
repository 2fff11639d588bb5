"""Datasets in the formats of other programs."""

from __future__ import annotations

from pathlib import Path

from skelact import config
from skelact.cache import Cache
from skelact.datasets import pyskl, registry
from skelact.datasets.base import Collection
from skelact.errors import InputError, NoPersonFound
from skelact.recipe import Recipe
from skelact.sequence.stack import to_skeleton
from skelact.stages.dataset import extract_collection
from skelact.stages.pack import ClipReader, input_skeleton
from skelact.types import Failure, PoseSequence, ProgressCallback, no_progress


def export_pyskl(
    dataset: str,
    data: Path | None,
    out: Path,
    cache: Cache,
    on_progress: ProgressCallback = no_progress,
) -> tuple[int, list[Failure]]:
    """Write a dataset as PYSKL's pickle: complete sequences in its own joint layout, and every
    split as <split>_train and <split>_val. Returns the number of samples, and the files that could
    not be used."""
    recipe = Recipe.from_dict(
        config.merge(config.load(f"datasets/{dataset}"), {"clips": {"length_s": 0.0}})
    )
    collection = registry.find(dataset, data, recipe.dataset.classes)
    extracted, failed = extract_collection(collection, recipe, cache, on_progress)
    skeleton, classes = input_skeleton(collection, recipe), collection.classes
    reader = ClipReader(collection=collection, recipe=recipe, extracted=extracted)
    rows: list[tuple[str, int, PoseSequence]] = []
    names = _names(collection)
    for name, item in zip(names, collection.items, strict=True):
        if collection.read is None and item.path not in extracted:
            continue
        try:
            clips = reader.clips(item)
            if not clips:
                raise NoPersonFound("No person was found in the clip")
        except InputError as error:
            failed.append(Failure.from_error(item.path, error))
        else:
            _, sequence = clips[0]  # with clips of length 0, an item is one clip
            rows.append((name, classes.index(item.label), to_skeleton(sequence, skeleton)))
    written = {name for name, _, _ in rows}
    split: dict[str, list[str]] = {}
    for protocol, (rule, _) in collection.protocols.items():
        subsets = rule(collection.items)
        for subset, suffix in (("train", "train"), ("test", "val")):
            split[f"{protocol}_{suffix}"] = [
                name
                for name, s in zip(names, subsets, strict=True)
                if s == subset and name in written
            ]
    return pyskl.export(out, rows, split), failed


def _names(collection: Collection) -> list[str]:
    """A unique name for each item: its key or file name, or the path if these are not unique."""
    names = [item.key or item.path.stem for item in collection.items]
    if len(set(names)) < len(names):
        names = [item.name(collection.root) for item in collection.items]
    return names
