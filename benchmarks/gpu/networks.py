"""Training and inference of networks at their published size: our layers in several forms, and the
published order of operations in float32."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.gpu.measure import cell
from skelact.device import autocast, has_native_bf16, resolve_device, tune_malloc
from skelact.models import SPECS, build
from skelact.models.base import ActionClassifier
from skelact.models.fuse_conv_bn import fuse_conv_bn
from skelact.models.reference import published_order
from skelact.options import TrainOptions
from skelact.skeletons import SKELETONS
from skelact.training import schedule
from skelact.training.graphs import GraphedStep

CLASSES = 60
_BATCH = 8  # times that of the benchmark on a CPU
_CPU_FRAMES = 16


class Form(NamedTuple):
    """How a network is computed."""

    name: str
    published: bool = False
    bf16: bool = False
    compiled: bool = False
    graph: bool = False


_EAGER = (
    Form("published", published=True),
    Form("fp32"),
    Form("bf16", bf16=True),
    Form("bf16 graph", bf16=True, graph=True),
)
_COMPILED = (
    Form("bf16 compiled", bf16=True, compiled=True),
    Form("bf16 compiled graph", bf16=True, compiled=True, graph=True),
)


def main(kind: str, *names: str) -> None:
    """Print the rates of the eager or the compiled forms of some networks."""
    tune_malloc()
    for name in names:
        _network(kind, name, resolve_device("auto"))


def _network(kind: str, name: str, device: torch.device) -> None:
    on_gpu = device.type == "cuda"
    spec = SPECS[name]
    persons, frames, channels = spec.clip_shape
    batch = spec.benchmark_batch * _BATCH if on_gpu else 2
    frames = frames if on_gpu else min(frames, _CPU_FRAMES)
    x = torch.randn(batch, persons, frames, 17, channels, device=device)
    labels = torch.arange(batch, device=device) % CLASSES
    closed_form = spec.backbone.closed_form
    for what in ("inference",) if closed_form else ("training", "inference"):
        for form in _EAGER if kind == "eager" else _COMPILED:
            if not on_gpu and (form.graph or (form.bf16 and not has_native_bf16())):
                continue
            torch.manual_seed(0)
            net = build(name, CLASSES, SKELETONS["coco-17"], channels, persons).to(device)
            if form.published:
                published_order(net).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
            make = _training if what == "training" else _inference
            about = {"part": "networks", "name": name, "what": what, "form": form.name}
            cell(about, lambda m=make, n=net, f=form: m(n, f, x, labels), batch, device, 0.4)  # type: ignore[misc]


def _training(net: ActionClassifier, form: Form, x: Tensor, labels: Tensor) -> Callable[[], object]:
    """A step with all gradients and the optimiser."""
    net.train()
    options = TrainOptions(batch_size=len(x))
    optimiser = (
        torch.optim.SGD(net.parameters(), 1e-4, momentum=0.9, nesterov=True)
        if form.published
        else schedule.optimiser(net.parameters(), options)
    )
    forward = torch.compile(net.training_output) if form.compiled else net.training_output

    def gradients(x: Tensor, labels: Tensor) -> Tensor:
        optimiser.zero_grad(set_to_none=True)
        with autocast(x.device, form.bf16):
            logits, extra = forward(x)
        loss = F.cross_entropy(logits.float(), labels) + extra
        loss.backward()
        return loss.detach()

    compute = GraphedStep(gradients, _fail) if form.graph else gradients

    def step() -> None:
        compute(x, labels)
        optimiser.step()

    return step


def _inference(
    net: ActionClassifier, form: Form, x: Tensor, labels: Tensor
) -> Callable[[], object]:
    net.eval()
    evaluated: nn.Module = net if form.published else fuse_conv_bn(net)
    forward = torch.compile(evaluated) if form.compiled else evaluated

    def compute(x: Tensor, labels: Tensor) -> Tensor:
        mode = autocast(x.device, True) if form.bf16 else contextlib.nullcontext()
        with torch.no_grad(), mode:
            return forward(x)

    run = GraphedStep(compute, _fail) if form.graph else compute
    return lambda: run(x, labels)


def _fail(reason: str) -> None:
    raise RuntimeError(reason)
