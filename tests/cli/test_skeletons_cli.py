from __future__ import annotations

import json
from pathlib import Path

import pytest

from skelact.cli import main
from skelact.skeletons import SKELETONS, USED_BY


def test_layouts_are_listed_printed_and_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["skeletons", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == list(SKELETONS) == list(USED_BY)
    assert main(["skeletons", "florence-15", "--picture", str(tmp_path / "f.svg")]) == 0
    out = capsys.readouterr().out
    assert "right_ankle" in out and "spine_mid" in out
    assert "<svg" in (tmp_path / "f.svg").read_text()
    (tmp_path / "own.toml").write_text(
        "name = 'own'\ncentre = 'a'\njoints = ['a', 'b']\nparents = {b = 'a'}"
    )
    assert main(["skeletons", str(tmp_path / "own.toml"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parents"] == ["a", "a"]
    for wrong in (["florence"], ["--picture", "x.png"], ["coco-17", "--picture", "no/x.png"]):
        assert main(["skeletons", *wrong]) == 2
