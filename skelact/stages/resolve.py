"""The automatic options of a recipe: what the data are decides about the layout and the number of
coordinates of the network input, and about its normalisation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from skelact.datasets import registry
from skelact.datasets.base import Collection, with_layout
from skelact.errors import DatasetError, InputError
from skelact.recipe import Recipe
from skelact.sequence.normalise import is_only_3d
from skelact.skeletons import SKELETONS, Skeleton, check_common_joints, load_skeleton
from skelact.types import Event, PoseSequence, ProgressCallback, no_progress

AUTO = "auto"
VIDEO_SKELETON = "coco-17"  # for poses of videos


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """A recipe without automatic options, and the layout of the network input. In the recipe, the
    layout stays automatic if it is that of the data and has no name."""

    recipe: Recipe
    skeleton: Skeleton


def find_collection(recipe: Recipe, data: Path | None) -> Collection:
    """The dataset of a recipe, with the layout that the recipe gives to its files."""
    options = recipe.dataset
    collection = registry.find(options.name, data, options.classes)
    if options.source_skeleton == AUTO:
        return collection
    return with_layout(collection, load_skeleton(options.source_skeleton))


def resolve(
    recipe: Recipe,
    collection: Collection,
    on_progress: ProgressCallback = no_progress,
    skeleton: Skeleton | None = None,
) -> Resolved:
    """Replace automatic options by values; a notice says which and why, and which joints of the
    network the data lack. `skeleton` is the layout of a trained network, which the input keeps.

    Raises ConfigError if no joint of the layout is known in the data or if the options that are set
    do not fit the data, DatasetError if no file can be read."""
    chosen = recipe.dataset.skeleton
    if skeleton is None and chosen != AUTO:
        skeleton = load_skeleton(chosen)
    if collection.read is None:
        skeleton = skeleton or load_skeleton(VIDEO_SKELETON)
        normalise = recipe.normalise.resolved()
    else:
        sample = _first_sequence(collection)
        skeleton = skeleton or sample.skeleton
        dims = 2 if sample.xyz is None or not is_only_3d(sample) else 3
        normalise = recipe.normalise.resolved(dims, collection.mode_2d)
        is_chosen = chosen == AUTO or recipe.normalise != normalise
        if is_chosen or recipe.dataset.source_skeleton != AUTO:
            _notice(collection, recipe, sample, skeleton, dims, on_progress)
        report_missing(skeleton, sample.skeleton, on_progress)
    named = SKELETONS.get(skeleton.name) == skeleton
    dataset = recipe.dataset
    if chosen == AUTO and named:
        dataset = replace(dataset, skeleton=skeleton.name)
    return Resolved(recipe=replace(recipe, dataset=dataset, normalise=normalise), skeleton=skeleton)


def report_missing(skeleton: Skeleton, source: Skeleton, on_progress: ProgressCallback) -> None:
    """A notice with the joints of the network that the data lack. Raises ConfigError if these are
    all joints."""
    missing = check_common_joints(skeleton, source)
    if missing:
        text = (
            f"the data ({source.name}) lack {len(missing)} of the {len(skeleton.joints)} joints of "
            f"{skeleton.name}: {', '.join(missing)}; the network gets zeros instead"
        )
        on_progress(Event("train", "notice", text=text))


def _notice(
    collection: Collection,
    recipe: Recipe,
    sample: PoseSequence,
    skeleton: Skeleton,
    dims: int,
    on_progress: ProgressCallback,
) -> None:
    normalise = recipe.normalise.resolved(dims, collection.mode_2d)
    values = {
        "dataset.skeleton": (recipe.dataset.skeleton == AUTO, skeleton.name),
        "normalise.dims": (recipe.normalise.dims is None, str(normalise.dims)),
        "normalise.mode": (recipe.normalise.mode == AUTO, normalise.mode),
    }
    text = f"the data are {dims}-D with {len(sample.skeleton.joints)} joints"
    text += f" ({collection.layout_notice or sample.skeleton.name})"
    chosen = [f"{name}={value}" for name, (automatic, value) in values.items() if automatic]
    if chosen:
        text += f"; chosen for them: {', '.join(chosen)} (change with --set)"
    on_progress(Event("train", "notice", text=text))


def _first_sequence(collection: Collection) -> PoseSequence:
    assert collection.read is not None
    reason: InputError | None = None
    for item in collection.items:
        try:
            return collection.read(item)
        except InputError as error:
            reason = reason or error
    raise DatasetError(
        f"None of the {len(collection.items)} files of {collection.name} can be used: {reason}",
        reason.hint if reason else "",
    )
