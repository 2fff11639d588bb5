"""Discovery of commands, and shell completion."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from skelact import cli
from skelact.config import datasets

TOY = '''"""Say hello."""


def command(name: str = "world") -> None:
    """Say hello to somebody."""
    print("hello", name)
'''


def complete(words: str) -> list[str]:
    """What bash offers for the last word of a command line."""
    done = subprocess.run(
        [sys.executable, "-m", "skelact"],
        capture_output=True,
        text=True,
        check=True,
        env={
            **os.environ,
            "_SKELACT_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split(" ")) - 1),
        },
    )
    return done.stdout.split()


def test_a_new_command_is_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "hello.py").write_text(TOY)
    monkeypatch.setattr(cli, "__path__", [*cli.__path__, str(tmp_path)])
    assert cli.main(["--help"]) == 0 and "Say hello." in capsys.readouterr().out
    assert cli.main(["hello", "--name", "Ada"]) == 0
    assert capsys.readouterr().out == "hello Ada\n"
    monkeypatch.delitem(sys.modules, "skelact.cli.hello")


def test_an_unknown_command_suggests_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["trian"]) == 2
    assert "train" in capsys.readouterr().err


def test_completion_of_commands() -> None:
    assert complete("skelact ") == list(cli.commands())
    assert complete("skelact pre") == ["predict"]
    assert complete("skelact cache ") == ["ls", "verify", "prune"]


def test_completion_of_options() -> None:
    assert complete("skelact extract --max") == ["--max-persons", "--max-gap"]
    assert complete("skelact extract --json-form ") == ["frames", "lines"]
    assert complete("skelact train --dataset ntu") == [n for n in datasets() if n[:3] == "ntu"]
    assert complete("skelact sweep --config stgcn_mads") == [
        *("stgcn_mads", "stgcn_mads_demo", "stgcn_mads_thesis")
    ]
    assert complete("skelact predict --s") == [
        *("--srt", "--step", "--segmentation", "--score", "--small-people", "--smoothing"),
        "--skeleton",
    ]
    assert complete("skelact datasets check --d") == ["--dataset"]


def test_completion_can_be_installed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    assert "--install-completion" in capsys.readouterr().out


@pytest.mark.parametrize("name", cli.commands())
def test_help_of_a_command_imports_no_heavy_package(name: str) -> None:
    heavy = ["torch", "mediapipe", "mmpose", "matplotlib", "cv2", "scipy", "mmengine"]
    code = (
        "import sys; from skelact.cli import main\n"
        f"assert main([{name!r}, '--help']) == 0\n"
        f"print([m for m in {heavy} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]" and "Usage: skelact" in done.stdout
