"""Parameters and multiply-adds of a network, counted as in the papers' tables: those of
convolutions, matrix products and einsums, and two operations per value for batch norm (fvcore's
rule), for one clip with all its persons, in the published order of operations."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from skelact.models.reference import published_order


def parameters(net: nn.Module) -> int:
    """The number of parameters."""
    return sum(p.numel() for p in net.parameters())


def multiply_adds(net: nn.Module, shape: tuple[int, ...]) -> int:
    """Multiply-adds of one forward pass in evaluation, for an input of `shape` (N, M, T, V, C).

    Only shapes are propagated. The network is changed: it stays on the meta device, in the
    published order."""
    batch_norm = 0

    def add(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        nonlocal batch_norm
        batch_norm += 2 * inputs[0].numel()

    net = published_order(net).to("meta").eval().requires_grad_(False)
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.register_forward_hook(add)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        net(torch.empty(shape, device="meta"))
    return counter.get_total_flops() // 2 + batch_norm
