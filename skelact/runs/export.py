"""Datasets in the formats of other programs."""

from __future__ import annotations

from pathlib import Path

from skelact import config
from skelact.cache import Cache
from skelact.datasets import pyskl, registry
from skelact.errors import InputError, NoPersonFound
from skelact.recipe import Recipe
from skelact.sequence.stack import to_skeleton
from skelact.skeletons import load_skeleton
from skelact.stages.dataset import extract_collection
from skelact.stages.sequences import ExtractedSequences, load_sequences
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
    skeleton, classes = load_skeleton(recipe.dataset.skeleton), collection.classes
    names = [item.key or item.path.stem for item in collection.items]
    rows: list[tuple[str, int, PoseSequence]] = []
    for name, item in zip(names, collection.items, strict=True):
        if collection.read is None and item.path not in extracted:
            continue
        try:
            sequence = (
                collection.read(item) if collection.read else _only_sequence(extracted[item.path])
            )
        except InputError as error:
            failed.append(Failure.from_error(item.path, error))
        else:
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


def _only_sequence(extracted: ExtractedSequences) -> PoseSequence:
    """The sequence of a video that was not cut into clips. Raises NoPersonFound."""
    sequences = load_sequences(extracted.sequences)
    if not sequences:
        raise NoPersonFound("no person found in the clip")
    return sequences[0][1]
