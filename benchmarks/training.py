"""Training and evaluation steps of ST-GCN, including data loading: skelact's loop (in float32, and
in bfloat16 on devices that support it) compared with plain float32 in the published order of
operations. Every measurement is a separate process; the forms alternate."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from skelact.datasets.packed import Packed
from skelact.device import autocast, resolve_device, tune_malloc
from skelact.models import build
from skelact.models.reference import published_order
from skelact.options import AugmentOptions
from skelact.sequence.sampling import SamplingOptions, uniform
from skelact.skeletons import SKELETONS
from skelact.training.batches import DeviceClips

BATCH, PERSONS, LENGTH, CLASSES, STEPS = 16, 2, 100, 60, 4


def clips() -> Packed:
    """Random clips of NTU's shape."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(60, 300, 64)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    values = rng.normal(size=(offsets[-1], PERSONS, 17, 3)).astype(np.float32)
    labels = rng.integers(0, CLASSES, 64)
    ids = tuple(map(str, range(64)))
    names = tuple(map(str, range(CLASSES)))
    return Packed(
        keypoints=values,
        offsets=offsets,
        labels=labels,
        items=labels,
        fps=np.full(64, 30.0),
        is_mirrored=np.zeros(64, bool),
        ids=ids,
        classes=names,
        skeleton=SKELETONS["coco-17"],
        dataset="random",
        dims=2,
    )


def plain_batch(data: Packed, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A batch as the workers of a data loader build it: clip by clip in NumPy, then stacked."""
    chosen = rng.integers(0, len(data), BATCH)
    out = []
    for i in chosen:
        part = data.keypoints[data.offsets[i] : data.offsets[i + 1]].transpose(1, 0, 2, 3)
        out.append(part[:, uniform(part.shape[1], LENGTH, rng, 0)])
    return torch.from_numpy(np.stack(out)), torch.from_numpy(data.labels[chosen])


def measure(kind: str) -> None:
    """Print the clips/s of training and evaluation."""
    torch.manual_seed(0)
    data, rng, device = clips(), np.random.default_rng(0), resolve_device("auto")
    if kind != "plain":
        tune_malloc()
    model = build("stgcn", CLASSES, SKELETONS["coco-17"], persons=PERSONS)
    net = model.to(device)
    if kind == "plain":
        published_order(net).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    store = DeviceClips(data, device)
    optimiser = torch.optim.SGD(net.parameters(), 0.01, momentum=0.9, nesterov=True)
    none = AugmentOptions(flip=0, rotate_rad=0, scale=0, noise=0)

    def batch() -> tuple[Tensor, Tensor]:
        if kind == "plain":
            x, y = plain_batch(data, rng)
            return x.to(device), y.to(device)
        return store.training(
            rng.integers(0, len(data), BATCH), SamplingOptions(length=LENGTH), none, rng
        )

    def train() -> None:
        x, y = batch()
        optimiser.zero_grad(set_to_none=True)
        with autocast(device, kind == "ours"):
            logits = net(x)
        F.cross_entropy(logits.float(), y).backward()
        optimiser.step()

    @torch.inference_mode()
    def evaluate() -> None:
        net(batch()[0])

    for name, step, mode in (("train", train, True), ("eval", evaluate, False)):
        net.train(mode)
        step()
        started = time.monotonic()
        for _ in range(STEPS):
            step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        print(name, STEPS * BATCH / (time.monotonic() - started))


def main(rounds: int = 3) -> None:
    rates: dict[tuple[str, str], list[float]] = {}
    for _ in range(rounds):
        for kind in ("plain", "ours-fp32", "ours"):
            code = f"from benchmarks.training import measure; measure({kind!r})"
            done = subprocess.run(
                [sys.executable, "-c", code], capture_output=True, text=True, check=True
            )
            for line in done.stdout.splitlines():
                name, value = line.split()
                rates.setdefault((name, kind), []).append(float(value))
    for name in ("train", "eval"):
        for kind in ("ours-fp32", "ours"):
            plain_rate, our_rate = (statistics.median(rates[name, k]) for k in ("plain", kind))
            ratios = [b / a for a, b in zip(rates[name, "plain"], rates[name, kind], strict=True)]
            print(
                f"{name}: plain {plain_rate:.1f} clips/s, {kind} {our_rate:.1f} clips/s, "
                f"ratio {statistics.median(ratios):.2f}"
            )
