"""Datasets in the formats of other programs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skelact import config, outputs
from skelact.cache import Cache
from skelact.datasets import pyskl
from skelact.datasets.base import Collection
from skelact.errors import ConfigError, DatasetError, InputError, NoPersonFound
from skelact.recipe import Recipe
from skelact.sequence.stack import to_skeleton
from skelact.stages.dataset import extract_collection
from skelact.stages.pack import ClipReader
from skelact.stages.resolve import find_collection, resolve
from skelact.types import Event, Failure, PoseSequence, ProgressCallback, no_progress


def export_pyskl(
    dataset: str,
    data: Path | None,
    out: Path,
    cache: Cache,
    on_progress: ProgressCallback = no_progress,
    changes: Mapping[str, Any] | None = None,
    *,
    overwrite: bool = False,
) -> tuple[int, list[Failure]]:
    """Write a dataset as PYSKL's pickle: complete sequences, and every split as <split>_train and
    <split>_val; a notice names the splits that these data do not allow. Skeleton files keep their
    joints unless `changes`, which override the recipe of the dataset, name another
    dataset.skeleton; poses of videos are in the layout of the recipe. Returns the number of
    samples, and the files that could not be used. Raises OutputError as `outputs.check`."""
    recipe = Recipe.from_dict(
        config.merge(
            config.load(f"datasets/{dataset}"), {"clips": {"length_s": 0.0}}, changes or {}
        )
    )
    if recipe.clips.length_s:
        raise ConfigError("An export contains complete sequences", "Leave out clips.length_s.")
    collection = find_collection(recipe, data)
    outputs.check(
        out,
        inputs={path for item in collection.items for path in collection.files(item)},
        overwrite=overwrite,
        suffixes=pyskl.SUFFIXES,
    )
    resolved = resolve(recipe, collection, on_progress)
    recipe = resolved.recipe
    keep = collection.read is not None and "skeleton" not in (changes or {}).get("dataset", {})
    extracted, failed = extract_collection(collection, recipe, cache, on_progress)
    classes = collection.classes
    numbers = {c: int(c) if all(map(str.isdecimal, classes)) else n for n, c in enumerate(classes)}
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
            if not keep:
                sequence = to_skeleton(sequence, resolved.skeleton)
            rows.append((name, numbers[item.label], sequence))
    written = {name for name, _, _ in rows}
    split: dict[str, list[str]] = {}
    for protocol, (rule, _) in collection.protocols.items():
        try:
            subsets = rule(collection.items)
        except DatasetError as error:
            text = f"The split {protocol} is left out. {error.message}."
            on_progress(Event("export", "notice", text=text))
            continue
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
