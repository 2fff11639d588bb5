"""Mean derivatives of poolings along a line, against numerical integration, and the exact
contributions that rocket computes from them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from skelact.models import build, path_integrals
from skelact.skeletons import SKELETONS

POOLINGS: list[tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Tensor], Tensor]]] = [
    (
        lambda a, b: path_integrals.sigmoid_mean(a, b, 4.0),
        lambda y: torch.sigmoid(4 * y).mean(-1),
    ),
    (path_integrals.maximum, lambda y: y.amax(-1)),
    (path_integrals.deviation, lambda y: y.std(-1, correction=0)),
]


def lines(kind: str) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    y0, y1 = torch.randn(2, 40, 12, dtype=torch.float64)
    if kind == "constant":  # an input without joints, away from its ends
        y0 = y0[:, :1].expand_as(y1).clone()
    if kind == "still":
        y1 = y0.clone()
        y1[:, 3] += 1e-8
    if kind == "through zero":
        y1 = -y0
    return y0, y1


@pytest.mark.parametrize("kind", ["random", "constant", "still", "through zero"])
@pytest.mark.parametrize("number", range(3))
def test_the_sum_is_the_difference_of_the_pooling(kind: str, number: int) -> None:
    mean_derivative, pool = POOLINGS[number]
    y0, y1 = lines(kind)
    found = (mean_derivative(y0, y1) * (y1 - y0)).sum(-1)
    torch.testing.assert_close(found, pool(y1) - pool(y0), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("number", range(3))
def test_they_are_the_mean_derivatives(number: int) -> None:
    mean_derivative, pool = POOLINGS[number]
    y0, y1 = lines("random")
    total = torch.zeros_like(y0)
    steps = 400
    for n in range(steps):
        y = (y0 + (n + 0.5) / steps * (y1 - y0)).requires_grad_()
        total += torch.autograd.grad(pool(y).sum(), y)[0] / steps
    torch.testing.assert_close(mean_derivative(y0, y1), total, rtol=0, atol=0.003)


@pytest.mark.parametrize("separable", [False, True])
@pytest.mark.parametrize("persons", [1, 2])
def test_the_contributions_of_rocket_are_exact(separable: bool, persons: int) -> None:
    torch.manual_seed(0)
    features = ("distances", "slow", "position", "score")
    net = build(
        "rocket",
        4,
        SKELETONS["coco-17"],
        3,
        persons,
        kernels=80,
        separable=separable,
        features=features,
    ).eval()
    x = torch.randn(3, persons, 21, 17, 3)
    x[0, :, :, 3] = 0  # a missing joint
    net.backbone.fit_scaler([x])
    weight = torch.randn(net.backbone.out_channels)
    found = net.backbone.contributions(x, weight)
    with torch.no_grad():
        full, empty = (
            net.cls_head.pool(net.features(v)) @ weight for v in (x, torch.zeros_like(x))
        )
    assert found.shape == (3, persons, 21, 17)
    torch.testing.assert_close(found.sum((1, 2, 3)), full - empty, rtol=1e-4, atol=1e-3)
