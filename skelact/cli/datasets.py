"""List the datasets, look into one before an hour of work, export one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skelact.cli import console
from skelact.cli.options import CacheDir, Json

app = typer.Typer(help=__doc__, invoke_without_command=True)


@app.callback(invoke_without_command=True)
def table(context: typer.Context, json: Json = False) -> None:
    """Every dataset: what it is, where to get it, how it must lie, and whether it is here."""
    if context.invoked_subcommand is not None:
        return
    from skelact.datasets.registry import dataset_specs, places

    rows = []
    for source in dataset_specs().values():
        here = next((str(p) for p in places(source.name, None) if p.exists()), "")
        rows.append((source.name, source.title, source.origin, source.layout, here))
    heads = ("name", "what", "from", "must lie as", "here")
    if json:
        console.as_json([dict(zip(heads, row, strict=True)) for row in rows])
    else:
        console.table("", heads, rows)
        console.say("looked for under --data, $SKELACT_DATA/<name> and ./data/<name>")


@app.command("check")
def check(
    place: Annotated[Path, typer.Argument(help="a folder, labels.csv or .pkl", show_default=False)],
    dataset: Annotated[
        str | None, typer.Option(help="which dataset it is [default: from its form]")
    ] = None,
    json: Json = False,
) -> None:
    """Classes, counts, lengths, imbalance, duplicates by content, missing and unreadable files, and
    what could leak, before an hour of work. Exit code 1 if something needs attention."""
    from skelact.datasets.check import inspect
    from skelact.datasets.registry import kind_of

    found = inspect(dataset or kind_of(place), place)
    if json:
        console.as_json(found.as_dict())
    else:
        rows = [
            (c.label, c.items, f"{c.seconds:.0f}", f"{c.shortest_s:.1f}", f"{c.longest_s:.1f}")
            for c in found.classes
        ]
        heads = ("class", ">items", ">seconds", ">shortest [s]", ">longest [s]")
        console.table(f"{place}: {found.items} items", heads, rows)
        for text in found.notes:
            console.say(text)
        for text in found.warnings:
            console.error(text)
    if found.warnings:
        raise typer.Exit(1)


@app.command("export")
def export(
    dataset: Annotated[str, typer.Option(help="which dataset")],
    out: Annotated[Path, typer.Option(help="the file to write")],
    form: Annotated[str, typer.Option("--format", help="pyskl (also mmaction2's)")] = "pyskl",
    data: Annotated[Path | None, typer.Option(help="where it lies", show_default=False)] = None,
    cache_dir: CacheDir = None,
) -> None:
    """Write a dataset, poses and splits, as PYSKL's and mmaction2's annotation pickle. Videos are
    extracted first."""
    from skelact.cache import Cache
    from skelact.errors import ConfigError
    from skelact.runs.export import export_pyskl

    if form != "pyskl":
        raise ConfigError(f"no format {form!r}", "pyskl")
    with console.Bars() as on_progress:
        count, failed = export_pyskl(dataset, data, out, Cache(cache_dir), on_progress)
    console.say(f"{count} samples: {out}")
    console.failures(failed)
    console.exit_code(count, len(failed))
