from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from skelact.datasets import packed
from skelact.device import compiled
from skelact.errors import CheckpointError, ConfigError, DatasetError
from skelact.metrics import score
from skelact.models.checkpoint import build_network, load_checkpoint
from skelact.options import OPTIMISERS, PredictOptions, TrainOptions
from skelact.schemas import Predictions, load_json
from skelact.training.schedule import base_lr, cross_entropy, lr_multiplier, optimiser
from skelact.training.trainer import Trainer
from skelact.types import Event
from tests.helpers import Killed, plan, trainer

# --- schedule ---


def test_learning_rate() -> None:
    def rate(step: int, **kwargs: object) -> float:
        return lr_multiplier(step, 10, TrainOptions(epochs=10, **kwargs))  # type: ignore[arg-type]

    assert rate(0) == 1 and rate(100) == pytest.approx(0)
    assert rate(0, warmup=9) == pytest.approx(0.1) and rate(9, warmup=9) == 1
    step = {"schedule": "step", "milestones": (2, 5), "gamma": 0.5}
    assert [rate(s, **step) for s in (0, 19, 20, 49, 50)] == [1, 1, 0.5, 0.5, 0.25]
    assert rate(77, schedule="constant") == 1
    assert base_lr(TrainOptions(lr=0.1, batch_size=32)) == pytest.approx(0.025)
    assert base_lr(TrainOptions(lr=0.1, batch_size=32, base_batch_size=0)) == 0.1


@pytest.mark.parametrize("name", OPTIMISERS)
def test_optimisers(name: str) -> None:
    layer = torch.nn.Linear(2, 2)
    made = optimiser(layer.parameters(), TrainOptions(optimiser=name, lr=1.0))
    before = layer.weight.clone()
    layer(torch.ones(1, 2)).sum().backward()
    made.step()
    assert name in type(made).__name__.lower() and not torch.equal(before, layer.weight)


def test_smoothing_leaves_the_true_class_its_share() -> None:
    logits = torch.log(torch.tensor([[0.7, 0.2, 0.1]]))
    expected = -(0.9 * np.log(0.7) + 0.05 * np.log(0.2) + 0.05 * np.log(0.1))
    found = cross_entropy(logits, torch.tensor([0]), 0.1)
    assert float(found) == pytest.approx(expected, rel=1e-5)


# --- metrics ---


def test_scores() -> None:
    probs = np.eye(3, dtype=np.float32)[[0, 0, 1, 2, 2]]
    s = score(probs, np.array([0, 1, 1, 2, 1]), majority_class=1)
    assert s.top1 == 0.6 and s.majority == 0.6 and s.top5 is None
    assert s.mean_class == pytest.approx((1 + 1 / 3 + 1) / 3)
    assert s.confusion == [[1, 0, 0], [1, 1, 1], [0, 0, 1]]
    many = np.tile(np.linspace(1, 0, 8, dtype=np.float32), (4, 1))
    assert score(many, np.array([0, 4, 5, 7]), 0).top5 == 0.5


# --- training ---


def test_it_learns_and_writes_everything(tmp_path: Path) -> None:
    run = trainer(tmp_path, epochs=24, repeat=10, lr=1.0)
    run.fit()
    scores = run.finish()
    assert scores.top1 > 0.8 and scores.majority == 0.5
    folder = tmp_path / "run"
    assert {p.name for p in folder.iterdir()} >= {
        "best.pt",
        "last.pt",
        "log.jsonl",
        "result.json",
        "predictions.json",
    }
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [r["epoch"] for r in rows] == list(range(1, 25))
    predictions = load_json(folder / "predictions.json", Predictions)
    assert len(predictions.samples) == scores.samples
    checkpoint = load_checkpoint(folder / "best.pt")
    assert checkpoint.metrics == scores
    net = build_network(checkpoint)
    assert not net.training


def test_a_killed_and_resumed_run_equals_an_unbroken_one(tmp_path: Path) -> None:
    whole = trainer(tmp_path, "whole", epochs=4)
    whole.fit()
    steps = 0

    def die(event: Event) -> None:
        nonlocal steps
        steps += event.kind == "advance" and event.done == 1
        if steps == 2 * whole.steps + 1:  # in the middle of the third epoch
            raise Killed

    broken = trainer(tmp_path, "broken", epochs=4)
    broken.on_progress = die
    with pytest.raises(Killed):
        broken.fit()
    again = trainer(tmp_path, "broken", epochs=4)
    assert again.resume()
    assert len(again.history) == 2
    again.fit()
    a, b = (load_checkpoint(tmp_path / f / "last.pt").weights for f in ("whole", "broken"))
    assert all(torch.equal(a[k], b[k]) for k in a)
    logs = [
        [
            {k: v for k, v in json.loads(line).items() if k != "seconds"}
            for line in (tmp_path / f / "log.jsonl").read_text().splitlines()
        ]
        for f in ("whole", "broken")
    ]
    assert logs[0] == logs[1]


def test_resume_refuses_another_run(tmp_path: Path) -> None:
    first = trainer(tmp_path, epochs=1)
    first.fit()
    other = trainer(tmp_path, epochs=1)
    other.plan.about["split"] = "other"
    with pytest.raises(CheckpointError, match="other settings"):
        other.resume()
    assert not trainer(tmp_path, "fresh").resume()


def test_early_stop(tmp_path: Path) -> None:
    run = trainer(tmp_path, epochs=50, patience=2, lr=1e-6)
    run.fit()
    assert len(run.history) < 50
    assert not any(row.best for row in run.history[-2:])


def test_seeds_are_reproducible(tmp_path: Path) -> None:
    logs = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run = trainer(tmp_path, name, epochs=1, seed=seed)
        run.fit()
        logs.append(run.history[0].train_loss)
    assert logs[0] == logs[1] != logs[2]


