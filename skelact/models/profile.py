"""Parameters and multiplications of a network, counted as the papers' tables do: multiply-adds of
convolutions, matrix products and einsums, and two operations a value for batch norm (fvcore's
rule), of one clip with all its persons, in the published order of operations."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from skelact.models.layers import as_published


def parameters(net: nn.Module) -> int:
    """How many numbers are learnt or could be."""
    return sum(p.numel() for p in net.parameters())


def multiply_adds(net: nn.Module, shape: tuple[int, ...]) -> int:
    """For one forward pass over an input of `shape` (N, M, T, V, C), in evaluation. Nothing is
    computed: shapes alone flow through the network, which is left on the meta device."""
    normed = 0

    def add(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        nonlocal normed
        normed += 2 * inputs[0].numel()

    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.register_forward_hook(add)
    net.to("meta").eval().requires_grad_(False)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), as_published(), counter:
        net(torch.empty(shape, device="meta"))
    return counter.get_total_flops() // 2 + normed
