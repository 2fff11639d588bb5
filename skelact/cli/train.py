"""Train a recogniser on a dataset: extract what is missing, split without leaks, measure."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from skelact.cli import show
from skelact.cli.options import CacheDir, Json, PosesFrom

_Data = Annotated[
    Path | None,
    typer.Option(
        help="where the dataset lies [default: $SKELACT_DATA/<name>, ./data/<name>]",
        show_default=False,
    ),
]


def command(
    dataset: Annotated[str, typer.Option(help="which dataset")] = "mads",
    data: _Data = None,
    model: Annotated[
        str | None,
        typer.Option(help="a network of configs/models [default: stgcn]", show_default=False),
    ] = None,
    config: Annotated[
        str | None, typer.Option(help="a recipe of configs/ by name, or a .py file")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="xseq (sequences), xview (cameras) or xsub (performers) [default: xseq]",
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
            help="joint, bone, joint-motion or bone-motion; joint+bone puts them side by side "
            "[default: joint]",
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
    from skelact.pipeline.recipe import compose

    started = time.monotonic()
    given: dict[str, dict[str, Any]] = {
        "dataset": {"protocol": split, "classes": classes.split(",") if classes else None},
        "pose": {
            "estimator": pose,
            "poses_from": str(poses_from) if poses_from else None,
        },
        "normalise": {"dims": dims},
        "sequence": {"persons": persons},
        "sampling": {"streams": streams},
        "split": {"length_s": length, "overlap_s": overlap},
        "train": {"epochs": epochs, "batch_size": batch_size, "seed": seed, "device": device},
    }
    changes = {
        section: {k: v for k, v in keys.items() if v is not None} for section, keys in given.items()
    }
    recipe = compose(dataset, model, config, configs.merge(changes, configs.overrides(set_ or [])))
    from skelact.pipeline.training import train  # torch is imported here

    with show.Bars() as listener:
        run = train(recipe, Cache(cache_dir), data, runs, name, resume, listener)
    if json:
        show.as_json(
            {
                "run": str(run.folder),
                "dataset": run.collection.name,
                "clips": run.clips,
                **run.scores.as_dict(),
                "failed": show.failed_json(run.failed),
            }
        )
    else:
        _summary(run, recipe.dataset.protocol, time.monotonic() - started)
        show.failures(run.failed)
    show.exit_code(1, len(run.failed))


def _summary(run: Any, protocol: str, seconds: float) -> None:
    s, c = run.scores, run.clips
    rows = [
        ("top-1", f"{s.top1:.1%}"),
        ("mean class accuracy", f"{s.mean_class:.1%}"),
        ("always the commonest class", f"{s.majority:.1%}"),
    ]
    if s.top5 is not None:
        rows.insert(1, ("top-5", f"{s.top5:.1%}"))
    title = (
        f"{run.collection.name}, split {protocol}: trained on {c['train']} clips, validated on "
        f"{c['val']}, tested on {c['test']}"
    )
    show.table(title, ("", ">"), rows)
    show.say(
        f"{seconds:.0f} s. Run folder {run.folder}: best.pt, config.json, log.jsonl, "
        "result.json, curves.png, confusion.png"
    )
