"""The model that comes with skelact, as a user sees it."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from skelact.errors import CheckpointError, ConfigError
from skelact.inference import zoo
from skelact.inference.predictor import Predictor
from skelact.models.checkpoint import build_network, load_model
from skelact.options import DEFAULT, PredictOptions
from skelact.runs.export_model import export_model
from skelact.schemas import Ensemble
from skelact.types import UNKNOWN
from skelact.video.ffmpeg import ffmpeg
from skelact.video.probe import probe
from tests.conftest import run, sample


def test_every_shipped_model_is_small_and_has_a_card() -> None:
    found = zoo.shipped_models()
    assert DEFAULT in [r.name for r in found]
    assert sum(r.path.stat().st_size for r in found) < 8e6
    for shipped in found:
        model = load_model(shipped.path)
        assert isinstance(model, Ensemble)
        for member in model.members:
            assert build_network(member.checkpoint) is not None
        assert model.calibration is not None and 0 < model.calibration.unknown_threshold < 1
        card = shipped.card.read_text(encoding="utf-8")
        assert shipped.title and all(name.replace("_", " ") in card for name in model.classes)
        for part in ("## Data", "## Numbers", "## Limitations"):
            assert part in card


def test_predict_without_any_option(clip: Path, cache_dir: Path) -> None:
    done = run("predict", clip, "--cache-dir", cache_dir, "--json")
    assert done.returncode == 0, done.stderr
    assert "the model that comes with skelact" in done.stderr
    known = load_model(zoo.find(DEFAULT)).classes
    for prediction in json.loads(done.stdout)["predictions"]:
        assert prediction["label"] in (*known, UNKNOWN)
        for segment in prediction["segments"]:
            assert sum(segment["probabilities"].values()) == pytest.approx(1, abs=2e-3)


def test_a_file_for_prediction_can_have_its_own_confidence(tmp_path: Path) -> None:
    run_folder, out = tmp_path / "run", tmp_path / "small.pt"
    run_folder.mkdir()
    (run_folder / "best.pt").write_bytes(zoo.find(DEFAULT).read_bytes())
    export_model(run_folder, out, "torch", min_confidence=0.7)
    assert Predictor.load(out).pose().min_confidence == 0.7
    lower = Predictor.load(out, PredictOptions(min_confidence=0.4))
    assert lower.pose().min_confidence == 0.4
    with pytest.raises(ConfigError, match="min_confidence"):
        export_model(run_folder, out, "torch", min_confidence=1.0)


def test_options_of_pose_estimation_replace_those_of_the_training(tmp_path: Path) -> None:
    trained = Predictor.load(DEFAULT).pose()
    options = PredictOptions(detect_every_s=0.5, small_people="always", smoothing=0.0)
    predictor = Predictor.load(DEFAULT, options)
    assert predictor.pose() == replace(
        trained, detect_every_s=0.5, small_people="always", smoothing=0.0
    )
    with pytest.raises(ConfigError, match="detect_every_s and small_people and smoothing"):
        predictor.pose(poses_from=tmp_path)


def test_models_lists_it() -> None:
    done = run("models", "--json")
    assert done.returncode == 0, done.stderr
    listed = {r["name"]: r for r in json.loads(done.stdout)["models"]}
    assert Path(listed[DEFAULT]["card"]).is_file()


def test_finding_a_model(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="not a run folder"):
        zoo.find("nobody")
    with pytest.raises(CheckpointError, match="no trained run"):
        zoo.find("latest")
    (tmp_path / "runs" / "a").mkdir(parents=True)
    (tmp_path / "runs" / "a" / "best.pt").touch()
    assert zoo.find("latest") == Path("runs/a/best.pt") == zoo.find("runs/a")
    assert zoo.find("gone.pt") == Path("gone.pt")  # reading it says what is wrong


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("as it is", "null"),
        ("small", "scale=160:-2"),
        ("large", "scale=1920:-2"),
        ("slow", "fps=10"),
        ("fast", "fps=60"),
        ("portrait", "pad=iw:iw*16/9:0:(oh-ih)/2"),
        ("left", "tpad=stop_duration=4:stop_mode=add:color=gray"),
    ],
)
def test_it_is_not_fooled_by_how_it_was_filmed(name: str, change: str, tmp_path: Path) -> None:
    """Two people walk past each other; whatever is said of them with a label is that, both are
    found, and nothing is said of the time after they left."""
    source, video = probe(sample("crossing.avi")), tmp_path / "walk.mp4"
    options = ["-vf", change, "-c:v", "libx264", "-crf", "18", "-pix_fmt", "yuv420p"]
    command = [ffmpeg(), "-loglevel", "error", "-i", str(source.path), *options, str(video)]
    subprocess.run(command, check=True)
    done = run("predict", video, "--json")
    assert done.returncode == 0, done.stderr
    predictions = json.loads(done.stdout)["predictions"]
    assert len(predictions) >= 2, name
    segments = [s for p in predictions for s in p["segments"]]
    labels = [s["label"] for s in segments]
    assert "walk" in labels and set(labels) <= {"walk", UNKNOWN}, (name, labels)
    assert max(s["end_s"] for s in segments) <= source.duration_s + 0.5
