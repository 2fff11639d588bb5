"""Files of a run folder: their names, and the documents in the JSON files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar

import msgspec

from skelact import limits
from skelact.errors import InputError, reading
from skelact.files import write_bytes
from skelact.metrics import Scores
from skelact.schemas.base import Amount, Count, Document, Positive, Record, Sections, Share
from skelact.segment_metrics import SegmentScores

BEST, LAST, LOG, RESULT = "best.pt", "last.pt", "log.jsonl", "result.json"
PREDICTIONS, VALIDATION = "predictions.json", "validation.json"
CONFIG, SPLIT, CALIBRATION = "config.json", "split.json", "calibration.json"
PREVIOUS_CALIBRATION = "calibration_previous.json"
RUN_FILES = (
    *(RESULT, PREDICTIONS, VALIDATION, CONFIG, SPLIT, CALIBRATION),
    PREVIOUS_CALIBRATION,
)


_ROUNDING = 0.01  # of the sum of probabilities with six decimal places


class RunDocument(Document, frozen=True, kw_only=True):
    """Base of the JSON files in a run folder."""

    hint: ClassVar[str] = "A finished run has this file: skelact train, skelact test."


class DataLocation(Record, frozen=True, kw_only=True):
    """Where the dataset of a run is: as an absolute path, and relative to the run folder."""

    path: str
    relative: str


class RunConfig(RunDocument, tag="config", frozen=True, kw_only=True):
    """All settings of a run. `location` is None for the sample set that comes with skelact,
    `negatives` for a run without negatives. They are stored here only: no checkpoint or exported
    model holds a path."""

    recipe: Sections
    location: DataLocation | None = None
    negatives: DataLocation | None = None

    def __post_init__(self) -> None:
        for section in ("model", "dataset"):
            if not isinstance(self.recipe.get(section, {}).get("name"), str):
                raise ValueError(f"the section {section} of the recipe has no name")

    @property
    def model(self) -> str:
        """The name of the network."""
        return str(self.recipe["model"]["name"])

    @property
    def data(self) -> str:
        """The names of the dataset and of the streams."""
        streams = self.recipe.get("sampling", {}).get("streams", "joint")
        return f"{self.recipe['dataset']['name']}, {streams}"


class SubsetVideos(Record, frozen=True, kw_only=True):
    """The videos of each subset, by path below the dataset's folder."""

    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]


class SplitDocument(RunDocument, tag="split", frozen=True, kw_only=True):
    """Which videos are in which subset, and the groups that were checked to be disjoint."""

    fingerprint: str
    protocol: str
    disjoint_groups: tuple[str, ...]
    videos: SubsetVideos


class RunResult(RunDocument, tag="result", frozen=True, kw_only=True):
    """The scores of a run, a test or a fusion; `scores` is None for a run without a test subset."""

    scores: Scores | None
    classes: tuple[str, ...]
    clips: dict[str, Count] = msgspec.field(default_factory=dict)
    best_epoch: Count = 0
    epochs: Count = 0
    seconds: Amount = 0.0
    memory_mb: Count = 0
    device: str = ""
    protocol: str = ""  # of a test
    # of a test: settings that differ from the run's
    changes: Sections = msgspec.field(default_factory=dict)
    runs: tuple[str, ...] = ()  # of a fusion
    weights: tuple[Amount, ...] = ()  # of a fusion

    def __post_init__(self) -> None:
        if self.scores is None:
            return
        matrix, size = self.scores.confusion, len(self.classes)
        if len(matrix) != size or any(len(row) != size for row in matrix):
            raise ValueError(f"the confusion matrix is not {size} x {size}")
        self.scores.check()

    @property
    def test_scores(self) -> Scores:
        """Raises InputError if the run has no test result."""
        if self.scores is None:
            raise InputError(
                "The run has no test result: it was trained on everything (--no-test)",
                "Test it on other data: skelact test RUN --data NEW_DATA.",
            )
        return self.scores


class UntrimmedResult(RunDocument, tag="untrimmed", frozen=True, kw_only=True):
    """The scores of untrimmed videos; `options` are those of the prediction that were set."""

    scores: SegmentScores
    classes: tuple[str, ...]
    options: Sections = msgspec.field(default_factory=dict)


class PredictedSample(Record, frozen=True, kw_only=True):
    """The true label of one sample, and the probabilities of all classes."""

    label: str
    probabilities: tuple[Share, ...]

    @classmethod
    def rounded(cls, label: str, probabilities: Iterable[float]) -> PredictedSample:
        """With six decimal places."""
        return cls(label=label, probabilities=tuple(round(float(p), 6) for p in probabilities))


class Predictions(RunDocument, tag="predictions", frozen=True, kw_only=True):
    """Probabilities of the samples of one subset, by sample id."""

    samples: dict[str, PredictedSample]

    def __post_init__(self) -> None:
        if len({len(sample.probabilities) for sample in self.samples.values()}) > 1:
            raise ValueError("samples differ in their number of probabilities")
        for name, sample in self.samples.items():
            if abs(sum(sample.probabilities) - 1) > _ROUNDING:
                raise ValueError(f"the probabilities of {name} do not sum to 1")


class EpochLog(Record, frozen=True, kw_only=True):
    """One epoch of training; the validation values are None without a validation subset."""

    epoch: Positive
    lr: Amount
    train_loss: float
    train_top1: Share
    val_loss: Amount | None = None
    val_top1: Share | None = None
    val_mean_class: Share | None = None
    seconds: Amount = 0.0
    best: bool = False


def load_log(path: Path) -> tuple[EpochLog, ...]:
    """The epochs in log.jsonl. Raises InputError if the file is missing or damaged."""
    with reading(path, InputError, RunDocument.hint):
        rows = tuple(msgspec.json.Decoder(EpochLog).decode_lines(limits.read_bytes(path)))
        if [row.epoch for row in rows] != list(range(1, len(rows) + 1)):
            raise ValueError("the epochs are not numbered from 1 on")
        return rows


def save_log(path: Path, rows: Sequence[EpochLog]) -> None:
    """Write log.jsonl, one line per epoch. Raises InputError."""
    try:
        write_bytes(path, msgspec.json.Encoder().encode_lines(rows))
    except OSError as error:
        raise InputError(f"Cannot write {path}: {error.strerror or error}") from error
