"""Training with negatives: windows of recordings of other actions become the class "unknown"."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skelact.cache import Cache
from skelact.cli import main
from skelact.errors import InputError, MissingDataset, PathMissing
from skelact.inference.predictor import Predictor
from skelact.recipe import Recipe
from skelact.runs.test import test as run_test
from skelact.runs.train import Run, train
from skelact.schemas import SPLIT, RunConfig, SplitDocument, load_json
from skelact.stages.negatives import window_spans
from skelact.types import UNKNOWN
from tests.readers import motion

ACTIONS = ("kick", "squat", "wave")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six sequences of three actions, and five longer recordings of a fourth one; two of these are
    copies of each other."""
    place = tmp_path_factory.mktemp("negatives")
    for action in ACTIONS:
        (place / "data" / action).mkdir(parents=True)
        for n in range(6):
            points = motion.sequence(action, 10 * n, 30 + 5 * n)
            np.save(place / "data" / action / f"{action}_{n}.npy", points)
    (place / "others" / "day two").mkdir(parents=True)
    for n in range(4):
        np.save(place / "others" / f"punch_{n}.npy", motion.sequence("punch", n, 200))
    copy = (place / "others" / "punch_1.npy").read_bytes()
    (place / "others" / "day two" / "again.npy").write_bytes(copy)
    return place


def train_on(place: Path, root: Path, negatives: Path | None, **changes: Any) -> Run:
    recipe = {
        "dataset": {"name": "folder", "protocol": "takes"},
        "model": {"name": "rocket", "kernels": 80},
        "sampling": {"length": 24, "method": "linspace"},
        "sequence": {"persons": 1},
        "clips": {"length_s": 0.0},
        "normalise": {"mode": "body"},
        "train": {"epochs": 1, "batch_size": 4, "device": "cpu"},
    }
    return train(
        Recipe.from_dict(recipe | changes),
        Cache(root / "cache"),
        data=place / "data",
        runs=root,
        name="run",
        negatives=negatives,
    )


def recordings(run: Path) -> dict[str, set[str]]:
    """The negatives in each subset, without the times of their windows."""
    videos = load_json(run / SPLIT, SplitDocument).videos
    subsets = {name: getattr(videos, name) for name in ("train", "val", "test")}
    return {
        subset: {n.split("@")[0] for n in names if n.startswith("negatives/")}
        for subset, names in subsets.items()
    }


def test_negatives_are_a_class_and_every_recording_is_in_one_subset(
    data: Path, tmp_path: Path
) -> None:
    run = train_on(data, tmp_path, data / "others")
    classes = run.dataset.packed.classes
    assert classes == tuple(sorted((*ACTIONS, UNKNOWN)))
    found = recordings(run.folder)
    assert all(found.values())  # in training, validation and test
    assert sum(map(len, found.values())) == len(set().union(*found.values())) == 5
    copies = {"negatives/punch_1.npy", "negatives/day two/again.npy"}
    assert [subset for subset, names in found.items() if copies & names] == [
        subset for subset, names in found.items() if copies <= names
    ]
    unknown = run.dataset.packed.labels == classes.index(UNKNOWN)
    lengths = run.dataset.packed.lengths
    assert 0 < unknown.sum() <= 18  # no more than clips of the dataset
    assert set(lengths[unknown]) <= set(range(13, 57)) and len(set(lengths[unknown])) > 1
    counts = run.dataset.negative_counts
    assert sum(counts.values()) == unknown.sum() and min(counts.values()) > 0
    config = load_json(run.folder / "config.json", RunConfig)
    assert config.negatives is not None and Path(config.negatives.path).samefile(data / "others")
    assert "others" in (run.folder / "report.html").read_text(encoding="utf-8")
    again = run_test(run.folder, Cache(tmp_path / "cache"))
    assert again.scores == run.scores
    assert run.scores is not None and run.scores.top1 > 0.6
    # other data have no negatives: the class exists, without clips
    other = run_test(run.folder, Cache(tmp_path / "cache"), data=data / "data", name="other")
    assert len(other.scores.confusion) == 4
    assert sum(other.scores.confusion[classes.index(UNKNOWN)]) == 0
    np.save(tmp_path / "new.npy", motion.sequence("punch", 77, 60))
    labels = {p.label for p in Predictor.load(run.folder).predict(tmp_path / "new.npy")}
    assert labels == {UNKNOWN}


def test_training_again_gives_the_same_windows(data: Path, tmp_path: Path) -> None:
    first = train_on(data, tmp_path, data / "others")
    second = train_on(data, tmp_path, data / "others")
    assert first.dataset.fingerprint == second.dataset.fingerprint
    without = train_on(data, tmp_path, None)
    assert without.dataset.packed.classes == ACTIONS
    assert load_json(without.folder / "config.json", RunConfig).negatives is None


def test_a_network_that_is_trained_by_gradient_descent(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--dataset", str(data / "data"), "--negatives", str(data / "others"))
    options = ("--model", "ddnet", "--epochs", "1", "--device", "cpu", "--set", "train.repeat=1")
    place = ("--runs", str(tmp_path), "--name", "net", "--cache-dir", str(tmp_path / "cache"))
    assert main(["train", *arguments, *options, *place, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert min(result["negatives"].values()) > 0
    assert all(result["negatives"][s] < result["clips"][s] for s in ("train", "test"))
    assert UNKNOWN in Predictor.load(tmp_path / "net").classes


def test_without_a_test_subset_all_negatives_are_for_training(data: Path, tmp_path: Path) -> None:
    options = {"dataset": {"name": "folder", "protocol": "no-test"}}
    run = train_on(data, tmp_path, data / "others", **options)
    assert {s: len(n) for s, n in recordings(run.folder).items()} == {
        "train": 5,
        "val": 0,
        "test": 0,
    }


def test_negatives_that_cannot_be_used(data: Path, tmp_path: Path) -> None:
    def fails(path: Path, error: type[InputError], message: str) -> None:
        with pytest.raises(error, match=message) as caught:
            train_on(data, tmp_path / "runs", path)
        assert caught.value.hint

    fails(tmp_path / "nothing", PathMissing, "no such file or folder")
    few = tmp_path / "few"
    few.mkdir()
    fails(few, InputError, "no sequences")
    for n in range(2):
        np.save(few / f"{n}.npy", motion.sequence("punch", n, 60))
    fails(few, InputError, "2 recordings, at least 3")
    own = np.load(data / "data" / "kick" / "kick_0.npy")
    np.save(few / "copy.npy", own)
    fails(few, InputError, "is also in the dataset, as kick/kick_0.npy")
    assert not list((tmp_path / "runs").glob("run*"))  # no run folder was made


def test_negatives_that_have_moved(data: Path, tmp_path: Path) -> None:
    others = tmp_path / "others"
    others.mkdir()
    for n in range(4):
        np.save(others / f"{n}.npy", motion.sequence("punch", n, 100))
    run = train_on(data, tmp_path, others)
    others.rename(tmp_path / "moved")
    with pytest.raises(MissingDataset, match="no longer in"):
        run_test(run.folder, Cache(tmp_path / "cache"))


def test_windows_of_a_recording() -> None:
    rng = np.random.default_rng(0)
    assert window_spans(5.0, [2.0], rng) == [(0, 2), (2, 4), (4, 5)]
    assert window_spans(4.9, [2.0], rng) == [(0, 2), (2, 4)]  # too little is left
    assert window_spans(0.5, [2.0], rng) == [(0, 0.5)]
    assert window_spans(0.0, [2.0], rng) == []
