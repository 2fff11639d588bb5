"""What can be set in training and prediction, and the names of a run folder's files. No torch here,
so that help and validation are quick."""

from __future__ import annotations

from dataclasses import dataclass, field

from skelact.errors import ConfigError

BEST, LAST, LOG, RESULT, PREDICTIONS, VALIDATION, CONFIG, SPLIT, CALIBRATION = (
    "best.pt",
    "last.pt",
    "log.jsonl",
    "result.json",
    "predictions.json",
    "validation.json",
    "config.json",
    "split.json",
    "calibration.json",
)

DEFAULT, LATEST = "everyday", "latest"  # of --model: what comes with skelact, the last run

OPTIMISERS = ("sgd", "adam", "adamw")
SCHEDULES = ("cosine", "step", "constant")
BALANCES = ("none", "loss", "sampler")
CHOICES = {"optimiser": OPTIMISERS, "schedule": SCHEDULES, "balance": BALANCES}


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """SGD with Nesterov momentum, cosine to 0 per iteration (PYSKL's schedule), early stop on the
    validation part of the training side; what the papers use instead is there too."""

    epochs: int = field(default=16, metadata={"help": "epochs at most"})
    repeat: int = field(default=5, metadata={"help": "passes over the training clips in one epoch"})
    batch_size: int = field(default=16, metadata={"help": "clips in a batch"})
    optimiser: str = field(default="sgd", metadata={"help": "sgd, adam or adamw"})
    lr: float = field(
        default=0.1,
        metadata={
            "help": "learning rate for a batch of base_batch_size; scaled linearly to batch_size"
        },
    )
    base_batch_size: int = field(
        default=128, metadata={"help": "batch size that lr is meant for; 0: lr is used as it is"}
    )
    momentum: float = field(default=0.9, metadata={"help": "momentum (sgd)"})
    nesterov: bool = field(default=True, metadata={"help": "Nesterov momentum (sgd)"})
    weight_decay: float = field(default=5e-4, metadata={"help": "weight decay"})
    schedule: str = field(
        default="cosine",
        metadata={"help": "cosine to 0, step (times gamma at milestones) or constant"},
    )
    milestones: tuple[int, ...] = field(
        default=(), metadata={"help": "epochs after which the learning rate is multiplied by gamma"}
    )
    gamma: float = field(default=0.1, metadata={"help": "factor of the step schedule"})
    warmup: int = field(default=0, metadata={"help": "iterations of linear warm-up"})
    label_smoothing: float = field(
        default=0.0, metadata={"help": "share of the target that the other classes get together"}
    )
    max_grad_norm: float = field(default=10.0, metadata={"help": "largest norm of the gradient"})
    patience: int = field(
        default=6, metadata={"help": "epochs without improvement before stopping; 0: never"}
    )
    val_fraction: float = field(
        default=0.25, metadata={"help": "share of the training takes held out for validation"}
    )
    pretrain_epochs: int = field(
        default=10,
        metadata={"help": "epochs of the first phase of networks that have one (asgcn)"},
    )
    pretrain_lr: float = field(
        default=5e-4, metadata={"help": "learning rate (Adam) of that phase"}
    )
    ridge_alpha: float = field(
        default=0.03,
        metadata={"help": "penalty of networks that are solved in one epoch (rocket)"},
    )
    seed: int = field(default=0, metadata={"help": "seed of everything random"})
    device: str = field(default="auto", metadata={"help": "auto, cpu, cuda or mps"})
    amp: bool = field(
        default=True, metadata={"help": "bfloat16 in training, where the device has it in hardware"}
    )
    compile: bool = field(
        default=False, metadata={"help": "torch.compile the network (on a CPU in float32)"}
    )
    microbatches: int = field(
        default=1, metadata={"help": "parts a batch is computed in, for little memory"}
    )
    ema_decay: float = field(
        default=0.0,
        metadata={"help": "decay of the averaged weights that are tested instead; 0: none"},
    )
    balance: str = field(
        default="none",
        metadata={
            "help": "uneven classes: none, loss (weighted by rarity) or sampler (drawn evenly)"
        },
    )

    def __post_init__(self) -> None:
        if min(self.epochs, self.repeat, self.batch_size) < 1:
            raise ConfigError(
                f"epochs, repeat and batch_size must be 1 or more, got {self.epochs}, "
                f"{self.repeat}, {self.batch_size}"
            )
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                raise ConfigError(
                    f"{name} must be one of {', '.join(known)}, got {getattr(self, name)!r}"
                )
        if self.schedule == "step" and not self.milestones:
            raise ConfigError("schedule step needs milestones", "milestones=[10, 50]")
        if self.lr <= 0 or not 0 <= self.val_fraction < 1 or not 0 <= self.label_smoothing < 1:
            raise ConfigError(
                "lr must be positive, val_fraction and label_smoothing must lie in [0, 1)"
            )
        if self.ridge_alpha <= 0:
            raise ConfigError(f"ridge_alpha must be positive, got {self.ridge_alpha:g}")
        if self.patience < 0 or self.warmup < 0 or self.max_grad_norm <= 0:
            raise ConfigError(
                "patience and warmup cannot be negative, max_grad_norm must be positive"
            )
        if (
            self.microbatches < 1
            or self.batch_size % self.microbatches
            or not 0 <= self.ema_decay < 1
        ):
            raise ConfigError(
                f"microbatches must divide batch_size {self.batch_size}, "
                "ema_decay must lie in [0, 1)"
            )
        if self.pretrain_epochs < 0 or self.pretrain_lr <= 0 or self.base_batch_size < 0:
            raise ConfigError(
                "pretrain_epochs and base_batch_size cannot be negative, "
                "pretrain_lr must be positive"
            )


