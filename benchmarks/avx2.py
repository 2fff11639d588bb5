"""python -m benchmarks avx2 [native] [CLIPS] [NETWORK]...

Training in float32 as on a processor with AVX2 but without AVX-512: skelact's layers compared with
the published order of operations. PyTorch, oneDNN and MKL are told to use no newer instructions;
with `native` they use all. The forms alternate in one process with one thread. Seconds are of
processor time, so that other programs disturb less. Memory is what a step adds to the process."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from torch.nn import functional as F

from skelact.device import peak_memory_mb, tune_malloc
from skelact.models import SPECS, build
from skelact.models.reference import published_order
from skelact.skeletons import SKELETONS

CLASSES, CLIPS, ROUNDS = 60, 16, 3
FORMS = ("published", "ours")
ONLY_AVX2 = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
}


def training_step(name: str, form: str, clips: int) -> Callable[[], None]:
    """One optimiser step of a network at its published size on random clips."""
    torch.manual_seed(0)
    spec = SPECS[name]
    persons, frames, channels = spec.clip_shape
    net = build(name, CLASSES, SKELETONS["coco-17"], channels, persons).train()
    if form == "published":
        published_order(net).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    x = torch.randn(clips, persons, frames, 17, channels)
    labels = torch.arange(clips) % CLASSES
    optimiser = torch.optim.SGD(net.parameters(), 1e-3, momentum=0.9, nesterov=True)

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        logits, extra = net.training_output(x)
        (F.cross_entropy(logits, labels) + extra).backward()
        optimiser.step()

    return step


def measure(name: str, clips: int) -> None:
    """Print the processor time [s] of a training step: the minimum of both forms, and the median of
    the rounds' ratios."""
    tune_malloc()
    torch.set_num_threads(1)
    steps = {form: training_step(name, form, clips) for form in FORMS}
    seconds: dict[str, list[float]] = {form: [] for form in FORMS}
    for n in range(ROUNDS + 1):
        for form, step in steps.items():
            started = time.process_time()
            step()
            if n:
                seconds[form].append(time.process_time() - started)
    published, ours = (seconds[form] for form in FORMS)
    ratio = statistics.median(a / b for a, b in zip(published, ours, strict=True))
    capability = torch.backends.cpu.get_cpu_capability()
    print(
        f"{name} ({capability}): published order {min(published):.2f} s, ours {min(ours):.2f} s, "
        f"ratio of the minima {min(published) / min(ours):.2f}, median ratio {ratio:.2f}"
    )


def memory(name: str, form: str, clips: int) -> None:
    """Print how much memory the first step adds [MB]."""
    tune_malloc()
    torch.set_num_threads(1)
    step = training_step(name, form, clips)
    before = peak_memory_mb(torch.device("cpu"))
    step()
    print(f"{name}, {form}: {peak_memory_mb(torch.device('cpu')) - before} MB")


def main() -> None:
    arguments = sys.argv[2:]
    environment = os.environ if "native" in arguments else os.environ | ONLY_AVX2
    clips = next((int(a) for a in arguments if a.isdecimal()), CLIPS)
    names = [a for a in arguments if a != "native" and not a.isdecimal()]
    if unknown := set(names) - set(SPECS):
        sys.exit(f"unknown network: {', '.join(sorted(unknown))}")
    names = names or ["stgcn", "stgcnpp", "ctrgcn"]
    for name in names:
        calls = [f"measure({name!r}, {clips})"]
        calls += [f"memory({name!r}, {form!r}, {clips})" for form in FORMS]
        for call in calls:
            code = f"import benchmarks.avx2 as b; b.{call}"
            subprocess.run([sys.executable, "-c", code], env=environment, check=True)
