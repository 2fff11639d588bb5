"""List, verify and clean the cache."""

from __future__ import annotations

import shutil
from collections import defaultdict
from pathlib import Path
from typing import Annotated

import typer

from skelact.cache import Cache
from skelact.cli import console, examples
from skelact.cli.options import CacheDir, Json
from skelact.errors import CacheError
from skelact.escaping import for_terminal

app = typer.Typer(help=__doc__, epilog=examples(["skelact cache ls"]), no_args_is_help=True)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


@app.command("ls", epilog=examples(["skelact cache ls"]))
def ls(cache_dir: CacheDir = None, json: Json = False) -> None:
    """List the number and size of the entries of each stage."""
    cache = Cache(cache_dir)
    stages: dict[str, list[int]] = defaultdict(list)
    for stage, folder in cache.entries():
        stages[stage].append(_size(folder))
    if json:
        console.as_json({s: {"entries": len(v), "bytes": sum(v)} for s, v in stages.items()})
        return
    rows = [(stage, len(sizes), f"{sum(sizes) / 1e6:.1f}") for stage, sizes in stages.items()]
    console.table(f"{cache.root}", ("stage", ">entries", ">MB"), rows)


@app.command("verify", epilog=examples(["skelact cache verify"]))
def verify(cache_dir: CacheDir = None, json: Json = False) -> None:
    """Check all entries against their checksums. Damaged entries are listed; they are computed
    again when they are next needed."""
    damaged = Cache(cache_dir).verify()
    if json:
        console.as_json({"damaged": damaged})
    else:
        for folder in damaged:
            typer.echo(for_terminal(folder))
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
    cache_dir: CacheDir = None,
    json: Json = False,
) -> None:
    """Remove entries. Incomplete entries of interrupted runs are always removed."""
    cache = Cache(cache_dir)
    cache.remove_stale()
    folders = set(cache.verify()) if damaged else set()
    folders |= {folder for name, folder in cache.entries() if all_ or name == stage}
    freed = sum(map(_size, folders))
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    left = sorted(filter(Path.exists, folders))
    if left:
        raise CacheError(
            f"{left[0]} cannot be removed"
            + (f", nor can {len(left) - 1} other entries" if left[1:] else ""),
            "Check whether you may write to the folder of the cache.",
        )
    if json:
        console.as_json({"removed": len(folders), "bytes": freed})
    else:
        console.say(f"Removed {len(folders)} entries, {freed / 1e6:.1f} MB.")
