"""Prediction with the graph of an exported file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from msgspec import structs

from skelact.cache import Cache
from skelact.errors import CheckpointError, ConfigError
from skelact.inference.explain import explain
from skelact.inference.graph_files import METADATA
from skelact.inference.predictor import Predictor
from skelact.options import ForeignOptions, PredictOptions
from skelact.runs.export_model import export_model
from skelact.schemas import BEST, Calibration, Ensemble, Member, save_tensors, to_json
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


def test_predictions_are_those_of_torch(exported: Path, clip: Path, openpose: Path) -> None:
    cache = Cache(exported.parent / "cache")
    first, second = (
        Predictor.load(path).predict_many([clip], cache, poses_from=openpose).results[0]
        for path in (exported.with_name(BEST), exported)
    )
    assert len(first.predictions) == 2
    for p, q in zip(first.predictions, second.predictions, strict=True):
        assert (p.label, p.person_id, p.threshold) == (q.label, q.person_id, q.threshold)
        for s, t in zip(p.segments, q.segments, strict=True):
            assert (s.start_s, s.end_s, s.label) == (t.start_s, t.end_s, t.label)
            assert s.probabilities == pytest.approx(t.probabilities, abs=1e-4)
    program = [sys.executable, "-c", WITHOUT_TORCH, exported, clip, openpose, exported.parent / "c"]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_scores_that_a_graph_does_not_give(exported: Path) -> None:
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
