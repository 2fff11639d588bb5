"""Look into the stage store, check it, make room."""

from __future__ import annotations

import shutil
from collections import defaultdict
from typing import Annotated, Any

import typer

from skelact.cache import Cache
from skelact.cli import console
from skelact.cli.options import CacheDir, Json

app = typer.Typer(help=__doc__, no_args_is_help=True)


def _size(folder: Any) -> int:
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())


@app.command("ls")
def ls(cache_dir: CacheDir = None, json: Json = False) -> None:
    """What is stored, by stage."""
    cache = Cache(cache_dir)
    stages: dict[str, list[int]] = defaultdict(list)
    for stage, folder in cache.entries():
        stages[stage].append(_size(folder))
    if json:
        console.as_json(
            {stage: {"entries": len(sizes), "bytes": sum(sizes)} for stage, sizes in stages.items()}
        )
        return
    rows = [(stage, len(sizes), f"{sum(sizes) / 1e6:.1f}") for stage, sizes in stages.items()]
    console.table(f"{cache.root}", ("stage", ">entries", ">MB"), rows)


@app.command("verify")
def verify(cache_dir: CacheDir = None) -> None:
    """Read everything and compare with what was written. Damaged entries are listed; they are made
    anew when next needed."""
    bad = Cache(cache_dir).verify()
    for folder in bad:
        typer.echo(str(folder))
    console.say(f"{len(bad)} damaged" if bad else "all entries are whole")
    if bad:
        raise typer.Exit(1)


@app.command("prune")
def prune(
    stage: Annotated[str | None, typer.Option(help="remove all entries of this stage")] = None,
    damaged: Annotated[bool, typer.Option("--damaged", help="remove damaged entries")] = False,
    all_: Annotated[bool, typer.Option("--all", help="remove every entry")] = False,
    cache_dir: CacheDir = None,
) -> None:
    """Remove entries; what killed runs left half-written always goes."""
    cache = Cache(cache_dir)
    cache.remove_stale()
    doomed = set(cache.verify()) if damaged else set()
    doomed |= {folder for s, folder in cache.entries() if all_ or s == stage}
    freed = sum(map(_size, doomed))
    for folder in doomed:
        shutil.rmtree(folder, ignore_errors=True)
    console.say(f"removed {len(doomed)} entries, {freed / 1e6:.1f} MB")
