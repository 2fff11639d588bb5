"""Run the commands of README and of the documentation on short clips of the sample videos."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from skelact import recipe as recipes
from skelact.cli import main
from skelact.models import spec
from skelact.recipe import Recipe
from tests.conftest import ROOT
from tests.docs import world
from tests.docs.blocks import Block, blocks, pages, skelact_arguments

RUN = {p: [b for b in blocks(p, "bash", "python") if not b.reason] for p in pages()}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("documentation") / "world"
    root.mkdir()
    world.make(root)
    return root


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("documentation-cache")


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [pytest.param(p, id=str(p.relative_to(ROOT))) for p, found in RUN.items() if found],
)
def test_the_commands_of_a_page_run(
    page: Path,
    files: Path,
    cache: Path,
    networks: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All blocks of a page in their order, in one folder."""
    folder = tmp_path / "page"
    shutil.copytree(files, folder, symlinks=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SKELACT_CACHE", str(cache))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    shorten_training(monkeypatch)
    for block in RUN[page]:
        if block.language == "python":
            run_python(block)
            continue
        for line in block.lines():
            run_line(line, block)


def run_line(line: str, block: Block) -> None:
    """A command of skelact in this process, any other line in a shell."""
    arguments = skelact_arguments(shlex.split(line, comments=True))
    if arguments is None:
        done = subprocess.run(["bash", "-ec", line], env=with_skelact(), check=False)
        code = done.returncode
    else:
        code = main(expanded(arguments))
    # checks of a data set and of the installation report findings with 1
    allowed = (0, 1) if line.startswith(("skelact datasets check", "skelact doctor")) else (0,)
    assert code in allowed, f"{block.where}: {line} ended with {code}"


def with_skelact() -> dict[str, str]:
    """An environment in which a shell finds `skelact` and `python`."""
    folder = Path.cwd().parent / "bin"
    folder.mkdir(exist_ok=True)
    script = folder / "skelact"
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m skelact "$@"\n')
    script.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}"}


def expanded(arguments: list[str]) -> list[str]:
    """Unquoted patterns as a shell expands them; skelact expands those of videos itself."""
    out: list[str] = []
    for word in arguments:
        found = sorted(map(str, Path.cwd().glob(word))) if "runs/*" in word else []
        out += found or [word]
    return out


def run_python(block: Block) -> None:
    """Complete programs run; a block that starts with _base_ is a configuration file."""
    if "_base_" in block.text or "import" not in block.text:
        return
    exec(compile(block.text, block.where, "exec"), {})


def shorten_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks that are trained in epochs train for one short epoch at most."""
    compose = recipes.compose

    def short(*arguments: object, **more: object) -> Recipe:
        made = compose(*arguments, **more)  # type: ignore[arg-type]
        if spec(made.network).backbone.closed_form:
            return made
        return replace(made, train=replace(made.train, epochs=1, repeat=1))

    monkeypatch.setattr(recipes, "compose", short)
