"""Training: from a dataset to a run folder with a trained and tested network."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from skelact.cache import Cache
from skelact.datasets.packed import Packed
from skelact.datasets.splits import NO_TEST
from skelact.device import resolve_device
from skelact.errors import ConfigError
from skelact.metrics import Scores
from skelact.models import spec
from skelact.models.base import ActionClassifier
from skelact.models.checkpoint import load_checkpoint
from skelact.options import LogKind
from skelact.recipe import Recipe
from skelact.runs.location import data_location, location_of
from skelact.runs.report import write_report
from skelact.schemas import BEST, CONFIG, RESULT, SPLIT, Checkpoint, EpochLog, RunConfig, save_json
from skelact.stages.dataset import ReadyDataset, load_dataset
from skelact.temporary import is_temporary
from skelact.training import closed_form, distributed
from skelact.training.logs import check_log, kept_log, open_log
from skelact.training.plan import Initialiser, Plan
from skelact.training.trainer import make_trainer
from skelact.training.transfer import freeze, transfer
from skelact.types import Event, ProgressCallback, no_progress


@dataclass(frozen=True, kw_only=True)
class Start:
    """Initial weights, and the part of the network that is not trained: none, backbone or
    stage:n."""

    checkpoint: Path
    freeze: str = "none"


@dataclass(frozen=True, kw_only=True)
class Run:
    """The result of `train`: the run folder, the test scores (None without a test), the dataset."""

    folder: Path
    scores: Scores | None
    dataset: ReadyDataset


def train(
    recipe: Recipe,
    cache: Cache,
    *,
    data: Path | None = None,
    runs: Path = Path("runs"),
    name: str | None = None,
    resume: bool = False,
    start: Start | None = None,
    negatives: Path | None = None,
    log: LogKind | None = None,
    on_progress: ProgressCallback = no_progress,
) -> Run:
    """Load the dataset, train and test. The run folder is runs/<name>, by default
    <model>_<dataset>_<split>. If it exists, a number is appended to the name; with `resume`, the
    latest unfinished run of that name is continued instead. `negatives` is a folder of recordings
    of people who do none of the actions, which are trained as the class "unknown"; `log` also logs
    the epochs for another program, by default as a resumed run did before. Raises DatasetError,
    ConfigError, CheckpointError, InputError for the negatives, and BackendMissing without the
    package of the log."""
    check_log(log)
    device = resolve_device(recipe.train.device)  # raises before poses are extracted
    if spec(recipe.network).backbone.closed_form:
        closed_form.check_options(recipe.train)
        if log == "csv":
            raise ConfigError(
                f"{recipe.network} is trained in closed form: there are no epochs for log.csv",
                "Leave out --log, or choose another --model.",
            )
        if recipe.dataset.protocol == NO_TEST:  # validation does not change its weights
            recipe = replace(recipe, train=replace(recipe.train, val_fraction=0.0))
    initial = None if start is None else _checkpoint_of(start)  # raises before that, too
    rank, _ = distributed.init_distributed(device)
    with distributed.in_turn():
        dataset = load_dataset(recipe, cache, data, on_progress, negatives=negatives)
    recipe = dataset.recipe
    name = name or f"{recipe.network}_{dataset.collection.name}_{Path(dataset.protocol).stem}"
    distributed.check_same((dataset.fingerprint, recipe.as_dict(), name))

    def choose_folder() -> tuple[Path, bool]:
        resumed = resume or distributed.is_restart()
        return run_folder(runs, name, resumed), resumed

    folder, resume = distributed.on_rank0(choose_folder)
    plan = Plan(
        packed=dataset.packed,
        subsets=dataset.subsets,
        recipe=recipe,
        estimator=dataset.estimator,
        clip_s=recipe.clips.length_s or _window_length(dataset),
        split=dataset.fingerprint,
        dataset=dataset.collection.name,
        durations=dataset.durations(),
        no_test=dataset.protocol == NO_TEST,
        initialise=(
            _initialiser(start, initial, dataset.packed, on_progress) if start and initial else None
        ),
    )
    with _removed_if_empty(folder, rank):
        trainer = make_trainer(plan, folder, on_progress)
        if resume:
            trainer.resume()  # raises before anything is written to the folder of another run
    if distributed.is_restart():
        text = f"torchrun has started the processes again; continuing {folder}."
        on_progress(Event("train", "notice", text=text))
    if rank == 0:
        location = data_location(folder, dataset.collection)
        others = None if negatives is None else location_of(folder, negatives)
        config = RunConfig(recipe=recipe.as_dict(), location=location, negatives=others)
        save_json(folder / CONFIG, config)
        save_json(folder / SPLIT, dataset.split_document())
    if resume and log is None:
        log = kept_log(folder)
    if log is not None and rank == 0:
        trainer.log = open_log(log, folder, recipe.as_dict(), trainer.history)
    trainer.fit()
    scores = trainer.finish()
    if trainer.log is not None:
        trainer.log.end(scores)

    def report() -> None:
        _plot(folder, trainer.history, scores, dataset.packed.classes)
        write_report(folder, dataset.packed, dataset.collection.items)

    distributed.on_rank0(report)
    distributed.rank0_last()
    return Run(folder=folder, scores=scores, dataset=dataset)


def check_explicit(recipe: Recipe, settings: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises ConfigError if a user names options of training, in the sections `settings`, that the
    network of the recipe has no use for."""
    if spec(recipe.network).backbone.closed_form:
        closed_form.check_explicit(settings.get("train", {}))


