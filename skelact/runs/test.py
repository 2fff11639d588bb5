"""A trained run measured again: with more clips, on another split, with clips of another length."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skelact import config
from skelact.cache import Cache
from skelact.models import checkpoint
from skelact.training.batches import DeviceClips
from skelact.device import resolve_device
from skelact.metrics import Scores
from skelact.schemas import BEST, SPLIT
from skelact.training.results import majority_class, measure, write_json, write_predictions
from skelact.errors import CheckpointError, InputError, LeakingSplit
from skelact.models.fuse_conv_bn import fuse_conv_bn
from skelact.stages.dataset import Prepared, prepare
from skelact.recipe import Recipe
from skelact.types import ProgressCallback, no_progress


@dataclass(frozen=True)
class Tested:
    """What `test` found; `files` are what it wrote into the run folder."""

    run: Path
    protocol: str
    scores: Scores
    ready: Prepared
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
    content = checkpoint.read_single(run / BEST)
    looks = {"dataset": {"mirrored_poses": False}}  # of training
    recipe = Recipe.from_dict(config.merge(content["recipe"], looks, changes or {}))
    ready = prepare(recipe, cache, data, on_progress)
    if list(ready.packed.classes) != list(content["classes"]):
        raise CheckpointError(
            f"{run} knows {len(content['classes'])} classes, the data has others",
            f"it knows {', '.join(content['classes'][:5])} …",
        )
    check_not_trained_on(run, ready)
    rows = np.flatnonzero(np.array(ready.subsets) == "test")
    device = resolve_device(recipe.train.device)
    clips = DeviceClips(ready.packed, device)
    majority = majority_class(ready.packed, np.flatnonzero(np.array(ready.subsets) == "train"))
    size = recipe.train.batch_size
    net = fuse_conv_bn(checkpoint.network(content)).to(device)
    scores, _, probs = measure(net, clips, ready.packed, rows, recipe.sampling, size, majority)
    files = (run / f"{name}.json", run / f"{name}_predictions.json")
    result = scores.as_dict() | {
        "classes": list(ready.packed.classes),
        "protocol": ready.protocol,
        "changes": changes or {},
    }
    write_json(files[0], result)
    write_predictions(files[1], ready.packed, rows, probs)
    return Tested(run, ready.protocol, scores, ready, files)


def check_not_trained_on(run: Path, ready: Prepared) -> None:
    """LeakingSplit if a test item of `ready` was on the training or validation subset of the run."""
    import json

    try:
        subsets = json.loads((run / SPLIT).read_bytes())["videos"]
        known = {*subsets["train"], *subsets["val"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{run / SPLIT} cannot be read: {error}", "is it a run folder?") from error
    described = ready.described()["videos"]
    both = sorted(known & set(described["test"]))
    if both:
        more = f" and {len(both) - 3} more" if len(both) > 3 else ""
        raise LeakingSplit(
            f"{run} was trained on what this split tests on: {', '.join(both[:3])}{more}",
            "train on that split, or test on the run's own",
        )
