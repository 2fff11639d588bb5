from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from skelact.datasets import packed
from skelact.device import compiled
from skelact.errors import CheckpointError, ConfigError, DatasetError
from skelact.metrics import score
from skelact.models.checkpoint import build_network, load_checkpoint
from skelact.options import OPTIMISERS, PredictOptions, TrainOptions
from skelact.schemas import EpochLog, Predictions, RunResult, TrainingState, load_json, load_tensors
from skelact.training.epoch import class_weights
from skelact.training.plan import Plan
from skelact.training.schedule import base_lr, cross_entropy, lr_multiplier, optimiser
from skelact.training.trainer import Trainer
from skelact.types import Event, no_progress
from tests.helpers import Killed, plan, trainer, with_changes

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
    changed = optimiser(layer.parameters(), TrainOptions(optimiser=name, lr=1.0))
    before = layer.weight.clone()
    layer(torch.ones(1, 2)).sum().backward()
    changed.step()
    assert name in type(changed).__name__.lower() and not torch.equal(before, layer.weight)


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
    assert len(load_json(folder / "predictions.json", Predictions).samples) == scores.samples
    best = load_checkpoint(folder / "best.pt")
    assert best.metrics == scores and best.epoch > 0
    assert not build_network(best).training
    result = load_json(folder / "result.json", RunResult)
    assert result.scores == scores and result.epochs == 24 and result.best_epoch == best.epoch
    assert result.clips == {"train": 6, "val": 6, "test": 12}


def epochs_logged(run: Path) -> list[EpochLog]:
    """The log without the times."""
    rows = [
        msgspec.json.decode(line, type=EpochLog)
        for line in (run / "log.jsonl").read_bytes().splitlines()
    ]
    return [msgspec.structs.replace(row, seconds=0.0) for row in rows]


@pytest.mark.parametrize("options", [{}, {"ema_decay": 0.9, "microbatches": 2}])
def test_a_resumed_run_equals_an_uninterrupted_one(
    tmp_path: Path, options: dict[str, object]
) -> None:
    complete = trainer(tmp_path, "complete", epochs=4, **options)
    complete.fit()
    steps = 0

    def kill(event: Event) -> None:
        nonlocal steps
        steps += event.kind == "advance" and event.done == 1
        if steps == 2 * complete.batches.steps + 1:  # in the middle of the third epoch
            raise Killed

    killed = trainer(tmp_path, "killed", epochs=4, **options)
    killed.on_progress = kill
    with pytest.raises(Killed):
        killed.fit()
    resumed = trainer(tmp_path, "killed", epochs=4, **options)
    assert resumed.resume()
    assert len(resumed.history) == 2
    resumed.fit()
    a, b = (load_tensors(tmp_path / f / "last.pt", TrainingState) for f in ("complete", "killed"))
    for mine, other in (
        (a.checkpoint.weights, b.checkpoint.weights),
        (a.trained_weights or {}, b.trained_weights or {}),
    ):
        assert mine.keys() == other.keys()
        assert all(torch.equal(mine[k], other[k]) for k in mine)
    assert (a.trained_weights is None) == ("ema_decay" not in options)
    assert epochs_logged(tmp_path / "complete") == epochs_logged(tmp_path / "killed")


def test_resume_refuses_another_run(tmp_path: Path) -> None:
    first = trainer(tmp_path, epochs=1)
    first.fit()
    slower = replace(first.options, lr=0.01)
    for changed in (replace(first.plan, split="other"), with_changes(first.plan, train=slower)):
        other = Trainer(changed, tmp_path / "run", no_progress)
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


@pytest.mark.parametrize("options", [{}, {"ema_decay": 0.9}])
def test_equal_trainings_give_equal_bytes(tmp_path: Path, options: dict[str, object]) -> None:
    """The folder, the time, the process and the temporary name are not part of best.pt."""
    for name in ("a", "b", "c"):
        trainer(tmp_path, name, epochs=2, seed=int(name == "c"), **options).fit()
    a, b, c = ((tmp_path / name / "best.pt").read_bytes() for name in ("a", "b", "c"))
    assert a == b != c


def test_training_does_not_touch_the_global_random_state(tmp_path: Path) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    trainer(tmp_path, epochs=1).fit()
    assert torch.equal(before, torch.get_rng_state())


