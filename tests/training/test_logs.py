"""Logs of training for other programs."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import pytest

from skelact.errors import BackendMissing
from skelact.metrics import Scores
from skelact.schemas import EpochLog
from skelact.training import logs
from skelact.training.logs import CSV, TENSORBOARD, check_log, kept_log, open_log
from tests.helpers import trainer

ROWS = [
    EpochLog(epoch=1, lr=0.1, train_loss=2.0, train_top1=0.25, seconds=1.5),
    EpochLog(epoch=2, lr=0.05, train_loss=1.0, train_top1=0.5, val_loss=1.25, val_top1=0.5),
]
SCORES = Scores(top1=0.75, mean_class=0.5, majority=0.2, top5=None, samples=4)


def test_a_training_writes_a_table(tmp_path: Path) -> None:
    """One line for each epoch, as log.jsonl; the training itself stays the same."""
    training = trainer(tmp_path, epochs=2)
    training.log = open_log("csv", training.folder, {}, training.history)
    training.fit()
    with (training.folder / CSV).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(r["epoch"]) for r in rows] == [1, 2]
    for row, logged in zip(rows, training.history, strict=True):
        assert float(row["train_loss"]) == pytest.approx(logged.train_loss, rel=1e-5)


def test_a_resumed_training_keeps_its_rows(tmp_path: Path) -> None:
    log = open_log("csv", tmp_path, {}, ROWS[:1])
    log.epoch(ROWS[1])
    log.end(SCORES)
    with (tmp_path / CSV).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [r["epoch"] for r in rows] == ["1", "2"]
    assert rows[0]["val_loss"] == "" and rows[1]["val_loss"] == "1.25"


def test_the_log_of_a_run_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert kept_log(tmp_path) is None
    (tmp_path / TENSORBOARD).mkdir()
    for package, kept in ((None, None), (object(), "tensorboard")):
        monkeypatch.setattr(logs, "find_spec", lambda name, found=package: found)
        assert kept_log(tmp_path) == kept
    open_log("csv", tmp_path, {})
    assert kept_log(tmp_path) == "csv"


def test_tensorboard_reads_its_log(tmp_path: Path) -> None:
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    log = open_log("tensorboard", tmp_path, {})
    for row in ROWS:
        log.epoch(row)
    log.end(SCORES)
    events = reading.EventAccumulator(str(tmp_path / TENSORBOARD)).Reload()
    assert [(e.step, e.value) for e in events.Scalars("train/loss")] == [(1, 2.0), (2, 1.0)]
    assert [e.value for e in events.Scalars("test/top1")] == [0.75]


def test_trackio_gets_the_values(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stand-in that records the calls, and prints as trackio does."""

    class Stand:
        __spec__: Any = object()

        def __init__(self) -> None:
            self.calls: list[tuple[Any, ...]] = []

        def init(self, **options: Any) -> None:
            print("* Created new run")
            self.calls.append(("init", options["name"], options["config"], options["resume"]))

        def log(self, values: dict[str, float], step: int | None = None) -> None:
            self.calls.append(("log", step, values))

        def finish(self) -> None:
            print("* Run finished")
            self.calls.append(("finish",))

    stand = Stand()
    monkeypatch.setitem(sys.modules, "trackio", stand)  # type: ignore[arg-type]
    log = open_log("trackio", tmp_path / "run", {"train": {"seed": 1}})
    log.epoch(ROWS[0])
    log.end(None)
    assert stand.calls[0] == ("init", "run", {"train": {"seed": 1}}, "never")
    assert stand.calls[1][1] == 1 and stand.calls[1][2]["train/loss"] == 2.0
    assert stand.calls[-1] == ("finish",)
    open_log("trackio", tmp_path / "run", {}, ROWS[:1])
    assert stand.calls[-1] == ("init", "run", {}, "allow")
    printed = capsys.readouterr()
    assert printed.out == "" and "Run finished" in printed.err


def test_trackio_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A run that is continued, in the store of the real package."""
    pytest.importorskip("trackio", reason="trackio is not installed")
    from trackio.sqlite_storage import SQLiteStorage

    monkeypatch.setattr("trackio.utils.TRACKIO_DIR", tmp_path)
    monkeypatch.setattr("trackio.sqlite_storage.TRACKIO_DIR", tmp_path)
    for n, row in enumerate(ROWS):
        log = open_log("trackio", tmp_path / "run", {}, ROWS[:n])
        log.epoch(row)
        log.end(SCORES if n else None)
    assert SQLiteStorage.get_runs("skelact") == ["run"]
    logs = SQLiteStorage.get_logs("skelact", "run")
    assert [x["train/loss"] for x in logs if "train/loss" in x] == [2.0, 1.0]
    assert logs[-1]["test/top1"] == 0.75


def test_a_missing_package_is_an_error_before_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "find_spec", lambda name: None)
    for kind in ("tensorboard", "trackio"):
        with pytest.raises(BackendMissing, match=kind) as caught:
            check_log(kind)  # type: ignore[arg-type]
        assert f"skelact[{kind}]" in caught.value.hint
    check_log("csv")
    check_log(None)
