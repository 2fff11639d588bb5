"""Datasets in the formats of other programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from skelact import config, outputs
from skelact.cache import Cache
from skelact.datasets import pyskl, splits
from skelact.datasets.base import Collection
from skelact.datasets.pose_folder import SUBJECT, LabelledPoses, check_target, write_pose_folder
from skelact.errors import ConfigError, DatasetError, InputError, NoPersonFound
from skelact.recipe import Recipe
from skelact.sequence.normalise import is_only_3d
from skelact.sequence.stack import to_skeleton
from skelact.skeletons import Skeleton
from skelact.stages.dataset import extract_collection
from skelact.stages.pack import ClipReader
from skelact.stages.resolve import AUTO, VIDEO_SKELETON, find_collection, resolve
from skelact.types import Event, Failure, PoseSequence, ProgressCallback, no_progress


@dataclass(frozen=True, kw_only=True)
class _Export:
    """The sequences of a dataset: (position of the item, name, sequence), read one by one;
    `failed` grows meanwhile."""

    collection: Collection
    skeleton: Skeleton
    protocol: str  # that the recipe names
    rows: Iterator[tuple[int, str, PoseSequence]]
    failed: list[Failure]


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
    outputs.check(out, overwrite=overwrite, suffixes=pyskl.SUFFIXES)
    found = _export(dataset, data, out, cache, on_progress, changes, keep=True)
    collection = found.collection
    classes = collection.classes
    numbers = {c: int(c) if all(map(str.isdecimal, classes)) else n for n, c in enumerate(classes)}
    rows = [
        (name, numbers[collection.items[n].label], sequence) for n, name, sequence in found.rows
    ]
    written = {name for name, _, _ in rows}
    names = _names(collection)
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
    return pyskl.export(out, rows, split), found.failed


def export_files(
    dataset: str,
    data: Path | None,
    out: Path,
    cache: Cache,
    on_progress: ProgressCallback = no_progress,
    changes: Mapping[str, Any] | None = None,
    *,
    overwrite: bool = False,
) -> tuple[int, list[Failure]]:
    """Write the 2-D poses of a dataset as a folder of skeleton files (see `write_pose_folder`), in
    the layout of the recipe, coco-17 unless `changes` name another dataset.skeleton, with the
    persons whom the recipe keeps. With a dataset.protocol in `changes`, its subsets are written
    too. Returns the number of sequences and the files that could not be used."""
    check_target(out, overwrite)
    found = _export(dataset, data, out, cache, on_progress, changes, keep=False)
    collection = found.collection
    subsets: list[str] = []
    if found.protocol:
        subsets = splits.apply(collection, found.protocol)

    def rows() -> Iterator[LabelledPoses]:
        for n, name, sequence in found.rows:
            if is_only_3d(sequence):
                path = collection.items[n].path
                text = f"{path} is 3-D and has no image coordinates"
                hint = "Project it with `skelact datasets project`."
                found.failed.append(Failure(path, text, hint))
                continue
            groups = dict(collection.items[n].groups)
            subject = next((groups[k] for k in SUBJECT if k in groups), "")
            columns = {"subject": subject, "camera": groups.get("camera", "")}
            columns |= {"source": groups.get("take", name), "dataset": out.resolve().name}
            if subsets:
                if subsets[n] == "none":
                    continue
                columns["subset"] = subsets[n]
            yield LabelledPoses(
                name=name, label=collection.items[n].label, sequence=sequence, groups=columns
            )

    try:
        return write_pose_folder(out, rows(), found.skeleton, overwrite=overwrite), found.failed
    except DatasetError as error:
        if not found.failed:
            raise
        first = found.failed[0]
        raise DatasetError(f"{error.message}: {first.reason}", first.hint) from error


def _export(
    dataset: str,
    data: Path | None,
    out: Path,
    cache: Cache,
    on_progress: ProgressCallback,
    changes: Mapping[str, Any] | None,
    keep: bool,
) -> _Export:
    """What to export; poses of videos are extracted first. With `keep`, skeleton files keep their
    joints unless the changes name a layout."""
    recipe = Recipe.from_dict(
        config.merge(
            config.load(f"datasets/{dataset}"), {"clips": {"length_s": 0.0}}, changes or {}
        )
    )
    if recipe.clips.length_s:
        raise ConfigError("An export contains complete sequences", "Leave out clips.length_s.")
    collection = find_collection(recipe, data)
    inputs = {path for item in collection.items for path in collection.files(item)}
    if out.is_file():
        outputs.check(out, inputs=inputs, overwrite=True)
    if not keep and recipe.dataset.skeleton == AUTO:
        recipe = replace(recipe, dataset=replace(recipe.dataset, skeleton=VIDEO_SKELETON))
    resolved = resolve(recipe, collection, on_progress)
    recipe = resolved.recipe
    keep = keep and collection.read is not None
    keep = keep and "skeleton" not in (changes or {}).get("dataset", {})
    extracted, failed = extract_collection(collection, recipe, cache, on_progress)
    reader = ClipReader(collection=collection, recipe=recipe, extracted=extracted)

    def rows() -> Iterator[tuple[int, str, PoseSequence]]:
        for n, (name, item) in enumerate(zip(_names(collection), collection.items, strict=True)):
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
                yield n, name, sequence if keep else to_skeleton(sequence, resolved.skeleton)

    protocol = (changes or {}).get("dataset", {}).get("protocol", "")
    return _Export(
        collection=collection,
        skeleton=resolved.skeleton,
        protocol=protocol,
        rows=rows(),
        failed=failed,
    )


def _names(collection: Collection) -> list[str]:
    """A unique name for each item: its key or file name, or the path if these are not unique."""
    names = [item.key or item.path.stem for item in collection.items]
    if len(set(names)) < len(names):
        names = [item.name(collection.root) for item in collection.items]
    return names
