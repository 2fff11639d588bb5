"""From a dataset to a run folder with a trained and tested network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from skelact.cache import Cache
from skelact.datasets.base import Collection
from skelact.datasets.packed import Packed
from skelact.device import resolve_device
from skelact.errors import ConfigError
from skelact.metrics import Scores
from skelact.models import spec
from skelact.models.base import ActionClassifier
from skelact.models.checkpoint import load_checkpoint
from skelact.recipe import Recipe
from skelact.runs.report import write_report
from skelact.schemas import BEST, CONFIG, RESULT, SPLIT, EpochLog, RunConfig, save_json
from skelact.stages.dataset import ReadyDataset, load_dataset
from skelact.training import closed_form, distributed
from skelact.training.plan import Initialiser, Plan
from skelact.training.trainer import make_trainer
from skelact.training.transfer import freeze, transfer
from skelact.types import Event, Failure, ProgressCallback, no_progress


@dataclass(frozen=True)
class Start:
    """Initial weights, and the part of the network that is not trained: none, backbone or
    stage:n."""

    checkpoint: Path
    freeze: str = "none"


@dataclass(frozen=True, kw_only=True)
class Run:
    """The result of `train`. `clips` counts the clips of each subset."""

    folder: Path
    collection: Collection
    scores: Scores
    clips: dict[str, int]
    estimator: str
    failed: tuple[Failure, ...]
    resumed: bool = False
    protocol: str = ""


def train(
    recipe: Recipe,
    cache: Cache,
    data: Path | None = None,
    runs: Path = Path("runs"),
    name: str | None = None,
    resume: bool = False,
    on_progress: ProgressCallback = no_progress,
    start: Start | None = None,
) -> Run:
    """Find the dataset, split it, extract poses, pack, train and test. The run folder is
    runs/<name>, by default <model>_<dataset>_<split>. If it exists, a number is added to the name;
    with `resume`, an unfinished run is continued instead. Raises DatasetError, ConfigError and
    CheckpointError."""
    device = resolve_device(recipe.train.device)  # fails before the extraction, not after it
    if spec(recipe.model["name"]).backbone.closed_form:
        closed_form.check_options(recipe.train)
    rank, _ = distributed.init_distributed(device)
    with distributed.rank0_first():
        ready = load_dataset(recipe, cache, data, on_progress)
    default = f"{recipe.model['name']}_{ready.collection.name}_{ready.protocol}"
    folder = distributed.broadcast_from_rank0(lambda: run_folder(runs, name or default, resume))
    plain = recipe.as_dict()
    plan = Plan(
        packed=ready.packed,
        subsets=ready.subsets,
        model=recipe.model["name"],
        model_kwargs={k: v for k, v in recipe.model.items() if k != "name"},
        sampling=recipe.sampling,
        augment=recipe.augment,
        options=recipe.train,
        recipe=plain,
        estimator=ready.estimator,
        clip_s=recipe.clips.length_s or _window_length(ready),
        split=ready.fingerprint,
        dataset=ready.collection.name,
        initialise=_initial(start, ready.packed, on_progress) if start else None,
    )
    trainer = make_trainer(plan, folder, on_progress)
    if rank == 0:
        save_json(folder / CONFIG, RunConfig(recipe=plain))
        save_json(folder / SPLIT, ready.split_document())
    resumed = resume and trainer.resume()
    trainer.fit()
    scores = trainer.finish()
    if rank == 0:
        _plots(folder, trainer.history, scores, ready.packed.classes)
        write_report(folder, ready.packed)
    counts = {subset: ready.subsets.count(subset) for subset in ("train", "val", "test")}
    return Run(
        folder=folder,
        collection=ready.collection,
        scores=scores,
        clips=counts,
        estimator=ready.estimator.name,
        failed=ready.failed,
        resumed=resumed,
        protocol=ready.protocol,
    )


def _window_length(ready: ReadyDataset) -> float:
    """The 0.9 quantile of the lengths of the training clips in seconds, which becomes the window
    length of prediction."""
    rows = np.array(ready.subsets) == "train"
    lengths = ready.packed.lengths[rows] / ready.packed.fps[rows]
    return round(float(np.quantile(lengths, 0.9)), 3) if len(lengths) else 0.0


def _initial(start: Start, data: Packed, on_progress: ProgressCallback) -> Initialiser:
    """A function that loads the weights of a run or checkpoint into a network and freezes a part
    of it."""
    path = start.checkpoint
    checkpoint = load_checkpoint(path / BEST if path.is_dir() else path)

    def load(net: ActionClassifier) -> list[nn.Module]:
        result = transfer(net, data.skeleton, data.classes, checkpoint)
        on_progress(Event("train", "notice", text=f"{path}: {result.summary()}"))
        return freeze(net, start.freeze)

    return load


def run_folder(runs: Path, name: str, resume: bool) -> Path:
    """Make the folder of a new run; with `resume`, the latest unfinished run of that name. Raises
    ConfigError if the folder cannot be created."""
    numbered = [runs / name, *sorted(runs.glob(f"{name}-*"), key=lambda p: p.stat().st_mtime)]
    existing = [f for f in numbered if f.is_dir()]
    if resume:
        unfinished = [f for f in existing if not (f / RESULT).is_file()]
        folder = (unfinished or existing or [runs / name])[-1]
    else:
        folder, n = runs / name, 2
        while folder.exists():
            folder, n = runs / f"{name}-{n}", n + 1
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"Cannot create the run folder {folder}: {error.strerror}",
            "Choose another folder with --runs.",
        ) from error
    return folder


def _plots(
    folder: Path, history: tuple[EpochLog, ...], scores: Scores, classes: tuple[str, ...]
) -> None:
    from skelact.report import plots

    if history:
        plots.curves(history, folder / "curves.png")
    plots.confusion(scores.confusion, classes, folder / "confusion.png")
