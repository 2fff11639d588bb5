"""Frames per second of mmpose's RTMO in batches, as `skelact extract` runs it, and frame by frame;
random weights of the real architecture, which find nobody."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import torch

from benchmarks.gpu.measure import cell
from skelact.device import resolve_device
from skelact.pose import weights
from skelact.pose.base import FrameRef, PoseOptions

NETWORK, FRAMES = "rtmo-s", {"cuda": 64, "cpu": 4}
_NOBODY = -4.6  # logit of a person, for every box: else mmpose's NMS has 1,900 boxes per frame


def main() -> None:
    about = {"part": "poses", "name": NETWORK, "what": "extraction"}
    if not weights.is_installed():
        print(json.dumps(about | {"error": "not run: mmpose is not installed"}), flush=True)
        return
    from skelact.pose import mmpose

    device = resolve_device("auto")
    config = mmpose.shipped_config(NETWORK)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "random.pth"
        torch.save({"state_dict": _random_weights(config)}, checkpoint)
        options = PoseOptions(estimator="custom", config=str(config), checkpoint=str(checkpoint))
        estimator = mmpose.MMPose(options, str(device))
    rng = np.random.default_rng(0)
    frames = [
        FrameRef(video=0, frame=n, fps=30.0, image=rng.integers(0, 255, (480, 640, 3), np.uint8))
        for n in range(FRAMES[device.type])
    ]
    for form, size in (("published", 1), ("batches", estimator.frames_per_batch)):

        def step(size: int = size) -> None:
            estimator.frames_per_batch = size
            for _ in estimator.run(frames):
                pass

        cell(about | {"form": form}, lambda step=step: step, len(frames), device, 1.0, warm_up=1)  # type: ignore[misc]


def _random_weights(config: Path) -> dict[str, torch.Tensor]:
    from skelact.pose import mmpose

    mmpose._prepare()
    from mmengine.config import Config
    from mmengine.registry import DefaultScope
    from mmpose.registry import MODELS

    parsed = Config.fromfile(str(config))
    parsed.model.backbone.pop("init_cfg", None)
    parsed.model.pop("init_cfg", None)
    with DefaultScope.overwrite_default_scope("mmpose"):
        state = dict(MODELS.build(parsed.model).state_dict())
    for name, value in state.items():
        if name.startswith("head.head_module.out_cls"):
            value.fill_(_NOBODY if name.endswith("bias") else 0.0)
    return state
