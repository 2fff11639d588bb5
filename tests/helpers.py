"""Helpers shared by test modules: synthetic videos and data, a short training run.

The training packages are imported inside the functions, so that a test of the video package does
not load torch.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import skelact
from skelact.cache import Cache
from skelact.datasets import packed
from skelact.skeletons import SKELETONS
from skelact.video.ffmpeg import ffmpeg

if TYPE_CHECKING:
    from skelact.training.trainer import Plan, Trainer

COCO = SKELETONS["coco-17"]
# arguments of `skelact train` for a network that trains in seconds
SMALL_RUN = (
    *("--config", "stgcn_mads_demo", "--set", "model.base_channels=8", "--set", "train.repeat=10"),
    *("--set", "sampling.length=24", "--epochs", "4", "--device", "cpu"),
)
MODEL = {
    "base_channels": 8,
    "num_stages": 3,
    "inflate_stages": (3,),
    "down_stages": (3,),
    "dropout": 0.2,
}


class Killed(Exception):
    """Raised by a progress callback to stop a run at a chosen step."""


def encode(out: Path, *arguments: str) -> Path:
    """Run ffmpeg with the arguments and `out`; returns `out`."""
    out.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([ffmpeg(), "-y", "-loglevel", "error", *arguments, str(out)], check=True)
    return out


def pattern(
    out: Path, size: str = "64x48", rate: str = "25", seconds: str = "1", *more: str
) -> Path:
    """A video of ffmpeg's test pattern."""
    return encode(
        out, "-f", "lavfi", "-i", f"testsrc=size={size}:rate={rate}:duration={seconds}", *more
    )


def add_module(root: Path, module: str, text: str) -> dict[str, str]:
    """Copy the package to `root` with one more module, such as "pose/toy.py". Returns the
    environment variables for processes that use the copy."""
    package = Path(skelact.__file__).parent
    ignore = shutil.ignore_patterns("__pycache__", "*.pt")
    shutil.copytree(package, root / "skelact", ignore=ignore)
    (root / "skelact" / module).write_text(text)
    return {"PYTHONPATH": str(root)}


def waves(root: Path, clips: int = 24) -> packed.Packed:
    """Two classes that differ in the speed of one arm; 20 to 30 frames, some joints missing."""
    rng = np.random.default_rng(0)
    samples, body = [], rng.normal(size=(1, 1, 17, 3))
    for n in range(clips):
        t = np.arange(20 + n % 11)
        values = np.tile(body, (1, len(t), 1, 1)).astype(np.float32)
        values[0, :, 9, 0] += 2 * np.sin(t * (0.3 if n % 2 else 1.2) + rng.uniform(0, 6))
        values[0, 3:5, 4] = np.nan
        values[..., 2] = np.nan_to_num(values[..., 2] * 0 + 0.9)
        samples.append(packed.Sample(f"clip{n}", ("slow", "fast")[1 - n % 2], n, values, 15.0))
    cache = Cache(root)
    with cache.write("packed", "waves", {}) as folder:
        packed.write(folder, samples, ("fast", "slow"), COCO, 1, {"dims": 2})
    return packed.open_packed(cache.require("packed", "waves"))


def plan(root: Path, **options: object) -> Plan:
    """A plan to train a small ST-GCN on `waves`; `options` are fields of TrainOptions."""
    from skelact.options import AugmentOptions, TrainOptions
    from skelact.sequence.sampling import SamplingOptions
    from skelact.training.trainer import Plan

    data = waves(root)
    subsets = tuple(
        "test" if n % 4 >= 2 else "val" if n % 8 in (0, 1) else "train" for n in range(len(data))
    )
    train = TrainOptions(
        **{"epochs": 3, "repeat": 2, "batch_size": 4, "patience": 0, "device": "cpu", **options}
    )  # type: ignore[arg-type]
    about = {
        "recipe": {},
        "estimator": {"name": "made up"},
        "clip_s": 2.0,
        "split": "abc",
        "dataset": "waves",
    }
    return Plan(
        packed=data,
        subsets=subsets,
        model="stgcn",
        model_kwargs=MODEL,
        sampling=SamplingOptions(length=16),
        augment=AugmentOptions(),
        options=train,
        about=about,
    )


def trainer(root: Path, folder: str = "run", **options: object) -> Trainer:
    """A trainer of `plan` that writes to `root / folder`."""
    from skelact.training.trainer import Trainer

    (root / folder).mkdir(exist_ok=True)
    return Trainer(plan(root, **options), root / folder, lambda event: None)
