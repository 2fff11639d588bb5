"""A head in closed form, against the normal equations written out; and whole runs of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from skelact.cache import Cache
from skelact.config import overrides
from skelact.errors import ConfigError
from skelact.models import build
from skelact.models.base import ActionClassifier
from skelact.models.checkpoint import load_checkpoint
from skelact.recipe import compose
from skelact.runs.train import train
from skelact.skeletons import SKELETONS
from skelact.training.closed_form import solve
from skelact.training.trainer import Trainer
from tests.helpers import plan


def small(classes: int = 3) -> ActionClassifier:
    return build("rocket", classes, SKELETONS["coco-17"], kernels=8)


@pytest.mark.parametrize("clips", [20, 120])  # fewer and more than there are features
@pytest.mark.parametrize("weighted", [False, True])
def test_closed_form(clips: int, weighted: bool) -> None:
    torch.manual_seed(0)
    net = small()
    x, labels = torch.randn(clips, 1, 16, 17, 3), torch.arange(clips) % 3
    weights = torch.tensor([1.0, 2.0, 0.5]) if weighted else None
    solve(net, [(x[:7], labels[:7]), (x[7:], labels[7:])], 0.5, weights)

    with torch.no_grad():
        seen = net.cls_head.pool(net.features(x)).double().numpy()
    z = (seen - seen.mean(0)) / (seen.std(0) + 1e-3)
    target = np.eye(3)[labels] - 1 / 3
    each = np.ones(clips) if weights is None else weights.double().numpy()[labels]
    penalty = 0.5 * z.shape[1] * np.eye(z.shape[1])
    by_hand = 8 * z @ np.linalg.solve((z.T * each) @ z + penalty, (z.T * each) @ target)
    with torch.no_grad():
        np.testing.assert_allclose(net(x).numpy(), by_hand, atol=2e-3)


def test_shares_of_classes_count() -> None:
    torch.manual_seed(0)
    x, labels = torch.randn(30, 1, 16, 17, 3), torch.arange(30) % 3
    hard, soft = small(), small()
    solve(hard, [(x, labels)], 0.1)
    solve(soft, [(x, torch.nn.functional.one_hot(labels, 3).float())], 0.1)
    torch.testing.assert_close(hard.cls_head.fc.weight, soft.cls_head.fc.weight)


def run_of(root: Path, folder: str = "run", **options: object) -> Trainer:
    made = plan(root, **{"epochs": 1, "repeat": 6, **options})
    made = replace(made, model="rocket", model_kwargs={"kernels": 200})
    (root / folder).mkdir(exist_ok=True)
    return Trainer(made, root / folder, lambda event: None)


def test_a_run_learns_in_one_epoch_and_is_reproducible(tmp_path: Path) -> None:
    first, second = run_of(tmp_path), run_of(tmp_path, "again")
    first.fit()
    second.fit()
    assert first.finish().top1 > 0.9
    one, two = (load_checkpoint(tmp_path / f / "best.pt") for f in ("run", "again"))
    for name, values in one.weights.items():
        assert torch.equal(values, two.weights[name]), name


def test_the_seed_of_the_run_draws_the_kernels(tmp_path: Path) -> None:
    one, other = (run_of(tmp_path, seed=s).net.backbone for s in (0, 1))
    assert not torch.equal(one.weight0, other.weight0)


@pytest.mark.parametrize("option", ["epochs=2", "ema_decay=0.9", "compile=True"])
def test_what_descent_alone_knows_is_refused_before_any_work(option: str, tmp_path: Path) -> None:
    recipe = compose("mads", "rocket", None, overrides([f"train.{option}"]))
    with pytest.raises(ConfigError, match="one step"):
        train(recipe, Cache(tmp_path), tmp_path / "nothing")
