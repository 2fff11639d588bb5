"""Typed, versioned documents that skelact writes to disk and reads back.

Every document has one class here, one reader (`load_json`, or `load_tensors` for files with
tensors) and one writer (`save_json`, `save_tensors`). A reader turns any damage into the error
that the document's class names, with a hint; a writer writes the whole file or nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

import msgspec

from skelact import files
from skelact.errors import CacheError, CheckpointError, DatasetError, InputError, SkelactError
from skelact.metrics import Scores
from skelact.skeletons import Skeleton

# names of the files in a run folder
BEST, LAST, LOG, RESULT = "best.pt", "last.pt", "log.jsonl", "result.json"
PREDICTIONS, VALIDATION = "predictions.json", "validation.json"
CONFIG, SPLIT, CALIBRATION = "config.json", "split.json", "calibration.json"

# sections of a config file: section -> option -> value; recipe.Recipe validates them
Sections = dict[str, dict[str, Any]]
Tensors = dict[str, Any]  # state-dict name -> torch.Tensor


class Document(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="document"
):
    """Base of all documents. The file holds the class's tag under "document", and a version."""

    version: Literal[1] = 1

    error: ClassVar[type[SkelactError]] = InputError
    hint: ClassVar[str] = "The file is damaged or was written by another version of skelact."


D = TypeVar("D", bound=Document)


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the parts of documents."""


# --- cache entries --------------------------------------------------------------------------------


class CacheDocument(Document, frozen=True, kw_only=True):
    """Base of what a cache entry says about itself."""

    error: ClassVar[type[SkelactError]] = CacheError
    hint: ClassVar[str] = "Run the command again; the entry will be regenerated."


class Clip(Record, frozen=True, kw_only=True):
    """One clip file of a cut video. Frames and seconds of the source; the end is exclusive."""

    file: str
    start_frame: int
    end_frame: int
    start_s: float
    end_s: float
    frames: int


class ClipsManifest(CacheDocument, tag="clips", frozen=True, kw_only=True):
    """Clips that were cut from one video."""

    source: str
    content: str
    fps: float
    clip_options: dict[str, Any]
    coding: dict[str, Any]
    clips: tuple[Clip, ...]


class PosesManifest(CacheDocument, tag="poses", frozen=True, kw_only=True):
    """Poses of one video: who estimated them, in which layout, and how many people were found."""

    source: str
    content: str
    estimator: str
    weights: str
    skeleton: Skeleton
    width: int
    height: int
    fps: float
    pose: dict[str, Any]
    track: dict[str, Any]
    frames: int
    frames_with_people: int
    people_found: int
    persons: int


class SequenceClip(Record, frozen=True, kw_only=True):
    """One clip of a video's sequences: frames [start, end), ids of its persons."""

    start: int
    end: int
    persons: tuple[int, ...]
    frames_with_people: int


class SequencesManifest(CacheDocument, tag="sequences", frozen=True, kw_only=True):
    """Clean sequences of one video, clip by clip."""

    poses: str
    clip_options: dict[str, Any]
    sequence: dict[str, Any]
    clips: tuple[SequenceClip, ...]
    skeleton: Skeleton
    fps: float
    width: int
    height: int
    estimator: str
    weights: str


class PackedManifest(CacheDocument, tag="packed", frozen=True, kw_only=True):
    """A packed dataset in the cache."""

    dataset: str
    samples: int


class PackedSample(Record, frozen=True, kw_only=True):
    """One clip of a packed dataset: class index, item index, frames per second; whether its poses
    come from mirrored frames."""

    id: str
    label: int
    item: int
    fps: float
    mirrored: bool = False


class PackedMeta(Document, tag="packed-index", frozen=True, kw_only=True):
    """The index beside the array of a packed dataset."""

    error: ClassVar[type[SkelactError]] = DatasetError

    dataset: str
    offsets: tuple[int, ...]
    samples: tuple[PackedSample, ...]
    classes: tuple[str, ...]
    skeleton: Skeleton
    dims: int
    minmax: bool = False
    y_up: bool = False


class FailedInput(Record, frozen=True, kw_only=True):
    """One input that could not be used."""

    path: str
    reason: str
    hint: str


