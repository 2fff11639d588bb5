"""Adding classes to a recogniser from a few examples."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from msgspec import structs

from skelact.cache import Cache
from skelact.cli import main
from skelact.errors import (
    BadSpan,
    CheckpointError,
    ConfigError,
    InputError,
    NoPersonFound,
    OutputError,
    PathMissing,
    SkelactError,
)
from skelact.inference.examples import parse_examples
from skelact.inference.predictor import Predictor
from skelact.models.checkpoint import build_network, load_checkpoint, load_model
from skelact.models.enrolled import feature_statistics
from skelact.options import PredictOptions
from skelact.runs import test as runs_test
from skelact.runs.enroll import enroll, enrolled, remove
from skelact.runs.export_model import export_model
from skelact.runs.fuse import fuse
from skelact.runs.test import run_predictions
from skelact.schemas import BEST, PREDICTIONS, save_tensors
from skelact.training.transfer import transfer
from tests.helpers import small_checkpoint as checkpoint
from tests.readers import motion

OPTIONS = PredictOptions(device="cpu")
TRAINED = ("kick", "punch", "squat")
FEATURES = 16  # of the small ST-GCN


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `data` of three actions, `wave` of a fourth one, and two runs."""
    place = tmp_path_factory.mktemp("enroll")
    motion.arrays(place / "data", 9)
    (place / "data" / "wave").rename(place / "wave")
    arguments = [
        *("train", "--dataset", str(place / "data"), "--model", "rocket", "--device", "cpu"),
        *("--set", "model.kernels=200", "--runs", str(place), "--name", "a"),
        *("--cache-dir", str(place / "cache")),
    ]
    assert main(arguments) == 0
    shutil.copytree(place / "a", place / "b")
    return place


@pytest.fixture
def run(trained: Path) -> Iterator[Path]:
    """The first run, without enrolled classes."""
    content = (trained / "a" / BEST).read_bytes()
    yield trained / "a"
    (trained / "a" / BEST).write_bytes(content)


def files(folder: Path, *numbers: int) -> list[str]:
    return [str(folder / f"wave_{n}.npy") for n in numbers]


def labels(model: Path, *paths: Path) -> list[str]:
    batch = Predictor.load(model, OPTIONS).predict_many(paths)
    assert not batch.failed
    return [r.predictions[0].label for r in batch.results]


@pytest.mark.parametrize("method", ["ridge", "cosine", "jsd"])
def test_a_class_is_recognised_and_removed_without_a_trace(
    run: Path, trained: Path, method: str
) -> None:
    before = (run / BEST).read_bytes()
    result = enroll(run, "wave", files(trained / "wave", 0, 1, 2), method=method)  # type: ignore[arg-type]
    assert result.trained == TRAINED and [c.examples for c in result.enrolled] == [3]
    others = sorted((trained / "wave").glob("wave_[3-8].npy"))
    known = sorted((trained / "data").rglob("*_[678].npy"))
    assert np.mean([label == "wave" for label in labels(run, *others)]) >= 0.8
    truth = [path.parent.name for path in known]
    assert np.mean([a == b for a, b in zip(labels(run, *known), truth, strict=True)]) >= 0.8
    remove(run, "wave")
    assert (run / BEST).read_bytes() == before


def test_the_result_is_an_ordinary_recogniser(run: Path, trained: Path, tmp_path: Path) -> None:
    cache = Cache(trained / "cache")
    enroll(run, "wave", files(trained / "wave", 0, 1, 2))
    tested = runs_test.test(run, cache)
    assert len(tested.scores.confusion) == 4 and sum(tested.scores.confusion[3]) == 0
    everything = tmp_path / "everything"
    for action in motion.CLASSES:
        (everything / action).mkdir(parents=True)
        for n in range(9):
            values = motion.sequence(action, 1000 + 10 * n)
            np.save(everything / action / f"{action}_new_{n}.npy", values)
    assert sum(runs_test.test(run, cache, data=everything).scores.confusion[3]) > 0
    other = trained / "b"
    content = (other / BEST).read_bytes()
    try:
        enroll(other, "wave", files(trained / "wave", 0, 1, 2))
        fuse([run, other], tmp_path / "fused", cache=cache)
    finally:
        (other / BEST).write_bytes(content)
    fused = load_model(tmp_path / "fused" / BEST)
    assert fused.classes == (*TRAINED, "wave")
    stored = run_predictions(tmp_path / "fused", PREDICTIONS, fused)
    assert stored.probabilities.shape[1] == 4
    export_model(tmp_path / "fused", tmp_path / "small.pt", "torch")
    (path,) = map(Path, files(trained / "wave", 5))
    assert labels(tmp_path / "small.pt", path) == ["wave"]
    assert enrolled(tmp_path / "small.pt").enrolled[0].examples == 3
    enroll(tmp_path / "fused", "again", files(trained / "wave", 4))  # both members
    assert enrolled(tmp_path / "fused").enrolled[1].label == "again"
    with pytest.raises(InputError, match="after it was fused"):
        run_predictions(tmp_path / "fused", PREDICTIONS, load_model(tmp_path / "fused" / BEST))


