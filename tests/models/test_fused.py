"""Layers with gradients of their own, against PyTorch's gradients of the published operations."""

from __future__ import annotations

import copy
from itertools import product
from typing import Literal

import pytest
import torch

from skelact.models import fused
from skelact.models.fused import GraphProduct
from skelact.models.layers import Adaptive, GraphConvolution, UnitGCN
from skelact.models.reference import graph_convolution, published_order


@pytest.fixture(params=[1, 1 << 18], ids=["one sample at a time", "all samples"])
def _chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused, "_CHUNK", request.param)


@pytest.mark.usefixtures("_chunk")
def test_gradients_are_the_derivatives() -> None:
    n, t, v, c, k, out = 3, 2, 4, 2, 3, 3
    shapes = [(n, t, v, c), (v * k, v), (out, k * c), (v, out)]
    inputs = [torch.randn(s, dtype=torch.float64, requires_grad=True) for s in shapes]
    assert torch.autograd.gradcheck(GraphProduct.apply, inputs)


@pytest.mark.usefixtures("_chunk")
@pytest.mark.parametrize(
    ("c", "out", "per_subset"), [*product([2, 4], [4], [True, False]), (4, 2, True)]
)
def test_as_in_the_published_order(c: int, out: int, per_subset: bool) -> None:
    n, t, v, k = 5, 3, 6, 3
    bias = (k, out) if per_subset else (out,)
    shapes = [(n, c, t, v), (k, v, v), (k, out, c), bias]
    inputs = [torch.randn(s, dtype=torch.float64, requires_grad=True) for s in shapes]
    layer = GraphConvolution()
    ours, published = layer(*inputs), graph_convolution(layer, *inputs)
    torch.testing.assert_close(ours, published)
    grad = torch.randn_like(ours)
    torch.testing.assert_close(
        torch.autograd.grad(ours, inputs, grad), torch.autograd.grad(published, inputs, grad)
    )


@pytest.mark.parametrize("adaptive", ["init", "offset", "importance", "none"])
@pytest.mark.parametrize("conv_pos", ["pre", "post"])
def test_unit_has_the_same_gradients(adaptive: Adaptive, conv_pos: Literal["pre", "post"]) -> None:
    a = torch.rand(3, 5, 5).numpy()
    layer = UnitGCN(3, 8, a, adaptive=adaptive, conv_pos=conv_pos).double()
    published = published_order(copy.deepcopy(layer))
    x = torch.randn(4, 3, 6, 5, dtype=torch.float64)
    for module in (layer, published):
        module(x).square().sum().backward()
    for (name, ours), theirs in zip(layer.named_parameters(), published.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, msg=name)


def test_saves_only_its_input() -> None:
    x = torch.randn(4, 8, 6, 5).to(memory_format=torch.channels_last).requires_grad_()
    layer, saved = UnitGCN(8, 8, torch.rand(3, 5, 5).numpy()), []
    weight, bias = layer.per_subset()

    def keep(value: torch.Tensor) -> torch.Tensor:
        saved.append(value)
        return value

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        layer.graph_convolution(x, layer.adjacency(), weight, bias)
    large = {value.untyped_storage().data_ptr() for value in saved if value.numel() >= x.numel()}
    assert large == {x.untyped_storage().data_ptr()}
