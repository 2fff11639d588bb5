"""Measure a trained run again: more clips, another split, other clip lengths."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from skelact.cli import console
from skelact.cli.options import CacheDir, Json

_Split = Annotated[
    str | None, typer.Option(help="another split of its dataset", show_default=False)
]


def command(
    run: Annotated[Path, typer.Argument(help="the run folder", show_default=False)],
    clips: Annotated[
        int | None, typer.Option(help="draws averaged, as 1, 5 or 10", show_default=False)
    ] = None,
    split: _Split = None,
    length: Annotated[
        float | None, typer.Option(help="clips of another length [s]", show_default=False)
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="any other setting of its recipe, as section.key=value"),
    ] = None,
    name: Annotated[str, typer.Option(help="name of the files written into the run")] = "test",
    data: Annotated[
        Path | None, typer.Option(help="where the dataset lies", show_default=False)
    ] = None,
    cache_dir: CacheDir = None,
    json: Json = False,
) -> None:
    """Measure the best checkpoint of a run on its test side, or on another split: one that tests on
    what the run was trained on is refused. Writes <name>.json and <name>_predictions.json into the
    run folder."""
    from skelact import config
    from skelact.cache import Cache

    given: dict[str, dict[str, Any]] = {
        "sampling": {"test_clips": clips},
        "dataset": {"protocol": split},
        "clips": {"length_s": length},
    }
    changes = {k: {n: v for n, v in s.items() if v is not None} for k, s in given.items()}
    changes = config.merge({k: v for k, v in changes.items() if v}, config.overrides(set_ or []))
    from skelact.runs.test import test  # torch is imported here

    with console.Bars() as on_progress:
        found = test(run, Cache(cache_dir), data, changes, name, on_progress)
    if json:
        files = [str(f) for f in found.files]
        console.as_json(
            {"run": str(run), "split": found.protocol, "files": files, **found.scores.as_dict()}
        )
        return
    title = f"{run}, split {found.protocol}, {found.scores.samples} clips"
    console.table(title, ("", ">"), console.score_rows(found.scores))
    console.say(f"written: {', '.join(map(str, found.files))}")
