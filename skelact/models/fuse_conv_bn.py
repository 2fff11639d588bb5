"""Batch norm fused into the convolutions before it, for faster evaluation with the same numbers."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import TypeVar

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from skelact.models.layers import UnitGCN, UnitTCN

Net = TypeVar("Net", bound=nn.Module)


@torch.no_grad()
def fuse_conv_bn(net: Net) -> Net:
    """A copy of the network, in evaluation mode, in which every batch norm that directly follows a
    convolution is part of it. The copy cannot be trained or saved as a checkpoint."""
    net = copy.deepcopy(net).eval().requires_grad_(False)
    for module in net.modules():
        if isinstance(module, UnitGCN):
            module.fuse_bn()
        elif isinstance(module, UnitTCN):
            assert isinstance(module.bn, nn.BatchNorm2d)
            _fuse(module.conv, module.bn)
            module.bn = nn.Identity()
        elif isinstance(module, nn.Sequential):
            for n, (first, second) in enumerate(pairwise(list(module))):
                conv = first if isinstance(first, nn.Conv2d) else getattr(first, "conv", None)
                if type(conv) is nn.Conv2d and isinstance(second, nn.BatchNorm2d):
                    _fuse(conv, second)
                    module[n + 1] = nn.Identity()
    return net


def _fuse(conv: nn.Conv2d, bn: nn.BatchNorm2d) -> None:
    assert bn.running_mean is not None and bn.running_var is not None
    conv.weight, conv.bias = fuse_conv_bn_weights(
        conv.weight, conv.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
    )
