"""Datasets as other programs want them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from skelact import config
from skelact.cache import Cache
from skelact.datasets import pyskl, registry
from skelact.errors import InputError
from skelact.recipe import Recipe
from skelact.sequence.stack import to_skeleton
from skelact.skeletons import load_skeleton
from skelact.stages.dataset import extract_collection
from skelact.stages.sequences import load_sequences
from skelact.types import Failure, PoseSequence, ProgressCallback, no_progress


def export_pyskl(
    dataset: str,
    data: Path | None,
    out: Path,
    cache: Cache,
    on_progress: ProgressCallback = no_progress,
) -> tuple[int, list[Failure]]:
    """Write a dataset as PYSKL's pickle: whole sequences in its own layout, every split as
    <split>_train and <split>_val. How many samples, and the files that could not be read."""
    recipe = Recipe.from_dict(
        config.merge(config.load(f"datasets/{dataset}"), {"clips": {"length_s": 0.0}})
    )
    collection = registry.find(dataset, data, recipe.dataset.classes)
    by_path, failed = extract_collection(collection, recipe, cache, on_progress)
    skeleton, classes = load_skeleton(recipe.dataset.skeleton), collection.classes
    names = {id(i): i.key or i.path.stem for i in collection.items}
    written: set[str] = set()

    def samples() -> Iterator[tuple[str, int, PoseSequence]]:
        for item in collection.items:
            try:
                if collection.read:
                    sequence = collection.read(item)
                elif item.path in by_path:
                    sequence = load_sequences(by_path[item.path].sequences)[0][1]
                else:
                    continue
                written.add(names[id(item)])
                label = classes.index(item.label)
                yield names[id(item)], label, to_skeleton(sequence, skeleton)
            except (InputError, IndexError) as error:
                known = error if isinstance(error, InputError) else InputError("nobody in it")
                failed.append(Failure.from_error(item.path, known))

    rows = list(samples())
    split: dict[str, list[str]] = {}
    for protocol, (rule, _) in collection.protocols.items():
        subsets = rule(collection.items)
        for subset, end in (("train", "train"), ("test", "val")):
            split[f"{protocol}_{end}"] = [
                names[id(i)]
                for i, s in zip(collection.items, subsets, strict=True)
                if s == subset and names[id(i)] in written
            ]
    return pyskl.export(out, rows, split), failed
