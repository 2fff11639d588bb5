"""Documents with tensors: checkpoints, ensembles, the state of an unfinished training."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from skelact.errors import CheckpointError, SkelactError
from skelact.metrics import Labels, Probabilities, Scores
from skelact.open_set_metrics import reliability
from skelact.schemas.base import (
    Amount,
    Count,
    Document,
    Few,
    Record,
    Sections,
    Share,
    Tensors,
)
from skelact.schemas.runs import EpochLog
from skelact.skeletons import Skeleton

# above 1, no probability reaches it: the number that follows 1 in float32
Threshold = Annotated[float, Meta(ge=0, le=1.000001)]


# see inference.scores
SCORE_NAMES = ("probability", "energy", "distance", "agreement", "combined")
ScoreName = Annotated[str, Meta(pattern=f"^({'|'.join(SCORE_NAMES)})$")]
Real = Annotated[float, Meta(ge=-1e300, le=1e300)]  # not NaN, not infinite
EnrolMethod = Literal["ridge", "cosine", "jsd"]
MAX_ENROLLED = 100  # classes that can be added to a network
_MAX_STATISTICS = 1024  # directions, and embeddings of the cohort
MAX_EMBEDDINGS = 160  # windows of the examples of one class


class EstimatorInfo(Record, frozen=True, kw_only=True):
    """Where the poses of a run came from: the estimator's name, a hash of its weights, and its
    options (fields of pose.base.PoseOptions); or the format of the user's own skeleton files
    (readers.format.Format)."""

    name: str
    weights: str = ""
    pose: dict[str, Any] = msgspec.field(default_factory=dict)
    files: dict[str, Any] = msgspec.field(default_factory=dict)


class ThresholdPoint(Record, frozen=True, kw_only=True):
    """One threshold: the share of known samples that get a label, the share of those labels that
    is correct (None without any label), and the share of negatives that get a label."""

    threshold: Threshold
    coverage: Share
    accuracy: Share | None
    negatives: Share


class ScoreResult(Record, frozen=True, kw_only=True):
    """One score of how likely a window shows a known action. `threshold` lets the target share of
    the negatives that it was chosen on through, and `chosen_by` is the share of the known samples
    of the same part that get a correct label then. The other figures were measured on the other
    part: AUROC, the false positive rate at 95 % true positives, the area under the risk-coverage
    curve, and the effect of the threshold. `curve` holds points (coverage, risk). A score that the
    model cannot give has an `obstacle` and no figures."""

    name: ScoreName
    threshold: Real | None = None
    chosen_by: Share | None = None
    auroc: Share | None = None
    fpr95: Share | None = None
    aurc: Share | None = None
    coverage: Share | None = None
    accuracy: Share | None = None
    negatives: Share | None = None
    curve: tuple[tuple[Share, Share], ...] = ()
    obstacle: str = ""


class ReliabilityBins(Record, frozen=True, kw_only=True):
    """Known samples in bins of the highest probability, and the expected calibration error, see
    `open_set_metrics.reliability`."""

    counts: tuple[Count, ...]
    confidence: tuple[Share, ...]
    accuracy: tuple[Share, ...]
    error: Share

    def __post_init__(self) -> None:
        if not len(self.counts) == len(self.confidence) == len(self.accuracy):
            raise ValueError("the bins of the reliability diagram differ in number")

    @classmethod
    def of(cls, probabilities: Probabilities, labels: Labels) -> ReliabilityBins:
        """The bins of probabilities (N, K) with labels (N,)."""
        found = reliability(probabilities, labels)
        return cls(
            counts=found.counts,
            confidence=found.confidence,
            accuracy=found.accuracy,
            error=found.error,
        )


class Calibration(Document, tag="calibration", frozen=True, kw_only=True):
    """How a model's probabilities are corrected and when it answers "unknown": where the score
    `score` of a window is below its threshold. That of the score "probability" is
    `unknown_threshold`, those of others are in `scores`; `combination` holds the parameters of the
    score "combined". `before` and `after` tell how well the
    probabilities fit the known samples without and with the temperature."""

    error: ClassVar[type[SkelactError]] = CheckpointError
    hint: ClassVar[str] = "Write it with `skelact calibrate RUN negatives/ --apply`."

    temperature: Annotated[float, Meta(ge=0.01, le=100)] = 1.0
    unknown_threshold: Threshold = 0.0
    known: str = ""  # the file of known samples
    curve: tuple[ThresholdPoint, ...] = ()
    score: ScoreName = "probability"
    scores: tuple[ScoreResult, ...] = ()
    combination: dict[str, Real] = msgspec.field(default_factory=dict)
    before: ReliabilityBins | None = None
    after: ReliabilityBins | None = None

    def __post_init__(self) -> None:
        if self.threshold_of(self.score) is None:
            raise ValueError(f"there is no threshold of the score {self.score}")
        if set(self.combination) - {*SCORE_NAMES, "constant"}:
            raise ValueError("the combination has parameters of unknown scores")

    @property
    def threshold(self) -> float:
        """The threshold of the score that decides."""
        return self.threshold_of(self.score) or 0.0

    def threshold_of(self, score: str) -> float | None:
        """The threshold of a score; None if it was not calibrated."""
        if score == "probability":
            return self.unknown_threshold
        return next((s.threshold for s in self.scores if s.name == score), None)


class ClassStatistics(Record, frozen=True, kw_only=True):
    """The training clips of a network in its feature space, for distances: `means` (K', d) of the
    classes and `projection` (D, d), which makes the covariance within the classes the identity.
    `basis` says what is projected: the features before the linear layer, or its logits."""

    basis: Literal["features", "logits"]
    projection: Any
    means: Any


class ClassDuration(Record, frozen=True, kw_only=True):
    """How long an action takes: a log-normal distribution with this median [s] and standard
    deviation of the logarithm."""

    median_s: Annotated[float, Meta(ge=0.01, le=86_400)]
    log_sd: Annotated[float, Meta(ge=0.01, le=10)]


class CheckpointDocument(Document, frozen=True, kw_only=True):
    """Base of files that hold networks."""

    error: ClassVar[type[SkelactError]] = CheckpointError
    hint: ClassVar[str] = "It is damaged or from another version of skelact; train again."


class FeatureStatistics(Record, frozen=True, kw_only=True):
    """What is kept of the embeddings of training clips, for adding classes later (see
    `models.enrolled`). Tensors: mean and deviation (D,), basis (D, R) and eigenvalues (R,) of the
    standardised embeddings, and the embeddings of some clips in that basis, cohort (N, R).
    `penalty` is that of a closed-form head, 0 for other networks."""

    mean: Any
    deviation: Any
    basis: Any
    eigenvalues: Any
    cohort: Any
    penalty: Amount = 0.0

    def __post_init__(self) -> None:
        size, rank = _shape(self.basis, 2)
        for tensor, shape in ((self.mean, (size,)), (self.deviation, (size,))):
            _shape(tensor, 1, shape)
        _shape(self.eigenvalues, 1, (rank,))
        count, _ = _shape(self.cohort, 2, (None, rank))
        if not (1 <= rank <= _MAX_STATISTICS and 1 <= count <= _MAX_STATISTICS):
            raise ValueError("the statistics of the features are too large or empty")


class EnrolledClass(Record, frozen=True, kw_only=True):
    """A class that was added from examples: their embeddings, a tensor (S, D)."""

    label: str
    examples: Annotated[int, Meta(ge=1, le=20)]
    embeddings: Any

    def __post_init__(self) -> None:
        count, _ = _shape(self.embeddings, 2)
        if not 1 <= count <= MAX_EMBEDDINGS:
            raise ValueError(f"{self.label} has {count} embeddings")


class Enrolment(Record, frozen=True, kw_only=True):
    """The classes that were added to a network, and how it recognises them: by a ridge regression
    that is solved again, or by the similarity of embeddings."""

    method: EnrolMethod
    classes: tuple[EnrolledClass, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.classes) <= MAX_ENROLLED:
            raise ValueError(f"{len(self.classes)} classes were added")
        if len({c.embeddings.shape[1] for c in self.classes}) > 1:
            raise ValueError("the embeddings of the added classes differ in size")


def _shape(tensor: Any, dims: int, expected: tuple[int | None, ...] = ()) -> tuple[int, ...]:
    """The shape of a tensor of floats. Raises ValueError for anything else."""
    is_float = getattr(tensor, "is_floating_point", None)
    if is_float is None or not is_float():
        raise ValueError(f"a {type(tensor).__name__} is in the place of a tensor of numbers")
    shape = tuple(map(int, tensor.shape))
    fits = all(b in (None, a) for a, b in zip(shape, expected, strict=False))
    if len(shape) != dims or not fits:
        raise ValueError(f"a tensor has the shape {shape}, expected {expected or dims}")
    return shape


class Checkpoint(CheckpointDocument, tag="checkpoint", frozen=True, kw_only=True):
    """One trained network with everything that prediction needs. `clip_s` is the window length in
    seconds (0: complete videos), `split` the fingerprint of the split it was trained on. `classes`
    are those that it was trained on, followed by those that were added from examples. `durations`
    are those of the actions, by class, if the training clips show complete actions."""

    model: str
    model_kwargs: dict[str, Any]
    weights: Tensors
    classes: tuple[str, ...]
    skeleton: Skeleton
    in_channels: Few
    persons: Few
    recipe: Sections
    estimator: EstimatorInfo
    clip_s: Annotated[float, Meta(ge=0, le=86_400)]
    split: str
    dataset: str = ""
    epoch: Count = 0
    metrics: Scores | None = None
    calibration: Calibration | None = None
    statistics: ClassStatistics | None = None
    durations: dict[str, ClassDuration] = msgspec.field(default_factory=dict)
    features: FeatureStatistics | None = None
    enrolment: Enrolment | None = None

    def __post_init__(self) -> None:
        if not self.classes or len(set(self.classes)) < len(self.classes):
            raise ValueError("the names of the classes are not unique")
        added = self.enrolled_classes
        if added and (len(added) == len(self.classes) or self.classes[-len(added) :] != added):
            raise ValueError("the added classes are not the last ones")
        if added and self.features is None:
            raise ValueError("classes were added without statistics of the features")
        if self.metrics is not None:
            self.metrics.check()

    @property
    def enrolled_classes(self) -> tuple[str, ...]:
        """The classes that were added from examples."""
        return () if self.enrolment is None else tuple(c.label for c in self.enrolment.classes)

    @property
    def trained_classes(self) -> tuple[str, ...]:
        """The classes that the network was trained on."""
        return self.classes[: len(self.classes) - len(self.enrolled_classes)]


class Member(Record, frozen=True, kw_only=True):
    """One network of an ensemble and the weight of its probabilities."""

    weight: Amount
    checkpoint: Checkpoint


class Ensemble(CheckpointDocument, tag="ensemble", frozen=True, kw_only=True):
    """Networks whose probabilities are averaged. Members may differ in persons, skeleton, streams
    and window length, but not in classes."""

    members: tuple[Member, ...]
    metrics: Scores | None = None
    calibration: Calibration | None = None

    def __post_init__(self) -> None:
        weights = [m.weight for m in self.members]
        if not weights or min(weights) < 0 or sum(weights) <= 0:
            raise ValueError("an ensemble needs members with weights of 0 or more, not all 0")
        if len({m.checkpoint.classes for m in self.members}) > 1:
            raise ValueError("the members of an ensemble must have the same classes")
        if len({m.checkpoint.enrolled_classes for m in self.members}) > 1:
            raise ValueError("the members of an ensemble must have the same enrolled classes")
        if self.metrics is not None:
            self.metrics.check()

    @property
    def classes(self) -> tuple[str, ...]:
        return self.members[0].checkpoint.classes

    @property
    def trained_classes(self) -> tuple[str, ...]:
        """The classes that the networks were trained on."""
        return self.members[0].checkpoint.trained_classes


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
    averaged_steps: Count = 0
    pretraining: PretrainingState | None = None

    def __post_init__(self) -> None:
        if [row.epoch for row in self.history] != list(range(1, self.checkpoint.epoch + 1)):
            raise ValueError(f"the log does not have the {self.checkpoint.epoch} epochs")
