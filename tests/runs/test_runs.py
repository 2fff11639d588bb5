"""Jobs on finished runs: fusing, comparing, sweeps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

from skelact.errors import CheckpointError, ConfigError, InputError, MissingDataset, OutputError
from skelact.metrics import Scores, per_class
from skelact.models.checkpoint import load_checkpoint, load_model
from skelact.report.page import comparison, comparison_page
from skelact.runs.fuse import fuse
from skelact.runs.sweep import Spread, grid
from skelact.schemas import (
    Ensemble,
    EstimatorInfo,
    Predictions,
    RunConfig,
    RunResult,
    SplitDocument,
    SubsetVideos,
    load_json,
    save_json,
    save_tensors,
)
from skelact.training.trainer import Trainer
from tests.helpers import plan, with_changes


def finished(root: Path, name: str, streams: str = "joint", **options: object) -> Path:
    made = plan(root, **{"epochs": 2, **options})
    made = with_changes(made, sampling=replace(made.recipe.sampling, streams=streams))
    (root / name).mkdir()
    run = Trainer(made, root / name, lambda event: None)
    run.fit()
    run.finish()
    recipe = {"model": {"name": "stgcn"}, "dataset": {"name": "waves"}}
    save_json(root / name / "config.json", RunConfig(recipe=recipe))
    split = SplitDocument(
        fingerprint="abc",
        protocol="xsub",
        disjoint_groups=(),
        videos=SubsetVideos(train=(), val=(), test=()),
    )
    save_json(root / name / "split.json", split)
    return root / name


# --- many runs ---


def test_fusing(tmp_path: Path) -> None:
    joint, bone = finished(tmp_path, "j"), finished(tmp_path, "b", "bone")
    for how in ({}, {"weights": [2, 1]}, {"preset": "2s"}, {"search": True}):
        fused = fuse([joint, bone], tmp_path / "f", overwrite=True, **how)  # type: ignore[arg-type]
        assert fused.scores.samples == 12 and len(fused.alone) == 2
    rows = [load_json(p / "predictions.json", Predictions).samples for p in (joint, bone)]
    with pytest.raises(OutputError, match=r"best\.pt exists"):
        fuse([joint, bone], tmp_path / "f")
    fuse([joint, bone], tmp_path / "f", weights=[3, 1], overwrite=True)
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
    with pytest.raises(ConfigError, match="holds a trained run"):
        fuse([joint, bone], joint, overwrite=True)
    (joint / "config.json").rename(tmp_path / "config.json")  # still an input
    (tmp_path / "link").symlink_to(joint)
    for folder in (joint, tmp_path / "link"):
        with pytest.raises(OutputError, match=r"best\.pt is an input and is never replaced"):
            fuse([joint, bone], folder, overwrite=True)
    (tmp_path / "config.json").rename(joint / "config.json")
    with pytest.raises(ConfigError, match="2 weights"):
        fuse([joint, bone], tmp_path / "f", weights=[1, 1, 1])
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
    with pytest.raises(InputError, match=r"j predicts for one person at a time, .*b for several"):
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
    found = Spread.of(scores)
    assert (found.runs, found.top1, found.mean_class) == (
        3,
        pytest.approx(0.7),
        pytest.approx(0.35),
    )
    assert found.top1_sd == pytest.approx(0.2)


def test_a_run_knows_where_its_data_are(tmp_path: Path) -> None:
    """Where they were, where they moved to together with the run, or an error with a hint."""
    from skelact.datasets.base import Collection
    from skelact.runs.location import data_location, stored_data
    from skelact.schemas import RunConfig, save_json

    root = tmp_path / "project"
    videos, run = root / "videos", root / "runs" / "mine"
    videos.mkdir(parents=True)
    run.mkdir(parents=True)
    collection = Collection(name="videos", root=videos, items=(), protocols={}, place=videos)
    recipe = {"model": {"name": "rocket"}, "dataset": {"name": "folder"}}
    location = data_location(run, collection)
    save_json(run / "config.json", RunConfig(recipe=recipe, location=location))
    assert stored_data(run) == videos.resolve()
    root.rename(tmp_path / "moved")
    found = stored_data(tmp_path / "moved" / "runs" / "mine")
    assert found is not None and found.resolve() == (tmp_path / "moved" / "videos").resolve()
    (tmp_path / "moved" / "videos").rename(tmp_path / "elsewhere")
    with pytest.raises(MissingDataset, match="no longer in") as error:
        stored_data(tmp_path / "moved" / "runs" / "mine")
    assert "--data" in error.value.hint


def test_exported_models_hold_no_folders() -> None:
    from skelact.runs.export_model import _without_folders

    pose = {"poses_from": "/home/me/poses", "estimator": "import", "config": None}
    assert _without_folders(pose) == {**pose, "poses_from": "poses"}
