"""The closed-form solution, compared with the normal equations, and runs that use it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from skelact.cache import Cache
from skelact.config import overrides
from skelact.errors import CheckpointError, ConfigError
from skelact.models import build
from skelact.models.base import ActionClassifier
from skelact.models.checkpoint import load_checkpoint
from skelact.options import TrainOptions
from skelact.recipe import compose
from skelact.report.page import comparison, run_page
from skelact.runs.train import check_explicit, train
from skelact.schemas import (
    Predictions,
    RunConfig,
    RunResult,
    SplitDocument,
    SubsetVideos,
    load_json,
    save_json,
)
from skelact.skeletons import SKELETONS
from skelact.training import closed_form
from skelact.training.base import BaseTrainer
from skelact.training.closed_form import ClosedFormTrainer, solve
from skelact.training.trainer import Trainer, make_trainer
from skelact.types import Event, no_progress
from tests.helpers import plan, with_changes


def small(classes: int = 3) -> ActionClassifier:
    return build("rocket", classes, SKELETONS["coco-17"], kernels=8)


@pytest.mark.parametrize("clips", [20, 120])  # fewer and more than there are features
@pytest.mark.parametrize("weighted", [False, True])
def test_the_solution_satisfies_the_normal_equations(clips: int, weighted: bool) -> None:
    torch.manual_seed(0)
    net = small()
    x, labels = torch.randn(clips, 1, 16, 17, 3), torch.arange(clips) % 3
    weights = torch.tensor([1.0, 2.0, 0.5]) if weighted else None
    solve(net, [(x[:7], labels[:7]), (x[7:], labels[7:])], 0.5, weights)

    with torch.no_grad():
        features = net.cls_head.pool(net.features(x)).double().numpy()
    z = (features - features.mean(0)) / (features.std(0) + 1e-3)
    target = np.eye(3)[labels] - 1 / 3
    each = np.ones(clips) if weights is None else weights.double().numpy()[labels]
    penalty = 0.5 * z.shape[1] * np.eye(z.shape[1])
    expected = 8 * z @ np.linalg.solve((z.T * each) @ z + penalty, (z.T * each) @ target)
    with torch.no_grad():
        np.testing.assert_allclose(net(x).numpy(), expected, atol=2e-3)


def test_class_proportions_are_accepted_as_labels() -> None:
    torch.manual_seed(0)
    x, labels = torch.randn(30, 1, 16, 17, 3), torch.arange(30) % 3
    hard, soft = small(), small()
    solve(hard, [(x, labels)], 0.1)
    solve(soft, [(x, torch.nn.functional.one_hot(labels, 3).float())], 0.1)
    torch.testing.assert_close(hard.cls_head.fc.weight, soft.cls_head.fc.weight)


def rocket(root: Path, folder: str = "run", **options: object) -> BaseTrainer:
    changed = plan(root, **{"epochs": 1, "repeat": 6, **options})
    changed = with_changes(changed, model={"name": "rocket", "kernels": 200})
    (root / folder).mkdir(exist_ok=True)
    return make_trainer(changed, root / folder, no_progress)


def test_a_run_learns_and_is_reproducible(tmp_path: Path) -> None:
    first, second = rocket(tmp_path), rocket(tmp_path, "again")
    first.fit()
    second.fit()
    assert first.finish().top1 > 0.9
    one, two = (load_checkpoint(tmp_path / f / "best.pt").weights for f in ("run", "again"))
    for name, values in one.items():
        assert torch.equal(values, two[name]), name


def test_a_run_leaves_a_complete_folder_without_epochs(tmp_path: Path) -> None:
    run = rocket(tmp_path)
    assert isinstance(run, ClosedFormTrainer)
    run.fit()
    scores = run.finish()
    folder = tmp_path / "run"
    names = {"best.pt", "log.jsonl", "result.json", "predictions.json", "validation.json"}
    assert {p.name for p in folder.iterdir()} == names
    result = load_json(folder / "result.json", RunResult)
    assert result.scores == scores and (result.epochs, result.best_epoch) == (0, 0)
    assert result.clips == {"train": 6, "val": 6, "test": 12}
    assert (folder / "log.jsonl").read_bytes() == b"" and run.history == ()
    best = load_checkpoint(folder / "best.pt")
    assert best.metrics == scores and best.epoch == 0
    for name, samples in (("predictions", scores.samples), ("validation", 6)):
        assert len(load_json(folder / f"{name}.json", Predictions).samples) == samples
    # the report and the comparison of runs accept a run without epochs
    save_json(
        folder / "config.json", RunConfig(recipe=compose("mads", "rocket", None, {}).as_dict())
    )
    save_json(
        folder / "split.json",
        SplitDocument(
            fingerprint="abc",
            protocol="p",
            disjoint_groups=(),
            videos=SubsetVideos(train=(), val=(), test=()),
        ),
    )
    assert "closed form" in run_page(folder)
    assert comparison([folder])[0]


def test_resume(tmp_path: Path) -> None:
    assert not rocket(tmp_path).resume()
    first = rocket(tmp_path)
    first.fit()  # and killed before `finish`
    resumed = rocket(tmp_path)
    assert resumed.resume()
    events: list[Event] = []
    resumed.on_progress = events.append
    resumed.fit()
    assert [e.kind for e in events] == ["start", "end"]  # nothing is computed again
    a, b = first.net.state_dict(), resumed.net.state_dict()
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert resumed.finish() == first.finish()


def test_resume_refuses_another_run(tmp_path: Path) -> None:
    run = rocket(tmp_path)
    run.fit()
    other = make_trainer(replace(run.plan, split="other"), tmp_path / "run", no_progress)
    with pytest.raises(CheckpointError, match="other settings"):
        other.resume()


def test_the_plan_is_not_modified(tmp_path: Path) -> None:
    model = {"name": "rocket", "kernels": 8}
    original = with_changes(plan(tmp_path, epochs=1, seed=3), model=model)
    run = make_trainer(original, tmp_path, no_progress)
    assert original.recipe.model == {"name": "rocket", "kernels": 8}
    assert run.model_kwargs == {"kernels": 8, "dims": 2, "seed": 3}


def test_the_seed_of_the_run_draws_the_kernels(tmp_path: Path) -> None:
    one, other = (rocket(tmp_path, seed=s).net.backbone for s in (0, 1))
    assert not torch.equal(one.weight0, other.weight0)


def test_networks_with_gradients_get_the_other_trainer(tmp_path: Path) -> None:
    assert isinstance(make_trainer(plan(tmp_path), tmp_path, no_progress), Trainer)


@pytest.mark.parametrize("option", ["epochs=2", "ema_decay=0.9", "compile=True", "microbatches=2"])
def test_options_of_gradient_descent_are_refused_before_any_work(
    option: str, tmp_path: Path
) -> None:
    recipe = compose("mads", "rocket", None, overrides([f"train.{option}"]))
    with pytest.raises(ConfigError, match=f"closed form, without {option.split('=')[0]}"):
        train(recipe, Cache(tmp_path), data=tmp_path / "nothing")


def test_a_recipe_that_says_nothing_about_epochs_is_accepted() -> None:
    closed_form.check_options(TrainOptions())


def test_options_that_a_user_names_have_an_effect_or_are_refused() -> None:
    rocket_recipe, other = (compose("mads", n, None, {}) for n in ("rocket", "stgcn_small"))
    used = overrides(["train.repeat=2", "train.seed=3", "train.epochs=1", "sampling.length=8"])
    check_explicit(rocket_recipe, used)
    unused = overrides([f"train.epochs={TrainOptions.epochs}", "train.lr=0.02"])
    check_explicit(other, unused)
    with pytest.raises(ConfigError, match="closed form, without epochs, lr"):
        check_explicit(rocket_recipe, unused)
