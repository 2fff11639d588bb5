"""Recognisers in ONNX and OpenVINO files give the probabilities of torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from msgspec import structs
from scipy.special import softmax
from torch import nn

from skelact.datasets.base import Item
from skelact.datasets.mads_truth import read_projected
from skelact.errors import CheckpointError, ConfigError, InputError, OutputError
from skelact.inference.ensemble import input_spec
from skelact.inference.graph_files import GraphFile, load_graph_file
from skelact.models import SPECS, build
from skelact.models.checkpoint import build_network, state_dict_on_cpu
from skelact.runs.export_model import export_model
from skelact.schemas import (
    BEST,
    CALIBRATION,
    Calibration,
    Checkpoint,
    Ensemble,
    EstimatorInfo,
    Member,
    ScoreResult,
    save_tensors,
    to_json,
)
from skelact.sequence.input import ClipArrays, window_values
from skelact.skeletons import SKELETONS
from skelact.types import Floats
from tests.conftest import sample

SMALL = {  # quick to trace, with every kind of layer
    "rocket": {"kernels": 80},
    "stgcn": {"base_channels": 8, "num_stages": 2, "inflate_stages": [2], "down_stages": [2]},
    "aagcn": {"base_channels": 16, "num_stages": 2, "inflate_stages": [2], "down_stages": [2]},
}


def checkpoint(name: str, persons: int, seed: int = 0, **options: object) -> Checkpoint:
    """An untrained network whose outputs differ, with statistics of its own in batch norms."""
    coco = SKELETONS["coco-17"]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = build(name, 4, coco, 3, persons, **options)
        for module in net.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                nn.init.uniform_(module.running_mean, -0.2, 0.2)  # type: ignore[arg-type]
                nn.init.uniform_(module.running_var, 0.5, 2.0)  # type: ignore[arg-type]
                nn.init.uniform_(module.weight, 0.5, 1.5)
            if isinstance(module, nn.Linear) and module.out_features == 4:
                nn.init.normal_(module.weight, std=1.0)
        weights = state_dict_on_cpu(net)
    return Checkpoint(
        model=name,
        model_kwargs=dict(options),
        weights=weights,
        classes=("bow", "kick", "turn", "wave"),
        skeleton=coco,
        in_channels=3,
        persons=persons,
        recipe={
            "sampling": {"length": 32},
            "sequence": {"persons": persons},
            "normalise": {"mode": "body", "dims": 2},
            "model": {"name": name},
        },
        estimator=EstimatorInfo(name="blazepose", pose={"estimator": "blazepose"}),
        clip_s=3.0,
        split="x",
    )


def clips(model: Checkpoint, count: int, frames: int) -> Floats:
    """Windows of a performance of the sample videos as network input (N, M, frames, V, C)."""
    spec = input_spec(model)
    kata = sample("Kata_A1_C0.avi").parent / "Kata_A1_GT.mat"
    sequence = read_projected(Item(kata, "Kata", groups={}, key="0"))
    windows = [(10 * n, 10 * n + 60) for n in range(count)]
    arrays = ClipArrays.of(window_values(sequence, windows, spec), spec)
    sampling = replace(spec.sampling, length=frames)
    return np.asarray(arrays.test_input(np.arange(count), sampling)[0], np.float32)


def largest_difference(models: Sequence[Checkpoint], file: Path) -> float:
    """The largest difference of a probability to torch, and of a logit relative to the range of the
    logits, because large ones hide it; with several numbers of clips and frames. The graph has one
    input for all models or one for each."""
    graph = load_graph_file(file)
    worst = 0.0
    for count, frames in ((1, 32), (3, 32), (2, 45), (1, 100), (2, 12)):
        x = [clips(m, count, frames) for m in models]
        outputs = graph.run(dict(enumerate(x[: len(graph.session.shapes())])))
        for model, values, found in zip(models, x, outputs, strict=True):
            with torch.inference_mode():
                expected = build_network(model)(torch.from_numpy(values)).numpy()
            assert np.ptp(expected) > 0.1
            worst = max(worst, float(np.abs(found - expected).max() / np.ptp(expected)))
            worst = max(worst, float(np.abs(softmax(found, 1) - softmax(expected, 1)).max()))
    return worst


@pytest.fixture
def onnx() -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.usefixtures("onnx")
def test_small_networks_as_onnx(name: str, tmp_path: Path) -> None:
    persons = SPECS[name].clip_shape[0]
    model = checkpoint(name, persons, **SMALL[name])
    save_tensors(tmp_path / BEST, model)
    result = export_model(tmp_path, tmp_path / "x.onnx")
    assert result.dynamic == (("clips", "frames"),) and result.difference < 1e-4
    assert largest_difference([model], tmp_path / "x.onnx") < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("name", SPECS)
@pytest.mark.usefixtures("onnx")
def test_every_network_in_full_size_as_onnx(name: str, tmp_path: Path) -> None:
    model = checkpoint(name, SPECS[name].clip_shape[0])
    save_tensors(tmp_path / BEST, model)
    export_model(tmp_path, tmp_path / "x.onnx")
    assert largest_difference([model], tmp_path / "x.onnx") < 1e-4


@pytest.mark.usefixtures("onnx")
def test_ensemble_and_metadata(tmp_path: Path) -> None:
    """Members with different inputs; the file says all that prediction needs."""
    first, second = (checkpoint("rocket", 1, seed=n, kernels=40) for n in (0, 1))
    changed = dict(second.recipe, normalise={"mode": "image", "dims": 2})
    second = structs.replace(second, recipe=changed)
    members = (Member(weight=1, checkpoint=first), Member(weight=0, checkpoint=first))
    members += (Member(weight=3, checkpoint=second),)
    ensemble = Ensemble(members=members, calibration=Calibration(unknown_threshold=0.4))
    save_tensors(tmp_path / BEST, ensemble)
    export_model(tmp_path, tmp_path / "x.onnx", min_confidence=0.7)
    assert largest_difference([first, second], tmp_path / "x.onnx") < 1e-4
    found = load_graph_file(tmp_path / "x.onnx").model
    assert isinstance(found, Ensemble) and [m.weight for m in found.members] == [1, 3]
    assert found.classes == first.classes and found.calibration == ensemble.calibration
    assert not found.members[0].checkpoint.weights
    assert found.members[0].checkpoint.estimator.pose["min_confidence"] == 0.7


@pytest.mark.usefixtures("onnx")
def test_weights_as_integers(tmp_path: Path) -> None:
    model = checkpoint("rocket", 1, kernels=400)
    save_tensors(tmp_path / BEST, model)
    whole = export_model(tmp_path, tmp_path / "x.onnx")
    small = export_model(tmp_path, tmp_path / "i.onnx", int8=True)
    assert small.size < 0.8 * whole.size
    assert largest_difference([model], tmp_path / "i.onnx") < 0.05


@pytest.mark.slow
@pytest.mark.usefixtures("onnx")
def test_openvino(tmp_path: Path) -> None:
    model = checkpoint("ddnet", 1, width=8)
    save_tensors(tmp_path / BEST, model)
    pytest.importorskip("openvino")
    export_model(tmp_path, tmp_path / "x.xml", "openvino")
    assert (tmp_path / "x.bin").is_file()
    assert largest_difference([model], tmp_path / "x.xml") < 1e-4


@pytest.mark.usefixtures("onnx")
def test_a_wrong_graph_is_found_also_if_the_probabilities_are_0_and_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = checkpoint("rocket", 1, kernels=40)
    weights = model.weights | {
        name: 1e4 * value for name, value in model.weights.items() if "cls_head" in name
    }
    save_tensors(tmp_path / BEST, structs.replace(model, weights=weights))
    run = GraphFile.run
    monkeypatch.setattr(
        GraphFile, "run", lambda self, inputs: [0.5 * rows for rows in run(self, inputs)]
    )
    with pytest.raises(CheckpointError, match="differs from torch"):
        export_model(tmp_path, tmp_path / "x.onnx")
    assert not (tmp_path / "x.onnx").exists()


def test_a_calibration_that_does_not_fit(tmp_path: Path) -> None:
    save_tensors(tmp_path / BEST, checkpoint("rocket", 1, kernels=40))
    other = Calibration(score="distance", scores=(ScoreResult(name="distance", threshold=-1.0),))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / CALIBRATION).write_bytes(to_json(other))
    with pytest.raises(InputError, match="no statistics"):
        export_model(tmp_path, tmp_path / "x.pt", "torch", calibration=tmp_path / "other")
    assert not (tmp_path / "x.pt").exists()


def test_wrong_options(tmp_path: Path) -> None:
    save_tensors(tmp_path / BEST, checkpoint("rocket", 1, kernels=40))
    with pytest.raises(ConfigError, match="no format 'tflite'"):
        export_model(tmp_path, tmp_path / "x.tflite", "tflite")
    with pytest.raises(ConfigError, match="8-bit"):
        export_model(tmp_path, tmp_path / "x.pt", "torch", int8=True)
    with pytest.raises(OutputError, match="must end in"):
        export_model(tmp_path, tmp_path / "x.pt", "onnx")
    assert [p.name for p in tmp_path.iterdir()] == [BEST]


@pytest.mark.usefixtures("onnx")
def test_files_that_skelact_did_not_write(tmp_path: Path) -> None:
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    other = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [value], [other])
    proto = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 17)])
    path = tmp_path / "x.onnx"
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(CheckpointError, match="skelact did not write"):
        load_graph_file(path)
    for text in ("[]", '{"document": "ensemble"}', "{"):
        helper.set_model_props(proto, {"skelact": text})
        path.write_bytes(proto.SerializeToString())
        with pytest.raises(CheckpointError):
            load_graph_file(path)
    for content in (b"", b"x" * 100, proto.SerializeToString()[:-20]):
        path.write_bytes(content)
        with pytest.raises(CheckpointError):
            load_graph_file(path)
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_graph_file(tmp_path / "none.onnx")
