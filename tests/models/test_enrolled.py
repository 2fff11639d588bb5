"""Heads with classes that were added from examples."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from skelact.models.base import GCNHead
from skelact.models.enrolled import (
    CLASS_WEIGHT,
    LOGIT_SCALE,
    OFFSET,
    AnchorHead,
    feature_statistics,
    similarity,
    solve_ridge,
)
from skelact.schemas import EnrolledClass, Enrolment, FeatureStatistics

PENALTY = 3.0


def features(count: int = 40, size: int = 12) -> Tensor:
    return torch.randn(count, size, generator=torch.Generator().manual_seed(1)) * 2 + 1


def statistics(rows: Tensor, penalty: float = PENALTY) -> FeatureStatistics:
    mean, deviation = rows.mean(dim=0), rows.std(dim=0, correction=0)
    scaled = (rows - mean) / deviation
    return feature_statistics(scaled, mean, deviation, scaled, penalty)


def added(method: str, *examples: Tensor) -> Enrolment:
    classes = [
        EnrolledClass(label=f"new{n}", examples=len(e), embeddings=e)
        for n, e in enumerate(examples)
    ]
    return Enrolment(method=method, classes=tuple(classes))  # type: ignore[arg-type]


def ridge(rows: Tensor, target: Tensor, weight: Tensor, penalty: float) -> Tensor:
    """Weighted ridge regression by the normal equations in double precision."""
    rows, target, weight = rows.double(), target.double(), weight.double()
    gram = rows.T @ (weight[:, None] * rows) + penalty * torch.eye(rows.shape[1])
    return torch.linalg.solve(gram, rows.T @ (weight[:, None] * target)).float()


def test_the_ridge_regression_is_that_of_all_rows_together() -> None:
    rows = features()
    labels = torch.arange(len(rows)) % 3
    known = statistics(rows)
    scaled = (rows - known.mean) / known.deviation
    head, ones = GCNHead(12, 3), torch.ones(len(rows))
    solution = ridge(scaled, F.one_hot(labels, 3) - 1 / 3, ones, PENALTY)
    with torch.no_grad():
        head.fc.weight.copy_((LOGIT_SCALE * solution / known.deviation[:, None]).T)
        head.fc.bias.copy_(-head.fc.weight @ known.mean)
    examples = torch.randn(4, 12, generator=torch.Generator().manual_seed(2)) + 4
    new = solve_ridge(head, added("ridge", examples), known)
    everything = torch.cat([scaled, (examples - known.mean) / known.deviation])
    target = F.one_hot(torch.cat([labels, torch.full((4,), 3)]), 4) - 1 / 4
    weight = torch.cat([ones, torch.full((4,), CLASS_WEIGHT / 4)])
    expected = LOGIT_SCALE * everything @ ridge(everything, target, weight, PENALTY)
    found = new(torch.cat([rows, examples])[:, None, :, None, None])
    expected[:, 3] += OFFSET
    # the stored basis is in half precision
    torch.testing.assert_close(found, expected, atol=0.05, rtol=0.01)
    assert (found[-4:].argmax(dim=1) == 3).all()


@pytest.mark.parametrize("method", ["cosine", "jsd"])
def test_anchors_keep_the_ratios_of_the_trained_classes(method: str) -> None:
    torch.manual_seed(0)
    rows = features()
    head = GCNHead(12, 3).requires_grad_(False)
    examples = features(2) + 5 * torch.eye(12)[:2]
    new = AnchorHead(head, added(method, examples[:1], examples[1:]), statistics(rows))
    x = torch.cat([rows, examples])[:, None, :, None, None]
    before, after = head(x), new(x)
    assert after.shape == (42, 5)
    torch.testing.assert_close(after[:, :3], before)
    p = after.softmax(dim=1)
    assert p[-2].argmax() == 3 and p[-1].argmax() == 4  # an example is most like itself
    assert (p[:-2, 3:].sum(dim=1) < 0.5).float().mean() > 0.8


def test_the_divergence_is_that_of_the_definition() -> None:
    x, y = torch.tensor([[1.0, -1, 1]]), torch.tensor([[-2.0, 2, 2]])  # scaled to [-1, 1, 1]
    p, q = ([math.exp(v) for v in row] for row in ((1, -1, 1), (-1, 1, 1)))
    p, q = [v / sum(p) for v in p], [v / sum(q) for v in q]
    mean = [(a + b) / 2 for a, b in zip(p, q, strict=True)]
    by_hand = sum(
        a * math.log2(a / m) + b * math.log2(b / m) for a, b, m in zip(p, q, mean, strict=True)
    )
    assert similarity("jsd", x, y).item() == pytest.approx(1 - by_hand / 2, abs=1e-6)
    assert similarity("jsd", x, x).item() == pytest.approx(1, abs=1e-6)
