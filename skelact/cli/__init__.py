"""The command line: one thin file per verb. Only here is anything printed, and only here does the
program end."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from skelact import __version__
from skelact.errors import SkelactError

app = typer.Typer(
    name="skelact",
    help=(
        "A folder of videos in, a trained recogniser of human actions out: extract, train, predict."
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"skelact {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="no progress, no notices; may stand anywhere")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="console tracebacks; may stand anywhere")
    ] = False,
) -> None:
    """--quiet and --debug are read by main, before the verbs see the line."""


VERBS = (
    *("extract", "train", "test", "predict", "fuse", "calibrate", "compare", "sweep"),
    *("cut", "datasets", "models", "doctor", "cache"),
)


def _register(wanted: str | None) -> None:
    """Put the verbs on the app: the wanted one as it is, the others by their summary alone, since
    importing them all would make every start slow."""
    for verb in VERBS:
        if verb != wanted:
            source = Path(__file__).with_name(f"{verb}.py").read_text(encoding="utf-8")
            app.command(verb, help=ast.get_docstring(ast.parse(source)))(lambda: None)
            continue
        module = import_module(f"skelact.cli.{verb}")
        if hasattr(module, "app"):
            app.add_typer(module.app, name=verb)
        else:
            app.command(verb)(module.command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; the exit code: 0 done, 1 some inputs failed, 2 nothing could be done or
    bad usage, 130 interrupted."""
    from skelact.cli import console

    given = list(sys.argv[1:] if arguments is None else arguments)
    end = given.index("--") if "--" in given else len(given)
    head = given[:end]
    debug = "--debug" in head
    console.quiet = console.SILENT or "--quiet" in head
    if debug:
        os.environ["SKELACT_DEBUG"] = "1"
    words = [a for a in head if a not in ("--debug", "--quiet")]
    app.registered_commands.clear()
    app.registered_groups.clear()
    _register(next((w for w in words if not w.startswith("-")), None))
    try:
        app(words + given[end:], prog_name="skelact")
    except SystemExit as end_of_command:
        return end_of_command.code if isinstance(end_of_command.code, int) else 2
    except KeyboardInterrupt:
        console.error("interrupted", "run the same command again: it goes on where it stopped")
        return 130
    except BrokenPipeError:
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115  # whoever read our output has gone; nothing more to say
        return 0
    except SkelactError as failure:
        if debug:
            raise
        console.error(failure.message, failure.hint)
        return 2
    except Exception as failure:
        if debug:
            raise
        console.error(
            f"unexpected {type(failure).__name__}: {failure}",
            "this is a bug in skelact; --debug shows where",
        )
        return 2
    return 0
