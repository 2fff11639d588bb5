"""The whole training loop on synthetic clips in the number and size of NTU60's cross-subject
training set: drawing and augmenting the frames, the network, the optimiser. Compared with the usual
loop: a data loader with worker processes, float32, the published order of operations, and no
augmentation."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from benchmarks.gpu.measure import cell
from skelact.datasets.packed import Packed
from skelact.device import resolve_device
from skelact.models import build
from skelact.models.reference import published_order
from skelact.recipe import Recipe
from skelact.schemas import EstimatorInfo
from skelact.sequence.sampling import uniform
from skelact.skeletons import SKELETONS
from skelact.training.epoch import seeded
from skelact.training.plan import Plan
from skelact.training.trainer import Trainer
from skelact.types import no_progress

CLASSES, PERSONS, LENGTH = 60, 2, 100
_CLIPS = {"cuda": 40_091, "cpu": 20}
_BATCHES = {"cuda": (16, 128), "cpu": (2,)}
_DIFFERENT = 256  # clips, which are repeated


def synthetic(count: int) -> Packed:
    """`count` clips of 32 to 150 frames of two people in 17 joints with scores."""
    rng = np.random.default_rng(0)
    few = min(count, _DIFFERENT)
    lengths = np.resize(rng.integers(32, 150, few), count)
    values = rng.standard_normal((int(lengths[:few].sum()), PERSONS, 17, 3), np.float32)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    repeated = np.concatenate([values] * -(-count // few))[: offsets[-1]]
    labels = np.arange(count) % CLASSES
    return Packed(
        keypoints=repeated,
        offsets=offsets,
        labels=labels,
        items=np.arange(count),
        fps=np.full(count, 30.0),
        is_mirrored=np.zeros(count, bool),
        ids=tuple(map(str, range(count))),
        classes=tuple(map(str, range(CLASSES))),
        skeleton=SKELETONS["coco-17"],
        dataset="synthetic",
        dims=2,
    )


class _Clips(Dataset[tuple[Tensor, int]]):
    """Clip by clip in NumPy, as in the data loaders of the published code."""

    def __init__(self, data: Packed) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        data = self.data
        clip = data.keypoints[data.offsets[i] : data.offsets[i + 1]].swapaxes(0, 1)
        rng = np.random.default_rng()
        chosen = uniform(clip.shape[1], LENGTH, rng, int(rng.integers(clip.shape[1])))
        return torch.from_numpy(np.ascontiguousarray(clip[:, chosen])), int(data.labels[i])


def _forever(loader: DataLoader[tuple[Tensor, int]]) -> Iterator[list[Tensor]]:
    while True:
        yield from loader


def _published(name: str, data: Packed, batch: int, device: torch.device) -> Callable[[], None]:
    workers = min(8, (os.cpu_count() or 1) - 1) if device.type == "cuda" else 0
    loader = DataLoader(
        _Clips(data),
        batch,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        pin_memory=device.type == "cuda",
        persistent_workers=workers > 0,
    )
    net = published_order(build(name, CLASSES, data.skeleton, persons=PERSONS).to(device))
    net.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    optimiser = torch.optim.SGD(
        net.parameters(), 0.01, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    batches = _forever(loader)

    def step() -> None:
        x, labels = (part.to(device, non_blocking=True) for part in next(batches))
        optimiser.zero_grad(set_to_none=True)
        F.cross_entropy(net(x), labels).backward()
        optimiser.step()

    return step


def _ours(
    name: str, data: Packed, batch: int, device: torch.device, options: dict[str, object]
) -> Callable[[], None]:
    train = {"batch_size": batch, "patience": 0, "val_fraction": 0.0, "device": str(device)}
    sections = {
        "model": {"name": name},
        "sampling": {"length": LENGTH},
        "train": {**train, "repeat": 1, "epochs": 1000, **options},
    }
    plan = Plan(
        packed=data,
        subsets=("train",) * len(data),
        recipe=Recipe.from_dict(sections),
        estimator=EstimatorInfo(name="synthetic"),
        clip_s=0.0,
        split="",
        dataset="synthetic",
        no_test=True,
    )
    trainer = Trainer(plan, Path(tempfile.mkdtemp()), no_progress)
    trainer.train_mode()

    def steps() -> Iterator[None]:
        while True:
            with seeded(0, 0, device) as rng:
                for x, labels in trainer.own_batches(rng):
                    yield trainer.step(0, x, labels)

    running = steps()
    return lambda: next(running)


def main(kind: str, name: str) -> None:
    """Print the clips/s of the loops with a network, with or without torch.compile."""
    device = resolve_device("auto")
    on_gpu = device.type == "cuda"
    data = synthetic(_CLIPS["cuda" if on_gpu else "cpu"])
    for batch in _BATCHES["cuda" if on_gpu else "cpu"]:
        forms: dict[str, Callable[[], Callable[[], None]]] = {}

        def add(form: str, batch: int = batch, **options: object) -> None:
            forms[form] = lambda: _ours(name, data, batch, device, options)  # noqa: B023

        if kind == "eager":
            forms["published"] = lambda batch=batch: _published(name, data, batch, device)  # type: ignore[misc]
            if on_gpu:
                add("bf16", cuda_graphs=False)
            add("the default")
        else:
            add("compiled", compile=True)
        for form, make in forms.items():
            about = {"part": "loop", "name": name, "what": "training loop", "form": form}
            cell(about, make, batch, device, 1.5)
