"""The command line. Each command is one module of this package, which is imported only when its
command runs. Printing and exit codes are handled in this package only."""

from __future__ import annotations

import ast
import os
import signal
import sys
import threading
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from skelact import __version__
from skelact.errors import SkelactError
from skelact.escaping import for_terminal

HELPERS = ("console", "options")  # modules that are not commands
INTERRUPTED, TERMINATED = 130, 143  # exit codes after SIGINT, which typer uses too, and SIGTERM
ORDER = (  # in the help; other commands follow in alphabetical order
    *("extract", "train", "test", "predict", "live", "forecast", "explain", "enroll", "fuse"),
    *("calibrate", "export", "compare", "sweep", "app", "labels", "cut", "poses", "datasets"),
    *("skeletons", "models", "doctor", "cache"),
)
CONTINUED = (  # when they are run again, with what is in the cache
    *("extract", "test", "predict", "forecast", "explain", "enroll", "calibrate", "cut", "poses"),
    "datasets",
)


def commands() -> dict[str, Path]:
    """The modules of all commands by name, in the order of the help."""
    modules = {path.stem: path for folder in __path__ for path in Path(folder).glob("[a-z]*.py")}
    names = sorted(modules.keys() - set(HELPERS))
    names.sort(key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))
    return {name: modules[name] for name in names}


class _LazyGroup(TyperGroup):
    """Lists commands with the docstrings of their modules and imports the one that runs."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = dict.fromkeys(commands(), TyperCommand(name=None))  # for suggestions

    def list_commands(self, ctx: Any) -> list[str]:
        return list(commands())

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        module = commands().get(cmd_name)
        if module is None:
            return None
        source = ast.parse(module.read_text(encoding="utf-8"))
        return TyperCommand(name=cmd_name, help=ast.get_docstring(source))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command if name is None else _load(name), rest

    def invoke(self, ctx: Any) -> Any:
        """Run a command. Wrong usage is reported with the user's words, such as names of files."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            if isinstance(getattr(error, "message", None), str) and hasattr(error, "exit_code"):
                error.message = for_terminal(error.message)  # type: ignore[attr-defined]
            raise


def _load(name: str) -> Any:
    """Import a command: the module has a function `command`, or an `app` with subcommands."""
    module = import_module(f"{__name__}.{name}")
    if hasattr(module, "app"):
        group = typer.main.get_group(module.app)
        group.name = name
        return _without_markup(group)
    single = typer.Typer(add_completion=False)
    single.command(name, epilog=examples(getattr(module, "EXAMPLES", ())))(module.command)
    return _without_markup(typer.main.get_command(single))


def examples(lines: Sequence[str]) -> str:
    """The examples below the help of a command, which may have none."""
    if not lines:
        return ""
    return "\n".join(("Examples:", *(f"  {line}" for line in lines)))


def _without_markup(command: Any) -> Any:
    """Escape what Rich would read as markup in the help of a command and its subcommands: "[s]"."""
    from rich.markup import escape

    for described in (command, *command.params):
        described.help = escape(described.help or "")
    command.epilog = escape(command.epilog or "")
    for subcommand in getattr(command, "commands", {}).values():
        _without_markup(subcommand)
    return command


program = typer.Typer(
    name="skelact",
    cls=_LazyGroup,
    help="Train a model of human actions from a folder of videos: extract, train, predict.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(requested: bool) -> None:
    if requested:
        typer.echo(f"skelact {__version__}")
        raise typer.Exit


@program.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="No progress and no notices. Works in any position.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks. Works in any position.")
    ] = False,
) -> None:
    """--quiet and --debug are removed by `main` before the arguments are parsed."""


def _hint(words: Sequence[str]) -> str:
    """What to do after an interrupt of a command line."""
    name = next((word for word in words if not word.startswith("-")), "")
    again = "Run the same command again"
    if name == "train" and "--resume" not in words:
        return f"{again} with --resume to continue."
    if name == "sweep":
        return f"{again}. It trains all runs anew, with the poses that are in the cache."
    return f"{again} to continue." if name in (*CONTINUED, "train") else f"{again}."


def _interrupted(terminated: bool, words: Sequence[str]) -> int:
    from skelact.cli import console

    if not console.complete:
        console.error("Interrupted", _hint(words))
    return TERMINATED if terminated else INTERRUPTED


def _interrupt_on_sigterm() -> threading.Event:
    """Let SIGTERM end the command in the same way as SIGINT. The event is set when it arrived."""
    terminated = threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        terminated.set()
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, interrupt)
    return terminated


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line. Returns the exit code: 0 done, 1 some inputs failed, 2 nothing could be
    done or wrong usage, 130 interrupted, 143 terminated."""
    from skelact.cli import console

    words = list(sys.argv[1:] if arguments is None else arguments)
    end = words.index("--") if "--" in words else len(words)
    head = words[:end]
    debug = "--debug" in head
    console.quiet = console.SILENT or "--quiet" in head
    console.complete = False
    if debug:
        os.environ["SKELACT_DEBUG"] = "1"
    head = [word for word in head if word not in ("--debug", "--quiet")]
    terminated = _interrupt_on_sigterm()
    try:
        program(head + words[end:], prog_name="skelact")
    except SystemExit as end_of_command:
        code = end_of_command.code if isinstance(end_of_command.code, int) else 2
        return _interrupted(terminated.is_set(), words) if code == INTERRUPTED else code
    except KeyboardInterrupt:
        return _interrupted(terminated.is_set(), words)
    except BrokenPipeError:
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115  # the reader of the pipe has ended
        return 0
    except SkelactError as failure:
        if debug:
            console.traceback(failure)
        console.error(failure.message, failure.hint)
        return 2
    except Exception as failure:
        if debug:
            console.traceback(failure)
        console.error(
            f"Unexpected {type(failure).__name__}: {failure}",
            "This is a bug in skelact. --debug shows the traceback.",
        )
        return 2
    return 0