def test_commands(
    run: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine.pt"
    arguments = ["enroll", str(run), "--label", "wave", *files(trained / "wave", 0, 1)]
    assert main([*arguments, "--shots", "1", "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["enrolled"] == {"wave": 1}
    assert main(["enroll", str(out), "--list"]) == 0
    assert "wave" in capsys.readouterr().out
    assert main(arguments) == 0 and main(arguments) == 2  # twice
    assert "--overwrite" in capsys.readouterr().err
    assert main([*arguments, "--overwrite"]) == 0
    assert main(["enroll", str(run), "--remove", "wave"]) == 0
    assert main(["enroll", str(run), "--remove", "wave"]) == 2
    assert main(["enroll", str(run)]) == 2
    assert main(["enroll", str(run), "--list", "--remove", "wave"]) == 2
    assert main(["enroll", str(run), "--label", "wave"]) == 2


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """A small ST-GCN with random weights that sees one person, in a file."""
    torch.manual_seed(0)
    rows = torch.randn(30, FEATURES)
    statistics = feature_statistics(rows, torch.zeros(FEATURES), torch.ones(FEATURES), rows)
    save_tensors(tmp_path / "net.pt", structs.replace(checkpoint(), features=statistics))
    return tmp_path / "net.pt"


def test_one_person_of_a_video(network: Path, clip: Path, openpose: Path, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    example = f"{clip}:0.3-0.9"  # both persons are visible from frame 4 to 13 of 15 a second
    ids = sorted(
        p.person_id
        for p in Predictor.load(network, OPTIONS)
        .predict_many([clip], cache, poses_from=openpose)
        .results[0]
        .predictions
    )
    with pytest.raises(InputError, match=f"2 persons.*{ids[0]}.*{ids[1]}"):
        enroll(network, "new", [example], cache=cache, poses_from=openpose)
    with pytest.raises(InputError, match="no person has the id 7"):
        enroll(network, "new", [example], persons=[7], cache=cache, poses_from=openpose)
    enroll(network, "new", [example], persons=ids[:1], cache=cache, poses_from=openpose)
    model = load_checkpoint(network)
    assert model.classes == ("a", "b", "c", "new")
    enroll(network, "other", [example], persons=ids[1:], cache=cache, poses_from=openpose)
    assert load_checkpoint(network).enrolled_classes == ("new", "other")


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"examples": ["CLIP:5-3"]}, BadSpan, "must end after"),
        ({"examples": ["CLIP:0.2-9"]}, BadSpan, "outside"),
        ({"examples": ["CLIP:0.31-0.32"]}, BadSpan, "no frame"),
        ({"examples": ["nothing.mp4"]}, PathMissing, "nothing.mp4"),
        ({"examples": ["."]}, InputError, "folder"),
        ({"shots": 2}, InputError, "fewer than 2"),
        ({"examples": ["CLIP:0.3-0.9"] * 21, "persons": [0]}, InputError, "20"),
        ({"persons": [0, 1]}, ConfigError, "2 ids of persons"),
        ({"label": "a"}, ConfigError, "trained on a"),
        ({"label": " "}, ConfigError, "name of a class"),
        ({"method": "ridge"}, ConfigError, "closed form"),
        ({"out": Path("x.txt")}, OutputError, "must end in"),
        ({"model": "everyday"}, ConfigError, "--out"),
        ({"model": "everyday", "out": Path("x.pt")}, ConfigError, "statistics"),
    ],
)
def test_refused_and_nothing_is_changed(
    network: Path,
    clip: Path,
    openpose: Path,
    tmp_path: Path,
    options: dict[str, object],
    error: type[SkelactError],
    says: str,
) -> None:
    before = network.read_bytes()
    given = {"model": network, "label": "new", "examples": [f"{clip}:0.3-0.9"], **options}
    given["examples"] = [str(e).replace("CLIP", str(clip)) for e in given["examples"]]  # type: ignore[attr-defined]
    names = {p.name for p in tmp_path.iterdir()}
    with pytest.raises((error, InputError) if error is PathMissing else error) as caught:
        enroll(**given, cache=Cache(tmp_path / "cache"), poses_from=openpose)  # type: ignore[arg-type]
    assert says in str(caught.value) + caught.value.hint
    assert network.read_bytes() == before
    assert {p.name for p in tmp_path.iterdir()} - names <= {"cache"}


