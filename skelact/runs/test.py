"""Testing a trained run again: with more draws per clip, another split, clips of another length."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from skelact.cache import Cache
from skelact.config import merge
from skelact.datasets.packed import Packed, with_class
from skelact.datasets.splits import NO_TEST, ONLY_TEST
from skelact.device import resolve_device
from skelact.errors import (
    CheckpointError,
    ConfigError,
    InputError,
    LeakingSplit,
)
from skelact.metrics import Scores
from skelact.models.checkpoint import build_network, load_checkpoint
from skelact.models.fuse_conv_bn import fuse_conv_bn
from skelact.recipe import Recipe, recipe_of
from skelact.runs.files import result_files
from skelact.runs.location import stored_data, stored_negatives
from skelact.schemas import (
    BEST,
    PREDICTIONS,
    SPLIT,
    VALIDATION,
    Checkpoint,
    Ensemble,
    Predictions,
    RunResult,
    SplitDocument,
    load_json,
    save_json,
)
from skelact.schemas.base import Sections
from skelact.skeletons import load_skeleton
from skelact.stages.dataset import ReadyDataset, load_dataset
from skelact.training.batches import DeviceClips
from skelact.training.results import SubsetPredictions, load_predictions, measure
from skelact.types import UNKNOWN, ProgressCallback, no_progress


@dataclass(frozen=True, kw_only=True)
class Tested:
    """The result of `test`; `files` were written into the run folder."""

    scores: Scores
    dataset: ReadyDataset
    files: tuple[Path, ...]


def test(
    run: Path,
    cache: Cache,
    *,
    data: Path | None = None,
    changes: dict[str, Any] | None = None,
    name: str = "test",
    on_progress: ProgressCallback = no_progress,
) -> Tested:
    """Test the best checkpoint of a run on the test subset of its dataset and write <name>.json and
    <name>_predictions.json. The dataset is searched where it was in training, unless `data` is
    given. `changes` override the recipe, for example the split or the clip length.

    Raises LeakingSplit if the test subset contains videos that the run was trained on, DatasetError
    if it is empty or not found, CheckpointError if the classes differ, and ConfigError if `name` is
    that of a file of the run."""
    files = result_files(run, name, {"": RunResult, "_predictions": Predictions})
    loaded = load_run(run, cache, data=data, changes=changes, on_progress=on_progress)
    checkpoint, recipe, dataset = loaded.checkpoint, loaded.recipe, loaded.dataset
    check_not_trained_on(run, dataset)
    subsets = np.array(dataset.subsets)
    device = resolve_device(recipe.train.device)
    measured = measure(
        fuse_conv_bn(build_network(checkpoint)).to(device),
        DeviceClips(dataset.packed, device),
        np.flatnonzero(subsets == "test"),
        train_rows=np.flatnonzero(subsets == "train"),
        sampling=recipe.sampling,
        batch_size=recipe.train.batch_size,
    )
    result = RunResult(
        scores=measured.scores,
        classes=checkpoint.classes,
        protocol=dataset.protocol,
        changes=changes or {},
    )
    save_json(files[0], result)
    measured.predictions.save(files[1], checkpoint.classes)
    return Tested(scores=measured.scores, dataset=dataset, files=files)


@dataclass(frozen=True, kw_only=True)
class LoadedRun:
    """The best checkpoint of a run, its recipe with changes, and the dataset of that recipe."""

    checkpoint: Checkpoint
    recipe: Recipe
    dataset: ReadyDataset


def load_run(
    run: Path,
    cache: Cache,
    *,
    data: Path | None = None,
    changes: dict[str, Any] | None = None,
    on_progress: ProgressCallback = no_progress,
) -> LoadedRun:
    """The best checkpoint of a run, and its dataset as `test` uses it; see there for the arguments
    and the errors. Whether its test subset was trained on is not checked."""
    checkpoint = load_checkpoint(run / BEST)
    recipe_of(checkpoint)  # raises if it is damaged: below, an error is about `changes`
    originals = {"dataset": {"mirrored_poses": False}}  # mirrored poses are for training only
    recipe = Recipe.from_dict(merge(without_files(checkpoint.recipe), originals, changes or {}))
    skeleton = checkpoint.skeleton
    other = (changes or {}).get("dataset", {}).get("skeleton", "auto")
    if other != "auto" and load_skeleton(other) != skeleton:
        raise ConfigError(
            f"The network of {run} expects the joints of {skeleton.name}, not of {other}",
            "Leave out dataset.skeleton: poses are converted to the joints of the network.",
        )
    same_data = recipe.dataset.name == checkpoint.recipe["dataset"]["name"]
    own_data = data is None and same_data
    if own_data:
        data = stored_data(run)
    if recipe.dataset.protocol == NO_TEST:  # other data are all for testing
        options = replace(recipe.dataset, protocol=ONLY_TEST)
        recipe = replace(recipe, dataset=options)
    negatives = stored_negatives(run) if own_data else None
    dataset = load_dataset(recipe, cache, data, on_progress, skeleton, negatives)
    if UNKNOWN in checkpoint.classes:
        dataset = replace(dataset, packed=with_class(dataset.packed, UNKNOWN))
    dataset = replace(dataset, packed=relabelled(dataset.packed, checkpoint, run))
    return LoadedRun(checkpoint=checkpoint, recipe=recipe, dataset=dataset)


def clips_of_run(
    run: Path,
    checkpoint: Checkpoint,
    cache: Cache,
    data: Path | None = None,
    on_progress: ProgressCallback = no_progress,
) -> ReadyDataset:
    """The dataset of a run, as it was in training, with the class numbers of its checkpoint. Raises
    an error of the dataset, such as MissingDataset, and CheckpointError for other classes."""
    originals = {"dataset": {"mirrored_poses": False}}  # mirrored poses are for training only
    recipe = Recipe.from_dict(merge(without_files(checkpoint.recipe), originals))
    negatives = stored_negatives(run) if data is None else None
    place = stored_data(run) if data is None else data
    dataset = load_dataset(recipe, cache, place, on_progress, checkpoint.skeleton, negatives)
    packed = dataset.packed
    if UNKNOWN in checkpoint.classes:
        packed = with_class(packed, UNKNOWN)
    return replace(dataset, packed=relabelled(packed, checkpoint, run))


def run_predictions(
    run: Path,
    file: str,
    model: Checkpoint | Ensemble,
    cache: Cache | None = None,
    on_progress: ProgressCallback = no_progress,
) -> SubsetPredictions:
    """The predictions of a run for its validation or test subset, VALIDATION or PREDICTIONS, with
    the probabilities of all classes of its checkpoint. Where classes were added to it later, the
    file has no probabilities of these, and the clips are measured again.

    Raises InputError if the file is missing or damaged, or the run was fused before classes were
    added; MissingDataset if the data are gone."""
    if model.classes == model.trained_classes:
        return load_predictions(run / file, model.classes)
    stored = load_json(run / file, Predictions).samples.values()
    if all(len(sample.probabilities) == len(model.classes) for sample in stored):
        return load_predictions(run / file, model.classes)  # fused after they were added
    if isinstance(model, Ensemble):
        raise InputError(
            f"Classes were added to {run} after it was fused",
            "Add them to the runs, and fuse these.",
        )
    load_predictions(run / file, model.trained_classes)  # raises if it is damaged
    recipe = recipe_of(model)
    dataset = clips_of_run(run, model, cache or Cache(), on_progress=on_progress)
    subsets = np.array(dataset.subsets)
    device = resolve_device(recipe.train.device)
    return measure(
        fuse_conv_bn(build_network(model)).to(device),
        DeviceClips(dataset.packed, device),
        np.flatnonzero(subsets == {VALIDATION: "val", PREDICTIONS: "test"}[file]),
        train_rows=np.flatnonzero(subsets == "train"),
        sampling=recipe.sampling,
        batch_size=recipe.train.batch_size,
    ).predictions


def relabelled(packed: Packed, checkpoint: Checkpoint, run: Path) -> Packed:
    """The clips with the class numbers of a checkpoint: the classes of the data are those that it
    was trained on, with or without some that were added to it. Raises CheckpointError for other
    classes."""
    missing = set(checkpoint.trained_classes) - set(packed.classes)
    if missing or set(packed.classes) - set(checkpoint.classes):
        raise CheckpointError(
            f"The data has other classes than {run}",
            f"The {len(checkpoint.classes)} classes of the run are "
            f"{', '.join(checkpoint.classes[:5])} ….",
        )
    if packed.classes == checkpoint.classes:
        return packed
    numbers = np.array([checkpoint.classes.index(c) for c in packed.classes])
    return replace(packed, labels=numbers[packed.labels], classes=checkpoint.classes)


def without_files(recipe: Sections) -> Sections:
    """The recipe of a checkpoint without the config and checkpoint of a pose estimator: only the
    user can name a file that is executed. Raises ConfigError for another type than a section."""
    pose = recipe.get("pose", {})
    if not isinstance(pose, dict):
        raise ConfigError("The section pose of the checkpoint is damaged")
    return {**recipe, "pose": {k: v for k, v in pose.items() if k not in ("config", "checkpoint")}}


def check_not_trained_on(run: Path, dataset: ReadyDataset) -> None:
    """Raises LeakingSplit if a test item of the dataset was used to train or validate the run."""
    videos = load_json(run / SPLIT, SplitDocument).videos
    trained = {*videos.train, *videos.val}
    leaked = sorted(trained & set(dataset.split_document().videos.test))
    if leaked:
        more = f" and {len(leaked) - 3} more" if len(leaked) > 3 else ""
        raise LeakingSplit(
            f"{run} was trained on what this split tests on: {', '.join(leaked[:3])}{more}",
            "Train on that split, test on the split of the run, or on other data: --data.",
        )
