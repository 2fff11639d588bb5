"""Fuse several runs, such as four streams, into one model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skelact.cli import console
from skelact.cli.options import Json, Overwrite
from skelact.errors import ConfigError

EXAMPLES = ("skelact fuse runs/joint runs/bone --preset 2s",)


def command(
    runs: Annotated[list[Path], typer.Argument(help="Run folders.", show_default=False)],
    weights: Annotated[
        str | None, typer.Option(help="One weight per run, separated by commas or colons.")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="Weights by stream: equal, 2s (joint 1, bone 1) or 4s (joint 2, bone 2, motions "
            "1).",
            show_default="equal",
        ),
    ] = None,
    search: Annotated[
        bool, typer.Option("--search", help="Search for the best weights on the validation subset.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder of the fused run.")] = Path("runs/fused"),
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Fuse several runs by the weighted mean of their predictions. The runs must have been tested
    on the same clips. The result is measured on these and can be used with predict --model."""
    try:
        values = [float(w) for w in weights.replace(":", ",").split(",")] if weights else None
    except ValueError as error:
        raise ConfigError(
            f"--weights must be numbers, got {weights!r}", "--weights 2,1,2,1"
        ) from error
    if sum((values is not None, preset is not None, search)) > 1:
        raise ConfigError("--weights, --preset and --search cannot be combined")
    from skelact.runs.fuse import fuse  # imports torch

    fused = fuse(runs, out, weights=values, preset=preset, search=search, overwrite=overwrite)
    if json:
        console.as_json(
            {
                "run": fused.folder,
                "weights": list(fused.weights),
                "alone": [s.top1 for s in fused.alone],
                **fused.scores.as_dict(),
            }
        )
        return
    rows = [
        (str(run), f"{weight:g}", f"{scores.top1:.1%}", f"{scores.mean_class:.1%}")
        for run, weight, scores in zip(runs, fused.weights, fused.alone, strict=True)
    ]
    rows.append(("fused", "", f"{fused.scores.top1:.1%}", f"{fused.scores.mean_class:.1%}"))
    console.table("", ("run", ">weight", ">top-1", ">mean class"), rows)
    console.say(f"skelact predict VIDEO --model {fused.folder}")
