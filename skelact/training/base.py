"""The parts of a run that do not depend on how the weights are trained.

A run folder holds config.json, split.json, log.jsonl, best.pt, result.json and predictions.json;
last.pt and validation.json where they apply.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from msgspec import structs
from torch import Tensor, nn

from skelact.datasets.packed import joint_distances
from skelact.device import peak_memory_mb, resolve_device, tune_malloc
from skelact.errors import CheckpointError, DatasetError
from skelact.metrics import Scores
from skelact.models import build, spec
from skelact.models.base import ActionClassifier
from skelact.models.checkpoint import load_checkpoint, load_weights, state_dict_on_cpu
from skelact.models.enrolled import statistics_of
from skelact.models.specs import DataArgument
from skelact.schemas import (
    BEST,
    PREDICTIONS,
    RESULT,
    VALIDATION,
    Checkpoint,
    EpochLog,
    FeatureStatistics,
    RunResult,
    save_json,
    save_tensors,
)
from skelact.sequence.sampling import SamplingOptions
from skelact.sequence.streams import parse
from skelact.training import distributed
from skelact.training.batches import DeviceClips
from skelact.training.epoch import TrainBatches, class_weights
from skelact.training.logs import TrainingLog
from skelact.training.plan import Plan
from skelact.training.results import Measured, clip_features, measure
from skelact.types import ProgressCallback


class BaseTrainer(ABC):
    """One run: `fit` trains the network and writes best.pt, `finish` tests that checkpoint.
    `model_kwargs` are the arguments of the network, those that follow from the data included.
    Raises DatasetError if there are no training or no test clips, ConfigError if the device or the
    network cannot be used."""

    history: tuple[EpochLog, ...] = ()
    log: TrainingLog | None = None  # for another program

    def __init__(self, plan: Plan, folder: Path, on_progress: ProgressCallback) -> None:
        self.plan, self.folder, self.on_progress = plan, folder, on_progress
        self.options = plan.recipe.train
        self.device = distributed.local_device(resolve_device(self.options.device))
        self.rank, self.processes = distributed.init_distributed(self.device)
        tune_malloc()
        self.subset_rows = plan.subset_rows()
        for subset in ("train",) if plan.no_test else ("train", "test"):
            if not len(self.subset_rows[subset]):
                raise DatasetError(
                    f"There are no clips in the {subset} subset",
                    "Were persons found in the videos? See the table of `skelact extract`.",
                )
        self.clips = DeviceClips(plan.packed, self.device)
        _, self.persons, _, channels = plan.packed.keypoints.shape
        self.in_channels = channels * len(parse(plan.recipe.sampling.streams))
        self.model_kwargs = self._data_arguments() | plan.recipe.network_arguments
        self.net = self._build()
        self.frozen = plan.initialise(self.net) if plan.initialise is not None else []
        train = self.subset_rows["train"]
        self.class_weights = class_weights(plan.packed.labels[train], len(plan.packed.classes))
        self.batches = TrainBatches(
            recipe=plan.recipe, clips=self.clips, rows=train, weights=self.class_weights
        )
        self.seconds = 0.0  # spent in training

    @abstractmethod
    def fit(self) -> None:
        """Train to the end and write best.pt. Raises DatasetError if training diverges."""

    @abstractmethod
    def resume(self) -> bool:
        """Continue the run in the folder, if there is one; returns whether there is. Raises
        CheckpointError if that run has other settings or other clips."""

    @property
    def eval_model(self) -> nn.Module:
        """The network that is validated, tested and saved."""
        return self.net

    def loss_weights(self) -> Tensor | None:
        """(K,) float32: the weight of each class in the loss, None for equal weights."""
        if self.options.balance != "loss":
            return None
        return torch.from_numpy(self.class_weights).float().to(self.device)

    def finish(self) -> Scores | None:
        """Test the best checkpoint and return its scores. Writes result.json and the predictions of
        the test and validation subsets, and adds the scores to the checkpoint. None for a plan
        without a test."""
        return distributed.on_rank0(self._finish)

    def _finish(self) -> Scores | None:
        best = load_checkpoint(self.folder / BEST)
        load_weights(self.net, best.weights)
        classes, sampling = self.plan.packed.classes, self.plan.recipe.sampling
        test = None if self.plan.no_test else self._measure("test", sampling, self.net)
        scores = None if test is None else test.scores
        if test is not None:
            test.predictions.save(self.folder / PREDICTIONS, classes)
        if len(self.subset_rows["val"]):
            val = self._measure("val", sampling, self.net)
            val.predictions.save(self.folder / VALIDATION, classes)
        features = best.features or self._feature_statistics()
        best = structs.replace(best, metrics=scores, features=features)
        save_tensors(self.folder / BEST, best)
        result = RunResult(
            scores=scores,
            classes=classes,
            clips={subset: len(rows) for subset, rows in self.subset_rows.items()},
            best_epoch=best.epoch,
            epochs=len(self.history),
            seconds=round(self.seconds, 1),
            memory_mb=peak_memory_mb(self.device),
            device=str(self.device),
        )
        save_json(self.folder / RESULT, result)
        return scores

    def validate(self) -> Measured | None:
        """Measure the network as it is now with one draw per validation clip; None without a
        validation subset."""
        if not len(self.subset_rows["val"]):
            return None
        return self._measure(
            "val", replace(self.plan.recipe.sampling, test_clips=1), self.eval_model
        )

    def _measure(self, subset: str, sampling: SamplingOptions, net: nn.Module) -> Measured:
        return measure(
            net,
            self.clips,
            self.subset_rows[subset],
            train_rows=self.subset_rows["train"],
            sampling=sampling,
            batch_size=self.options.batch_size,
        )

    def _feature_statistics(self) -> FeatureStatistics:
        """The statistics of the network's embeddings of training clips. The cohort are validation
        clips if there are any: the embeddings of clips that a network was trained on are closer
        together than those of others."""
        sampling = replace(self.plan.recipe.sampling, test_clips=1, test_flip=False)
        train, val = (
            clip_features(self.net, self.clips, rows, sampling, self.options.batch_size)
            for rows in (self.subset_rows["train"], self.subset_rows["val"])
        )
        return statistics_of(train, val if len(val) else None)

    def check_finite(self) -> None:
        """Raises DatasetError if a weight is not a finite number: such a network gives no result
        and must not become a checkpoint."""
        for name, value in self.eval_model.state_dict().items():
            if value.is_floating_point() and not bool(value.isfinite().all()):
                raise DatasetError(
                    f"Training diverged: {name} is not finite",
                    "Lower the learning rate, for example --set train.lr=0.02; earlier checkpoints "
                    "of the run are kept.",
                )

    def make_checkpoint(self, epoch: int) -> Checkpoint:
        """The network as it is now, with everything that prediction needs."""
        plan = self.plan
        return Checkpoint(
            model=plan.recipe.network,
            model_kwargs=self.model_kwargs,
            weights=state_dict_on_cpu(self.eval_model),
            classes=plan.packed.classes,
            skeleton=plan.packed.skeleton,
            in_channels=self.in_channels,
            persons=self.persons,
            recipe=plan.recipe.as_dict(),
            estimator=plan.estimator,
            clip_s=plan.clip_s,
            split=plan.split,
            dataset=plan.dataset,
            epoch=epoch,
            durations=plan.durations,
        )

    def check_same_run(self, checkpoint: Checkpoint) -> None:
        """Raises CheckpointError if a checkpoint in the run folder is of another run."""
        plan = self.plan
        if (checkpoint.split, checkpoint.recipe) != (plan.split, plan.recipe.as_dict()):
            raise CheckpointError(
                f"{self.folder} was trained with other settings or on other clips",
                "Choose another --name, or leave out --resume.",
            )

    def _data_arguments(self) -> dict[str, object]:
        """Arguments of the network that follow from the clips and the seed."""
        packed, recipe = self.plan.packed, self.plan.recipe
        compute: dict[DataArgument, Callable[[], object]] = {
            "dims": lambda: packed.dims,
            "seed": lambda: self.options.seed,
            "distances": lambda: joint_distances(packed, self.subset_rows["train"]),
            "fps": lambda: float(np.median(packed.fps[self.subset_rows["train"]])),
        }
        names = spec(recipe.network).data_arguments - recipe.network_arguments.keys()
        return {name: compute[name]() for name in sorted(names)}

    def _build(self) -> ActionClassifier:
        """A new network on the device; its initial weights depend only on the seed."""
        p = self.plan.packed
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.options.seed)
            net = build(
                self.plan.recipe.network,
                len(p.classes),
                p.skeleton,
                in_channels=self.in_channels,
                persons=self.persons,
                **self.model_kwargs,
            )
        return net.to(self.device)
