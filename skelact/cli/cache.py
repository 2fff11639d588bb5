"""List, verify and clean the cache."""

from __future__ import annotations

from typing import Annotated

import typer

from skelact.cache import Cache
from skelact.cli import console, examples
from skelact.cli.options import CacheDir, Json
from skelact.errors import ConfigError
from skelact.escaping import for_terminal

app = typer.Typer(help=__doc__, epilog=examples(["skelact cache ls"]), no_args_is_help=True)


@app.command("ls", epilog=examples(["skelact cache ls"]))
def ls(cache_dir: CacheDir = None, json: Json = False) -> None:
    """List the number and size of the entries of each stage."""
    cache = Cache(cache_dir)
    stages: dict[str, tuple[int, int]] = {}
    for entry in cache.stored():
        count, size = stages.get(entry.stage, (0, 0))
        stages[entry.stage] = count + 1, size + entry.size
    if json:
        console.as_json({s: {"entries": n, "bytes": size} for s, (n, size) in stages.items()})
        return
    rows = [(stage, n, f"{size / 1e6:.1f}") for stage, (n, size) in stages.items()]
    console.table(cache.name, ("stage", ">entries", ">MB"), rows)


@app.command("verify", epilog=examples(["skelact cache verify"]))
def verify(cache_dir: CacheDir = None, json: Json = False) -> None:
    """Check all entries against their checksums, those at a remote address too. Damaged entries are
    listed; they are computed again when they are next needed."""
    damaged = Cache(cache_dir).verify()
    if json:
        console.as_json({"damaged": damaged})
    else:
        for place in damaged:
            typer.echo(for_terminal(place))
        console.say(
            f"{len(damaged)} entries are damaged." if damaged else "All entries are intact."
        )
    if damaged:
        raise typer.Exit(1)


@app.command("prune", epilog=examples(["skelact cache prune --damaged"]))
def prune(
    stage: Annotated[str | None, typer.Option(help="Remove all entries of this stage.")] = None,
    damaged: Annotated[bool, typer.Option("--damaged", help="Remove damaged entries.")] = False,
    all_: Annotated[bool, typer.Option("--all", help="Remove all entries.")] = False,
    copies: Annotated[
        bool,
        typer.Option("--copies", help="Of a remote cache, remove its copies on this machine only."),
    ] = False,
    cache_dir: CacheDir = None,
    json: Json = False,
) -> None:
    """Remove entries. Incomplete entries of interrupted runs are always removed."""
    cache = Cache(cache_dir)
    if copies:
        if cache.remote is None:
            raise ConfigError(
                f"{cache.name} is a folder, not a remote cache", "Leave out --copies."
            )
        cache = Cache(cache.root)
    removed, freed = cache.prune(stage, damaged=damaged, everything=all_)
    if json:
        console.as_json({"removed": removed, "bytes": freed})
    else:
        console.say(f"Removed {removed} entries, {freed / 1e6:.1f} MB.")