def test_training_does_not_touch_the_global_random_state(tmp_path: Path) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    trainer(tmp_path, epochs=1).fit()
    assert torch.equal(before, torch.get_rng_state())


def test_nothing_to_train_on(tmp_path: Path) -> None:
    p = plan(tmp_path)
    p = replace(p, subsets=("train",) * len(p.subsets))
    with pytest.raises(DatasetError, match="no clip is left for testing"):
        Trainer(p, tmp_path, lambda event: None)


def test_divergence_is_said(tmp_path: Path) -> None:
    run = trainer(tmp_path)
    with torch.no_grad():
        next(run.net.parameters()).fill_(float("nan"))
    with pytest.raises(DatasetError, match="diverged"):
        run.fit()


@pytest.mark.parametrize(
    "bad", [{"epochs": 0}, {"lr": 0.0}, {"val_fraction": 1.0}, {"patience": -1}, {"batch_size": 0}]
)
def test_bad_train_options(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        TrainOptions(**bad)  # type: ignore[arg-type]


def test_unknown_device(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no device"):
        trainer(tmp_path, device="tpu")


# --- options ---


@pytest.mark.parametrize(
    "bad", [{"step": 0.0}, {"step": 1.5}, {"batch_size": 0}, {"min_segment_s": -1.0}]
)
def test_bad_predict_options(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        PredictOptions(**bad)  # type: ignore[arg-type]


# --- networks that want more of the trainer ---


def asgcn(root: Path, folder: str, **options: object) -> Trainer:
    """AS-GCN, small, with its two phases."""
    small = {"base_channels": 8, "max_hop": 2, "aim_frames": 6, "aim_hidden": 8}
    made = replace(plan(root, pretrain_epochs=2, **options), model="asgcn", model_kwargs=small)
    (root / folder).mkdir(exist_ok=True)
    return Trainer(made, root / folder, lambda event: None)


def test_two_phases_in_one_run(tmp_path: Path) -> None:
    run = asgcn(tmp_path, "run", epochs=1)
    assert run.pretraining is not None
    before = {k: v.clone() for k, v in run.net.backbone.aim.named_parameters()}
    run._pretrain(1)
    after = {k: v.clone() for k, v in run.net.backbone.aim.named_parameters()}
    assert len(run.pretraining.losses) == 2
    assert any(not torch.equal(before[k], after[k]) for k in before)
    run.fit()
    end = dict(run.net.backbone.aim.named_parameters())
    assert all(torch.equal(after[k], end[k]) for k in after)  # frozen in the second phase


def test_the_first_phase_resumes(tmp_path: Path) -> None:
    whole = asgcn(tmp_path, "whole", epochs=1)
    whole.fit()
    killed = asgcn(tmp_path, "killed", epochs=1)
    assert killed.pretraining is not None
    options = replace(killed.plan.options, pretrain_epochs=1)
    killed.plan, killed.pretraining.options = replace(killed.plan, options=options), options
    killed._pretrain(1)
    resumed = asgcn(tmp_path, "killed", epochs=1)
    assert resumed.resume() and resumed.pretraining is not None
    assert len(resumed.pretraining.losses) == 1
    resumed.fit()
    for a, b in zip(
        whole.net.state_dict().values(), resumed.net.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_the_kth_network_gets_the_training_clips_distances(tmp_path: Path) -> None:
    small = {"base_channels": 8}
    made = replace(plan(tmp_path, epochs=1), model="stgcn-kth", model_kwargs=small)
    (tmp_path / "run").mkdir()
    run = Trainer(made, tmp_path / "run", lambda event: None)
    run.fit()
    checkpoint = load_checkpoint(tmp_path / "run" / "best.pt")
    kept = checkpoint.model_kwargs["distances"]
    assert kept == packed.joint_distances(made.packed, run.subset_rows["train"]) and len(kept) == 17
    assert kept != packed.joint_distances(made.packed, run.subset_rows["test"])
    build_network(checkpoint)


def test_one_plan_serves_several_trainers(tmp_path: Path) -> None:
    """What a trainer finds out for its network stays with it: here the other trainer's training
    clips have other distances."""
    made = replace(plan(tmp_path), model="stgcn-kth", model_kwargs={"base_channels": 8})
    first, second = (Trainer(made, tmp_path, lambda event: None) for _ in range(2))
    assert made.model_kwargs == {"base_channels": 8}
    assert first.plan.model_kwargs == second.plan.model_kwargs
    swapped = {"train": "test", "test": "train", "val": "val"}
    other = replace(made, subsets=tuple(swapped[s] for s in made.subsets))
    third = Trainer(other, tmp_path, lambda event: None)
    assert third.plan.model_kwargs["distances"] != first.plan.model_kwargs["distances"]
    with pytest.raises(FrozenInstanceError):
        made.model = "stgcn"  # type: ignore[misc]


@pytest.mark.parametrize("streams", ["bone", "joint+bone", "bone-motion"])
def test_training_on_a_stream(tmp_path: Path, streams: str) -> None:
    made = plan(tmp_path, epochs=1)
    made = replace(made, sampling=replace(made.sampling, streams=streams))
    (tmp_path / "run").mkdir()
    run = Trainer(made, tmp_path / "run", lambda event: None)
    run.fit()
    checkpoint = load_checkpoint(tmp_path / "run" / "best.pt")
    assert checkpoint.in_channels == 3 * (1 + streams.count("+"))
    assert run.finish().samples == 12


def test_compiling_without_a_compiler_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ConfigError, match="needs a C"):
        compiled(lambda x: x, torch.device("cpu"))
