"""Test a trained run again: other splits, clip lengths or numbers of draws."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skelact.cli import console
from skelact.cli.options import (
    CacheDir,
    Changes,
    Data,
    Json,
    RecipeOptions,
    Settings,
    with_options,
)

EXAMPLES = (
    "skelact test runs/mine",
    "skelact test runs/mine --data moved/videos",
)


@with_options
def command(
    run: Annotated[Path, typer.Argument(help="Run folder.", show_default=False)],
    *,
    changes: Annotated[
        Changes, RecipeOptions("sampling.test_clips", "dataset.protocol", "clips.length_s")
    ],
    set_: Settings = None,
    name: Annotated[
        str, typer.Option(help="Name of the files written to the run folder.")
    ] = "test",
    data: Data = None,
    cache_dir: CacheDir = None,
    json: Json = False,
) -> None:
    """Test the best checkpoint of a run on its test subset or on another split. A split whose test
    subset contains training clips of the run is refused. Writes <name>.json and
    <name>_predictions.json into the run folder."""
    from skelact import config
    from skelact.cache import Cache

    changes = config.merge(changes, config.overrides(set_ or []))
    from skelact.runs.test import test  # imports torch

    with console.Bars() as on_progress:
        result = test(
            run, Cache(cache_dir), data=data, changes=changes, name=name, on_progress=on_progress
        )
    files = list(map(str, result.files))
    split = result.dataset.protocol
    if json:
        content = {"run": run, "split": split, "files": files}
        console.as_json(content | result.scores.as_dict())
        return
    title = f"{run}, split {split}, {result.scores.samples} clips"
    console.table(title, ("", ">"), console.score_rows(result.scores))
    console.say(f"written: {', '.join(files)}")
