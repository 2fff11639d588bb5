"""Estimators by name: discovery, the automatic choice, and a new one added as a single file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from skelact.errors import ConfigError
from skelact.pose import registry, weights
from skelact.pose.base import IMPORT, PoseOptions, estimator_specs
from skelact.pose.registry import resolve
from tests.conftest import run
from tests.helpers import add_module

TOY = """
import numpy as np
from skelact.pose.base import EstimatorSpec, EstimatorStatus
from skelact.skeletons import SKELETONS
from skelact.types import PersonPose


class Toy:
    name, fingerprint, skeleton = "toy", "1", SKELETONS["coco-17"]

    def __init__(self, options):
        pass

    def run(self, frames):
        for frame in frames:
            xy = np.linspace(10 + frame.frame, 60, 34, dtype=np.float32).reshape(17, 2)
            yield frame, [PersonPose(xy, np.full(17, 0.9, np.float32))]


ESTIMATORS = (
    EstimatorSpec(
        name="toy",
        open=Toy,
        fingerprint=lambda options: "1",
        status=lambda: EstimatorStatus(ready=True, text="ready"),
        parallel="PARALLEL",
    ),
)
"""


@pytest.mark.parametrize("parallel", ["processes", "batches"])
def test_an_estimator_is_one_file(parallel: str, clip: Path, tmp_path: Path) -> None:
    env = add_module(tmp_path, "pose/toy.py", TOY.replace("PARALLEL", parallel))
    done = run("extract", clip, "--pose", "toy", "--json", **env)
    assert done.returncode == 0, done.stderr
    (video,) = json.loads(done.stdout)["videos"]
    assert (video["estimator"], video["frames"], video["persons"]) == ("toy", 20, 1)


def test_names() -> None:
    names = list(estimator_specs())
    assert names[0] == "blazepose" and {*weights.NETWORKS, "custom"} < set(names)
    for name in (*names, "auto", IMPORT):
        assert PoseOptions(estimator=name).estimator == name
    with pytest.raises(ConfigError, match=r"'blazpose' \(did you mean 'blazepose'\?\)") as caught:
        PoseOptions(estimator="blazpose")
    assert "auto, blazepose, rtmo-s" in caught.value.hint
    with pytest.raises(ConfigError, match="read from a folder"):
        resolve(PoseOptions(estimator=IMPORT))


def test_auto_prefers_the_best_network_that_is_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "find_spec", lambda name: True)
    monkeypatch.setattr(registry, "_has_gpu", lambda: True)
    folder = weights.weights_folder()
    folder.mkdir(parents=True, exist_ok=True)
    assert resolve(PoseOptions()).estimator == "blazepose"
    (folder / "rtmpose-l.pth").touch()  # without its detector
    assert resolve(PoseOptions()).estimator == "blazepose"
    (folder / "rtmdet-m.pth").touch()
    assert resolve(PoseOptions()).estimator == "rtmpose-l"
    (folder / "rtmo-s.pth").touch()
    assert resolve(PoseOptions()).estimator == "rtmo-s"
    assert resolve(PoseOptions(estimator="rtmpose-l")).estimator == "rtmpose-l"
    assert resolve(PoseOptions(backfill_s=1.0)).estimator == "blazepose"  # rtmo-s does not track
    monkeypatch.setattr(registry, "_has_gpu", lambda: False)
    assert resolve(PoseOptions()).estimator == "blazepose"
    assert registry.fallback().name == "blazepose"
