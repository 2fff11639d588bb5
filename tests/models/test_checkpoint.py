"""Checkpoint files: round trips, and files that must be refused."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest
import torch
from msgspec import structs

from skelact.errors import CheckpointError
from skelact.metrics import Scores
from skelact.models import build
from skelact.models.checkpoint import (
    build_network,
    load_checkpoint,
    load_model,
    state_dict_on_cpu,
)
from skelact.schemas import (
    Calibration,
    Checkpoint,
    Ensemble,
    EpochLog,
    EstimatorInfo,
    Member,
    PretrainingState,
    TrainingState,
    load_tensors,
    save_tensors,
)
from skelact.skeletons import SKELETONS

SMALL = {"base_channels": 8, "num_stages": 2, "inflate_stages": [2], "down_stages": [2]}
COCO = SKELETONS["coco-17"]


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    net = build("stgcn", 2, COCO, **SMALL)
    return Checkpoint(
        model="stgcn",
        model_kwargs=SMALL,
        weights=state_dict_on_cpu(net),
        classes=("sit", "stand"),
        skeleton=COCO,
        in_channels=3,
        persons=1,
        recipe={"sampling": {"length": 16}, "augment": {"rotate3d_rad": [0.1, 0.2, 0.3]}},
        estimator=EstimatorInfo(name="blazepose", weights="abc", pose={"max_persons": 1}),
        clip_s=2.5,
        split="0123",
        dataset="chairs",
        epoch=3,
        metrics=Scores(
            top1=0.5, mean_class=0.5, majority=0.5, top5=None, samples=2, confusion=[[1, 0], [1, 0]]
        ),
        calibration=Calibration(temperature=0.8, unknown_threshold=0.6),
    )


def training_state(checkpoint: Checkpoint) -> TrainingState:
    net = build_network(checkpoint)
    optimiser = torch.optim.Adam(net.parameters())
    sum(p.sum() for p in net.parameters()).backward()  # type: ignore[union-attr]
    optimiser.step()
    return TrainingState(
        checkpoint=checkpoint,
        optimiser=optimiser.state_dict(),
        history=tuple(
            EpochLog(epoch=n, lr=0.1, train_loss=1.0, train_top1=0.5, best=n == 3)
            for n in (1, 2, 3)
        ),
        trained_weights=state_dict_on_cpu(net),
        averaged_steps=4,
        pretraining=PretrainingState(losses=(1.0, 0.5), optimiser={"state": {}}),
    )


def assert_equal(a: object, b: object) -> None:
    """Equality of plain values in which tensors are compared bit by bit."""
    if isinstance(a, torch.Tensor):
        assert isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    elif hasattr(a, "__struct_fields__"):
        assert type(a) is type(b)
        assert_equal(structs.asdict(a), structs.asdict(b))  # type: ignore[arg-type]
    elif isinstance(a, dict):
        assert isinstance(b, dict) and list(a) == list(b)
        for key in a:
            assert_equal(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert isinstance(b, list | tuple) and len(a) == len(b)
        for left, right in zip(a, b, strict=True):
            assert_equal(left, right)
    else:
        assert a == b


def test_round_trips(checkpoint: Checkpoint, tmp_path: Path) -> None:
    ensemble = Ensemble(
        members=(Member(weight=2.0, checkpoint=checkpoint), Member(weight=1, checkpoint=checkpoint))
    )
    for n, document in enumerate((checkpoint, ensemble, training_state(checkpoint))):
        save_tensors(tmp_path / f"{n}.pt", document)
        again = load_tensors(tmp_path / f"{n}.pt", Checkpoint, Ensemble, TrainingState)
        assert_equal(document, again)


def test_networks_of_a_checkpoint_an_ensemble_and_a_training_state(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    path = tmp_path / "x.pt"
    save_tensors(path, checkpoint)
    net = build_network(load_checkpoint(path))
    assert not net.training
    assert_equal(state_dict_on_cpu(net), checkpoint.weights)

    save_tensors(path, training_state(checkpoint))
    assert_equal(load_model(path), checkpoint)

    members = tuple(Member(weight=1.0, checkpoint=checkpoint) for _ in range(3))
    save_tensors(path, Ensemble(members=members))
    model = load_model(path)
    assert isinstance(model, Ensemble) and model.classes == ("sit", "stand")
    with pytest.raises(CheckpointError, match="holds 3 fused networks") as caught:
        load_checkpoint(path)
    assert "Name one of the runs" in caught.value.hint


@pytest.mark.parametrize("weights", [(), (0.0, 0.0), (1.0, -1.0)])
def test_an_ensemble_needs_positive_weights(
    checkpoint: Checkpoint, weights: tuple[float, ...]
) -> None:
    with pytest.raises(ValueError, match="weights of 0 or more"):
        Ensemble(members=tuple(Member(weight=w, checkpoint=checkpoint) for w in weights))


def test_an_ensemble_has_one_list_of_classes(checkpoint: Checkpoint) -> None:
    other = structs.replace(checkpoint, classes=("stand", "sit"))
    members = tuple(Member(weight=1.0, checkpoint=c) for c in (checkpoint, other))
    with pytest.raises(ValueError, match="same classes"):
        Ensemble(members=members)


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch pwned",)


@pytest.mark.parametrize(
    ("write", "message", "hint"),
    [
        (lambda p: p.write_bytes(b""), "not a checkpoint", ""),
        (lambda p: p.write_text("hello"), "not a checkpoint", ""),
        (lambda p: p.write_bytes(pickle.dumps({"a": 1})), "not a checkpoint", ""),
        (lambda p: torch.save({"weights": Evil()}, p), "type \\w+.system", "could run code"),
        (lambda p: torch.save({"state_dict": {}}, p), "not written by skelact", "skelact predict"),
        (lambda p: torch.save([1], p), "not written by skelact", "skelact predict"),
        (lambda p: torch.save({"document": torch.ones(1)}, p), "not written by skelact", ""),
        (lambda p: torch.save({"document": "poses"}, p), "type 'poses', expected checkpoint", ""),
        (lambda p: torch.save({"document": "checkpoint"}, p), "missing required field", "train"),
        (lambda p: torch.save({"document": "ensemble", "members": []}, p), "an ensemble needs", ""),
        (lambda p: None, "no checkpoint", "Check the path"),
    ],
)
def test_other_files_are_refused(
    write: Callable[[Path], object], message: str, hint: str, tmp_path: Path
) -> None:
    write(tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match=message) as caught:
        load_model(tmp_path / "x.pt")
    assert hint in caught.value.hint
    assert not Path("pwned").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "version"),
        ({"persons": "one"}, "persons"),
        ({"classes": None}, "classes"),
        ({"fusion": [1.0]}, "fusion"),
        ({"skeleton": {"name": "x"}}, "skeleton"),
        ({"calibration": {"document": "calibration", "temperature": "hot"}}, "temperature"),
        ({"estimator": {"name": 1}}, "estimator"),
    ],
)
def test_wrong_fields_are_named(
    checkpoint: Checkpoint, change: dict[str, object], message: str, tmp_path: Path
) -> None:
    save_tensors(tmp_path / "x.pt", checkpoint)
    content = torch.load(tmp_path / "x.pt", weights_only=True)
    torch.save(content | change, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match=message):
        load_model(tmp_path / "x.pt")


def test_a_truncated_file(checkpoint: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    save_tensors(path, checkpoint)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError):
        load_model(path)


@pytest.mark.parametrize(
    "change",
    [
        {"model": "sgn"},
        {"model": "nothing"},
        {"classes": ("a", "b", "c")},
        {"weights": {}},
        {"model_kwargs": {"colour": 1}},
    ],
)
def test_weights_that_do_not_fit(checkpoint: Checkpoint, change: dict[str, object]) -> None:
    with pytest.raises(CheckpointError, match=r"checkpoint of the network|do not fit the network"):
        build_network(structs.replace(checkpoint, **change))


def test_a_failed_write_keeps_the_old_file(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_tensors(tmp_path / "x.pt", checkpoint)
    before = (tmp_path / "x.pt").read_bytes()

    def full(content: object, file: BinaryIO) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(CheckpointError, match="No space left") as caught:
        save_tensors(tmp_path / "x.pt", checkpoint)
    assert "disk full" in caught.value.hint
    assert (tmp_path / "x.pt").read_bytes() == before and len(list(tmp_path.iterdir())) == 1
