"""Every block of README and of the documentation: commands have real options, Python compiles."""

from __future__ import annotations

import csv
import importlib
import io
import itertools
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer

from skelact import config
from skelact.cli import program
from skelact.recipe import Recipe, compose
from skelact.skeletons import Skeleton
from tests.conftest import ROOT
from tests.docs.blocks import Block, blocks, commands, pages, skelact_arguments

BASH = [b for page in pages() for b in blocks(page, "bash")]
MAIN_COMMANDS = ("extract", "train", "predict", "cut", "doctor", "cache", "models", "datasets",
                 "test", "fuse", "calibrate", "compare", "sweep")  # fmt: skip


def parse(arguments: list[str]) -> str:
    """Parse a command line with the program's own parser, which checks the names and values of all
    options; returns the command. Nothing runs."""
    group: Any = typer.main.get_command(program)
    rest = [word for word in arguments if word not in ("--quiet", "--debug")]
    context = group.make_context("skelact", ["doctor"])
    if rest[0].startswith("-"):
        assert rest[0] in {o for p in group.params for o in p.opts} | {"--help", "-h"}, rest[0]
        return ""
    name, command, rest = group.resolve_command(context, rest)
    inner = command.make_context(name, list(rest))
    if getattr(command, "commands", None) and rest and rest[0] in command.commands:
        command.commands[rest[0]].make_context(rest[0], rest[1:])
    assert inner is not None
    return str(name)


@pytest.mark.parametrize("block", BASH, ids=lambda b: b.where)
def test_commands_and_options_exist(block: Block) -> None:
    benchmarks = importlib.import_module("benchmarks.__main__").ALL
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    for line in block.lines():
        for words in commands(line):
            arguments = skelact_arguments(words)
            if arguments is not None:
                parse(arguments)
                check_settings(arguments)
            elif words[:1] == ["make"]:
                assert words[1] in targets
            elif words[:3] == ["python", "-m", "benchmarks"]:
                assert not words[3:] or words[3] in benchmarks


def check_settings(arguments: list[str]) -> None:
    """--set and similar options name options of a recipe."""
    for flag, value in itertools.pairwise(arguments):
        if flag in ("--set", "--over", "--test") and "=" in value:
            sections = config.overrides([value])
            if "model" not in sections and flag == "--set":
                Recipe.from_dict(sections)
            for section, options in sections.items():
                part = getattr(Recipe(), section)
                assert section == "model" or all(hasattr(part, name) for name in options)


def test_a_wrong_option_is_noticed() -> None:
    with pytest.raises(Exception, match="no-such-option"):
        parse(["train", "--dataset", "mads", "--no-such-option"])


def test_every_command_is_documented() -> None:
    found = [skelact_arguments(w) for b in BASH for line in b.lines() for w in commands(line)]
    assert {a[0] for a in found if a} >= set(MAIN_COMMANDS)


def test_every_block_says_its_language_and_why_it_is_not_run() -> None:
    """An unmarked block would be checked by nobody."""
    for page in pages():
        text = page.read_text(encoding="utf-8")
        assert not blocks(page, ""), f"{page}: a block without a language"
        marks = len(re.findall(r"^ *<!-- not run: ", text, re.M))
        assert marks == sum(bool(b.reason) for b in blocks(page, "bash", "python"))


@pytest.mark.parametrize("page", pages(), ids=lambda p: str(p.relative_to(ROOT)))
def test_python_and_data_blocks_are_valid(page: Path, tmp_path: Path) -> None:
    for block in blocks(page, "python"):
        compile(block.text, block.where, "exec")
    for block in blocks(page, "json"):
        json.loads(block.text)
    for block in blocks(page, "toml"):
        content = tomllib.loads(block.text)
        if "joints" in content and "parents" in content:
            Skeleton.from_dict(content)
    for block in blocks(page, "toml", "yaml"):
        if "_base_" in block.text:
            recipe = tmp_path / f"recipe.{block.language}"
            recipe.write_text(block.text, encoding="utf-8")
            compose(None, None, recipe, {})
    for block in blocks(page, "csv"):
        rows = list(csv.reader(io.StringIO(block.text)))
        assert len({len(row) for row in rows}) == 1


def test_readme_is_short_and_its_links_lead_somewhere() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 120
    for target in re.findall(r"\]\(([^)#]+)", text):
        assert target.startswith("https://") or (ROOT / target).exists(), target
    assert "research only" in text
