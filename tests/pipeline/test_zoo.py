"""The recogniser that comes with skelact, as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from skelact.engine import checkpoint
from skelact.errors import CheckpointError
from skelact.pipeline import zoo
from skelact.types import UNKNOWN
from tests.conftest import run


def test_every_shipped_recogniser_is_light_whole_and_has_a_card() -> None:
    found = zoo.recognisers()
    assert zoo.DEFAULT in [r.name for r in found]
    assert sum(r.path.stat().st_size for r in found) < 8e6
    for recogniser in found:
        content = checkpoint.read(recogniser.path)
        for member in (content, *content.get("members", [])):
            assert checkpoint.network(member) is not None
        assert 0 < content["calibration"]["unknown_below"] < 1
        card = recogniser.card.read_text(encoding="utf-8")
        assert recogniser.title and all(
            name.replace("_", " ") in card for name in content["classes"]
        )
        for part in ("## Data", "## Numbers", "## Where it fails"):
            assert part in card


def test_predict_without_any_option(clip: Path, cache_dir: Path) -> None:
    done = run("predict", clip, "--cache-dir", cache_dir, "--json")
    assert done.returncode == 0, done.stderr
    assert "the recogniser that came with skelact" in done.stderr
    known = checkpoint.read(zoo.find(zoo.DEFAULT))["classes"]
    for prediction in json.loads(done.stdout)["predictions"]:
        assert prediction["label"] in (*known, UNKNOWN)
        for segment in prediction["segments"]:
            assert sum(segment["probabilities"].values()) == pytest.approx(1, abs=2e-3)


def test_models_lists_it() -> None:
    done = run("models", "--json")
    assert done.returncode == 0, done.stderr
    listed = {r["name"]: r for r in json.loads(done.stdout)["recognisers"]}
    assert Path(listed[zoo.DEFAULT]["card"]).is_file()


def test_finding_a_model(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no recogniser"):
        zoo.find("nobody")
    with pytest.raises(CheckpointError, match="no trained run"):
        zoo.find("newest")
    (tmp_path / "runs" / "a").mkdir(parents=True)
    (tmp_path / "runs" / "a" / "best.pt").touch()
    assert zoo.find("newest") == Path("runs/a/best.pt") == zoo.find("runs/a")
    assert zoo.find("gone.pt") == Path("gone.pt")  # reading it says what is wrong
