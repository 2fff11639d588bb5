"""Calibration of whole runs: scores, the choice, what is stored, and what cannot be used."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from skelact.cache import Cache
from skelact.cli import main
from skelact.datasets import pyskl
from skelact.errors import ConfigError, DatasetError, InputError, MissingDataset
from skelact.inference.predictor import Predictor
from skelact.models.checkpoint import load_model
from skelact.options import PredictOptions
from skelact.recipe import Recipe
from skelact.runs.calibrate import calibrate, undo
from skelact.runs.fuse import fuse
from skelact.runs.train import train
from skelact.schemas import BEST, CALIBRATION, Calibration, Ensemble, load_json
from skelact.types import PoseSequence
from tests.conftest import sequence_of

CLASSES = 3


def motion(kind: int, rng: np.random.Generator, frames: int = 24) -> PoseSequence:
    """A person whose joints swing; the classes differ in speed and in the joints that move, and
    kinds from CLASSES on are random walks of all joints."""
    xy = np.broadcast_to(rng.uniform(200, 210, (1, 1, 17, 2)), (1, frames, 17, 2)).copy()
    xy += np.linspace(0, 100, 17)[:, None]
    if kind < CLASSES:
        swing = 25 * np.sin(np.arange(frames) * (0.3 + 0.4 * kind) + rng.uniform(0, 6))
        xy[0, :, kind * 5 : kind * 5 + 6, 0] += swing[:, None]
    else:
        xy += rng.normal(0, 9, xy.shape).cumsum(axis=1)
    return sequence_of(xy + rng.normal(0, 3, xy.shape))


def pickled(path: Path, kinds: list[int], test: int = 0) -> Path:
    rng = np.random.default_rng(len(kinds))
    names = [f"c{n:03d}" for n in range(len(kinds))]
    samples = [(n, min(k, CLASSES - 1), motion(k, rng)) for n, k in zip(names, kinds, strict=True)]
    split = {"one_train": names[test:], "one_val": names[:test]} if test else {}
    pyskl.export(path, samples, split)
    return path


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs `a` and `b` with a validation subset, one without (`c`), and negatives."""
    root = tmp_path_factory.mktemp("calibration")
    pickled(root / "clips.pkl", [n % CLASSES for n in range(150)], 12)
    pickled(root / "negatives.pkl", [CLASSES] * 130)
    for name, seed, share in (("a", 0, 0.4), ("b", 1, 0.4), ("c", 0, 0.0)):
        recipe = Recipe.from_dict(
            {
                "dataset": {"name": "pyskl", "protocol": "one"},
                "model": {"name": "rocket", "kernels": 32, "seed": seed},
                "sampling": {"length": 16},
                "train": {"epochs": 1, "batch_size": 32, "device": "cpu", "val_fraction": share},
            }
        )
        cache = Cache(root / "cache")
        train(recipe, cache, data=root / "clips.pkl", runs=root, name=name)
    return root


@pytest.fixture
def root(where: Path, tmp_path: Path) -> Path:
    return shutil.copytree(where, tmp_path / "root")


def run_calibrate(root: Path, name: str, **options: object):  # type: ignore[no-untyped-def]
    cache = Cache(root / "cache")
    return calibrate(root / name, [root / "negatives.pkl"], cache=cache, **options)  # type: ignore[arg-type]


def test_scores_of_a_run(root: Path) -> None:
    before = (root / "a" / BEST).read_bytes()
    found = run_calibrate(root, "a")
    by_name = {s.name: s for s in found.calibration.scores}
    assert list(by_name) == ["probability", "energy", "distance", "agreement", "combined"]
    assert "two networks" in by_name["agreement"].obstacle
    for name in ("probability", "energy", "distance", "combined"):
        s = by_name[name]
        assert s.auroc is not None and s.aurc is not None and s.negatives is not None
        assert s.curve[-1][0] == 1
    assert by_name["distance"].auroc > 0.9  # type: ignore[operator]
    assert found.samples == (27, 27)
    assert found.negatives == (65, 65)
    bins = found.calibration.before
    assert bins is not None and sum(bins.counts) == found.samples[1] and len(bins.counts) == 15
    assert (root / "a" / BEST).read_bytes() == before and not found.applied


