"""The training loop: one process, resumable to the bit, everything it decides written into the run
folder.

    runs/<name>/  config.json  split.json  log.jsonl  best.pt  last.pt  result.json
    predictions.json

Every epoch's random draws come from (seed, epoch) alone, so a killed and resumed run takes the same
steps as an unbroken one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from msgspec import structs
from torch import Tensor, nn

from skelact.datasets.packed import Packed, joint_distances
from skelact.device import autocast, compiled, peak_memory_mb, resolve_device, tune_malloc
from skelact.errors import CheckpointError, DatasetError
from skelact.metrics import Scores
from skelact.models import accepts, build, is_closed_form
from skelact.models.base import ActionClassifier
from skelact.models.checkpoint import load_checkpoint, state_dict_on_cpu
from skelact.options import AugmentOptions, TrainOptions
from skelact.schemas import (
    BEST,
    LAST,
    LOG,
    PREDICTIONS,
    RESULT,
    VALIDATION,
    Checkpoint,
    EpochLog,
    RunResult,
    TrainingState,
    load_tensors,
    save_json,
    save_log,
    save_tensors,
)
from skelact.sequence.sampling import Indices, SamplingOptions
from skelact.sequence.streams import parse
from skelact.training import closed_form, distributed, schedule
from skelact.training.augment import mixup
from skelact.training.batches import DeviceClips
from skelact.training.pretrain import Pretraining
from skelact.training.results import majority_class, measure, write_predictions
from skelact.types import Event, ProgressCallback

_FIRST_PHASE = 1_000_000  # its epochs draw from seeds of their own


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run trains on and how: clips, their subsets ('train', 'val', 'test'), the network, all
    options, and what the checkpoint must know."""

    packed: Packed
    subsets: tuple[str, ...]
    model: str
    model_kwargs: dict[str, Any]
    sampling: SamplingOptions
    augment: AugmentOptions
    options: TrainOptions
    about: dict[str, Any]  # recipe, estimator, clip_s, split: carried into the checkpoint
    initial: Callable[[ActionClassifier], list[nn.Module]] | None = (
        None  # loads; says what is frozen
    )


