"""Compare finished runs in a table and an HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skelact.cli import console
from skelact.cli.options import Json


def command(
    runs: Annotated[list[Path], typer.Argument(help="Run folders.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="Write a self-contained HTML page.")] = None,
    json: Json = False,
) -> None:
    """Compare finished runs: accuracy, cost, and whether they were tested on the same clips."""
    from skelact.report.page import comparison, comparison_page

    folders = [run for run in runs if run.is_dir()] or runs
    rows = comparison(folders)
    if out is not None:
        out.write_text(comparison_page(rows), encoding="utf-8")
    if json:
        console.as_json([row.as_dict() for row in rows])
        return
    console.table(
        "",
        ("run", "network", "data", "split", ">top-1", ">mean class", ">clips", ">time [s]", ">MB"),
        [
            (
                r["run"],
                r["model"],
                r["data"],
                r["split"],
                f"{r['top1']:.1%}",
                f"{r['mean_class']:.1%}",
                r["samples"],
                "" if r["seconds"] is None else f"{r['seconds']:.0f}",
                "" if r["memory_mb"] is None else r["memory_mb"],
            )
            for r in (row.as_dict() for row in rows)
        ],
    )
    if not all(row.same_split for row in rows):
        console.say("these runs were not all tested on the same clips")
    if out is not None:
        console.say(f"page: {out}")
