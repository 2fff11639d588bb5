"""Train one recipe with many settings, test each in many ways; a table and a plot."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skelact.cli import console
from skelact.cli.options import CacheDir, Json


def command(
    over: Annotated[
        list[str],
        typer.Option(
            help="settings to train with, as clips.length_s=3,5,8; several options: their product",
            show_default=False,
        ),
    ],
    test: Annotated[
        list[str] | None,
        typer.Option(help="settings to test every run with as well, written likewise"),
    ] = None,
    dataset: Annotated[str, typer.Option(help="which dataset")] = "mads",
    data: Annotated[
        Path | None, typer.Option(help="where the dataset lies", show_default=False)
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="a network of `skelact models`", show_default=False)
    ] = None,
    config: Annotated[
        str | None, typer.Option(help="a recipe of configs/ by name, or a .py file")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="a setting of all runs, as section.key=value")
    ] = None,
    name: Annotated[str, typer.Option(help="name of the sweep")] = "sweep",
    runs: Annotated[Path, typer.Option(help="folder of the runs")] = Path("runs"),
    cache_dir: CacheDir = None,
    json: Json = False,
) -> None:
    """Train one recipe with many settings (clip length, overlap, resolution, batch size, learning
    rate …), test each run as it is and in other ways, and write <name>.csv and <name>.png."""
    from skelact import config as configs
    from skelact.cache import Cache
    from skelact.recipe import compose

    recipe = compose(dataset, model, config, configs.overrides(set_ or []))
    from skelact.report.plots import bars
    from skelact.runs import sweep

    trained = sweep.grid(over)
    tested = sweep.grid(test) if test else []
    with console.Bars() as on_progress:
        rows = sweep.sweep(recipe, trained, tested, Cache(cache_dir), data, runs, name, on_progress)
    table, plot = runs / f"{name}.csv", runs / f"{name}.png"
    sweep.write_table(rows, table)
    bars(
        [" / ".join(filter(None, (r.trained, r.tested))) for r in rows],
        [r.top1 for r in rows],
        plot,
    )
    if json:
        console.as_json(
            [
                {
                    "trained": r.trained,
                    "tested": r.tested,
                    "top1": r.top1,
                    "mean_class": r.mean_class,
                    "run": str(r.run),
                }
                for r in rows
            ]
        )
        return
    console.table(
        "",
        ("trained with", "tested with", ">top-1", ">mean class"),
        [(r.trained, r.tested or "the same", f"{r.top1:.1%}", f"{r.mean_class:.1%}") for r in rows],
    )
    console.say(f"written: {table}, {plot}")
