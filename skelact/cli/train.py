"""Train a recogniser on a dataset: extract what is missing, split without leaks, measure."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from skelact.cli import console
from skelact.cli.options import CacheDir, Json, PosesFrom, person_count
from skelact.errors import ConfigError

_Data = Annotated[
    Path | None,
    typer.Option(
        help="where the dataset lies [default: $SKELACT_DATA/<name>, ./data/<name>]",
        show_default=False,
    ),
]


def command(
    dataset: Annotated[
        str,
        typer.Option(
            help="a dataset of `skelact datasets`, a folder of class folders, a labels.csv"
        ),
    ] = "mads",
    data: _Data = None,
    model: Annotated[
        str | None,
        typer.Option(help="a network of `skelact models` [default: stgcn]", show_default=False),
    ] = None,
    config: Annotated[
        str | None, typer.Option(help="a recipe of configs/ by name, or a .py file")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="one of the dataset's, as xsub, xview or xseq, or all of them one after another "
            "[default: the first]",
            show_default=False,
        ),
    ] = None,
    classes: Annotated[str | None, typer.Option(help="only these, separated by commas")] = None,
    pose: Annotated[
        str | None, typer.Option(help="the estimator [default: auto]", show_default=False)
    ] = None,
    dims: Annotated[
        int | None,
        typer.Option(help="2: x, y, score; 3: world landmarks [default: 2]", show_default=False),
    ] = None,
    persons: Annotated[
        str | None,
        typer.Option(help="people a clip keeps: 1, 2, … or all [default: 1]", show_default=False),
    ] = None,
    length: Annotated[
        float | None, typer.Option(help="clip length [s] [default: 5]", show_default=False)
    ] = None,
    overlap: Annotated[
        float | None, typer.Option(help="overlap of clips [s] [default: 0]", show_default=False)
    ] = None,
    streams: Annotated[
        str | None,
        typer.Option(
            help="joint, bone, joint-motion or bone-motion; joint+bone puts them side by side; "
            "several separated by commas are trained one after another [default: joint]",
            show_default=False,
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="epochs at most", show_default=False)] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(help="clips in a batch; the learning rate follows", show_default=False),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="seed of everything random [default: 0]", show_default=False)
    ] = None,
    seeds: Annotated[
        int, typer.Option(help="train with that many seeds, report mean and deviation", min=1)
    ] = 1,
    init_from: Annotated[
        Path | None,
        typer.Option(help="start from the weights of this run or checkpoint", show_default=False),
    ] = None,
    freeze: Annotated[
        str, typer.Option(help="with --init-from: backbone, stage:3 (the first three), or none")
    ] = "none",
    compile_: Annotated[
        bool | None, typer.Option("--compile", help="torch.compile the network", show_default=False)
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="auto, cpu, cuda or mps", show_default=False)
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="any setting of the config, as section.key=value; may be repeated"
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="name of the run [default: <model>_<dataset>_<split>]", show_default=False
        ),
    ] = None,
    runs: Annotated[Path, typer.Option(help="folder of the runs")] = Path("runs"),
    resume: Annotated[
        bool, typer.Option("--resume", help="go on with the newest run of that name")
    ] = False,
    poses_from: PosesFrom = None,
    cache_dir: CacheDir = None,
    json: Json = False,
) -> None:
    """Train a recogniser: finds the dataset, extracts what is missing, splits without leaks,
    trains, measures."""
    from skelact import config as configs
    from skelact.cache import Cache
    from skelact.recipe import compose

    started = time.monotonic()
    if dataset.endswith((".csv", ".pkl", ".pickle")) or Path(dataset).is_dir():
        from skelact.datasets.registry import kind_of

        data, dataset = Path(dataset), kind_of(Path(dataset))
    every = [s.strip() for s in streams.split(",")] if streams else []
    one = every[0] if len(every) == 1 else None
    given: dict[str, dict[str, Any]] = {
        "dataset": {
            "protocol": None if split == "all" else split,
            "classes": classes.split(",") if classes else None,
        },
        "pose": {
            "estimator": pose,
            "poses_from": str(poses_from) if poses_from else None,
        },
        "normalise": {"dims": dims},
        "sampling": {"streams": one},
        "clips": {"length_s": length, "overlap_s": overlap},
        "train": {
            "epochs": epochs,
            "batch_size": batch_size,
            "seed": seed,
            "device": device,
            "compile": compile_,
        },
    }
    changes = {
        section: {k: v for k, v in keys.items() if v is not None} for section, keys in given.items()
    }
    if persons is not None:
        changes["sequence"] = {"persons": person_count(persons)}
    recipe = compose(dataset, model, config, configs.merge(changes, configs.overrides(set_ or [])))
    if freeze != "none" and init_from is None:
        raise ConfigError("--freeze needs --init-from: untrained weights would stay as they are")
    from skelact.runs import sweep
    from skelact.runs.train import Start

    chosen = sweep.variants(recipe, data, every[1:] and every, seeds, split == "all")
    start = Start(init_from, freeze) if init_from else None
    found = []
    with console.Bars() as on_progress:
        for variant, run in sweep.train_all(
            recipe, chosen, Cache(cache_dir), data, runs, name, resume, on_progress, start
        ):
            found.append((variant.label, run))
    if json:
        rows = [_as_dict(run) for _, run in found]
        spread = sweep.Spread.of([run for _, run in found])
        console.as_json(rows[0] if len(rows) == 1 else {"runs": rows, "mean": asdict(spread)})
    else:
        if len(found) == 1:
            _summary(found[0][1], time.monotonic() - started)
        else:
            _table(found, sweep.Spread.of([run for _, run in found]))
        console.failures(found[0][1].failed)
    console.exit_code(1, len(found[0][1].failed))


def _as_dict(run: Any) -> dict[str, Any]:
    return {
        "run": str(run.folder),
        "dataset": run.collection.name,
        "split": run.protocol,
        "clips": run.clips,
        **run.scores.as_dict(),
        "failed": console.failed_json(run.failed),
    }


def _table(found: list[tuple[str, Any]], spread: Any) -> None:
    rows = [
        (label, f"{run.scores.top1:.1%}", f"{run.scores.mean_class:.1%}", str(run.folder))
        for label, run in found
    ]
    mean = (
        "mean ± sd",
        f"{spread.top1:.1%} ± {spread.top1_sd:.1%}",
        f"{spread.mean_class:.1%} ± {spread.mean_class_sd:.1%}",
        "",
    )
    console.table("", ("run", ">top-1", ">mean class", "folder"), rows, mean)


def _summary(run: Any, seconds: float) -> None:
    c = run.clips
    title = (
        f"{run.collection.name}, split {run.protocol}: trained on {c['train']} clips, validated on "
        f"{c['val']}, tested on {c['test']}"
    )
    console.table(title, ("", ">"), console.score_rows(run.scores))
    console.say(
        f"{seconds:.0f} s. Run folder {run.folder}: best.pt, report.html, config.json, log.jsonl, "
        "result.json, curves.png, confusion.png"
    )
