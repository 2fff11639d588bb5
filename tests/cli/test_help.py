"""The help of every command: examples that exist, groups, nothing eaten as markup."""

from __future__ import annotations

import os
import shlex
from typing import Any

import pytest

from skelact import cli
from skelact.cli import commands, main
from skelact.errors import ConfigError
from skelact.recipe import Recipe
from tests.conftest import run


def every_command() -> dict[str, Any]:
    """All commands and subcommands by their words."""
    out = {}
    for name in commands():
        command = cli._load(name)
        out[name] = command
        out |= {f"{name} {k}": c for k, c in getattr(command, "commands", {}).items()}
    return out


COMMANDS = every_command()


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_use_options_that_exist(name: str) -> None:
    lines = [line.strip() for line in COMMANDS[name].epilog.splitlines()[1:]]
    assert lines
    for line in lines:
        words = shlex.split(line)
        assert " ".join(words).startswith(f"skelact {name.split()[0]}")
        rest = words[1 + len(name.split()) :] if line.startswith(f"skelact {name}") else None
        if rest is not None and name != "cache":
            COMMANDS[name].make_context(name, rest)  # raises for an unknown option


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_json(name: str) -> None:
    command = COMMANDS[name]
    if name == "cache":  # lists its subcommands only
        return
    assert "--json" in {option for p in command.params for option in p.opts}


def test_brackets_are_not_markup(capsys: pytest.CaptureFixture[str]) -> None:
    """Rich would drop "[s]" and "[px]"."""
    import typer

    from skelact.cli import _without_markup

    app = typer.Typer()

    @app.command(epilog="skelact x [px]")
    def command(length: float = typer.Option(5, help="Length [s].")) -> None:
        """Cut [bold] clips."""

    with pytest.raises(SystemExit):
        _without_markup(typer.main.get_command(app)).main(["--help"])
    out = capsys.readouterr().out
    assert "Length [s]." in out and "Cut [bold] clips." in out and "x [px]" in out
    assert "[default: 5" in out


def test_options_are_in_groups(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"─ {group} ─" in out for group in ("Input", "People and poses", "Training"))
    assert "Examples:" in out


@pytest.mark.parametrize(
    "key, meant",
    [
        ("train.leraning_rate", "train.lr"),
        ("train.batch", "train.batch_size"),
        ("train.optimizer", "train.optimiser"),
        ("trian", "train"),
        ("epochs", "train.epochs"),
        ("learning_rate", "train.lr"),
    ],
)
def test_misspelt_keys_name_the_nearest(key: str, meant: str) -> None:
    section, _, option = key.partition(".")
    with pytest.raises(ConfigError, match=f"did you mean '{meant}'"):
        Recipe.from_dict({section: {option: 1} if option else 1})


def test_a_misspelt_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trian"]) == 2
    assert "Did you mean 'train'" in capsys.readouterr().err


def test_completion() -> None:
    environment = {
        "_SKELACT_COMPLETE": "complete_bash",
        "COMP_WORDS": "skelact predict --over",
        "COMP_CWORD": "2",
    }
    done = run(cwd=None, **environment)
    assert "--overlay" in done.stdout, done.stderr
    assert os.environ.get("_SKELACT_COMPLETE") is None