class FailedInputs(CacheDocument, tag="failed-inputs", frozen=True, kw_only=True):
    """Inputs of a stage that could not be used."""

    failed: tuple[FailedInput, ...]


# --- checkpoints ----------------------------------------------------------------------------------


class EstimatorInfo(Record, frozen=True, kw_only=True):
    """Where the poses of a run came from: the estimator's name, a hash of its weights, and its
    options (fields of pose.base.PoseOptions)."""

    name: str
    weights: str = ""
    pose: dict[str, Any] = {}


class ThresholdPoint(Record, frozen=True, kw_only=True):
    """One threshold: the share of known samples that get a label, the share of those labels that
    is correct (None without any label), and the share of negatives that get a label."""

    threshold: float
    coverage: float
    accuracy: float | None
    negatives: float


class Calibration(Document, tag="calibration", frozen=True, kw_only=True):
    """How a model's probabilities are corrected and when it answers "unknown"."""

    error: ClassVar[type[SkelactError]] = CheckpointError
    hint: ClassVar[str] = "Write it with `skelact calibrate RUN negatives/`."

    temperature: float = 1.0
    unknown_threshold: float = 0.0
    known: str = ""  # the file of known samples
    curve: tuple[ThresholdPoint, ...] = ()


class CheckpointDocument(Document, frozen=True, kw_only=True):
    """Base of files that hold networks."""

    error: ClassVar[type[SkelactError]] = CheckpointError
    hint: ClassVar[str] = "It is damaged or from another version of skelact; train again."


class Checkpoint(CheckpointDocument, tag="checkpoint", frozen=True, kw_only=True):
    """One trained network with everything that prediction needs. `clip_s` is the window length in
    seconds (0: whole videos), `split` the fingerprint of the split it was trained on."""

    model: str
    model_kwargs: dict[str, Any]
    weights: Tensors
    classes: tuple[str, ...]
    skeleton: Skeleton
    in_channels: int
    persons: int
    recipe: Sections
    estimator: EstimatorInfo
    clip_s: float
    split: str
    dataset: str = ""
    epoch: int = 0
    metrics: Scores | None = None
    calibration: Calibration | None = None


class Member(Record, frozen=True, kw_only=True):
    """One network of an ensemble and the weight of its probabilities."""

    weight: float
    checkpoint: Checkpoint


class Ensemble(CheckpointDocument, tag="ensemble", frozen=True, kw_only=True):
    """Networks whose probabilities are averaged. Members may differ in persons, skeleton, streams
    and window, but not in classes."""

    members: tuple[Member, ...]
    metrics: Scores | None = None
    calibration: Calibration | None = None

    def __post_init__(self) -> None:
        weights = [m.weight for m in self.members]
        if not weights or min(weights) < 0 or sum(weights) <= 0:
            raise ValueError("an ensemble needs members with weights of 0 or more, not all 0")
        if len({m.checkpoint.classes for m in self.members}) > 1:
            raise ValueError("the members of an ensemble must have the same classes")


class EpochLog(Record, frozen=True, kw_only=True):
    """One epoch of training; the validation values are None without a validation subset."""

    epoch: int
    lr: float
    train_loss: float
    train_top1: float
    val_loss: float | None = None
    val_top1: float | None = None
    val_mean_class: float | None = None
    seconds: float = 0.0
    best: bool = False


class PretrainingState(Record, frozen=True, kw_only=True):
    """The first phase of a network that has one: mean loss of each epoch, optimiser state."""

    losses: tuple[float, ...]
    optimiser: dict[str, Any]


class TrainingState(CheckpointDocument, tag="training-state", frozen=True, kw_only=True):
    """Everything that resuming needs. `checkpoint.weights` are the weights that would be tested;
    `trained_weights` those being trained, where they differ (weight averaging)."""

    checkpoint: Checkpoint
    optimiser: dict[str, Any]
    history: tuple[EpochLog, ...]
    trained_weights: Tensors | None = None
    averaged_steps: int = 0
    pretraining: PretrainingState | None = None


# --- run folders ----------------------------------------------------------------------------------


class RunDocument(Document, frozen=True, kw_only=True):
    """Base of the JSON files in a run folder."""

    hint: ClassVar[str] = "A finished run has this file: skelact train, skelact test."


