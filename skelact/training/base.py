"""What every trainer does, whatever it does to the weights.

A run folder holds config.json, split.json, log.jsonl, best.pt, result.json and predictions.json;
last.pt and validation.json where they apply.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import torch
from torch import nn

from skelact.datasets.packed import joint_distances
from skelact.device import peak_memory_mb, resolve_device, tune_malloc
from skelact.errors import CheckpointError, DatasetError
from skelact.metrics import Scores
from skelact.models import build, spec
from skelact.models.base import ActionClassifier
from skelact.models.checkpoint import load_checkpoint, state_dict_on_cpu
from skelact.models.specs import DataArgument
from skelact.schemas import (
    BEST,
    PREDICTIONS,
    RESULT,
    VALIDATION,
    Checkpoint,
    EpochLog,
    RunResult,
    save_json,
    save_tensors,
)
from skelact.sequence.sampling import SamplingOptions
from skelact.sequence.streams import parse
from skelact.training import distributed
from skelact.training.batches import DeviceClips
from skelact.training.epoch import TrainBatches, class_weights
from skelact.training.plan import Plan
from skelact.training.results import Measured, majority_class, measure, write_predictions
from skelact.types import ProgressCallback


class BaseTrainer(ABC):
    """One run: `fit` trains the network and writes best.pt, `finish` tests that checkpoint. The
    plan is not modified; `self.plan` is a copy with the data arguments of the network. Raises
    DatasetError if there are no training or no test clips, ConfigError if the device or the network
    cannot be used."""

    history: tuple[EpochLog, ...] = ()

    def __init__(self, plan: Plan, folder: Path, on_progress: ProgressCallback) -> None:
        self.folder, self.on_progress = folder, on_progress
        self.device = distributed.local_device(resolve_device(plan.options.device))
        self.rank, self.processes = distributed.init_distributed(self.device)
        tune_malloc()
        self.subset_rows = plan.subset_rows()
        for subset in ("train", "test"):
            if not len(self.subset_rows[subset]):
                raise DatasetError(
                    f"There are no clips in the {subset} subset",
                    "Were persons found in the videos? See the table of `skelact extract`.",
                )
        self.clips = DeviceClips(plan.packed, self.device)
        self.plan = replace(plan, model_kwargs=self._data_arguments(plan) | plan.model_kwargs)
        self.net = self._build()
        self.frozen = plan.initialise(self.net) if plan.initialise is not None else []
        train = self.subset_rows["train"]
        self.class_weights = class_weights(plan.packed.labels[train], len(plan.packed.classes))
        self.batches = TrainBatches(
            plan=self.plan, clips=self.clips, rows=train, weights=self.class_weights
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

    def finish(self) -> Scores:
        """Test the best checkpoint and return its scores. Writes result.json and the predictions of
        the test and validation subsets, and adds the scores to the checkpoint. With several
        processes, only the first one writes."""
        distributed.barrier()
        best = load_checkpoint(self.folder / BEST)
        self.net.load_state_dict(best.weights)
        p, sampling = self.plan.packed, self.plan.sampling
        test = self.measure("test", sampling, self.net)
        if self.rank > 0:
            return test.scores
        write_predictions(
            self.folder / PREDICTIONS, p, self.subset_rows["test"], test.probabilities
        )
        if len(self.subset_rows["val"]):
            val = self.measure("val", sampling, self.net)
            write_predictions(
                self.folder / VALIDATION, p, self.subset_rows["val"], val.probabilities
            )
        save_tensors(self.folder / BEST, msgspec.structs.replace(best, metrics=test.scores))
        result = RunResult(
            scores=test.scores,
            classes=p.classes,
            clips={subset: len(rows) for subset, rows in self.subset_rows.items()},
            best_epoch=best.epoch,
            epochs=len(self.history),
            seconds=round(self.seconds, 1),
            memory_mb=peak_memory_mb(self.device),
            device=str(self.device),
        )
        save_json(self.folder / RESULT, result)
        return test.scores

    def measure(self, subset: str, sampling: SamplingOptions, net: nn.Module) -> Measured:
        """Scores, loss and probabilities of `net` on a subset."""
        return measure(
            net,
            self.clips,
            self.plan.packed,
            self.subset_rows[subset],
            sampling=sampling,
            batch_size=self.plan.options.batch_size,
            majority=majority_class(self.plan.packed, self.subset_rows["train"]),
        )

    def make_checkpoint(self, epoch: int) -> Checkpoint:
        """The network as it is now, with everything that prediction needs."""
        plan = self.plan
        return Checkpoint(
            model=plan.model,
            model_kwargs=plan.model_kwargs,
            weights=state_dict_on_cpu(self.eval_model),
            classes=plan.packed.classes,
            skeleton=plan.packed.skeleton,
            in_channels=self._in_channels(),
            persons=self._persons(),
            recipe=plan.recipe,
            estimator=plan.estimator,
            clip_s=plan.clip_s,
            split=plan.split,
            dataset=plan.dataset,
            epoch=epoch,
        )

    def check_same_run(self, found: Checkpoint) -> None:
        """Raises CheckpointError if a checkpoint in the run folder is of another run."""
        if (found.split, found.recipe) != (self.plan.split, self.plan.recipe):
            raise CheckpointError(
                f"{self.folder} was trained with other settings or on other clips",
                "Choose another --name, or leave out --resume.",
            )

    def _data_arguments(self, plan: Plan) -> dict[str, object]:
        """Arguments of the network that follow from the clips and the seed."""
        compute: dict[DataArgument, Callable[[], object]] = {
            "dims": lambda: self.clips.dims,
            "seed": lambda: plan.options.seed,
            "distances": lambda: joint_distances(plan.packed, self.subset_rows["train"]),
        }
        names = spec(plan.model).data_arguments - plan.model_kwargs.keys()
        return {name: compute[name]() for name in sorted(names)}

    def _in_channels(self) -> int:
        streams = parse(self.plan.sampling.streams)
        return int(self.plan.packed.keypoints.shape[3]) * len(streams)

    def _persons(self) -> int:
        return int(self.plan.packed.keypoints.shape[1])

    def _build(self) -> ActionClassifier:
        """A new network on the device; its initial weights depend only on the seed."""
        p = self.plan.packed
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.plan.options.seed)
            net = build(
                self.plan.model,
                len(p.classes),
                p.skeleton,
                in_channels=self._in_channels(),
                persons=self._persons(),
                **self.plan.model_kwargs,
            )
        return net.to(self.device)
