"""The program of the export page, which runs an exported file without skelact."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from msgspec import structs

from skelact.app.tasks import OWN_POSE
from skelact.cache import Cache
from skelact.cli import main
from skelact.inference.predictor import Predictor
from skelact.models import build
from skelact.runs.export_model import export_model
from skelact.schemas import BEST, EstimatorInfo, save_tensors
from skelact.sequence.clean import SequenceOptions
from tests.app.world import add_video
from tests.docs.blocks import PAGES, blocks
from tests.helpers import COCO, small_checkpoint


def test_the_program_gives_the_probabilities_of_predict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)
    (program,) = blocks(PAGES / "guides" / "export.md", "python")
    cache = Cache(tmp_path / "cache")
    video = add_video(tmp_path / "clip.mp4", cache, [("wave", "squat")], "red", 1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = build("rocket", 3, COCO, 3, 1, kernels=80)
        torch.nn.init.normal_(net.cls_head.fc.weight, std=0.02)
    model = structs.replace(
        small_checkpoint("coco-17", clip_s=0.0),  # one window
        model="rocket",
        model_kwargs={"kernels": 80},
        weights=net.state_dict(),
        recipe={
            "sampling": {"length": 32},
            "sequence": asdict(SequenceOptions(persons=1)),
            "normalise": {"mode": "body", "dims": 2},
        },
        estimator=EstimatorInfo(name="blazepose", pose={"estimator": OWN_POSE.estimator}),
    )
    save_tensors(tmp_path / BEST, model)
    export_model(tmp_path, tmp_path / "my.onnx")
    arguments = ["extract", str(video), "--out", str(tmp_path / "poses")]
    assert main([*arguments, "--cache-dir", str(cache.root)]) == 0
    capsys.readouterr()
    assert main(["skeletons", "blazepose-33", "--json"]) == 0
    (tmp_path / "layout.json").write_text(capsys.readouterr().out)
    done = subprocess.run(
        [sys.executable, "-c", program.text],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = {k: int(v) / 100 for k, v in re.findall(r"(\w+): (\d+)%", done.stdout)}
    (result,) = Predictor.load(tmp_path / "my.onnx").predict_many([video], cache).results
    (segment,) = result.predictions[0].segments
    assert 0.4 < max(segment.probabilities) < 0.9
    expected = dict(zip(model.classes, segment.probabilities, strict=True))
    assert found == pytest.approx(expected, abs=0.03)  # predict interpolates between frames
