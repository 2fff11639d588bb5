"""Train a recipe with many settings, and test each run in several ways."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skelact.cli import console
from skelact.cli.options import (
    CacheDir,
    Changes,
    ConfigFile,
    Data,
    Dataset,
    Json,
    Model,
    Overwrite,
    Runs,
    Settings,
    Split,
    with_options,
)
from skelact.cli.train import OPTIONS

EXAMPLES = (
    "skelact sweep --over clips.length_s=3,5 --over train.lr=0.1,0.05 --dataset my_videos/",
)


@with_options
def command(
    *,
    over: Annotated[
        list[str],
        typer.Option(
            help="Values to train with, such as clips.length_s=3,5,8. Several options give all "
            "combinations.",
            show_default=False,
        ),
    ],
    test: Annotated[
        list[str] | None,
        typer.Option(help="Values to test every run with in addition, in the same form."),
    ] = None,
    dataset: Dataset = None,
    data: Data = None,
    model: Model = None,
    config: ConfigFile = None,
    split: Split = None,
    changes: Annotated[Changes, OPTIONS],
    set_: Settings = None,
    name: Annotated[str, typer.Option(help="Name of the sweep.")] = "sweep",
    runs: Runs = Path("runs"),
    overwrite: Overwrite = False,
    cache_dir: CacheDir = None,
    json: Json = False,
) -> None:
    """Train a recipe with many settings (clip length, overlap, resolution, batch size, learning
    rate, ...), test each run as trained and in other ways, and write <name>.csv and <name>.png."""
    from skelact import config as configs
    from skelact import outputs
    from skelact.cache import Cache
    from skelact.datasets.registry import locate
    from skelact.recipe import compose

    dataset, data = locate(dataset, data)
    table, plot = runs / f"{name}.csv", runs / f"{name}.png"
    outputs.check(
        *(table, plot), inputs=[Path(p) for p in (data, config, split) if p], overwrite=overwrite
    )
    if split is not None:
        changes.setdefault("dataset", {})["protocol"] = split
    settings = configs.merge(changes, configs.overrides(set_ or []))
    recipe = compose(dataset, None if model == "auto" else model, config, settings, data)
    from skelact.report.plots import bars
    from skelact.runs import sweep
    from skelact.runs.train import check_explicit

    check_explicit(recipe, settings)
    trained = sweep.grid(over)
    tested = sweep.grid(test) if test else []
    with console.Bars() as on_progress:
        rows = sweep.sweep(
            recipe,
            trained,
            tested,
            Cache(cache_dir),
            data=data,
            runs=runs,
            name=name,
            on_progress=on_progress,
        )
    sweep.write_table(rows, table)
    labels = [" / ".join(filter(None, (r.trained, r.tested))) for r in rows]
    bars(labels, [r.scores.top1 for r in rows], plot)
    if json:
        console.as_json([r.as_dict() for r in rows])
        return
    heads = ("trained with", "tested with", ">top-1", ">mean class")
    cells = [
        (r.trained, r.tested or "the same", f"{r.scores.top1:.1%}", f"{r.scores.mean_class:.1%}")
        for r in rows
    ]
    console.table("", heads, cells)
    console.say(f"written: {table}, {plot}")
