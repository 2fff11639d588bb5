"""Prediction with the graph of an exported file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from skelact.cache import Cache
from skelact.errors import CheckpointError, ConfigError
from skelact.inference.class_statistics import class_statistics
from skelact.inference.explain import explain
from skelact.inference.graph_files import METADATA
from skelact.inference.predictor import Predictor
from skelact.inference.score_names import SCORES
from skelact.options import ForeignOptions, PredictOptions
from skelact.runs.export_model import export_model
from skelact.schemas import BEST, Calibration, Ensemble, Member, ScoreResult, save_tensors, to_json
from tests.helpers import small_checkpoint

WITHOUT_TORCH = """
import sys
from pathlib import Path
from skelact.cache import Cache
from skelact.inference.predictor import Predictor
model, clip, poses, cache = sys.argv[1:]
batch = Predictor.load(model).predict_many([clip], Cache(cache), poses_from=Path(poses))
assert batch.results and not batch.failed, batch.failed
assert "torch" not in sys.modules
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two networks with windows of different lengths; best.pt and x.onnx."""
    tmp_path = tmp_path_factory.mktemp("graph")
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)
    members = (
        Member(weight=1, checkpoint=small_checkpoint(clip_s=0.8)),
        Member(weight=2, checkpoint=small_checkpoint(clip_s=0.4, mode="image", seed=1)),
    )
    model = Ensemble(members=members, calibration=Calibration(unknown_threshold=0.35))
    save_tensors(tmp_path / BEST, model)
    export_model(tmp_path, tmp_path / "x.onnx")
    return tmp_path / "x.onnx"


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two networks with class statistics, of the features and of the logits, and a score of all
    others that decides; best.pt and x.onnx."""
    tmp_path = tmp_path_factory.mktemp("scored")
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)
    rng = np.random.default_rng(0)
    members = []
    for seed, (basis, mode) in enumerate((("features", "body"), ("logits", "image"))):
        model = small_checkpoint(mode=mode, seed=seed)
        width = len(model.classes) if basis == "logits" else 16
        values = rng.normal(size=(60, width)).astype(np.float32)
        labels = np.arange(60) % len(model.classes)
        statistics = class_statistics(values, labels, basis=basis)
        members.append(
            Member(weight=1 + seed, checkpoint=structs.replace(model, statistics=statistics))
        )
    parts = {"probability": 0.5, "energy": 1.0, "distance": 0.3, "agreement": 2.0, "constant": -1.0}
    calibration = Calibration(
        temperature=1.5,
        score="combined",
        scores=tuple(ScoreResult(name=name, threshold=0.5) for name in SCORES),
        combination=parts,
    )
    save_tensors(tmp_path / BEST, Ensemble(members=tuple(members), calibration=calibration))
    export_model(tmp_path, tmp_path / "x.onnx")
    return tmp_path / "x.onnx"


def assert_equal_to_torch(file: Path, clip: Path, poses: Path, options: PredictOptions) -> None:
    cache = Cache(file.parent / "cache")
    first, second = (
        Predictor.load(path, options).predict_many([clip], cache, poses_from=poses).results[0]
        for path in (file.with_name(BEST), file)
    )
    assert len(first.predictions) == 2
    for p, q in zip(first.predictions, second.predictions, strict=True):
        assert (p.label, p.person_id, p.threshold) == (q.label, q.person_id, q.threshold)
        assert p.score == pytest.approx(q.score, abs=1e-4)
        for s, t in zip(p.segments, q.segments, strict=True):
            assert (s.start_s, s.end_s, s.label) == (t.start_s, t.end_s, t.label)
            assert s.probabilities == pytest.approx(t.probabilities, abs=1e-4)
            assert s.score == pytest.approx(t.score, abs=1e-4)


@pytest.mark.parametrize("file", ["exported", "scored"])
def test_predictions_are_those_of_torch(
    file: str, request: pytest.FixtureRequest, clip: Path, openpose: Path
) -> None:
    path: Path = request.getfixturevalue(file)
    assert_equal_to_torch(path, clip, openpose, PredictOptions())
    program = [sys.executable, "-c", WITHOUT_TORCH, path, clip, openpose, path.parent / "c"]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("score", [name for name in SCORES if name != "combined"])
def test_every_score_is_that_of_torch(score: str, scored: Path, clip: Path, openpose: Path) -> None:
    assert_equal_to_torch(scored, clip, openpose, PredictOptions(score=score))


def test_scores_that_were_not_calibrated(exported: Path) -> None:
    with pytest.raises(ConfigError, match="no threshold for the score energy"):
        Predictor.load(exported, PredictOptions(score="energy"))


def test_what_a_graph_cannot_do(exported: Path, clip: Path) -> None:
    with pytest.raises(ConfigError, match="run on the CPU, not on cuda"):
        Predictor.load(exported, PredictOptions(device="cuda"))
    with pytest.raises(ConfigError, match="contains its classes"):
        Predictor.load(exported, foreign=ForeignOptions(persons=1))
    with pytest.raises(ConfigError, match="cannot be explained"):
        explain(Predictor.load(exported), clip)


def test_a_document_of_another_graph(exported: Path, tmp_path: Path) -> None:
    import onnx

    content = onnx.load(exported)
    onnx.helper.set_model_props(
        content, {METADATA: to_json(structs.replace(small_checkpoint(), weights={})).decode()}
    )
    onnx.save(content, tmp_path / "x.onnx")
    with pytest.raises(CheckpointError, match="other inputs or outputs"):
        Predictor.load(tmp_path / "x.onnx")


@pytest.mark.parametrize(
    "wrong",
    [
        {"means": "x"},
        {"means": [[1.0]]},
        {"projection": [[float("1e39")] * 3] * 3},
        {"projection": [[1.0, 2.0], [1.0]]},
        {"projection": {"a": 1}},
        {"basis": "logits"},
    ],
)
def test_damaged_class_statistics(scored: Path, wrong: dict[str, Any], tmp_path: Path) -> None:
    import onnx

    content = onnx.load(scored)
    (entry,) = (p for p in content.metadata_props if p.key == METADATA)
    document = json.loads(entry.value)
    document["members"][0]["checkpoint"]["statistics"].update(wrong)
    onnx.helper.set_model_props(content, {METADATA: json.dumps(document)})
    onnx.save(content, tmp_path / "x.onnx")
    with pytest.raises(CheckpointError):
        Predictor.load(tmp_path / "x.onnx")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ["a", "b"]}, "other inputs or outputs"),
        ({"in_channels": 2}, "other inputs or outputs"),
        ({"model": 3}, "model"),
    ],
)
def test_a_graph_that_does_not_fit_its_document(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    onnx = pytest.importorskip("onnx")
    save_tensors(tmp_path / BEST, small_checkpoint())
    export_model(tmp_path, tmp_path / "x.onnx")
    content = onnx.load(tmp_path / "x.onnx")
    document = json.loads(content.metadata_props[0].value) | change
    onnx.helper.set_model_props(content, {METADATA: json.dumps(document)})
    onnx.save(content, tmp_path / "x.onnx")
    with pytest.raises(CheckpointError, match=message) as caught:
        Predictor.load(tmp_path / "x.onnx")
    assert "xport" in caught.value.hint
