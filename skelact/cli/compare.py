"""Compare finished runs in a table and an HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skelact.cli import console
from skelact.cli.options import Json, Overwrite
from skelact.errors import InputError, PathMissing

if TYPE_CHECKING:
    from skelact.report.page import ComparedRun


EXAMPLES = ("skelact compare runs/* --out comparison.html",)


def command(
    runs: Annotated[list[Path], typer.Argument(help="Run folders.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="Write a self-contained HTML page.")] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Compare finished runs: accuracy, cost, and whether they were tested on the same clips."""
    from skelact import outputs
    from skelact.files import write_bytes
    from skelact.report.page import comparison, comparison_page

    if out is not None:
        outputs.check(out, overwrite=overwrite, suffixes=(".html", ".htm"))
    for run in runs:
        if not run.exists():
            raise PathMissing(f"{run}: no such run folder", "Check the path.")
    folders = [run for run in runs if run.is_dir()] or runs  # runs/* can hold tables of sweeps
    rows = comparison(folders)
    if out is not None:
        try:
            write_bytes(out, comparison_page(rows).encode())
        except OSError as error:
            raise InputError(f"Cannot write {out}: {error.strerror}") from error
    if json:
        console.as_json([row.as_dict() for row in rows])
        return
    heads = ("run", "network", "data", "split", ">top-1", ">mean class", ">clips", ">time [s]")
    console.table("", (*heads, ">MB"), [_cells(row) for row in rows])
    if not all(row.same_split for row in rows):
        console.say("these runs were not all tested on the same clips")
    if out is not None:
        console.say(f"page: {out}")


def _cells(row: ComparedRun) -> tuple[object, ...]:
    scores, cost = row.result.test_scores, ("", "")
    if row.config is not None:  # a fusion has no cost of its own
        cost = (f"{row.result.seconds:.0f}", f"{row.result.memory_mb}")
    accuracy = (f"{scores.top1:.1%}", f"{scores.mean_class:.1%}")
    return (row.run, row.model, row.data, row.protocol, *accuracy, scores.samples, *cost)
