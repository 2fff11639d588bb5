"""Logs of training for other programs: a table, TensorBoard or Trackio, beside log.jsonl. Nothing
is sent anywhere, unless Trackio's own environment variables name an address."""

from __future__ import annotations

import contextlib
import csv
import io
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from skelact.errors import BackendMissing
from skelact.files import write_bytes
from skelact.metrics import Scores
from skelact.options import LogKind
from skelact.schemas import EpochLog, Sections

CSV, TENSORBOARD = "log.csv", "tensorboard"  # in the run folder
_VALUES = ("lr", "train_loss", "train_top1", "val_loss", "val_top1", "val_mean_class", "seconds")


class TrainingLog(Protocol):
    """A log of one run."""

    def epoch(self, row: EpochLog) -> None:
        """Add an epoch."""

    def end(self, scores: Scores | None) -> None:
        """Add the test scores, if there are some, and close the log."""


def check_log(kind: LogKind | None) -> None:
    """Raise BackendMissing if the package of a log is not installed."""
    if kind in ("tensorboard", "trackio") and find_spec(kind) is None:
        raise BackendMissing(f"{kind} is not installed", f'pip install "skelact[{kind}]"')


def kept_log(folder: Path) -> LogKind | None:
    """The log that a run folder holds and that a resumed training can continue."""
    if (folder / CSV).is_file():
        return "csv"
    if (folder / TENSORBOARD).is_dir() and find_spec("tensorboard") is not None:
        return "tensorboard"
    return None


def open_log(
    kind: LogKind, folder: Path, settings: Sections, before: Sequence[EpochLog] = ()
) -> TrainingLog:
    """The log of the run in `folder`, with the epochs `before` a resumed training. Raises
    BackendMissing."""
    check_log(kind)
    if kind == "csv":
        return _CsvLog(folder / CSV, before)
    if kind == "tensorboard":
        return _TensorBoardLog(folder / TENSORBOARD, len(before))
    return _TrackioLog(folder.name, settings, bool(before))


class _CsvLog:
    """log.csv, which is written as a whole after every epoch."""

    def __init__(self, path: Path, before: Sequence[EpochLog]) -> None:
        self.path, self.rows = path, list(before)
        self._write()

    def epoch(self, row: EpochLog) -> None:
        self.rows.append(row)
        self._write()

    def end(self, scores: Scores | None) -> None:
        """The test scores are in result.json."""

    def _write(self) -> None:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("epoch", *_VALUES))
        for row in self.rows:
            values = (getattr(row, name) for name in _VALUES)
            writer.writerow((row.epoch, *("" if v is None else f"{v:.6g}" for v in values)))
        write_bytes(self.path, text.getvalue().encode())


def _values(row: EpochLog) -> dict[str, float]:
    """Names as usual in these programs: train/loss, val/top1."""
    found = {name: getattr(row, name) for name in _VALUES}
    return {k.replace("_", "/", 1): float(v) for k, v in found.items() if v is not None}


class _TensorBoardLog:
    def __init__(self, folder: Path, before: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # of epochs after this one, which an interrupted training logged, nothing is shown
        self.writer: Any = SummaryWriter(str(folder), purge_step=before + 1 if before else None)
        self.last = before

    def epoch(self, row: EpochLog) -> None:
        for name, value in _values(row).items():
            self.writer.add_scalar(name, value, row.epoch)
        self.writer.flush()
        self.last = row.epoch

    def end(self, scores: Scores | None) -> None:
        if scores is not None:
            for name in ("top1", "mean_class"):
                self.writer.add_scalar(f"test/{name}", getattr(scores, name), self.last)
        self.writer.close()


class _TrackioLog:
    """Trackio prints what it does to stdout, which is for results here."""

    def __init__(self, name: str, settings: Sections, resumed: bool) -> None:
        import trackio

        self.trackio: Any = trackio
        with contextlib.redirect_stdout(sys.stderr):
            trackio.init(
                project="skelact",
                name=name,
                config=settings,
                resume="allow" if resumed else "never",
            )

    def epoch(self, row: EpochLog) -> None:
        self.trackio.log(_values(row), step=row.epoch)

    def end(self, scores: Scores | None) -> None:
        if scores is not None:
            self.trackio.log({"test/top1": scores.top1, "test/mean_class": scores.mean_class})
        with contextlib.redirect_stdout(sys.stderr):
            self.trackio.finish()