def test_nothing_to_train_on(tmp_path: Path) -> None:
    p = plan(tmp_path)
    p = replace(p, subsets=("train",) * len(p.subsets))
    with pytest.raises(DatasetError, match="no clips in the test subset"):
        Trainer(p, tmp_path, no_progress)


def test_divergence_is_reported(tmp_path: Path) -> None:
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


@pytest.mark.parametrize(
    "bad", [{"step": 0.0}, {"step": 1.5}, {"batch_size": 0}, {"min_segment_s": -1.0}]
)
def test_bad_predict_options(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        PredictOptions(**bad)  # type: ignore[arg-type]


# --- options of a step ---


def test_microbatches_give_the_gradient_of_the_batch(tmp_path: Path) -> None:
    """Without dropout and batch statistics, which depend on the microbatch."""
    states = []
    for parts in (1, 2):
        run = trainer(tmp_path, f"run{parts}", epochs=1, repeat=1, microbatches=parts, amp=False)
        run.frozen = list(run.net.children())  # frozen modules are in evaluation mode
        run.fit()
        states.append(run.net.state_dict())
    initial = trainer(tmp_path, "initial").net.state_dict()
    assert not all(torch.equal(v, initial[k]) for k, v in states[0].items())
    for k, v in states[0].items():
        torch.testing.assert_close(v, states[1][k], rtol=1e-4, atol=1e-6)


def test_averaged_weights_are_saved_beside_the_trained_ones(tmp_path: Path) -> None:
    trainer(tmp_path, epochs=1, ema_decay=0.9).fit()
    state = load_tensors(tmp_path / "run" / "last.pt", TrainingState)
    averaged, trained = state.checkpoint.weights, state.trained_weights
    assert trained is not None and averaged.keys() == trained.keys()
    assert not all(torch.equal(v, trained[k]) for k, v in averaged.items())
    best = load_checkpoint(tmp_path / "run" / "best.pt").weights
    assert all(torch.equal(v, averaged[k]) for k, v in best.items())


def uneven(root: Path, **options: object) -> Plan:
    """A plan whose training clips are not evenly distributed over the classes."""
    even = plan(root, **options)
    subsets = ["val" if s == "train" and n % 2 and n > 8 else s for n, s in enumerate(even.subsets)]
    return replace(even, subsets=tuple(subsets))


def test_the_balancing_sampler_draws_all_classes_equally_often(tmp_path: Path) -> None:
    run = Trainer(uneven(tmp_path, balance="sampler", repeat=50), tmp_path, no_progress)
    labels = run.plan.packed.labels[run.subset_rows["train"]]
    assert len(set(np.bincount(labels))) == 2
    drawn = torch.cat([labels for _, labels in run.batches.epoch(np.random.default_rng(0))])
    assert abs(float((drawn == 0).float().mean()) - 0.5) < 0.06


def test_class_weights() -> None:
    labels = np.array([0, 0, 0, 2])
    weights = class_weights(labels, 3)
    assert weights[labels].mean() == pytest.approx(1) and weights[2] == 3 * weights[0]


def test_a_balanced_loss_changes_the_training(tmp_path: Path) -> None:
    losses = []
    for balance in ("none", "loss"):
        run = Trainer(uneven(tmp_path, balance=balance, epochs=1), tmp_path, no_progress)
        run.fit()
        losses.append(run.history[0].train_loss)
    assert np.isfinite(losses).all() and losses[0] != losses[1]


@pytest.mark.parametrize("options", [{"microbatches": 3}, {"ema_decay": 1.0}, {"balance": "most"}])
def test_options_out_of_range(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        TrainOptions(**options)  # type: ignore[arg-type]


# --- networks with a pretraining phase or data arguments ---


def asgcn(root: Path, folder: str, **options: object) -> Trainer:
    """A trainer of a small AS-GCN, which has a pretraining phase."""
    small = {"name": "asgcn", "base_channels": 8, "max_hop": 2, "aim_frames": 6, "aim_hidden": 8}
    changed = plan(root, **{"pretrain_epochs": 2, "epochs": 1, **options})
    changed = with_changes(changed, model=small)
    (root / folder).mkdir(exist_ok=True)
    return Trainer(changed, root / folder, no_progress)


def test_pretraining_comes_first_and_its_parameters_are_frozen_afterwards(tmp_path: Path) -> None:
    run = asgcn(tmp_path, "run")
    parameters = run.net.backbone.frozen_parameters()
    initial = [p.detach().clone() for p in parameters]
    pretrained: list[torch.Tensor] = []

    def watch(event: Event) -> None:
        if event.text.startswith("pretraining   2"):
            pretrained[:] = [p.detach().clone() for p in parameters]

    run.on_progress = watch
    run.fit()
    assert run.pretraining is not None and len(run.pretraining.losses) == 2
    assert any(not torch.equal(a, b) for a, b in zip(initial, pretrained, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(pretrained, parameters, strict=True))


def test_pretraining_resumes(tmp_path: Path) -> None:
    complete = asgcn(tmp_path, "complete")
    complete.fit()
    killed = asgcn(tmp_path, "killed")

    def kill(event: Event) -> None:
        if event.text.startswith("pretraining   1"):
            raise Killed

    killed.on_progress = kill
    with pytest.raises(Killed):
        killed.fit()
    resumed = asgcn(tmp_path, "killed")
    assert resumed.resume() and resumed.pretraining is not None
    assert len(resumed.pretraining.losses) == 1 and not resumed.history
    resumed.fit()
    a, b = complete.net.state_dict(), resumed.net.state_dict()
    assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_the_kth_network_gets_the_training_clips_distances(tmp_path: Path) -> None:
    small = {"name": "stgcn-kth", "base_channels": 8}
    changed = with_changes(plan(tmp_path, epochs=1), model=small)
    (tmp_path / "run").mkdir()
    run = Trainer(changed, tmp_path / "run", no_progress)
    run.fit()
    best = load_checkpoint(tmp_path / "run" / "best.pt")
    distances = best.model_kwargs["distances"]
    assert distances == packed.joint_distances(changed.packed, run.subset_rows["train"])
    assert distances != packed.joint_distances(changed.packed, run.subset_rows["test"])
    assert len(distances) == 17
    build_network(best)


def test_one_plan_serves_several_trainers(tmp_path: Path) -> None:
    """A trainer computes data arguments for its network without changing the plan: with other
    training clips, the distances differ."""
    small = {"name": "stgcn-kth", "base_channels": 8}
    changed = with_changes(plan(tmp_path), model=small)
    first, second = (Trainer(changed, tmp_path, no_progress) for _ in range(2))
    assert changed.recipe.model == {"name": "stgcn-kth", "base_channels": 8}
    assert first.model_kwargs == second.model_kwargs
    swapped = {"train": "test", "test": "train", "val": "val"}
    other = replace(changed, subsets=tuple(swapped[s] for s in changed.subsets))
    third = Trainer(other, tmp_path, no_progress)
    assert third.model_kwargs["distances"] != first.model_kwargs["distances"]
    with pytest.raises(FrozenInstanceError):
        changed.split = "other"  # type: ignore[misc]


@pytest.mark.parametrize("streams", ["bone", "joint+bone", "bone-motion"])
def test_training_on_a_stream(tmp_path: Path, streams: str) -> None:
    changed = plan(tmp_path, epochs=1)
    changed = with_changes(changed, sampling=replace(changed.recipe.sampling, streams=streams))
    (tmp_path / "run").mkdir()
    run = Trainer(changed, tmp_path / "run", no_progress)
    run.fit()
    assert load_checkpoint(tmp_path / "run" / "best.pt").in_channels == 3 * (1 + streams.count("+"))
    assert run.finish().samples == 12


def test_compiling_without_a_compiler_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ConfigError, match="needs a C"):
        compiled(lambda x: x, torch.device("cpu"))


def test_a_long_training_on_a_cpu_is_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from skelact.training import trainer as module

    events: list[str] = []
    monkeypatch.setattr(module, "_LONG_S", 0.0)
    run = trainer(tmp_path, epochs=2)
    run.on_progress = lambda event: events.append(event.text)
    run.fit()
    (text,) = [text for text in events if "--model rocket" in text]
    assert text.startswith("Training stgcn for 2 epochs takes about ")
