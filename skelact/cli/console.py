"""Console output: results on stdout, progress and notices on stderr. All text goes through `plain`
or `as_json`: it can hold names of files and classes, which must not control the terminal."""

from __future__ import annotations

import json
import math
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from skelact.errors import counted
from skelact.escaping import for_json, for_terminal
from skelact.pace import Pace

if TYPE_CHECKING:  # numpy and rich are not needed for --help
    from rich.console import Console
    from rich.progress import Progress, TaskID
    from rich.text import Text

    from skelact.metrics import Scores
    from skelact.types import Event, Failure

# only the first of several processes (torchrun) prints, but any of them can fail
SILENT = os.environ.get("RANK", "0") != "0"
quiet = SILENT
complete = False  # a command that was interrupted has finished its files and reported it
_UNITS = {
    "hash": "file",
    "extract": "frame",
    "cut": "video",
    "train": "step",
    "test": "clip",
    "predict": "video",
    "overlay": "video",
    "project": "sequence",
    "explain": "window",
}
MOST_ROWS = 1000  # of a table
_REPORT_S = 30.0  # between two lines about the progress, without a terminal


def rich_console(stderr: bool = False) -> Console:
    """A rich console on stdout or stderr. Without a terminal it uses no colour and does not wrap
    lines."""
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
    """Print a notice on stderr, unless --quiet is given."""
    if not quiet:
        rich_console(stderr=True).print(plain(text))


def line(text: str) -> None:
    """Print one line of a result on stdout."""
    if not SILENT:
        rich_console().print(plain(text))


def error(message: str, hint: str = "") -> None:
    """Print an error and a hint on stderr. With torchrun, the message names the process."""
    out = rich_console(stderr=True)
    out.print(plain(f"error{_process()}:", "bold red") + plain(f" {message}"))
    if hint:
        out.print(plain("hint:", "bold") + plain(f"  {hint}"))


def _process() -> str:
    """Which of the processes of torchrun this is, on which machine; empty without torchrun."""
    size = os.environ.get("WORLD_SIZE", "1")
    rank = os.environ.get("RANK", "0")
    if size == "1" or not rank.isdecimal():
        return ""
    from socket import gethostname

    return f" in process {int(rank) + 1} of {size} on {gethostname()}"


def traceback(failure: BaseException) -> None:
    """Print where an exception was raised on stderr."""
    from traceback import format_exception

    for line in "".join(format_exception(failure)).splitlines():
        rich_console(stderr=True).print(plain(line))


def warning(message: str) -> None:
    """Print on stderr what a result does not stop at, but the user should know."""
    rich_console(stderr=True).print(plain("warning:", "bold yellow") + plain(f" {message}"))


def plain(text: object, style: str = "") -> Text:
    """One line of text for rich: without markup, emoji codes and control characters."""
    from rich.text import Text

    return Text(for_terminal(text), style)


def as_json(content: Any) -> None:
    """Print a result as JSON on stdout. Paths become strings, and numbers that are not finite
    become null, because JSON has no NaN."""
    if not SILENT:
        finite = _finite(content)
        text = json.dumps(finite, indent=1, ensure_ascii=False, allow_nan=False, default=str)
        typer.echo(for_json(text))


def _finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {k: _finite(v) for k, v in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(v) for v in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    footer: Sequence[object] | None = None,
) -> None:
    """Print a table on stdout. Columns whose name starts with '>' are right-aligned. Of many rows,
    which take 5 kB and 0.6 ms each, the first are shown."""
    from rich.table import Table

    if SILENT:
        return
    out = Table(
        title=plain(title, "table.title") if title else None,
        title_justify="left",
        show_footer=footer is not None,
        box=None,
        pad_edge=False,
        header_style="bold",
    )
    for i, column in enumerate(columns):
        foot = plain(footer[i]) if footer is not None else ""
        out.add_column(
            plain(column.lstrip(">")),
            foot,
            justify="right" if column.startswith(">") else "left",
            overflow="fold",
            footer_style="bold",
        )
    more = 0
    for n, row in enumerate(rows):
        if n < MOST_ROWS:
            out.add_row(*(plain(cell) for cell in row))
        else:
            more += 1
    rich_console().print(out)
    if more:
        say(f"{more} more rows are not shown; --json has all.")


