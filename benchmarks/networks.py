"""Clips per second of every network at its published size, in evaluation and training: skelact's
layers compared with the published order of operations in float32. Every measurement is a separate
process; the forms alternate. In `eval1`, one clip in six has a second person, about as in NTU60."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from skelact.device import autocast, resolve_device, tune_malloc
from skelact.models import SPECS, build
from skelact.models.fuse_conv_bn import fuse_conv_bn
from skelact.models.reference import published_order
from skelact.skeletons import SKELETONS

CLASSES, SECONDS = 60, 3.0
# form -> (measured in training, measured in evaluation)
FORMS = {
    "plain": (True, True),
    "ours": (True, True),
    "bf16": (True, False),
    "fuse_conv_bn": (False, True),
}
ON_GPU = {"compiled": (True, True)}


def measure(name: str, form: str) -> None:
    """Print the clips/s of one form of one network."""
    torch.manual_seed(0)
    spec, device = SPECS[name], resolve_device("auto")
    if form != "plain":
        tune_malloc()
    persons, frames, channels = spec.clip_shape
    net = build(name, CLASSES, SKELETONS["coco-17"], channels, persons).to(device)
    if form == "plain":
        published_order(net).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    x = torch.randn(spec.benchmark_batch, persons, frames, 17, channels, device=device)
    labels = torch.arange(len(x), device=device) % CLASSES
    optimiser = torch.optim.SGD(net.parameters(), 1e-3, momentum=0.9, nesterov=True)
    run = torch.compile(net.training_output) if form == "compiled" else net.training_output
    evaluated = fuse_conv_bn(net) if form == "fuse_conv_bn" else net.eval()

    def train() -> None:
        optimiser.zero_grad(set_to_none=True)
        with autocast(device, form in ("bf16", "compiled")):
            logits, extra = run(x)
        (F.cross_entropy(logits.float(), labels) + extra).backward()
        optimiser.step()

    one_person = x.clone()
    one_person[torch.arange(len(x)) % 6 > 0, 1:] = 0

    @torch.inference_mode()
    def evaluate(x: Tensor = x) -> None:
        evaluated(x)

    in_training, in_evaluation = (FORMS | ON_GPU)[form]
    if in_evaluation:
        print("eval", _rate(evaluate, len(x), device))
        if persons > 1:
            print("eval1", _rate(lambda: evaluate(one_person), len(x), device))
    if in_training:
        net.train()
        print("train", _rate(train, len(x), device))


def _rate(step: Callable[[], None], samples: int, device: torch.device) -> float:
    step()
    started, count = time.monotonic(), 0
    while time.monotonic() - started < SECONDS or count < 3:
        step()
        count += 1
        if device.type == "cuda":
            torch.cuda.synchronize()
    return count * samples / (time.monotonic() - started)


def main(names: list[str] | None = None, rounds: int = 2) -> None:
    forms = [*FORMS, *(ON_GPU if torch.cuda.is_available() else ())]
    print("median clips/s, and in parentheses the median ratio to the plain form")
    for name in names or list(SPECS):
        rates_of: dict[tuple[str, str], list[float]] = {}
        for _ in range(rounds):
            for form in forms:
                code = f"from benchmarks.networks import measure; measure({name!r}, {form!r})"
                command = [sys.executable, "-c", code]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                for line in done.stdout.splitlines():
                    what, value = line.split()
                    rates_of.setdefault((what, form), []).append(float(value))
        parts = []
        for what, form in rates_of:
            rates, plain = rates_of[what, form], rates_of[what, "plain"]
            ratio = statistics.median(b / a for a, b in zip(plain, rates, strict=True))
            parts.append(f"{what} {form} {statistics.median(rates):.1f} ({ratio:.2f})")
        print(f"{name}: " + ", ".join(sorted(parts)), flush=True)
