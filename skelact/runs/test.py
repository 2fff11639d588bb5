"""A trained run measured again: with more clips, on another split, with clips of another length."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skelact import config
from skelact.cache import Cache
from skelact.device import resolve_device
from skelact.errors import CheckpointError, LeakingSplit
from skelact.metrics import Scores
from skelact.models.checkpoint import build_network, load_checkpoint
from skelact.models.fuse_conv_bn import fuse_conv_bn
from skelact.recipe import Recipe
from skelact.schemas import BEST, SPLIT, RunResult, SplitDocument, load_json, save_json
from skelact.stages.dataset import ReadyDataset, load_dataset
from skelact.training.batches import DeviceClips
from skelact.training.results import majority_class, measure, write_predictions
from skelact.types import ProgressCallback, no_progress


@dataclass(frozen=True)
class Tested:
    """What `test` found; `files` are what it wrote into the run folder."""

    run: Path
    protocol: str
    scores: Scores
    ready: ReadyDataset
    files: tuple[Path, ...]


def test(
    run: Path,
    cache: Cache,
    data: Path | None = None,
    changes: dict[str, Any] | None = None,
    name: str = "test",
    on_progress: ProgressCallback = no_progress,
) -> Tested:
    """Measure the best checkpoint of a run on the test subset. `changes` override its recipe (the
    split, the clips' length, the number of test clips …). LeakingSplit, naming files, if another
    split tests on what the run was trained on."""
    checkpoint = load_checkpoint(run / BEST)
    looks = {"dataset": {"mirrored_poses": False}}  # of training
    recipe = Recipe.from_dict(config.merge(checkpoint.recipe, looks, changes or {}))
    ready = load_dataset(recipe, cache, data, on_progress)
    if ready.packed.classes != checkpoint.classes:
        raise CheckpointError(
            f"The data has other classes than {run}",
            f"The {len(checkpoint.classes)} classes of the run are "
            f"{', '.join(checkpoint.classes[:5])} …",
        )
    check_not_trained_on(run, ready)
    rows = np.flatnonzero(np.array(ready.subsets) == "test")
    device = resolve_device(recipe.train.device)
    clips = DeviceClips(ready.packed, device)
    majority = majority_class(ready.packed, np.flatnonzero(np.array(ready.subsets) == "train"))
    net = fuse_conv_bn(build_network(checkpoint)).to(device)
    found = measure(
        net,
        clips,
        ready.packed,
        rows,
        sampling=recipe.sampling,
        batch_size=recipe.train.batch_size,
        majority=majority,
    )
    files = (run / f"{name}.json", run / f"{name}_predictions.json")
    result = RunResult(
        scores=found.scores,
        classes=ready.packed.classes,
        protocol=ready.protocol,
        changes=changes or {},
    )
    save_json(files[0], result)
    write_predictions(files[1], ready.packed, rows, found.probabilities)
    return Tested(run, ready.protocol, found.scores, ready, files)


def check_not_trained_on(run: Path, ready: ReadyDataset) -> None:
    """Raises LeakingSplit if a test item of `ready` was used to train or validate the run."""
    videos = load_json(run / SPLIT, SplitDocument).videos
    trained = {*videos["train"], *videos["val"]}
    both = sorted(trained & set(ready.split_document().videos["test"]))
    if both:
        more = f" and {len(both) - 3} more" if len(both) > 3 else ""
        raise LeakingSplit(
            f"{run} was trained on what this split tests on: {', '.join(both[:3])}{more}",
            "train on that split, or test on the run's own",
        )