def finish(results: int, failed: Sequence[Failure], content: dict[str, Any] | None = None) -> None:
    """Report the failed inputs and end the command: with exit code 1 if inputs failed, or 2 if
    there are no results either. If there is a result as JSON `content`, it is printed with the
    failures; otherwise the failures are printed on stderr, also with --quiet."""
    if content is not None:
        as_json(content | {"failed": [asdict(f) for f in failed]})
    elif failed and not SILENT:
        out = rich_console(stderr=True)
        out.print(plain(f"{len(failed)} failed:", "bold red"))
        for f in failed:
            out.print(plain(f"  {f.message}"))
            if f.hint:
                out.print(plain(f"    {f.hint}", "dim"))
    if failed:
        raise typer.Exit(1 if results else 2)


def short(path: Path) -> str:
    """The path relative to the current folder, if it is inside it."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


class Bars:
    """Context manager and progress callback: one progress bar per stage with rate and remaining
    time. Without a terminal, a line every 30 s says what is being done. Shows nothing with
    --quiet."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.progress: Progress | None = None
        self.stages: dict[str, _Stage] = {}
        self.lock = threading.Lock()
        self.closed = threading.Event()

    def __enter__(self) -> Bars:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        out = rich_console(stderr=True)
        self.progress = Progress(
            TextColumn("{task.description:>8}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TextColumn("{task.fields[left]}"),
            console=out,
            disable=quiet or not out.is_terminal,
            transient=True,
        )
        self.progress.start()
        if self.progress.disable and not quiet:
            threading.Thread(target=self._report, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.closed.set()
        if self.progress is not None:
            self.progress.stop()

    def __call__(self, event: Event) -> None:
        assert self.progress is not None
        with self.lock:
            if event.text and not quiet:
                self.progress.console.print(plain(event.text))
            if event.kind == "start":
                task = self.progress.add_task(
                    event.stage, total=event.total, completed=int(event.done), rate="", left=""
                )
                self.stages[event.stage] = _Stage(task, event.done, event.total, Pace(self.clock()))
            elif event.kind == "advance" and event.stage in self.stages:
                stage = self.stages[event.stage]
                stage.done += event.done
                stage.pace.add(event.done, self.clock())
                rate, left = stage.texts(event.stage)
                self.progress.update(stage.task, advance=event.done, rate=rate, left=left)
            elif event.kind == "end" and event.stage in self.stages:
                self.progress.remove_task(self.stages.pop(event.stage).task)

    def _report(self) -> None:
        while not self.closed.wait(_REPORT_S):
            for line in self.status():
                say(line)

    def status(self) -> list[str]:
        """One line for each running stage, such as "train: 40 of 800 steps, 1.9 s/step, about 24
        min left"."""
        with self.lock:
            lines = []
            for name, stage in self.stages.items():
                if stage.total and stage.done >= stage.total:  # something untimed follows
                    lines.append(f"{name}: still working on the result")
                    continue
                rate, left = stage.texts(name)
                unit = _UNITS.get(name, "item")
                parts = (f"{stage.done:.0f} of {counted(round(stage.total), unit)}", rate, left)
                lines.append(f"{name}: " + ", ".join(filter(None, parts)))
            return lines


@dataclass
class _Stage:
    """A running stage: its bar, what is done of how much, and its speed."""

    task: TaskID
    done: float
    total: float
    pace: Pace

    def texts(self, name: str) -> tuple[str, str]:
        """Rate and remaining time in words."""
        left = self.pace.left(max(0.0, self.total - self.done))
        return self.pace.rate(_UNITS.get(name, "item")), f"{left} left" if left else ""


def score_rows(scores: Scores) -> list[tuple[str, str]]:
    """Scores as the rows of a table."""
    rows = [
        ("top-1", f"{scores.top1:.1%}"),
        ("mean class accuracy", f"{scores.mean_class:.1%}"),
        ("always the commonest class", f"{scores.majority:.1%}"),
    ]
    if scores.top5 is not None:
        rows.insert(1, ("top-5", f"{scores.top5:.1%}"))
    return rows
