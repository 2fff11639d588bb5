"""The parts of the documentation that docs/generate.py makes from the code."""

from __future__ import annotations

import dataclasses
import importlib
import re
import sys
import typing
from collections.abc import Iterator
from types import ModuleType

import pytest

import skelact
from skelact import cli, config
from skelact.datasets.registry import dataset_specs
from skelact.models import SPECS
from skelact.recipe import Recipe
from skelact.skeletons import SKELETONS
from tests.conftest import ROOT
from tests.docs.blocks import PAGES


@pytest.fixture(scope="module")
def generate() -> Iterator[ModuleType]:
    sys.path.insert(0, str(ROOT / "docs"))
    yield importlib.import_module("generate")
    sys.path.remove(str(ROOT / "docs"))


def cells(markdown: str) -> set[str]:
    """The literals in text and tables."""
    return set(re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", markdown, flags=re.S)))


def test_the_reference_is_complete(generate: ModuleType) -> None:
    commands = generate.cli()
    assert all(f"## skelact {name}\n" in commands for name in cli.commands())
    assert {"--dataset", "--overlay", "--target-fpr", "RUN"} <= cells(commands)
    options = cells(generate.options())
    for section, cls in typing.get_type_hints(Recipe).items():
        if dataclasses.is_dataclass(cls):
            assert {f"{section}.{f.name}" for f in dataclasses.fields(cls)} <= options
    assert {"model.graph_mode", "model.kernels"} <= options
    assert set(SPECS) <= cells(generate.networks())
    assert set(dataset_specs()) <= cells(generate.datasets())
    assert set(config.recipes()) <= cells(generate.recipes())
    python = generate.api()
    assert all(f"### {n}\n" in python for n in skelact.__all__ if not n.startswith("__"))
    assert "unknown_threshold" in python and "scores" in cells(generate.documents())


def test_every_layout_has_a_picture_with_all_joints(generate: ModuleType) -> None:
    text = generate.layouts()
    for name, skeleton in SKELETONS.items():
        part = text.split(f"## {name}\n")[1].split("\n## ")[0]
        assert part.count("<circle") == len(skeleton.joints)
        assert set(skeleton.joints) <= cells(part)


def test_plain_text_stays_as_it_is(generate: ModuleType) -> None:
    assert generate.text_of("a_b [s] `c_d`\n x|y <z>") == r"a\_b \[s\] `c_d` x\|y &lt;z&gt;"
    assert generate.text_of("one ` alone_") == r"one \` alone\_"


def test_pages_are_in_the_navigation_and_all_parts_are_used(generate: ModuleType) -> None:
    navigation = (ROOT / "docs" / "mkdocs.yml").read_text(encoding="utf-8")
    used = set()
    for page in PAGES.rglob("*.md"):
        name = page.relative_to(PAGES).as_posix()
        assert f": {name}\n" in navigation
        text = page.read_text(encoding="utf-8")
        used |= set(re.findall(r"<!-- generated: (\w+) -->", text))
        for file in re.findall(r"<!-- include: (\S+) -->", text):
            assert (ROOT / file).is_file()
    assert used == set(generate.PARTS)


def test_links_of_included_files_lead_to_pages(generate: ModuleType) -> None:
    text = generate.expand("<!-- include: CONTRIBUTING.md -->", "project/contributing.md")
    assert "](../project/architecture.md)" in text and "](docs/architecture.md)" not in text
