"""Join several runs, as of four streams, into one recogniser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skelact.cli import console
from skelact.cli.options import Json
from skelact.errors import ConfigError


def command(
    runs: Annotated[list[Path], typer.Argument(help="run folders", show_default=False)],
    weights: Annotated[
        str | None,
        typer.Option(help="one for each run, separated by commas or colons", show_default=False),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="weights by stream: equal, 2s (joint 1, bone 1) or 4s (joint 2, bone 2, motions 1)"
            " [default: equal]",
            show_default=False,
        ),
    ] = None,
    search: Annotated[
        bool, typer.Option("--search", help="search the weights on the validation side")
    ] = False,
    out: Annotated[Path, typer.Option(help="folder of the fused run")] = Path("runs/fused"),
    json: Json = False,
) -> None:
    """Join several runs by their samples: measured on the test side, and a recogniser for
    `predict --model`. They must have been tested on the same samples."""
    try:
        given = [float(w) for w in weights.replace(":", ",").split(",")] if weights else None
    except ValueError as error:
        raise ConfigError(
            f"weights must be numbers, got {weights!r}", "--weights 2,1,2,1"
        ) from error
    if sum((given is not None, preset is not None, search)) > 1:
        raise ConfigError("--weights, --preset and --search exclude one another")
    from skelact.runs.fuse import fuse  # torch is imported here

    fused = fuse(runs, out, given, preset, search)
    if json:
        console.as_json(
            {
                "run": str(fused.folder),
                "weights": list(fused.weights),
                "alone": [s.top1 for s in fused.alone],
                **fused.scores.as_dict(),
            }
        )
        return
    rows = [
        (str(run), f"{w:g}", f"{s.top1:.1%}", f"{s.mean_class:.1%}")
        for run, w, s in zip(runs, fused.weights, fused.alone, strict=True)
    ]
    rows.append(("together", "", f"{fused.scores.top1:.1%}", f"{fused.scores.mean_class:.1%}"))
    console.table("", ("run", ">weight", ">top-1", ">mean class"), rows)
    console.say(f"skelact predict VIDEO --model {fused.folder}")