class Trainer:
    """One run. `fit` trains (or goes on), `finish` tests the best checkpoint."""

    def __init__(self, plan: Plan, folder: Path, on_progress: ProgressCallback) -> None:
        self.folder, self.on_progress = folder, on_progress
        self.device = distributed.local_device(resolve_device(plan.options.device))
        self.rank, self.processes = distributed.init_distributed(self.device)
        tune_malloc()
        self.clips = DeviceClips(plan.packed, self.device)
        self.channels = plan.packed.keypoints.shape[3] * len(parse(plan.sampling.streams))
        self.subset_rows = {
            subset: np.flatnonzero(np.array(plan.subsets) == subset)
            for subset in ("train", "val", "test")
        }
        for subset in ("train", "test"):
            if not len(self.subset_rows[subset]):
                raise DatasetError(
                    f"no clip is left for {subset}ing",
                    "were people found in the videos? see the table of `skelact extract`",
                )
        known: dict[str, Any] = {"dims": self.clips.dims, "seed": plan.options.seed}
        if accepts(plan.model, "distances") and "distances" not in plan.model_kwargs:
            known["distances"] = joint_distances(plan.packed, self.subset_rows["train"])
        known = {k: v for k, v in known.items() if accepts(plan.model, k)}
        self.plan = replace(plan, model_kwargs=known | plan.model_kwargs)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(plan.options.seed)
            self.net = self._build().to(self.device)
        o = plan.options
        self.frozen = plan.initial(self.net) if plan.initial is not None else []
        # copied before batch norm is synchronised: a copy would go on asking the original's
        self.average = schedule.averaged(self.net, o.ema_decay) if o.ema_decay else None
        if self.processes > 1:
            distributed.sync_batch_norm(self.net)
        step = self.net.training_output
        self.run = compiled(step, self.device) if o.compile else step
        left_alone: set[int] = set()
        self.pretraining: Pretraining | None = None
        if self.net.pretrains:
            self.pretraining = Pretraining(self.net.backbone, o)
            left_alone = {id(p) for p in self.net.backbone.frozen_parameters()}  # type: ignore[operator]
        trained = [p for p in self.net.parameters() if id(p) not in left_alone]
        self.trained = [p for p in trained if p.requires_grad]
        labels = plan.packed.labels[self.subset_rows["train"]]
        counts = np.bincount(labels, minlength=len(plan.packed.classes))
        self.class_weights = (
            counts.sum() / np.maximum(counts, 1) / (counts > 0).sum()
        )  # mean 1 over clips
        self.optimiser = schedule.optimiser(self.trained, o)
        self.history: list[EpochLog] = []
        self.steps = max(1, len(self.subset_rows["train"]) * o.repeat // o.batch_size)

    def _build(self) -> ActionClassifier:
        p = self.plan.packed
        return build(
            self.plan.model,
            len(p.classes),
            p.skeleton,
            in_channels=self.channels,
            persons=p.keypoints.shape[1],
            **self.plan.model_kwargs,
        )

    # --- state ---

    @property
    def eval_model(self) -> nn.Module:
        """The network that is validated, tested and kept: the averaged one where there is one."""
        return self.net if self.average is None else self.average.module

    def _checkpoint(self, epoch: int) -> Checkpoint:
        p = self.plan.packed
        return Checkpoint(
            model=self.plan.model,
            model_kwargs=self.plan.model_kwargs,
            weights=state_dict_on_cpu(self.eval_model),
            classes=p.classes,
            skeleton=p.skeleton,
            in_channels=self.channels,
            persons=int(p.keypoints.shape[1]),
            epoch=epoch,
            **self.plan.about,
        )

    def resume(self) -> bool:
        """Take up the run where last.pt left it; False if there is none. CheckpointError if that
        run was set up differently."""
        path = self.folder / LAST
        if not path.is_file():
            return False
        state = load_tensors(path, TrainingState)
        kept = state.checkpoint
        if kept.split != self.plan.about["split"] or kept.recipe != self.plan.about["recipe"]:
            raise CheckpointError(
                f"{self.folder} was trained with other settings or on other clips",
                "choose another --name, or leave out --resume",
            )
        self.net.load_state_dict(state.trained_weights or kept.weights)
        if self.average is not None:
            self.average.module.load_state_dict(kept.weights)
            self.average.n_averaged.fill_(state.averaged_steps)
        self.optimiser.load_state_dict(state.optimiser)
        if self.pretraining is not None and state.pretraining is not None:
            self.pretraining.load(state.pretraining)
        self.history = list(state.history)
        save_log(self.folder / LOG, self.history)
        return True

    def _keep(self, checkpoint: Checkpoint) -> None:
        """Write last.pt, from which `resume` continues."""
        averaged = self.average is not None
        state = TrainingState(
            checkpoint=checkpoint,
            optimiser=self.optimiser.state_dict(),
            history=tuple(self.history),
            trained_weights=state_dict_on_cpu(self.net) if averaged else None,
            averaged_steps=int(self.average.n_averaged) if self.average is not None else 0,
            pretraining=None if self.pretraining is None else self.pretraining.state(),
        )
        if self.rank == 0:
            save_tensors(self.folder / LAST, state)

    # --- training ---

    def fit(self) -> None:
        """Train to the end, to the early stop, or on from where `resume` put us."""
        o = self.plan.options
        total = o.epochs * self.steps
        self.on_progress(
            Event(
                "train",
                "start",
                len(self.history) * self.steps,
                total,
                f"training on {self.device}",
            )
        )
        self._pretrain(total)
        while len(self.history) < o.epochs and not self._is_settled():
            started = time.monotonic()
            loss, accuracy = self._epoch(len(self.history), total)
            row = EpochLog(
                epoch=len(self.history) + 1,
                lr=self.optimiser.param_groups[0]["lr"],
                train_loss=loss,
                train_top1=accuracy,
            )
            if len(self.subset_rows["val"]):
                row = structs.replace(row, **self._validate())
            seconds = round(time.monotonic() - started, 2)
            row = structs.replace(row, seconds=seconds, best=self._is_best(row))
            self.history.append(row)
            checkpoint = self._checkpoint(row.epoch)
            if row.best and self.rank == 0:
                save_tensors(self.folder / BEST, checkpoint)
            self._keep(checkpoint)
            if self.rank == 0:
                save_log(self.folder / LOG, self.history)
            self.on_progress(Event("train", "advance", 0, total, _sentence(row)))
        self.on_progress(
            Event(
                "train",
                "end",
                text="stopped early: no improvement" if len(self.history) < o.epochs else "",
            )
        )

    def _pretrain(self, total: int) -> None:
        """The first phase, where the network has one."""
        while self.pretraining is not None and not self.pretraining.is_done:
            self._train_mode()
            epoch = len(self.pretraining.losses)
            with self._seeded(_FIRST_PHASE + epoch) as rng:
                loss = self.pretraining.epoch(self._batches(rng))
            if not np.isfinite(loss):
                raise DatasetError(
                    "the first phase diverged: its loss is not a number",
                    "lower its learning rate: --set train.pretrain_lr=1e-4",
                )
            self._keep(self._checkpoint(0))
            text = f"first phase {epoch + 1:3d}  loss {loss:.3g}"
            self.on_progress(Event("train", "advance", 0, total, text))

    def _train_mode(self) -> ActionClassifier:
        self.net.train()
        for module in self.frozen:
            module.eval()
        return self.net

    @contextmanager
    def _seeded(self, epoch: int) -> Iterator[np.random.Generator]:
        """Everything random of an epoch from (seed, epoch) alone."""
        seed = self.plan.options.seed
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(seed * 1_000_003 + epoch)
            yield np.random.default_rng([seed, epoch])

    def _order(self, rng: np.random.Generator) -> Indices:
        """The training clips of one epoch: all of them `repeat` times, or, with the balancing
        sampler, as many draws in which every class is equally likely."""
        rows, repeat = self.subset_rows["train"], self.plan.options.repeat
        if self.plan.options.balance == "sampler":
            chance = self.class_weights[self.plan.packed.labels[rows]]
            return rng.choice(rows, len(rows) * repeat, p=chance / chance.sum())
        return np.concatenate([rng.permutation(rows) for _ in range(repeat)])

    def _batches(
        self, rng: np.random.Generator, shared: bool = True
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """The augmented batches of one epoch; of several processes each takes its share."""
        o, p = self.plan.options, self.plan
        order = self._order(rng)
        for step in range(self.steps):
            batch = order[step * o.batch_size : (step + 1) * o.batch_size]
            x, labels = self.clips.training(batch, p.sampling, p.augment, rng)
            if p.augment.mixup_alpha:
                x, labels = mixup(x, labels, len(p.packed.classes), p.augment.mixup_alpha, rng)
            mine = slice(self.rank, None, self.processes) if shared else slice(None)
            yield x[mine], labels[mine]

    def _epoch(self, epoch: int, total: int) -> tuple[float, float]:
        o, net, lr = self.plan.options, self._train_mode(), schedule.base_lr(self.plan.options)
        weights = torch.from_numpy(self.class_weights).float().to(self.device)
        balance = weights if o.balance == "loss" else None
        sums = torch.zeros(3, device=self.device)  # of losses, right guesses, clips
        with self._seeded(epoch) as rng:
            if is_closed_form(self.plan.model):  # by every process alike
                every = list(self._batches(rng, shared=False))
                self.on_progress(Event("train", "advance", self.steps, total))
                return closed_form.solve(net, every, o.ridge_alpha, balance)
            for step, (x, labels) in enumerate(self._batches(rng), start=epoch * self.steps):
                for group in self.optimiser.param_groups:
                    group["lr"] = lr * schedule.lr_multiplier(step, self.steps, o)
                self.optimiser.zero_grad(set_to_none=True)
                for part, wanted in zip(
                    x.chunk(o.microbatches), labels.chunk(o.microbatches), strict=True
                ):
                    with autocast(self.device, o.amp, o.compile):
                        logits, extra = self.run(part)
                    loss = extra + schedule.cross_entropy(
                        logits, wanted, o.label_smoothing, balance
                    )
                    (loss * (len(part) / len(x))).backward()
                    sums[0] += loss.detach() * len(part)
                    sums[1] += schedule.num_correct(logits, wanted)
                    sums[2] += len(part)
                distributed.all_reduce_mean(self.trained)
                nn.utils.clip_grad_norm_(self.trained, o.max_grad_norm)
                self.optimiser.step()
                if self.average is not None:
                    self.average.update_parameters(net)
                self.on_progress(Event("train", "advance", 1, total))
        loss_sum, right_sum, seen = distributed.all_reduce_sum(sums).tolist()
        mean = loss_sum / seen
        if not np.isfinite(mean):
            raise DatasetError(
                "training diverged: the loss is not a number",
                "lower the learning rate: --set train.lr=0.02",
            )
        return mean, right_sum / seen

    def _measure(
        self, subset: str, sampling: SamplingOptions
    ) -> tuple[Scores, float, npt.NDArray[np.float32]]:
        p, size = self.plan.packed, self.plan.options.batch_size
        majority = majority_class(p, self.subset_rows["train"])
        return measure(
            self.eval_model, self.clips, p, self.subset_rows[subset], sampling, size, majority
        )

    def _validate(self) -> dict[str, float]:
        scores, loss, _ = self._measure("val", replace(self.plan.sampling, test_clips=1))
        return {"val_loss": loss, "val_top1": scores.top1, "val_mean_class": scores.mean_class}

    @staticmethod
    def _selection_key(row: EpochLog) -> tuple[float, float]:
        if row.val_mean_class is None or row.val_loss is None:
            return float(row.epoch), 0.0
        return row.val_mean_class, -row.val_loss

    def _is_best(self, row: EpochLog) -> bool:
        return all(self._selection_key(row) > self._selection_key(old) for old in self.history)

    def _is_settled(self) -> bool:
        patience = self.plan.options.patience
        since = next((i for i, row in enumerate(reversed(self.history)) if row.best), 0)
        return bool(patience) and bool(len(self.subset_rows["val"])) and since >= patience

    # --- the end ---

    def finish(self) -> Scores:
        """Test the best checkpoint, write result.json and the predictions of the test and the
        validation subset, put the scores into the checkpoint. Of several processes the first does
        it, the others only measure."""
        distributed.barrier()
        checkpoint = load_checkpoint(self.folder / BEST)
        self.net.load_state_dict(checkpoint.weights)
        self.average = None
        p, sampling = self.plan.packed, self.plan.sampling
        scores, _, probs = self._measure("test", sampling)
        if self.rank > 0:
            return scores
        write_predictions(self.folder / PREDICTIONS, p, self.subset_rows["test"], probs)
        if len(self.subset_rows["val"]):
            held_out = self._measure("val", sampling)[2]
            write_predictions(self.folder / VALIDATION, p, self.subset_rows["val"], held_out)
        save_tensors(self.folder / BEST, structs.replace(checkpoint, metrics=scores))
        result = RunResult(
            scores=scores,
            classes=p.classes,
            clips={subset: len(rows) for subset, rows in self.subset_rows.items()},
            best_epoch=checkpoint.epoch,
            epochs=len(self.history),
            seconds=round(sum(row.seconds for row in self.history), 1),
            memory_mb=peak_memory_mb(self.device),
            device=str(self.device),
        )
        save_json(self.folder / RESULT, result)
        return scores


def _sentence(row: EpochLog) -> str:
    text = f"epoch {row.epoch:3d}  loss {row.train_loss:.3f}  train {row.train_top1:.1%}"
    if row.val_top1 is not None:
        text += f"  val {row.val_top1:.1%} (loss {row.val_loss:.3f})"
    return text + ("  best" if row.best else "")
