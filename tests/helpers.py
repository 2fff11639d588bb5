"""Helpers shared by test modules: synthetic videos and data, a short training run.

The training packages are imported inside the functions, so that a test of the video package does
not load torch.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import skelact
from skelact.cache import Cache
from skelact.datasets import packed
from skelact.datasets.packed import PACKED, Packed, Sample, open_packed
from skelact.sequence.clean import SequenceOptions
from skelact.sequence.input import InputSpec
from skelact.sequence.normalise import NormaliseOptions
from skelact.sequence.sampling import SamplingOptions
from skelact.sequence.streams import STREAMS
from skelact.skeletons import SKELETONS, Skeleton
from skelact.types import PoseSequence
from skelact.video.ffmpeg import ffmpeg

if TYPE_CHECKING:
    from skelact.schemas import Checkpoint
    from skelact.training.plan import Plan
    from skelact.training.trainer import Trainer

COCO, NTU = SKELETONS["coco-17"], SKELETONS["ntu-25"]
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

_STAGES = {"base_channels": 16, "num_stages": 4, "inflate_stages": (3,), "down_stages": (3,)}
SMALL_NETWORKS: dict[str, dict[str, object]] = {  # network -> arguments of a smaller one
    **dict.fromkeys(
        ("stgcn", "stgcn_small", "stgcnpp", "aagcn", "2s-agcn", "agcn", "ctrgcn"), _STAGES
    ),
    "msg3d": {"base_channels": 12, "gcn_scales": 3, "g3d_scales": 2},
    "sgn": {"base_channels": 8},
    "esan": {"embed": 8, "widths": (16, 16), "strides": (1, 2), "theta": 8},
    "ddnet": {"width": 4, "hidden": 8},
    "rocket": {"kernels": 8},
    "stgcn-kth": {"base_channels": 8},
    "asgcn": {"base_channels": 8, "max_hop": 2, "aim_frames": 6, "aim_hidden": 8},
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


def pack_samples(
    root: Path,
    samples: Sequence[Sample],
    classes: tuple[str, ...],
    skeleton: Skeleton = COCO,
    persons: int = 1,
    dims: int = 2,
    minmax: bool = False,
) -> Packed:
    """A packed dataset of these samples, in a cache below `root`."""
    entry = Cache(root).write(
        PACKED,
        "samples",
        lambda folder: packed.write(
            folder,
            samples,
            dataset="samples",
            classes=classes,
            skeleton=skeleton,
            persons=persons,
            dims=dims,
            minmax=minmax,
        ),
    )
    return open_packed(entry)


def add_module(root: Path, module: str, text: str) -> dict[str, str]:
    """Copy the package to `root` with one more module, such as "pose/toy.py". Returns the
    environment variables for processes that use the copy."""
    package = Path(skelact.__file__).parent
    ignore = shutil.ignore_patterns("__pycache__", "*.pt")
    shutil.copytree(package, root / "skelact", ignore=ignore)
    (root / "skelact" / module).write_text(text)
    return {"PYTHONPATH": str(root)}


def waves(root: Path, clips: int = 24) -> Packed:
    """Two classes that differ in the speed of one arm; 20 to 30 frames, some joints missing."""
    rng = np.random.default_rng(0)
    samples, body = [], rng.normal(size=(1, 1, 17, 3))
    for n in range(clips):
        t = np.arange(20 + n % 11)
        values = np.tile(body, (1, len(t), 1, 1)).astype(np.float32)
        values[0, :, 9, 0] += 2 * np.sin(t * (0.3 if n % 2 else 1.2) + rng.uniform(0, 6))
        values[0, 3:5, 4] = np.nan
        values[..., 2] = np.nan_to_num(values[..., 2] * 0 + 0.9)
        label = ("slow", "fast")[1 - n % 2]
        samples.append(Sample(id=f"clip{n}", label=label, item=n, values=values, fps=15.0))
    return pack_samples(root, samples, ("fast", "slow"))


def plan(root: Path, **options: object) -> Plan:
    """A plan to train a small ST-GCN on `waves`; `options` are fields of TrainOptions."""
    from skelact.recipe import Recipe
    from skelact.schemas import EstimatorInfo
    from skelact.training.plan import Plan

    data = waves(root)
    subsets = tuple(
        "test" if n % 4 >= 2 else "val" if n % 8 in (0, 1) else "train" for n in range(len(data))
    )
    train = {"epochs": 3, "repeat": 2, "batch_size": 4, "patience": 0, "device": "cpu", **options}
    sections = {"sampling": {"length": 16}, "model": {"name": "stgcn", **MODEL}, "train": train}
    return Plan(
        packed=data,
        subsets=subsets,
        recipe=Recipe.from_dict(sections),
        estimator=EstimatorInfo(name="synthetic"),
        clip_s=2.0,
        split="abc",
        dataset="waves",
    )


def trainer(root: Path, folder: str = "run", **options: object) -> Trainer:
    """A trainer of `plan` that writes to `root / folder`."""
    from skelact.training.trainer import Trainer

    (root / folder).mkdir(exist_ok=True)
    return Trainer(plan(root, **options), root / folder, lambda event: None)


def with_changes(plan: Plan, **sections: object) -> Plan:
    """A plan with some sections of its recipe changed; a new network replaces the old one."""
    return replace(plan, recipe=replace(plan.recipe, **sections))  # type: ignore[arg-type]


# --- processes ---


def descendants(pid: int) -> list[int]:
    """The processes below a process."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError):
            continue
        if parent == pid:
            found += [int(folder.name), *descendants(int(folder.name))]
    return found