class RunConfig(RunDocument, tag="config", frozen=True, kw_only=True):
    """All settings of a run."""

    recipe: Sections


class SplitDocument(RunDocument, tag="split", frozen=True, kw_only=True):
    """Which videos are in which subset, and the groups that were checked to be disjoint."""

    fingerprint: str
    protocol: str
    disjoint_groups: tuple[str, ...]
    videos: dict[str, tuple[str, ...]]


class RunResult(RunDocument, tag="result", frozen=True, kw_only=True):
    """What a run, a test or a fusion measured."""

    scores: Scores
    classes: tuple[str, ...]
    clips: dict[str, int] = {}
    best_epoch: int = 0
    epochs: int = 0
    seconds: float = 0.0
    memory_mb: int = 0
    device: str = ""
    protocol: str = ""  # of a test
    changes: Sections = {}  # of a test: settings that differ from the run's
    runs: tuple[str, ...] = ()  # of a fusion
    weights: tuple[float, ...] = ()  # of a fusion


class PredictedSample(Record, frozen=True, kw_only=True):
    """The true label of one sample, and the probabilities of all classes."""

    label: str
    probabilities: tuple[float, ...]


class Predictions(RunDocument, tag="predictions", frozen=True, kw_only=True):
    """Probabilities of the samples of one subset, by sample id."""

    samples: dict[str, PredictedSample]


# --- readers and writers --------------------------------------------------------------------------


def load_json(path: Path, kind: type[D]) -> D:
    """The document in a JSON file. Raises the error of `kind` if the file is missing, damaged, or
    another kind of document."""
    try:
        return parse_json(path.read_bytes(), kind)
    except OSError as error:
        raise kind.error(f"{path} cannot be read: {error.strerror}", kind.hint) from error
    except msgspec.MsgspecError as error:
        raise kind.error(f"{path} cannot be used: {error}", kind.hint) from error


def parse_json(content: bytes, kind: type[D]) -> D:
    """The document in JSON text. Raises msgspec.MsgspecError for anything else."""
    try:
        return msgspec.json.decode(content, type=kind)
    except (SkelactError, UnicodeDecodeError, RecursionError) as error:
        raise msgspec.ValidationError(str(error)) from error


def to_json(document: msgspec.Struct) -> bytes:
    """Indented JSON with a line break at the end."""
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def save_json(path: Path, document: Document) -> None:
    """Write a document as JSON, whole or not at all. Raises the document's error."""
    try:
        files.write_bytes(path, to_json(document))
    except OSError as error:
        raise document.error(f"Cannot write {path}: {error.strerror or error}") from error


def load_tensors(path: Path, *kinds: type[D]) -> D:
    """The document in a file of tensors; `kinds` are the classes that are accepted. Raises
    CheckpointError if the file is missing, damaged, holds anything but tensors and plain values, or
    is another kind of document."""
    content = files.load_tensors(path)
    tag = content.get("document") if isinstance(content, dict) else None
    kind = next((k for k in kinds if k.__struct_config__.tag == tag), None)
    if kind is None:
        names = " or ".join(str(k.__struct_config__.tag) for k in kinds)
        what = f"a {tag} of skelact" if tag else "not a checkpoint of skelact"
        raise CheckpointError(f"{path} is {what}; expected {names}")
    try:
        return msgspec.convert(content, kind)
    except (msgspec.ValidationError, SkelactError) as error:
        raise CheckpointError(f"{path} cannot be used: {error}", kind.hint) from error


def save_tensors(path: Path, document: CheckpointDocument) -> None:
    """Write a document with tensors, whole or not at all. Raises CheckpointError."""
    files.save_tensors(path, to_plain(document))


def to_plain(value: Any) -> Any:
    """Structs and dataclasses as dicts, tuples as lists; tensors and other leaves as they are."""
    if isinstance(value, msgspec.Struct):
        config = value.__struct_config__
        out = {config.tag_field: config.tag} if config.tag_field else {}
        return out | {f: to_plain(getattr(value, f)) for f in value.__struct_fields__}
    if hasattr(value, "__dataclass_fields__"):
        return {f: to_plain(getattr(value, f)) for f in value.__dataclass_fields__}
    if isinstance(value, dict):
        return {k: to_plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(v) for v in value]
    return value
