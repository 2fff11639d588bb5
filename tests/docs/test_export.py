"""The program of the export page, which runs an exported file without skelact."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec import structs

from skelact.app.tasks import OWN_POSE
from skelact.cache import Cache
from skelact.cli import main
from skelact.inference.predictor import Predictor
from skelact.runs.export_model import export_model
from skelact.schemas import BEST, EstimatorInfo, save_tensors
from tests.app.world import add_video
from tests.docs.blocks import PAGES, blocks
from tests.runs.test_export_model import checkpoint


@pytest.mark.parametrize("flip", [False, True])
def test_the_program_gives_the_probabilities_of_predict(
    flip: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)
    (program,) = blocks(PAGES / "guides" / "export.md", "python")
    cache = Cache(tmp_path / "cache")
    video = add_video(tmp_path / "clip.mp4", cache, [("wave", "squat")], "red", 1)
    model = checkpoint("rocket", 1, kernels=80)
    recipe = dict(model.recipe, sampling={"length": 32, "test_flip": flip})
    pose = EstimatorInfo(name="blazepose", pose={"estimator": OWN_POSE.estimator})
    model = structs.replace(model, recipe=recipe, estimator=pose, clip_s=0.0)  # one window
    for name, value in model.weights.items():  # probabilities that are not only 0 and 1
        if name.startswith("cls_head"):
            value *= 0.02
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
    assert max(segment.probabilities.values()) < 0.9
    # printed without decimals; the mirrored clip changes them
    assert found == pytest.approx(segment.probabilities, abs=0.2 if flip else 0.006)