@dataclass(frozen=True, kw_only=True)
class AugmentOptions:
    """What is done to training clips, each with fresh draws."""

    flip: float = field(default=0.5, metadata={"help": "chance of exchanging left and right"})
    rotate_rad: float = field(
        default=0.2, metadata={"help": "largest turn in the picture plane [rad]"}
    )
    scale: float = field(default=0.15, metadata={"help": "largest change of size, per axis"})
    noise: float = field(default=0.01, metadata={"help": "standard deviation added to coordinates"})
    drop_joint: float = field(
        default=0.0, metadata={"help": "chance of a joint to be missing for a whole clip"}
    )
    rotate3d_rad: tuple[float, ...] = field(
        default=(0.0,),
        metadata={"help": "largest turn about x, y and z, or one for all three [rad] (dims=3)"},
    )
    random_move: bool = field(
        default=False, metadata={"help": "ST-GCN's slow turn, zoom and shift over the clip"}
    )
    kth: float = field(
        default=0.0,
        metadata={
            "help": "chance of two of the KTH report's changes (pixels: normalise.mode=none)"
        },
    )
    mixup_alpha: float = field(
        default=0.0,
        metadata={
            "help": "clips are blended in pairs, labels too, in shares drawn from Beta(a, a) with "
            "this a; 0: never"
        },
    )

    def __post_init__(self) -> None:
        if not (
            0 <= self.flip <= 1
            and 0 <= self.drop_joint < 1
            and 0 <= self.scale < 1
            and 0 <= self.kth <= 1
            and min(self.noise, self.rotate_rad, self.mixup_alpha, *self.rotate3d_rad) >= 0
            and len(self.rotate3d_rad) in (1, 3)
        ):
            raise ConfigError(f"augmentation settings out of range: {self}")


@dataclass(frozen=True, kw_only=True)
class PredictOptions:
    """How long videos are walked and labels smoothed."""

    step: float = field(
        default=0.25, metadata={"help": "how far the window moves on, as a share of its length"}
    )
    min_segment_s: float = field(
        default=1.5, metadata={"help": "shorter segments are absorbed by their neighbours [s]"}
    )
    min_seen_s: float = field(
        default=0.5, metadata={"help": "people seen for less than this are ignored [s]"}
    )
    batch_size: int = field(default=32, metadata={"help": "windows in a batch"})
    device: str = field(default="auto", metadata={"help": "auto, cpu, cuda or mps"})
    max_persons: int | None = field(
        default=None,
        metadata={
            "help": "most people looked for in a frame [default: 4, or as many as it was trained "
            "with]"
        },
    )
    unknown_threshold: float | None = field(
        default=None,
        metadata={
            "help": "less sure than this is called unknown; 0: never [default: what the recogniser "
            "was calibrated to]"
        },
    )

    def __post_init__(self) -> None:
        if self.unknown_threshold is not None and not 0 <= self.unknown_threshold <= 1:
            raise ConfigError(
                f"unknown_threshold must lie in [0, 1], got {self.unknown_threshold:g}"
            )
        if not 0 < self.step <= 1:
            raise ConfigError(
                f"step must lie in (0, 1], got {self.step:g}: a larger one would leave "
                "gaps between windows"
            )
        if self.batch_size < 1 or self.min_segment_s < 0 or self.min_seen_s < 0:
            raise ConfigError(
                "batch_size must be 1 or more, min_segment_s and min_seen_s cannot be negative"
            )