def name_of(pid: int) -> str:
    """The name of the program of a process."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def wait_for_end(pid: int) -> None:
    """Fail unless a process ends."""
    for _ in range(600):
        if not is_alive(pid):
            return
        time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    pytest.fail(f"process {pid} is still running")


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that nobody waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


# --- network input ---

MODES = [(mode, 2) for mode in ("body", "image", "unit", "none")] + [
    (mode, 3) for mode in ("body", "kinect", "kinect-frame", "none")
]
ALL_STREAMS = [
    "+".join(names)
    for names in chain.from_iterable(combinations(STREAMS, n) for n in range(1, len(STREAMS) + 1))
]


def poses(persons: int = 3, frames: int = 40, missing: float = 0.0, seed: int = 0) -> PoseSequence:
    """Persons of different sizes in ntu-25, in 2-D and 3-D; each is absent for some frames."""
    rng = np.random.default_rng(seed)
    shape = (persons, frames, len(NTU.joints))
    body = (
        rng.normal(size=(persons, 1, shape[2], 3)) * (1 + np.arange(persons))[:, None, None, None]
    )
    xyz = (body + 0.05 * rng.normal(size=(*shape, 3)).cumsum(axis=1)).astype(np.float32)
    xy = (320 + 60 * xyz[..., :2]).astype(np.float32)
    score = rng.uniform(0.2, 1, shape).astype(np.float32)
    gone = rng.random(shape) < missing
    for m in range(1, persons):
        gone[m, 7 * m : 7 * m + 9] = True
    xy[gone], xyz[gone], score[gone] = np.nan, np.nan, 0
    return PoseSequence(
        xy=xy,
        score=score,
        skeleton=NTU,
        fps=10.0,
        width=640,
        height=480,
        ids=tuple(range(persons)),
        xyz=xyz,
    )


def input_spec(persons: int = 1, **options: object) -> InputSpec:
    """Input of `persons` persons in ntu-25; `options` are those of normalisation."""
    normalise = NormaliseOptions(**{"mode": "body", "dims": 2, **options})  # type: ignore[arg-type]
    return InputSpec(
        skeleton=NTU,
        persons=1 if normalise.flatten_persons else persons,
        sequence=SequenceOptions(persons=persons, min_score=0.25, max_gap_s=0.3),
        normalise=normalise,
        sampling=SamplingOptions(length=16),
    )


Floats32 = np.ndarray[Any, np.dtype[np.float32]]


def kinect_clip(n: int, frames: int = 20) -> Floats32:
    """(1, frames, 20, 3) float32 [m]: a body of Kinect v1's proportions that raises its left arm (n
    even) or its right one."""
    skeleton = SKELETONS["kinect-20"]
    places = {
        **{"pelvis": (0, 0), "spine_mid": (0, 0.1), "spine_shoulder": (0, 0.45), "head": (0, 0.65)},
        **{"shoulder": (0.18, 0.38), "elbow": (0.25, 0.12), "wrist": (0.27, -0.1)},
        **{"hand": (0.28, -0.18), "hip": (0.08, -0.06), "knee": (0.1, -0.45)},
        **{"ankle": (0.11, -0.82), "foot": (0.12, -0.87)},
    }
    x = np.zeros((1, frames, 20, 3), np.float32)
    for v, joint in enumerate(skeleton.joints):
        side = 1 if joint.startswith("left_") else -1
        a, b = places[joint.removeprefix("left_").removeprefix("right_")]
        x[..., v, :] = (side * a, b, 2.5)
    arm = [skeleton.index(f"{('left', 'right')[n % 2]}_{j}") for j in ("elbow", "wrist", "hand")]
    lift = np.linspace(0, 1, frames)[:, None] * np.array([0.3, 0.6, 0.7])
    x[0][:, arm, 1] += lift
    x[0][:, arm, 2] -= lift / 3
    noise = np.random.default_rng(n).normal(0, 0.005, x.shape)
    return (x + noise).astype(np.float32)


def small_checkpoint(
    skeleton: str = "body-25",
    streams: str = "joint",
    persons: int = 1,
    clip_s: float = 0.8,
    mode: str = "body",
    seed: int = 0,
) -> Checkpoint:
    """A small ST-GCN of three classes with random weights."""
    import torch

    from skelact.models import build
    from skelact.schemas import Checkpoint, EstimatorInfo

    torch.manual_seed(seed)
    channels = 3 * len(streams.split("+"))
    net = build("stgcn", 3, SKELETONS[skeleton], channels, persons, **MODEL)  # type: ignore[arg-type]
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return Checkpoint(
        model="stgcn",
        model_kwargs=MODEL,
        weights=net.state_dict(),
        classes=("a", "b", "c"),
        skeleton=SKELETONS[skeleton],
        in_channels=channels,
        persons=persons,
        recipe={
            "sequence": {"persons": persons},
            "normalise": {"mode": mode},
            "sampling": {"length": 16, "streams": streams, "test_clips": 2},
        },
        estimator=EstimatorInfo(name="import", pose={"max_persons": persons}),
        clip_s=clip_s,
        split="",
    )


def entries(cache: Path, stage: str = "poses") -> set[str]:
    return {
        p.name
        for p in (cache / stage).glob("*")
        if (p / "manifest.json").exists() and "tmp-" not in p.name
    }
