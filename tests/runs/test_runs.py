"""What is done with runs: parallel processes, transfer, balance, averages; fusing and comparing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from msgspec import structs

from skelact.errors import CheckpointError, ConfigError, InputError
from skelact.metrics import Scores, per_class
from skelact.models import build
from skelact.models.checkpoint import load_checkpoint, load_model
from skelact.options import TrainOptions
from skelact.report.page import comparison, comparison_page
from skelact.runs.fuse import fuse
from skelact.runs.sweep import Spread, grid
from skelact.schemas import (
    Checkpoint,
    Ensemble,
    EstimatorInfo,
    Predictions,
    RunConfig,
    RunResult,
    SplitDocument,
    TrainingState,
    load_json,
    load_tensors,
    save_json,
    save_tensors,
)
from skelact.skeletons import SKELETONS
from skelact.training.trainer import Trainer
from skelact.training.transfer import freeze, transfer
from skelact.types import Event
from tests.conftest import ROOT
from tests.helpers import MODEL, Killed, plan, trainer

COCO, NTU = SKELETONS["coco-17"], SKELETONS["ntu-25"]


def finished(root: Path, name: str, streams: str = "joint", **options: object) -> Path:
    made = plan(root, **{"epochs": 2, **options})
    about = made.about | {"recipe": {"sampling": {"streams": streams}}}
    made = replace(made, sampling=replace(made.sampling, streams=streams), about=about)
    (root / name).mkdir()
    run = Trainer(made, root / name, lambda event: None)
    run.fit()
    run.finish()
    recipe = {"model": {"name": "stgcn"}, "dataset": {"name": "waves"}}
    save_json(root / name / "config.json", RunConfig(recipe=recipe))
    split = SplitDocument(fingerprint="abc", protocol="xsub", disjoint_groups=(), videos={})
    save_json(root / name / "split.json", split)
    return root / name


# --- training ---


def test_a_batch_in_parts_takes_the_same_step(tmp_path: Path) -> None:
    """Up to batch norm, which sees the parts: with it in evaluation the weights agree."""
    states = []
    for parts in (1, 2):
        run = trainer(tmp_path, f"run{parts}", epochs=1, repeat=1, microbatches=parts, amp=False)
        run._train_mode = lambda run=run: run.net.eval()  # type: ignore[method-assign, misc]
        run._epoch(0, 1)
        states.append(run.net.state_dict())
    for k, v in states[0].items():
        torch.testing.assert_close(v, states[1][k], rtol=1e-4, atol=1e-6)


def test_averaged_weights_are_kept_and_resumed(tmp_path: Path) -> None:
    trainer(tmp_path, "whole", epochs=3, ema_decay=0.9).fit()
    kept = load_tensors(tmp_path / "whole" / "last.pt", TrainingState)
    assert kept.trained_weights is not None
    averaged, trained = kept.checkpoint.weights, kept.trained_weights
    assert not all(torch.equal(v, trained[k]) for k, v in averaged.items())

    def die(event: Event) -> None:
        if event.text.startswith("epoch   1"):
            raise Killed

    broken = trainer(tmp_path, "broken", epochs=3, ema_decay=0.9)
    broken.on_progress = die
    with pytest.raises(Killed):
        broken.fit()
    resumed = trainer(tmp_path, "broken", epochs=3, ema_decay=0.9)
    assert resumed.resume() and len(resumed.history) == 1
    resumed.fit()
    again = load_tensors(tmp_path / "broken" / "last.pt", TrainingState)
    assert again.trained_weights is not None
    assert all(torch.equal(again.checkpoint.weights[k], v) for k, v in averaged.items())
    assert all(torch.equal(again.trained_weights[k], v) for k, v in trained.items())


def test_balance(tmp_path: Path) -> None:
    made = plan(tmp_path, balance="sampler", repeat=50)
    subsets = ["val" if s == "train" and n % 2 and n > 8 else s for n, s in enumerate(made.subsets)]
    made = replace(made, subsets=tuple(subsets))
    (tmp_path / "run").mkdir()
    run = Trainer(made, tmp_path / "run", lambda event: None)
    labels = made.packed.labels[run.subset_rows["train"]]
    assert len(set(np.bincount(labels))) == 2  # uneven
    drawn = made.packed.labels[run._order(np.random.default_rng(0))]
    assert abs((drawn == 0).mean() - 0.5) < 0.06
    weights = run.class_weights[labels]
    assert weights.mean() == pytest.approx(1) and weights.max() > 1
    assert np.isfinite(trainer(tmp_path, "loss", balance="loss")._epoch(0, 1)[0])


@pytest.mark.parametrize("options", [{"microbatches": 3}, {"ema_decay": 1.0}, {"balance": "most"}])
def test_options_that_cannot_be(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        TrainOptions(**options)  # type: ignore[arg-type]


WORKER = """
import sys
from pathlib import Path
import torch
from tests.helpers import trainer
root = Path(sys.argv[1])
options = dict(epochs=2, repeat=2, batch_size=4, amp=False)
run = trainer(root, "run", **options)
run.plan.model_kwargs["dropout"] = 0.0
for m in run.net.modules():
    if isinstance(m, torch.nn.Dropout):
        m.p = 0.0
