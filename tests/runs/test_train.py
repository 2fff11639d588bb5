"""Training and testing a run folder, on a synthetic dataset of skeleton files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from skelact.cache import Cache
from skelact.datasets import pyskl
from skelact.errors import CheckpointError, ConfigError, DatasetError, OutputError
from skelact.recipe import Recipe
from skelact.runs.test import test as run_test
from skelact.runs.train import Run, Start, run_folder, train
from skelact.schemas import LAST, LOG, save_tensors
from skelact.types import Event
from tests.conftest import sequence_of
from tests.helpers import MODEL, Killed, small_checkpoint


@pytest.fixture(scope="module")
def annotations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pickle of 14 clips of two classes. In the split `bad`, no clip of the test subset can be
    used, because they have no frames."""
    rng = np.random.default_rng(0)
    names = [f"clip{n}" for n in range(14)]
    samples = [
        (name, n % 2, sequence_of(rng.uniform(0, 100, (1, 20 * (n < 12), 17, 2)) + 50 * (n % 2)))
        for n, name in enumerate(names)
    ]
    split = {
        "one_train": names[:8],
        "one_val": names[8:12],
        "bad_train": names[:12],
        "bad_val": names[12:],
    }
    path = tmp_path_factory.mktemp("data") / "clips.pkl"
    pyskl.export(path, samples, split)
    return path


def train_rocket(annotations: Path, root: Path, resume: bool = False, seed: int = 0) -> Run:
    recipe = Recipe.from_dict(
        {
            "dataset": {"name": "pyskl", "protocol": "one"},
            "model": {"name": "rocket", "kernels": 16},
            "sampling": {"length": 16},
            "train": {"epochs": 1, "batch_size": 4, "device": "cpu", "seed": seed},
        }
    )
    return train(
        recipe, Cache(root / "cache"), data=annotations, runs=root, name="run", resume=resume
    )


def train_gcn(annotations: Path, root: Path, start: Start | None = None, **options: object) -> Run:
    recipe = Recipe.from_dict(
        {
            "dataset": {"name": "pyskl", "protocol": "one"},
            "model": {"name": "stgcn", **MODEL},
            "sampling": {"length": 16},
            "train": {"epochs": 2, "patience": 0, "batch_size": 4, "device": "cpu"},
        }
    )
    cache = Cache(root / "cache")
    return train(recipe, cache, data=annotations, runs=root, name="run", start=start, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "freeze", "says"),
    [
        ("nothere.pt", "none", "nothere.pt"),
        ("x.onnx", "none", "x.onnx"),
        ("initial.pt", "stage:99", "Cannot freeze 99 stages"),
    ],
)
def test_a_run_that_cannot_start_leaves_no_folder(
    name: str, freeze: str, says: str, annotations: Path, tmp_path: Path
) -> None:
    (tmp_path / "x.onnx").write_bytes(b"not a checkpoint")
    save_tensors(tmp_path / "initial.pt", small_checkpoint("coco-17"))
    start = Start(checkpoint=tmp_path / name, freeze=freeze)
    with pytest.raises((CheckpointError, ConfigError), match=says):
        train_gcn(annotations, tmp_path, start)
    assert not (tmp_path / "run").exists()
    assert train_gcn(annotations, tmp_path).folder == tmp_path / "run"


def test_a_resumed_run_continues_its_table(annotations: Path, tmp_path: Path) -> None:
    """Also without the option; a new run has no table then."""

    def interrupt(event: Event) -> None:
        if (tmp_path / "run" / LAST).is_file():
            raise Killed

    with pytest.raises(Killed):
        train_gcn(annotations, tmp_path, log="csv", on_progress=interrupt)
    folder = train_gcn(annotations, tmp_path, resume=True).folder
    rows = (folder / "log.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["epoch", "1", "2"]
    assert len((folder / LOG).read_text().splitlines()) == 2
    assert not (train_gcn(annotations, tmp_path).folder / "log.csv").exists()


def test_resuming_with_other_settings_leaves_the_run_folder_unchanged(
    annotations: Path, tmp_path: Path
) -> None:
    run = train_rocket(annotations, tmp_path)
    assert run.dataset.clip_counts["test"] == run.scores.samples == 4
    before = {p.name: p.read_bytes() for p in run.folder.iterdir()}
    with pytest.raises(CheckpointError, match="other settings"):
        train_rocket(annotations, tmp_path, resume=True, seed=1)
    assert {p.name: p.read_bytes() for p in run.folder.iterdir()} == before
    assert train_rocket(annotations, tmp_path, resume=True).folder == run.folder


def test_testing_a_run_again(annotations: Path, tmp_path: Path) -> None:
    run = train_rocket(annotations, tmp_path)
    cache, data = Cache(tmp_path / "cache"), annotations
    result = run_test(run.folder, cache, data=data, name="again")
    assert result.scores == run.scores
    assert {f.name for f in result.files} == {"again.json", "again_predictions.json"}
    for name in ("result", "predictions", "config", "calibration_previous"):
        with pytest.raises(ConfigError, match="belongs to the run"):
            run_test(run.folder, cache, data=data, name=name)
    for name in ("../again", "sub/again"):
        with pytest.raises(ConfigError, match="is no name of a file"):
            run_test(run.folder, cache, data=data, name=name)
    run_test(run.folder, cache, data=data, name="again")  # replaces its own earlier result
    for name, file in (("notes", "notes.json"), ("x", "x_predictions.json")):
        (run.folder / file).write_text("mine")
        with pytest.raises(OutputError, match="is not of an earlier test"):
            run_test(run.folder, cache, data=data, name=name)
        assert (run.folder / file).read_text() == "mine"
    with pytest.raises(DatasetError, match="no clips in the test subset"):
        run_test(run.folder, cache, data=data, changes={"dataset": {"protocol": "bad"}})


def test_the_folder_of_a_run(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    made = [run_folder(runs, "a", resume=False) for _ in range(3)]
    assert [f.name for f in made] == ["a", "a-2", "a-3"]
    for folder in made[:2]:
        (folder / "config.json").touch()
    for name in ("a-b", "a-b-2", "a-3x", "xa-9"):  # other runs
        (runs / name).mkdir()
    assert run_folder(runs, "a", resume=True) == runs / "a-3"
    for name in ("config.json", "result.json"):
        (runs / "a-3" / name).touch()
    assert run_folder(runs, "a", resume=True) == runs / "a-2"
    for name in ("a", "a-2"):
        (runs / name / "result.json").touch()
    assert run_folder(runs, "a", resume=True) == runs / "a-3"
    (runs / "a-10").mkdir()
    assert run_folder(runs, "a", resume=True) == runs / "a-10"
    assert run_folder(runs, "new", resume=True) == runs / "new"
    (runs / "a-11").mkdir()
    (runs / "a-11" / "thesis.txt").touch()  # no run: nothing is written into it
    assert run_folder(runs, "a", resume=True) == runs / "a-10"
    assert run_folder(runs, "x[1]", resume=False) == run_folder(runs, "x[1]", resume=True)
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="Cannot create the run folder"):
        run_folder(tmp_path / "file", "a", resume=False)