def test_a_stored_score_decides_in_predictions(root: Path) -> None:
    found = run_calibrate(root, "a", score="distance", apply=True)
    assert found.chosen.name == "distance" and found.forced
    stored = load_json(root / "a" / CALIBRATION, Calibration)
    assert stored == found.calibration == load_model(root / "a" / BEST).calibration
    predictor = Predictor.load(root / "a")
    assert "unknown below distance" in repr(predictor)
    batch = predictor.predict_many([root / "negatives.pkl"], Cache(root / "cache"))
    predictions = [p for r in batch.results for p in r.predictions]
    unknown = [p for p in predictions if p.label == "unknown"]
    assert len(unknown) > 0.8 * len(predictions)
    for p in unknown:
        assert p.score_name == "distance" and p.threshold == found.chosen.threshold
        assert p.reason.startswith(f"distance {p.score:.2f} is below the threshold")
        assert p.as_dict()["segments"][0]["reason"] == p.reason
    forced = Predictor.load(root / "a", PredictOptions(score="energy"))
    assert forced.unknown_threshold == stored.threshold_of("energy")
    page = (root / "a" / "report.html").read_text(encoding="utf-8")
    assert "distance (chosen)" in page and "Most confident mistakes" not in page
    assert "data:image/png" not in page  # drawings take the colours of the page
    for label in ("accuracy by probability", "wrong labels by share", "share by threshold"):
        assert label in page

    undo(root / "a", Cache(root / "cache"))
    page = (root / "a" / "report.html").read_text(encoding="utf-8")
    assert "is not calibrated" in page and "(chosen)" not in page
    assert Predictor.load(root / "a").rejection.score == "probability"


def test_a_fused_run(root: Path) -> None:
    fused = root / "fused"
    fuse([root / "a", root / "b"], fused)
    found = run_calibrate(root, "fused", apply=True, score="distance")
    assert not any(s.obstacle for s in found.calibration.scores)
    assert found.calibration.known == "validation.json" and found.samples == (27, 27)
    model = load_model(fused / BEST)
    assert isinstance(model, Ensemble)
    assert all(m.checkpoint.statistics is not None for m in model.members)
    assert Predictor.load(fused).rejection.score == "distance"
    forced = Predictor.load(fused, PredictOptions(score="agreement")).rejection
    assert forced.threshold == model.calibration.threshold_of("agreement")  # type: ignore[union-attr]
    shutil.rmtree(root / "b")
    with pytest.raises(InputError, match=r"result\.json|validation\.json|predictions\.json|config"):
        run_calibrate(root, "fused", score="energy")


def test_without_the_clips_only_the_probability_is_left(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(run: Path) -> Path:
        raise MissingDataset(f"The data that {run} was trained on are no longer in x")

    (root / "moved").mkdir()
    (root / "clips.pkl").rename(root / "moved" / "clips.pkl")
    monkeypatch.setattr("skelact.runs.test.stored_data", gone)
    found = run_calibrate(root, "a")
    assert found.chosen.name == "probability" and "no longer in" in found.notice
    assert all(s.obstacle for s in found.calibration.scores if s.name != "probability")
    with pytest.raises(InputError, match="cannot give the score energy: the clips of the run"):
        run_calibrate(root, "a", score="energy")
    given = run_calibrate(root, "a", score="energy", data=root / "moved" / "clips.pkl")
    assert given.chosen.name == "energy"
    pickled(root / "other.pkl", [0, 1, 2] * 10, 9)
    with pytest.raises((InputError, DatasetError)):
        run_calibrate(root, "a", data=root / "other.pkl")


def test_a_run_without_validation_says_so(root: Path) -> None:
    found = run_calibrate(root, "c")
    assert found.calibration.known == "predictions.json"
    assert "no validation subset" in found.notice
    assert found.samples == (12, 0)  # too few to be divided


def test_bad_input(root: Path, tmp_path: Path) -> None:
    pickled(root / "negatives.pkl", [CLASSES] * 20)
    with pytest.raises(InputError, match="10 windows to choose"):
        run_calibrate(root, "a", apply=True)
    with pytest.raises(ConfigError, match="did you mean 'energy'"):
        run_calibrate(root, "a", score="enery")
    with pytest.raises(InputError, match="cannot give the score agreement"):
        run_calibrate(root, "a", score="agreement")
    nobody = motion(0, np.random.default_rng(0))
    nobody = replace(nobody, xy=np.full_like(nobody.xy, np.nan), score=np.zeros_like(nobody.score))
    pyskl.export(tmp_path / "nobody.pkl", [("x", 0, nobody)], {})
    with pytest.raises(InputError, match="No negative video can be used"):
        calibrate(root / "a", [tmp_path / "nobody.pkl"], cache=Cache(root / "cache"))
    assert not (root / "a" / CALIBRATION).exists()


def test_command(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["calibrate", str(root / "a"), str(root / "negatives.pkl")]
    arguments += ["--cache-dir", str(root / "cache")]
    assert main(arguments) == 0
    told = capsys.readouterr()
    assert "AUROC" in told.out and "(chosen)" in told.out
    assert "no score agreement" in told.err and "expected calibration error" in told.err
    assert main([*arguments, "--score", "energy", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["score"] == "energy" and found["forced"] and len(found["scores"]) == 5
    assert len(found["calibration_error"]) == 2
    assert main([*arguments, "--score", "nothing"]) == 2