run.fit()
run.finish()
if run.rank == 0:
    torch.save(run.net.state_dict(), root / sys.argv[2])
"""


def test_two_processes_give_the_result_of_one(tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text(WORKER)
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    states, losses = [], []
    for count in (1, 2):
        root = tmp_path / str(count)
        root.mkdir()
        launcher = [sys.executable]
        if count > 1:
            launcher += ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        command = [*launcher, str(tmp_path / "worker.py"), str(root), "state.pt"]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-2000:]
        states.append(torch.load(root / "state.pt", weights_only=True))
        assert (root / "run" / "result.json").is_file()
        losses.append(
            json.loads((root / "run" / "log.jsonl").read_text().splitlines()[0])["train_loss"]
        )
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    for k, v in states[0].items():
        torch.testing.assert_close(v, states[1][k], rtol=1e-3, atol=1e-4, msg=k)


def test_of_several_processes_one_speaks(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for action, camera, take in product((1, 2), (1, 2, 3), (0, 1, 2)):
        place = tmp_path / "data" / f"a{action:02d}_s01_e{take:02d}_v{camera:02d}.json"
        place.parent.mkdir(exist_ok=True)
        points = rng.normal(size=(12, 20, 3)).round(3)
        place.write_text(json.dumps({"skeletons": points.tolist(), "label": action}))
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    done = subprocess.run(
        [
            *(*launcher, "--nproc-per-node", "2", "-m", "skelact", "train", "--dataset", "nw-ucla"),
            *("--data", tmp_path / "data", "--config", "esan_nw-ucla", "--epochs", "1", "--json"),
            *("--set", "train.batch_size=4", "--runs", tmp_path / "runs", "--cache-dir", tmp_path),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout)["split"] == "xview"  # one document
    assert done.stderr.count("reading nw-ucla") == 1 and done.stderr.count("training on") == 1


# --- transfer ---


def source_of(classes: list[str], skeleton: str = "coco-17") -> Checkpoint:
    torch.manual_seed(7)
    net = build("stgcn", len(classes), SKELETONS[skeleton], **MODEL)  # type: ignore[arg-type]
    return Checkpoint(
        model="stgcn",
        model_kwargs=MODEL,
        weights=net.state_dict(),
        classes=tuple(classes),
        skeleton=SKELETONS[skeleton],
        in_channels=3,
        persons=1,
        recipe={},
        estimator=EstimatorInfo(name="made up"),
        clip_s=2.0,
        split="abc",
    )


def test_other_classes_get_a_new_head() -> None:
    source = source_of(["a", "b", "c"])
    net = build("stgcn", 2, COCO, **MODEL)  # type: ignore[arg-type]
    found = transfer(net, COCO, ["x", "y"], source)
    assert set(found.left) == {"cls_head.fc.weight", "cls_head.fc.bias"}
    weights = source.weights
    key = "backbone.gcn.1.tcn.conv.weight"
    torch.testing.assert_close(net.state_dict()[key], weights[key])
    same = build("stgcn", 3, COCO, **MODEL)  # type: ignore[arg-type]
    assert not transfer(same, COCO, ["a", "b", "c"], source).left


def test_other_joints_are_matched_by_name() -> None:
    source = source_of(["a", "b"])
    weights = source.weights
    torch.nn.init.normal_(weights["backbone.gcn.0.gcn.PA"])
    torch.nn.init.normal_(weights["backbone.data_bn.weight"])
    net = build("stgcn", 2, NTU, **MODEL)  # type: ignore[arg-type]
    found = transfer(net, NTU, ["a", "b"], source)
    assert "backbone.gcn.0.gcn.PA" in found.matched and "matched" in found.sentence()
    mine, theirs = net.state_dict(), weights
    i, j = (NTU.index(n) for n in ("left_wrist", "left_elbow"))
    a, b = (COCO.index(n) for n in ("left_wrist", "left_elbow"))
    pa = "backbone.gcn.0.gcn.PA"
    torch.testing.assert_close(mine[pa][:, i, j], theirs[pa][:, a, b])
    bn = "backbone.data_bn.weight"
    torch.testing.assert_close(mine[bn].view(25, 3)[i], theirs[bn].view(17, 3)[a])


def test_another_network_is_refused() -> None:
    net = build("sgn", 2, COCO)
    source = source_of(["a", "c"])
    with pytest.raises(CheckpointError, match="nothing of them fits"):
        transfer(net, COCO, ["a", "b"], source)


@pytest.mark.parametrize(("what", "trained"), [("backbone", "cls_head"), ("stage:1", "gcn.1")])
def test_what_is_frozen_does_not_move(tmp_path: Path, what: str, trained: str) -> None:
    made = replace(plan(tmp_path, epochs=1), initial=lambda net: freeze(net, what))
    (tmp_path / "run").mkdir()
    run = Trainer(made, tmp_path / "run", lambda event: None)
    before = {k: v.clone() for k, v in run.net.state_dict().items()}
    run.fit()
    moved = [k for k, v in run.net.state_dict().items() if not torch.equal(v, before[k])]
    assert any(trained in k for k in moved)
    assert not any(k.startswith(("backbone.gcn.0", "backbone.data_bn")) for k in moved)
    for wrong in ("stage:9", "half"):
        with pytest.raises(ConfigError):
            freeze(run.net, wrong)


# --- many runs ---


def test_fusing(tmp_path: Path) -> None:
    joint, bone = finished(tmp_path, "j"), finished(tmp_path, "b", "bone")
    for how in ({}, {"weights": [2, 1]}, {"preset": "2s"}, {"search": True}):
        fused = fuse([joint, bone], tmp_path / "f", **how)  # type: ignore[arg-type]
        assert fused.scores.samples == 12 and len(fused.alone) == 2
    rows = [load_json(p / "predictions.json", Predictions).samples for p in (joint, bone)]
    fuse([joint, bone], tmp_path / "f", [3, 1])
    whole = load_json(tmp_path / "f" / "predictions.json", Predictions).samples
    name = next(iter(whole))
    expected = np.average([r[name].probabilities for r in rows], axis=0, weights=[3, 1])
    np.testing.assert_allclose(whole[name].probabilities, expected, atol=1e-5)
    kept = load_model(tmp_path / "f" / "best.pt")
    assert isinstance(kept, Ensemble) and [m.weight for m in kept.members] == [3, 1]
    alone = load_json(joint / "result.json", RunResult).scores.majority
    assert load_json(tmp_path / "f" / "result.json", RunResult).scores.majority == alone
    with pytest.raises(CheckpointError, match="2 fused networks"):
        fuse([tmp_path / "f", bone], tmp_path / "g")


def test_runs_that_cannot_be_fused(tmp_path: Path) -> None:
    joint, bone = finished(tmp_path, "j"), finished(tmp_path, "b", "bone")
    with pytest.raises(ConfigError, match="at least two runs"):
        fuse([joint], tmp_path / "f")
    with pytest.raises(ConfigError, match="2 weights"):
        fuse([joint, bone], tmp_path / "f", [1, 1, 1])
    with pytest.raises(ConfigError, match="Unknown preset"):
        fuse([joint, bone], tmp_path / "f", preset="5s")
    original = load_checkpoint(bone / "best.pt")
    other = structs.replace(original, estimator=EstimatorInfo(name="another"))
    save_tensors(bone / "best.pt", other)
    with pytest.raises(InputError, match="different estimators"):
        fuse([joint, bone], tmp_path / "f")
    several = structs.replace(
        original, persons=2, recipe={**original.recipe, "sequence": {"persons": 2}}
    )
    save_tensors(bone / "best.pt", several)
    with pytest.raises(InputError, match="j predicts for one person at a time, .*b for several"):
        fuse([joint, bone], tmp_path / "f")
    save_tensors(bone / "best.pt", original)
    samples = dict(load_json(bone / "predictions.json", Predictions).samples)
    samples.pop(next(iter(samples)))
    save_json(bone / "predictions.json", Predictions(samples=samples))
    with pytest.raises(InputError, match="different samples"):
        fuse([joint, bone], tmp_path / "f")


def test_comparing(tmp_path: Path) -> None:
    joint, bone = finished(tmp_path, "j"), finished(tmp_path, "b", "bone")
    rows = comparison([joint, bone])
    assert len(rows) == 2 and rows[1].same_split
    assert rows[0].result.scores.top1 >= rows[1].result.scores.top1
    page = comparison_page(rows)
    assert "src='http" not in page and "href" not in page and "waves" in page
    with pytest.raises(InputError, match="cannot be read"):
        comparison([tmp_path / "none"])


def test_per_class_scores() -> None:
    a, b = per_class([[3, 1], [2, 0]])
    assert (a.precision, a.recall, a.samples) == (0.6, 0.75, 4)
    assert a.f1 == pytest.approx(2 * 0.6 * 0.75 / 1.35) and (b.precision, b.f1) == (0, 0)


def test_grids_and_spreads() -> None:
    made = grid(["clips.length_s=3,5", "train.lr=0.1,0.2"])
    assert [v.label for v in made][:2] == [
        "clips.length_s=3,train.lr=0.1",
        "clips.length_s=3,train.lr=0.2",
    ]
    assert made[3].changes == {"clips": {"length_s": 5}, "train": {"lr": 0.2}}
    scores = [
        Scores(top1=v, mean_class=v / 2, majority=0.1, top5=None, samples=1)
        for v in (0.5, 0.7, 0.9)
    ]
    found = Spread.of([SimpleNamespace(scores=s) for s in scores])  # type: ignore[misc]
    assert (found.runs, found.top1, found.mean_class) == (
        3,
        pytest.approx(0.7),
        pytest.approx(0.35),
    )
    assert found.top1_sd == pytest.approx(0.2)
