"""How things look: progress and notices on stderr, results on stdout."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import typer

from skelact import config
from skelact.types import Event, Failure

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

# of several processes (torchrun) only the first speaks, but each may fail
SILENT = os.environ.get("RANK", "0") != "0"
quiet = SILENT
_UNITS = {
    "extract": "frames",
    "cut": "videos",
    "train": "steps",
    "predict": "videos",
    "overlay": "videos",
}


def option(cls: type, name: str, *flags: str) -> Any:
    """A typer Option with the help text of an option dataclass's field; give the field's default as
    the parameter's."""
    return typer.Option(*flags, help=config.help_of(cls, name))


def rich_console(stderr: bool = False) -> Console:
    """Standard output, or with `stderr` the place for progress and notices. No colour when not a
    terminal; wide when piped."""
    import sys

    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(
        stderr=stderr,
        highlight=False,
        width=None if stream.isatty() else 160,
        soft_wrap=not stream.isatty(),
    )


def say(text: str) -> None:
    """A notice for the person at the terminal."""
    if not quiet:
        rich_console(stderr=True).print(text, markup=False)


def error(message: str, hint: str = "") -> None:
    """What went wrong, and what to do next."""
    out = rich_console(stderr=True)
    out.print(f"[bold red]error:[/] {_plain(message)}")
    if hint:
        out.print(f"[bold]hint:[/]  {_plain(hint)}")


def _plain(text: object) -> str:
    from rich.markup import escape

    return escape(str(text))


def as_json(content: Any) -> None:
    """Machine-readable result on stdout."""
    if not SILENT:
        typer.echo(json.dumps(content, indent=1, ensure_ascii=False))


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    footer: Sequence[object] | None = None,
) -> None:
    """A table on stdout; columns whose name starts with '>' are right-aligned."""
    from rich.table import Table

    if SILENT:
        return
    out = Table(
        title=title or None,
        title_justify="left",
        show_footer=footer is not None,
        box=None,
        pad_edge=False,
        header_style="bold",
    )
    for i, column in enumerate(columns):
        foot = _plain(footer[i]) if footer is not None else ""
        out.add_column(
            _plain(column.lstrip(">")),
            foot,
            justify="right" if column.startswith(">") else "left",
            overflow="fold",
            footer_style="bold",
        )
    for row in rows:
        out.add_row(*(_plain(cell) for cell in row))
    rich_console().print(out)


def failures(failed: Sequence[Failure]) -> None:
    """The inputs that could not be used, each with its reason, on stderr even when quiet."""
    if not failed or SILENT:
        return
    out = rich_console(stderr=True)
    out.print(f"[bold red]{len(failed)} failed:[/]")
    for f in failed:
        out.print(f"  {_plain(_reason(f))}")
        if f.hint:
            out.print(f"    [dim]{_plain(f.hint)}[/]")


def _reason(failure: Failure) -> str:
    return (
        failure.reason
        if str(failure.path) in failure.reason
        else f"{failure.path}: {failure.reason}"
    )


def failed_json(failed: Sequence[Failure]) -> list[dict[str, str]]:
    """Failures as plain values."""
    return [{"path": str(f.path), "reason": f.reason, "hint": f.hint} for f in failed]


def exit_code(results: int, failed: int) -> None:
    """End the command: 0 all well, 1 some failed, 2 all failed."""
    if failed:
        raise typer.Exit(1 if results else 2)


def short(path: Path) -> str:
    """The path as seen from here, if that is shorter."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


class Bars:
    """A on_progress that shows one bar per stage with rate and time left; a context manager. Silent
    with --quiet, plain when not a terminal."""

    def __init__(self) -> None:
        self.progress: Progress | None = None
        self.tasks: dict[str, TaskID] = {}
        self.lock = threading.Lock()

    def __enter__(self) -> Bars:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        bar = [
            TextColumn("{task.description:>8}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        ]
        out = rich_console(stderr=True)
        self.progress = Progress(
            *bar, console=out, disable=quiet or not out.is_terminal, transient=True
        )
        self.progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.progress is not None:
            self.progress.stop()

    def __call__(self, event: Event) -> None:
        assert self.progress is not None
        with self.lock:
            if event.text and not quiet:
                self.progress.console.print(event.text, markup=False)
            if event.kind == "start":
                self.tasks[event.stage] = self.progress.add_task(
                    event.stage, total=event.total, completed=int(event.done), rate=""
                )
            elif event.kind == "advance" and event.stage in self.tasks:
                task = self.tasks[event.stage]
                self.progress.advance(task, event.done)
                speed = self.progress.tasks[self.progress.task_ids.index(task)].speed
                self.progress.update(
                    task, rate=f"{speed:.0f} {_UNITS.get(event.stage, '')}/s" if speed else ""
                )
            elif event.kind == "end" and event.stage in self.tasks:
                self.progress.remove_task(self.tasks.pop(event.stage))


def score_rows(scores: Any) -> list[tuple[str, str]]:
    """Scores as the rows of a table."""
    rows = [
        ("top-1", f"{scores.top1:.1%}"),
        ("mean class accuracy", f"{scores.mean_class:.1%}"),
        ("always the commonest class", f"{scores.majority:.1%}"),
    ]
    if scores.top5 is not None:
        rows.insert(1, ("top-5", f"{scores.top5:.1%}"))
    return rows
