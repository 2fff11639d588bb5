"""Options of training, augmentation, prediction and foreign checkpoints. This module does not
import torch, so that help and validation are fast."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from skelact.config import check_ranges, option
from skelact.errors import ConfigError
from skelact.schemas.checkpoints import SCORE_NAMES

DEFAULT, LATEST = "everyday", "latest"  # values of --model: the shipped model, the latest run
THRESHOLD, VITERBI = "threshold", "viterbi"
LogKind = Literal["csv", "tensorboard", "trackio"]  # logs of training for other programs
OPTIMISERS = ("sgd", "adam", "adamw")


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """Training. The defaults are PYSKL's: SGD with Nesterov momentum and a learning rate that
    decays to 0 with a cosine in every iteration; training stops early if the accuracy on the
    validation subset does not improve."""

    epochs: int = option(16, "Maximum number of epochs.", min=1, max=100_000)
    repeat: int = option(5, "Passes over the training clips in each epoch.", min=1, max=10_000)
    batch_size: int = option(
        16, "Clips per batch; the learning rate is scaled accordingly.", min=1, max=65_536
    )
    optimiser: str = option("sgd", "Optimiser.", choices=OPTIMISERS)
    lr: float = option(
        0.1,
        "Learning rate for a batch of base_batch_size, scaled linearly to batch_size.",
        above=0,
        max=1000,
    )
    base_batch_size: int = option(
        128, "Batch size that lr refers to; 0 disables the scaling of lr.", min=0, max=1_000_000
    )
    momentum: float = option(0.9, "Momentum of SGD.", min=0, below=1)
    nesterov: bool = option(True, "Use Nesterov momentum (SGD).")
    weight_decay: float = option(5e-4, "Weight decay.", min=0, max=100)
    schedule: str = option(
        "cosine",
        "Learning rate schedule: cosine decays to 0, step multiplies by gamma at each milestone.",
        choices=("cosine", "step", "constant"),
    )
    milestones: tuple[int, ...] = option(
        (),
        "Epochs after which the step schedule multiplies the learning rate by gamma.",
        min=0,
        max=100_000,
    )
    gamma: float = option(0.1, "Factor of the step schedule.", above=0, max=1000)
    warmup: int = option(0, "Iterations of linear warm-up.", min=0, max=10_000_000)
    label_smoothing: float = option(
        0.0, "Target probability that is distributed over the other classes.", min=0, below=1
    )
    max_grad_norm: float = option(10.0, "Gradients are clipped to this norm.", above=0, max=1e9)
    patience: int = option(
        6,
        "Stop after this many epochs without improvement; 0 disables early stopping.",
        min=0,
        max=100_000,
    )
    val_fraction: float = option(
        0.25, "Fraction of the training takes held out for validation.", min=0, below=1
    )
    pretrain_epochs: int = option(
        10,
        "Epochs of the pre-training phase, for networks that have one (asgcn).",
        min=0,
        max=100_000,
    )
    pretrain_lr: float = option(
        5e-4, "Learning rate (Adam) of the pre-training phase.", above=0, max=1000
    )
    ridge_alpha: float = option(
        0.03, "L2 penalty of networks with a closed-form fit (rocket).", above=0, max=1e9
    )
    seed: int = option(0, "Random seed.", min=0, max=2**32 - 1)
    device: str = option("auto", "Device: auto, cpu, cuda or mps.")
    amp: bool = option(True, "Train in bfloat16 on devices that support it in hardware.")
    compile: bool = option(False, "Compile the network with torch.compile (in float32 on a CPU).")
    cuda_graphs: bool = option(
        True, "Record a training step on an NVIDIA GPU once, and replay it as one CUDA graph."
    )
    microbatches: int = option(
        1, "Parts into which each batch is divided to reduce memory use.", min=1, max=65_536
    )
    ema_decay: float = option(
        0.0,
        "Decay of the exponential moving average of the weights, which is used for testing; 0 "
        "disables it.",
        min=0,
        below=1,
    )
    balance: str = option(
        "none",
        "Class balancing: loss weights each class by its inverse frequency, sampler draws all "
        "classes equally often.",
        choices=("none", "loss", "sampler"),
    )

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.schedule == "step" and not self.milestones:
            raise ConfigError(
                "The step schedule needs milestones", "--set train.milestones=[10,50]"
            )
        if self.batch_size % self.microbatches:
            raise ConfigError(
                f"microbatches must divide batch_size {self.batch_size}, got {self.microbatches}"
            )


@dataclass(frozen=True, kw_only=True)
class AugmentOptions:
    """Random augmentation of training clips."""

    flip: float = option(0.5, "Probability of a left-right flip.", min=0, max=1)
    rotate_rad: float = option(
        0.2, "Maximum rotation in the image plane, in radians.", min=0, max=6.3
    )
    scale: float = option(0.15, "Maximum relative change of size per axis.", min=0, below=1)
    noise: float = option(
        0.01, "Standard deviation of the noise added to the coordinates.", min=0, max=100
    )
    drop_joint: float = option(
        0.0, "Probability that a joint is missing throughout a clip.", min=0, below=1
    )
    rotate3d_rad: tuple[float, ...] = option(
        (0.0,),
        "Maximum rotation about x, y and z, or one value for all three, in radians (dims=3).",
        min=0,
        max=6.3,
    )
    random_move: bool = option(
        False, "ST-GCN's slow random rotation, scaling and translation over the clip."
    )
    kth: float = option(
        0.0,
        "Probability of two of the KTH report's augmentations (in pixels: normalise.mode=none).",
        min=0,
        max=1,
    )
    mixup_alpha: float = option(
        0.0,
        "Parameter a of mixup, with weights drawn from Beta(a, a); 0 disables it.",
        min=0,
        max=1000,
    )
    pan: float = option(
        0.0,
        "Maximum speed of a simulated camera that pans over the clip, in units of the normalised "
        "coordinates (torso lengths with normalise.mode=body) per second.",
        min=0,
        max=100,
    )
    zoom: float = option(
        0.0, "Maximum relative change of size by a simulated zoom over the clip.", min=0, below=1
    )
    shake: float = option(
        0.0,
        "Maximum standard deviation of the shaking of a simulated hand-held camera, in units of "
        "the normalised coordinates.",
        min=0,
        max=10,
    )
    follow: float = option(
        0.0,
        "Probability that a simulated camera follows the person: half to all of the smooth motion "
        "of the hips is removed.",
        min=0,
        max=1,
    )
    time_warp: float = option(
        1.0,
        "Maximum factor by which a clip is played faster or slower, as a whole and in parts.",
        min=1,
        max=4,
    )
    min_fps: float = option(
        0.0,
        "Lowest simulated frame rate: each clip gets a rate between this and its own; 0 disables "
        "it.",
        min=0,
        max=1000,
    )
    jitter: float = option(
        0.0,
        "Strength of imitated errors of the pose estimator, which change slowly and are larger for "
        "low scores; 1 is as measured.",
        min=0,
        max=100,
    )
    hide_legs: float = option(
        0.0,
        "Probability that the legs below the hips are outside the picture: low scores, and "
        "positions that do not move with the legs.",
        min=0,
        max=1,
    )
    lose_person: float = option(
        0.0,
        "Probability that the person is missing in up to 40 % of the clip, at its start or end.",
        min=0,
        max=1,
    )

    def __post_init__(self) -> None:
        check_ranges(self)
        if len(self.rotate3d_rad) not in (1, 3):
            raise ConfigError(f"rotate3d_rad must have 1 or 3 values, got {len(self.rotate3d_rad)}")


@dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    """Where poses are estimated, if not on the cores of this machine."""

    ray: str | None = option(
        None,
        "Estimate poses on a Ray cluster: auto (the running cluster that this machine belongs to), "
        "HOST:PORT (its address), or local (a new one of the cores of this machine).",
    )
    ray_gpus: float | None = option(
        None,
        "GPUs for each actor on the cluster, such as 0.5, for estimators that use a GPU.",
        above=0,
        max=8,
        default_text="1",
    )

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.ray_gpus is not None and self.ray is None:
            raise ConfigError("--ray-gpus needs --ray")


@dataclass(frozen=True, kw_only=True)
class PredictOptions:
    """Sliding windows over long videos, and the segments made from them."""

    step: float = option(
        0.25, "Step between windows, as a fraction of the window length.", above=0, max=1
    )
    segmentation: str = option(
        THRESHOLD,
        "How the probabilities of frames become segments: threshold takes the most probable class "
        "of each frame and merges short segments, viterbi decodes the most probable series of "
        "segments.",
        choices=(THRESHOLD, VITERBI),
    )
    window_scales: tuple[float, ...] | None = option(
        None,
        "Lengths of the windows, as multiples of the network's own; their results are averaged "
        "frame by frame.",
        min=0.1,
        max=10,
        default_text="0.5 with --segmentation viterbi, otherwise 1",
    )
    min_segment_s: float | None = option(
        None,
        "Shorter segments are merged into their neighbours, or less probable with viterbi, in "
        "seconds.",
        min=0,
        max=86_400,
        default_text="0.8 with --segmentation viterbi, otherwise 1.5",
    )
    min_seen_s: float = option(
        0.5,
        "Persons visible for less than this are ignored, in seconds.",
        min=0,
        max=86_400,
        panel="People and poses",
    )
    batch_size: int = option(32, "Windows per batch.", min=1, max=65_536, panel="Advanced")
    device: str = option("auto", "Device: auto, cpu, cuda or mps.", panel="Advanced")
    max_persons: int | None = option(
        None,
        "Maximum number of persons per frame.",
        min=1,
        max=32,
        default_text="8, or more if the model was trained with more",
        panel="People and poses",
    )
    hands: bool = option(
        False,
        "Also estimate the hands if the model does not use them, for the overlay.",
        panel="People and poses",
    )
    face: bool = option(
        False,
        "Also estimate the faces if the model does not use them, for the overlay.",
        panel="People and poses",
    )
    unknown_threshold: float | None = option(
        None,
        "Segments with a lower probability are labelled unknown; 0 disables this.",
        min=0,
        max=1,
        default_text="the calibrated threshold of the model",
    )
    score: str | None = option(
        None,
        "Score that decides whether a segment is unknown, with its calibrated threshold: "
        "probability, energy, distance, agreement or combined.",
        choices=SCORE_NAMES,
        default_text="the one that skelact calibrate chose",
    )
    min_confidence: float | None = option(
        None,
        "Minimum confidence of a person detection.",
        above=0,
        below=1,
        default_text="as in training, or as set by export",
        panel="People and poses",
    )
    detect_every_s: float | None = option(
        None,
        "Search for new persons at this interval, in seconds (blazepose).",
        min=0.01,
        max=10,
        default_text="as in training",
        panel="People and poses",
    )
    small_people: str | None = option(
        None,
        "Also search smaller tiles for persons: off, auto or always (blazepose).",
        choices=("off", "auto", "always"),
        default_text="as in training",
        panel="People and poses",
    )
    smoothing: float | None = option(
        None,
        "Strength of the smoothing over time; 0 disables it (blazepose).",
        min=0,
        max=10,
        default_text="as in training",
        panel="People and poses",
    )

    pose_config: str | None = option(
        None, "The mmpose config file of the model's own pose estimator (it is executed)."
    )
    pose_checkpoint: str | None = option(None, "The checkpoint of the model's own pose estimator.")

    def __post_init__(self) -> None:
        check_ranges(self)

    @property
    def scales(self) -> tuple[float, ...]:
        """The window scales in ascending order. The defaults of viterbi were chosen on validation
        streams (docs/pages/guides/untrimmed.md)."""
        default = (0.5,) if self.segmentation == VITERBI else (1.0,)
        return tuple(sorted(set(self.window_scales or default)))

    @property
    def shortest_s(self) -> float:
        """`min_segment_s`, or its default."""
        if self.min_segment_s is None:
            return 0.8 if self.segmentation == VITERBI else 1.5
        return self.min_segment_s

    @property
    def estimation(self) -> tuple[str, ...]:
        """The names of the options of pose estimation that are set here and replace those of the
        training."""
        names = ("min_confidence", "detect_every_s", "small_people", "smoothing")
        return tuple(name for name in names if getattr(self, name) is not None)


@dataclass(frozen=True, kw_only=True)
class ForeignOptions:
    """Properties that a checkpoint of PYSKL or mmaction2 does not contain."""

    labels: Path | None = option(
        None,
        "Text file with one class name per line, for a PYSKL or mmaction2 checkpoint.",
        default_text="the names of NTU RGB+D for 60 or 120 classes of persons",
    )
    skeleton: str | None = option(
        None, "Joint layout of such a checkpoint, if its shapes are ambiguous."
    )
    persons: int | None = option(
        None, "Persons per clip expected by such a checkpoint.", min=1, max=1000, default_text="2"
    )
    window: float | None = option(
        None,
        "Length of the windows that such a checkpoint sees, in seconds; 0 for the complete video.",
        min=0,
        max=86_400,
        default_text="3 for classes of NTU RGB+D, otherwise 0",
    )

    def __post_init__(self) -> None:
        check_ranges(self)