def test_an_example_without_a_person(network: Path, clip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "poses" / clip.stem
    folder.mkdir(parents=True)
    for n in range(20):
        name = f"{clip.stem}_{n:012d}_keypoints.json"
        (folder / name).write_text(json.dumps({"version": 1.3, "people": []}))
    before = network.read_bytes()
    with pytest.raises(NoPersonFound):
        enroll(network, "new", [str(clip)], poses_from=folder.parent)
    assert network.read_bytes() == before


def test_statistics_from_videos_of_other_actions(run: Path, trained: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.pt"
    save_tensors(old, structs.replace(load_checkpoint(run / BEST), features=None))
    examples = files(trained / "wave", 0, 1, 2)
    with pytest.raises(ConfigError, match="no statistics"):
        enroll(old, "wave", examples)
    few = tmp_path / "few"
    few.mkdir()
    shutil.copy(trained / "data" / "kick" / "kick_0.npy", few)
    with pytest.raises(InputError, match="at least 20"):
        enroll(old, "wave", examples, others=few)
    with pytest.raises(ConfigError, match="closed form"):
        enroll(old, "wave", examples, others=trained / "data", method="ridge")
    with pytest.raises(ConfigError, match="has statistics"):
        enroll(run, "wave", examples, others=trained / "data")
    assert enroll(old, "wave", examples, others=trained / "data").method == "cosine"
    found = labels(old, *map(Path, files(trained / "wave", 4, 5, 6)), trained / "data" / "kick")
    assert found.count("wave") >= 3 and found.count("kick") >= 7


def test_a_file_name_that_looks_like_a_span(tmp_path: Path) -> None:
    path = tmp_path / "clip:1-2"
    path.touch()
    assert parse_examples([str(path)])[0].span_s is None
    assert parse_examples([f"{path}:3-4.5"])[0].span_s == (3, 4.5)
    assert parse_examples(["a.mp4", "b.mp4"], [4])[1].person == 4


@pytest.mark.parametrize("damage", ["size", "order", "statistics", "shape", "type", "method"])
def test_damaged_enrolments_are_errors(
    network: Path, clip: Path, openpose: Path, tmp_path: Path, damage: str
) -> None:
    cache = Cache(tmp_path / "cache")
    enroll(network, "new", [str(clip)], persons=[0], cache=cache, poses_from=openpose)
    content = torch.load(network, weights_only=True)
    (own,) = content["enrolment"]["classes"]
    if damage == "size":
        own["embeddings"] = own["embeddings"][:, :-1].clone()
    elif damage == "order":
        content["classes"] = content["classes"][::-1]
    elif damage == "statistics":
        content["features"] = None
    elif damage == "shape":
        content["features"]["basis"] = content["features"]["basis"][:-1].clone()
    elif damage == "type":
        own["embeddings"] = "none"
    else:
        content["enrolment"]["method"] = "ridge"
    torch.save(content, network)
    with pytest.raises(CheckpointError):
        Predictor.load(network, OPTIONS)


def test_a_network_that_is_trained_further_starts_from_the_trained_classes(
    network: Path, clip: Path, openpose: Path
) -> None:
    enroll(network, "new", [str(clip)], persons=[0], poses_from=openpose)
    source = load_checkpoint(network)
    net = build_network(structs.replace(source, classes=source.trained_classes, enrolment=None))
    torch.nn.init.zeros_(net.cls_head.fc.weight)
    transfer(net, source.skeleton, source.trained_classes, source)
    torch.testing.assert_close(net.cls_head.fc.weight, source.weights["cls_head.fc.weight"])