def _window_length(dataset: ReadyDataset) -> float:
    """The 0.9 quantile of the lengths of the training clips in seconds, which becomes the window
    length of prediction."""
    rows = np.array(dataset.subsets) == "train"
    lengths = dataset.packed.lengths[rows] / dataset.packed.fps[rows]
    return round(float(np.quantile(lengths, 0.9)), 3) if len(lengths) else 0.0


def _checkpoint_of(start: Start) -> Checkpoint:
    path = start.checkpoint
    return load_checkpoint(path / BEST if path.is_dir() else path)


def _initialiser(
    start: Start, checkpoint: Checkpoint, data: Packed, on_progress: ProgressCallback
) -> Initialiser:
    """A function that loads the weights of a checkpoint into a network and freezes a part of it."""

    def load(net: ActionClassifier) -> list[nn.Module]:
        result = transfer(net, data.skeleton, data.classes, checkpoint)
        on_progress(Event("train", "notice", text=f"{start.checkpoint}: {result.summary()}"))
        return freeze(net, start.freeze)

    return load


@contextlib.contextmanager
def _removed_if_empty(folder: Path, rank: int) -> Iterator[None]:
    """Leave no folder of a run that cannot start."""
    try:
        yield
    except BaseException:
        if rank == 0:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


def run_folder(runs: Path, name: str, resume: bool) -> Path:
    """Create the folder of a new run, runs/<name> or runs/<name>-<n> with the first free number
    from 2 on. With `resume`, the existing folder with the highest number is returned, if possible
    of an unfinished run. Raises ConfigError if the folder cannot be created."""
    if resume:
        folders = _numbered_folders(runs, name)
        unfinished = [f for f in folders if not (f / RESULT).is_file()]
        if folders:
            return (unfinished or folders)[-1]
    folder, n = runs / name, 2
    while True:
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            folder, n = runs / f"{name}-{n}", n + 1
        except OSError as error:
            raise ConfigError(
                f"Cannot create the run folder {folder}: {error.strerror}",
                "Choose another folder with --runs.",
            ) from error


def _numbered_folders(runs: Path, name: str) -> list[Path]:
    """The existing run folders <name>, <name>-2, <name>-3 and so on."""
    path = runs / name  # the name may contain a folder
    numbers = {path.name: 1}
    for other in path.parent.glob("*-*"):
        match = re.fullmatch(re.escape(path.name) + r"-(\d+)", other.name)
        if match:
            numbers[other.name] = int(match[1])
    folders = (path.with_name(n) for n in sorted(numbers, key=lambda n: numbers[n]))
    return [folder for folder in folders if _is_run(folder)]


def _is_run(folder: Path) -> bool:
    """Whether a folder is that of a run, maybe of one that was killed before it wrote anything."""
    return (folder / CONFIG).is_file() or (
        folder.is_dir() and all(is_temporary(file.name) for file in folder.iterdir())
    )


def _plot(
    folder: Path, history: tuple[EpochLog, ...], scores: Scores | None, classes: tuple[str, ...]
) -> None:
    from skelact.report import plots

    if history:
        plots.curves(history, folder / "curves.png")
    if scores is not None:
        plots.confusion(scores.confusion, classes, folder / "confusion.png")
