"""Train a model on a dataset: extract missing poses, split without leaks, train, test."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skelact.cli import console
from skelact.cli.options import (
    INPUT,
    OUTPUT,
    TRAINING,
    CacheDir,
    Changes,
    ConfigFile,
    Data,
    Dataset,
    Json,
    Model,
    RecipeOptions,
    Runs,
    Settings,
    with_options,
)
from skelact.errors import ConfigError
from skelact.options import LogKind

if TYPE_CHECKING:
    from skelact.metrics import Scores
    from skelact.runs.sweep import Spread
    from skelact.runs.train import Run

EXAMPLES = (
    "skelact train --dataset my_videos/",
    "skelact train --dataset ntu60 --data NTU/ --model ctrgcn --split xsub",
)
OPTIONS = RecipeOptions(
    *("dataset.classes", "dataset.skeleton", "dataset.source_skeleton"),
    *("pose.estimator", "pose.detect_every_s", "pose.small_people"),
    *("pose.smoothing", "pose.poses_from", "normalise.dims"),
    *("sequence.persons", "clips.length_s", "clips.overlap_s", "train.epochs", "train.batch_size"),
    *("train.seed", "train.compile", "train.device"),
)


@with_options
def command(
    *,
    dataset: Dataset = None,
    data: Data = None,
    model: Model = None,
    config: ConfigFile = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Split of the dataset, such as xsub, xview or xseq, or a CSV, JSON or TOML file "
            "with the subset of each item; all trains on each split in turn, kfold5 on five folds.",
            show_default="the first",
            rich_help_panel=INPUT,
        ),
    ] = None,
    no_test: Annotated[
        bool,
        typer.Option(
            "--no-test",
            help="Train on all clips, for use: the run has no test result. Networks that stop "
            "early keep a part for validation.",
            rich_help_panel=TRAINING,
        ),
    ] = False,
    negatives: Annotated[
        Path | None,
        typer.Option(
            help="Recordings of people who do none of the actions, in the format of the dataset: "
            "windows of them are trained as the class unknown.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    changes: Annotated[Changes, OPTIONS],
    streams: Annotated[
        str | None,
        typer.Option(
            help="Input streams, separated by commas and trained in turn: joint, bone, "
            "joint-motion or bone-motion; joint+bone concatenates the channels of both.",
            show_default="from the recipe, otherwise joint",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    seeds: Annotated[
        int,
        typer.Option(
            help="Number of seeds to train with; reports mean and deviation.",
            min=1,
            rich_help_panel=TRAINING,
        ),
    ] = 1,
    init_from: Annotated[
        Path | None,
        typer.Option(
            help="Initialise with the weights of this run or checkpoint.", rich_help_panel=TRAINING
        ),
    ] = None,
    freeze: Annotated[
        str,
        typer.Option(
            help="Weights that are not trained, with --init-from: backbone, stage:3 (the first "
            "three stages) or none.",
            rich_help_panel=TRAINING,
        ),
    ] = "none",
    set_: Settings = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="Name of the run.",
            show_default="<model>_<dataset>_<split>",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    runs: Runs = Path("runs"),
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Continue the latest run of this name.", rich_help_panel=OUTPUT
        ),
    ] = False,
    log: Annotated[
        LogKind | None,
        typer.Option(
            help="Also log the epochs for other programs, on this machine: log.csv or the folder "
            "tensorboard in the run folder, or Trackio's own store.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    cache_dir: CacheDir = None,
    json: Json = False,
) -> None:
    """Train a model on a dataset: extract missing poses, split without leaks, train and test."""
    from skelact import config as configs
    from skelact.cache import Cache
    from skelact.datasets.registry import locate
    from skelact.datasets.split_file import SUFFIXES as SPLIT_SUFFIXES
    from skelact.recipe import AUTO_DATASETS, compose

    started = time.monotonic()
    dataset, data = locate(dataset, data)
    every_stream = [s.strip() for s in streams.split(",")] if streams else []
    if len(every_stream) == 1:
        changes["sampling"] = {"streams": every_stream[0]}
    if no_test:
        if split is not None:
            raise ConfigError("--no-test and --split exclude each other")
        split = "no-test"
    if split is not None and Path(split).suffix in SPLIT_SUFFIXES:
        split = str(Path(split).resolve())  # the run can be tested from another folder
    if split not in (None, "all"):
        changes.setdefault("dataset", {})["protocol"] = split
    settings = configs.merge(changes, configs.overrides(set_ or []))
    choice = None
    if model == "auto":
        model = None
    if model is None and config is None and dataset in AUTO_DATASETS:
        from skelact.runs import auto  # imports torch

        data_settings = {k: v for k, v in settings.items() if k not in ("model", "train")}
        device = {"train": {k: v for k, v in settings.get("train", {}).items() if k == "device"}}
        choice = auto.choose_for(compose(dataset, None, None, data_settings | device, data), data)
        console.say(choice.reason)
    recipe = compose(dataset, choice.model if choice else model, config, settings, data)
    if freeze != "none" and init_from is None:
        raise ConfigError("--freeze needs --init-from: random weights cannot be frozen")
    from skelact.runs import sweep
    from skelact.runs.train import Start, check_explicit, train

    check_explicit(recipe, settings)

    variants = sweep.variants(
        recipe, data, every_stream[1:] and every_stream, seeds, split == "all"
    )
    start = Start(checkpoint=init_from, freeze=freeze) if init_from else None
    trained = []
    with console.Bars() as on_progress:
        for variant in variants:
            run = train(
                variant.of(recipe),
                Cache(cache_dir),
                data=data,
                runs=runs,
                name=variant.run_name(recipe, name),
                resume=resume,
                start=start,
                negatives=negatives,
                log=log,
                on_progress=on_progress,
            )
            trained.append((variant.label, run))
    scores = [run.scores for _, run in trained if run.scores is not None]
    spread = sweep.Spread.of(scores) if scores else None
    content = None
    if json:
        rows = [_as_dict(run) for _, run in trained]
        content = (
            rows[0]
            if len(rows) == 1
            else {"runs": rows, "mean": asdict(spread) if spread else None}
        )
    elif len(trained) == 1:
        _summary(trained[0][1], time.monotonic() - started)
    else:
        _table(trained, spread)
    console.finish(1, trained[0][1].dataset.failed, content)


def _as_dict(run: Run) -> dict[str, Any]:
    return {
        "run": run.folder,
        "dataset": run.dataset.collection.name,
        "split": run.dataset.protocol,
        "clips": run.dataset.clip_counts,
        "negatives": run.dataset.negative_counts,
        **({"top1": None} if run.scores is None else run.scores.as_dict()),
        "failed": [asdict(failure) for failure in run.dataset.failed],
    }


def _table(trained: list[tuple[str, Run]], spread: Spread | None) -> None:
    rows = [(label, *_accuracy(run.scores), str(run.folder)) for label, run in trained]
    if spread is None:
        console.table("", ("run", ">top-1", ">mean class", "folder"), rows)
        return
    mean = (
        "mean ± sd",
        f"{spread.top1:.1%} ± {spread.top1_sd:.1%}",
        f"{spread.mean_class:.1%} ± {spread.mean_class_sd:.1%}",
        "",
    )
    console.table("", ("run", ">top-1", ">mean class", "folder"), rows, mean)


def _accuracy(scores: Scores | None) -> tuple[str, str]:
    return (
        ("no test",) * 2 if scores is None else (f"{scores.top1:.1%}", f"{scores.mean_class:.1%}")
    )


def _summary(run: Run, seconds: float) -> None:
    dataset, c = run.dataset, run.dataset.clip_counts
    title = (
        f"{dataset.collection.name}, split {dataset.protocol}: trained on {c['train']} clips, "
        f"validated on {c['val']}, tested on {c['test']}"
    )
    if sum(dataset.negative_counts.values()):
        n = dataset.negative_counts
        title += f" (of these, negatives: {n['train']}, {n['val']}, {n['test']})"
    if run.scores is None:
        console.say(
            f"{dataset.collection.name}: trained on {c['train']} clips, validated on {c['val']}. "
            "This run has no test result: nothing is known about its accuracy on other recordings."
        )
    else:
        console.table(title, ("", ">"), console.score_rows(run.scores))
        if dataset.collection.merge_similar:
            console.say("for use, train on all clips: the same command with --no-test, no --split")
    console.say(
        f"{seconds:.0f} s. Run folder {run.folder}: report.html, best.pt, result.json and more"
    )
