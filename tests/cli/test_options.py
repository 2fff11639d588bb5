"""Command-line options that are generated from option dataclasses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from skelact.cli.options import Changes, RecipeOptions, with_options
from skelact.config import check_ranges, option
from skelact.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Toy:
    length_s: float = option(5.0, "Length in seconds.", min=0)
    share: float = option(0.5, "A share.", above=0, below=1)
    count: int | None = option(1, "How many.", min=1, none="all")
    limit: int | None = option(None, "A limit.", min=1, max=9, default_text="no limit")
    mode: str = option("fast", "The mode.", choices=("fast", "slow"))
    names: tuple[str, ...] | None = option(None, "Some names.", flag="only")
    angles: tuple[float, ...] = option((0.0,), "Angles.", min=0)
    steps: tuple[int, ...] = option((), "Steps.")
    flip: bool = option(False, "Flip it.")

    def __post_init__(self) -> None:
        check_ranges(self)


class Application:
    """A command with generated options, and what it was called with."""

    def __init__(self) -> None:
        self.toy: Toy | None = None
        self.changes: Changes | None = None
        self.app = typer.Typer()

        @self.app.command()
        @with_options
        def command(
            *,
            toy: Toy,
            changes: Annotated[
                Changes,
                RecipeOptions(
                    "sequence.persons", "clips.overlap_s", "dataset.classes", "train.optimiser"
                ),
            ],
            name: str = "x",
        ) -> None:
            """A command."""
            self.toy, self.changes = toy, changes

    def run(self, *arguments: str) -> Any:
        return CliRunner().invoke(self.app, arguments, env={"COLUMNS": "200", "NO_COLOR": "1"})


def test_defaults_are_those_of_the_dataclass() -> None:
    application = Application()
    assert application.run().exit_code == 0
    assert application.toy == Toy() and application.changes == {}


def test_every_kind_of_field() -> None:
    application = Application()
    done = application.run(
        *("--length", "3", "--share", "0.25", "--count", "all", "--limit", "9", "--mode", "slow"),
        *("--only", "a,b c", "--angles", "1,0.5", "--flip"),
    )
    assert done.exit_code == 0, done.output
    assert application.toy == Toy(
        length_s=3.0,
        share=0.25,
        count=None,
        limit=9,
        mode="slow",
        names=("a", "b c"),
        angles=(1.0, 0.5),
        flip=True,
    )


def test_only_given_options_change_a_recipe() -> None:
    application = Application()
    arguments = ("--persons", "all", "--overlap", "1", "--classes", "a,b", "--optimiser", "adam")
    assert application.run(*arguments).exit_code == 0
    assert application.changes == {
        "sequence": {"persons": None},
        "clips": {"overlap_s": 1.0},
        "dataset": {"classes": ("a", "b")},
        "train": {"optimiser": "adam"},
    }
    assert application.run("--persons", "2").exit_code == 0
    assert application.changes == {"sequence": {"persons": 2}}


@pytest.mark.parametrize(
    "arguments",
    [("--limit", "10"), ("--limit", "0"), ("--length", "-1"), ("--mode", "medium")],
)
def test_the_parser_refuses_what_is_out_of_range(arguments: tuple[str, str]) -> None:
    done = Application().run(*arguments)
    assert done.exit_code == 2 and f"Invalid value for '{arguments[0]}'" in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--share", "1"), "share must be greater than 0 and less than 1, got 1.0"),
        (("--share", "nan"), "share must be a finite number, got nan"),
        (("--count", "0"), "count must be at least 1, got 0"),
        (("--count", "none"), "'none' is not a number or all"),
        (("--angles", "1,-1"), "angles must be at least 0, got -1.0"),
        (("--angles", "1,x"), "'x' is not a number"),
    ],
)
def test_the_dataclass_refuses_the_rest(arguments: tuple[str, str], message: str) -> None:
    error = Application().run(*arguments).exception
    assert isinstance(error, ConfigError) and error.message == message


def test_help_states_range_choices_and_default() -> None:
    text = " ".join(Application().run("--help").output.replace("│", " ").split())
    for part in (
        "Length in seconds. [default: 5.0]",
        "A share (greater than 0 and less than 1). [default: 0.5]",
        "1<=x<=9",
        "[default: (no limit)]",
        "NUMBER|all",
        "fast|slow",
        "Some names, separated by commas.",
        "--flip --no-flip",
        "[default: (from the recipe, otherwise 0.0)]",
    ):
        assert part in text, part


def test_an_unknown_choice_suggests_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"mode must be one of fast, slow, got 'fats'.*'fast'"):
        Toy(mode="fats")
