"""Training by gradient descent: epochs, early stopping, weight averaging, microbatches, and a
pretraining phase for networks that have one. `make_trainer` chooses the trainer of a network."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from msgspec import structs
from torch import Tensor, nn

from skelact.device import autocast, compiled
from skelact.errors import CheckpointError, ConfigError, DatasetError, reading
from skelact.models import spec
from skelact.models.checkpoint import load_weights, state_dict_on_cpu
from skelact.schemas import (
    BEST,
    LAST,
    LOG,
    EpochLog,
    TrainingState,
    load_tensors,
    save_log,
    save_tensors,
)
from skelact.training import distributed, schedule
from skelact.training.base import BaseTrainer
from skelact.training.closed_form import ClosedFormTrainer
from skelact.training.epoch import seeded
from skelact.training.graphs import GraphedStep
from skelact.training.plan import Plan
from skelact.training.pretrain import Pretraining
from skelact.types import Event, ProgressCallback

_UNTIMED_STEPS, _TIMED_STEPS = 1, 3  # of which the duration of a training is estimated
_LONG_S = 120.0  # a training on a CPU that takes longer is announced
_PRETRAINING_EPOCH = 1_000_000  # epoch number of the first pretraining epoch, for its random draws


def make_trainer(plan: Plan, folder: Path, on_progress: ProgressCallback) -> BaseTrainer:
    """The trainer for the plan's network. Raises ConfigError and DatasetError as BaseTrainer."""
    kind = ClosedFormTrainer if spec(plan.recipe.network).backbone.closed_form else Trainer
    return kind(plan, folder, on_progress)


class Trainer(BaseTrainer):
    """Gradient descent. log.jsonl gets one line per epoch, and last.pt holds everything that
    `resume` needs: a run that was killed and resumed has the same weights, bit by bit, as one that
    was not."""

    def __init__(self, plan: Plan, folder: Path, on_progress: ProgressCallback) -> None:
        super().__init__(plan, folder, on_progress)
        o = self.options
        self.timed_steps, self.first_timed = 0, 0.0
        # copied before batch norm is synchronised: the synchronised forward is bound to its module
        self.average = schedule.averaged(self.net, o.ema_decay) if o.ema_decay else None
        if self.processes > 1:
            if self.batches.size < self.processes:
                raise ConfigError(
                    f"There are {self.processes} processes and only {self.batches.size} clips in a "
                    "batch",
                    "Start fewer processes, or use a larger train.batch_size.",
                )
            distributed.sync_batch_norm(self.net)
        step = self.net.training_output
        self.forward = compiled(step, self.device) if o.compile else step
        self.class_loss_weights = self.loss_weights()
        self.gradients: Callable[[Tensor, Tensor], Tensor] = self._gradients
        if self.device.type == "cuda" and o.cuda_graphs and self.processes == 1:
            self.gradients = GraphedStep(self._gradients, self._report)
        self.pretraining: Pretraining | None = None
        pretrained: set[int] = set()
        if self.net.backbone.has_pretraining:
            self.pretraining = Pretraining(self.net.backbone, o)
            pretrained = {id(p) for p in self.net.backbone.frozen_parameters()}
        self.parameters = [
            p for p in self.net.parameters() if p.requires_grad and id(p) not in pretrained
        ]
        self.optimiser = schedule.optimiser(self.parameters, o)

    @property
    def eval_model(self) -> nn.Module:
        """The averaged network, or the trained one without averaging."""
        return self.net if self.average is None else self.average.module

    # --- state ---

    def resume(self) -> bool:
        """Continue from last.pt; returns False if there is none."""
        path = self.folder / LAST
        state = distributed.on_rank0(lambda: self._stored_state(path))
        if state is None:
            return False
        weights = state.checkpoint.weights
        with reading(path, CheckpointError, "Delete it to train from the beginning."):
            load_weights(self.net, state.trained_weights or weights)
            if self.average is not None:
                load_weights(self.average.module, weights)
                self.average.n_averaged.fill_(state.averaged_steps)
            schedule.load_state(self.optimiser, state.optimiser)
            if self.pretraining is not None and state.pretraining is not None:
                self.pretraining.load(state.pretraining)
        self.history = state.history
        self.seconds = sum(row.seconds for row in self.history)
        if self.rank == 0:
            save_log(self.folder / LOG, self.history)
        return True

    def _stored_state(self, path: Path) -> TrainingState | None:
        if not path.is_file():
            return None
        state = load_tensors(path, TrainingState)
        self.check_same_run(state.checkpoint)
        return state

    def _save(self, epoch: int, is_best: bool) -> None:
        """Write log.jsonl and last.pt, and best.pt if this is the best epoch so far."""
        if self.rank > 0:
            return
        current = self.make_checkpoint(epoch)
        if is_best:
            save_tensors(self.folder / BEST, current)
        average = self.average
        state = TrainingState(
            checkpoint=current,
            optimiser=self.optimiser.state_dict(),
            history=self.history,
            trained_weights=None if average is None else state_dict_on_cpu(self.net),
            averaged_steps=0 if average is None else int(average.n_averaged),
            pretraining=None if self.pretraining is None else self.pretraining.state(),
        )
        save_tensors(self.folder / LAST, state)
        save_log(self.folder / LOG, self.history)

    # --- training ---

    def fit(self) -> None:
        """Pretrain if the network needs it, then train until the last epoch or the early stop."""
        o, steps = self.options, self.batches.steps
        total = o.epochs * steps
        text = f"Training {self.plan.recipe.network} on {self.device}."
        self.on_progress(Event("train", "start", len(self.history) * steps, total, text))
        self._pretrain(total)
        while len(self.history) < o.epochs and not self._is_stopped_early():
            row = self._log_epoch(total)
            self.history = (*self.history, row)
            self.seconds += row.seconds
            self._save(row.epoch, row.best)
            if self.log is not None:
                self.log.epoch(row)
            self.on_progress(Event("train", "advance", 0, total, _describe(row)))
        text = "stopped early: no improvement" if len(self.history) < o.epochs else ""
        self.on_progress(Event("train", "end", text=text))

    def _pretrain(self, total: int) -> None:
        """The pretraining phase, for networks that have one."""
        while self.pretraining is not None and not self.pretraining.is_done:
            self.train_mode()
            epoch = len(self.pretraining.losses)
            with seeded(self.options.seed, _PRETRAINING_EPOCH + epoch, self.device) as rng:
                loss = self.pretraining.epoch(self.own_batches(rng))
            if not np.isfinite(loss):
                raise DatasetError(
                    "Pretraining diverged: the loss is not a finite number",
                    "Lower its learning rate: --set train.pretrain_lr=1e-4",
                )
            self.check_finite()
            self._save(epoch=0, is_best=False)
            text = f"pretraining {epoch + 1:3d}  loss {loss:.3g}"
            self.on_progress(Event("train", "advance", 0, total, text))

    def train_mode(self) -> None:
        """Training mode for all modules except frozen ones, which keep their batch statistics."""
        self.net.train()
        for module in self.frozen:
            module.eval()

    def own_batches(self, rng: np.random.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of one epoch, of each the part that this process computes."""
        part = slice(self.rank, None, self.processes)
        for x, labels in self.batches.epoch(rng):
            yield x[part], labels[part]

    def _log_epoch(self, total: int) -> EpochLog:
        """Train one epoch and validate."""
        started = time.monotonic()
        epoch = len(self.history)
        loss, accuracy = self._epoch(epoch, total)
        self.check_finite()  # the last step may have spoiled the weights after its loss was finite
        return distributed.on_rank0(lambda: self._validated(epoch, loss, accuracy, started))

    def _validated(self, epoch: int, loss: float, accuracy: float, started: float) -> EpochLog:
        """The log of an epoch that began at `started`, with the result of a validation."""
        val = self.validate()
        row = EpochLog(
            epoch=epoch + 1,
            lr=self.optimiser.param_groups[0]["lr"],
            train_loss=loss,
            train_top1=accuracy,
            val_loss=val.loss if val else None,
            val_top1=val.scores.top1 if val else None,
            val_mean_class=val.scores.mean_class if val else None,
        )
        best = all(_selection_key(row) > _selection_key(old) for old in self.history)
        seconds = round(time.monotonic() - started, 2)
        return structs.replace(row, seconds=seconds, best=best)

    def _epoch(self, epoch: int, total: int) -> tuple[float, float]:
        """Train one epoch; mean loss and accuracy over its clips."""
        self.train_mode()
        sums = torch.zeros(3, device=self.device)  # loss, correct predictions, clips
        with seeded(self.options.seed, epoch, self.device) as rng:
            first = epoch * self.batches.steps
            for step, (x, labels) in enumerate(self.own_batches(rng), start=first):
                sums += self.step(step, x, labels)
                self.on_progress(Event("train", "advance", 1, total))
                self._estimate(total - step - 1)
        loss_sum, correct, clips = distributed.all_reduce_sum(sums).tolist()
        if not np.isfinite(loss_sum / clips):
            raise DatasetError(
                "Training diverged: the loss is not a finite number",
                "Lower the learning rate: --set train.lr=0.02",
            )
        return loss_sum / clips, correct / clips

    def _estimate(self, steps_left: int) -> None:
        """Tell, after the first steps of this process, how long training on a CPU will take. The
        very first steps are slower than the others and do not count."""
        self.timed_steps += 1
        if self.timed_steps == _UNTIMED_STEPS:
            self.first_timed = time.monotonic()
        if self.timed_steps != _UNTIMED_STEPS + _TIMED_STEPS or self.device.type != "cpu":
            return
        seconds = steps_left * (time.monotonic() - self.first_timed) / _TIMED_STEPS
        if seconds >= _LONG_S:
            text = long_training(self.plan.recipe.network, seconds, self.options.epochs)
            self.on_progress(Event("train", "notice", text=text))

    def step(self, step: int, x: Tensor, labels: Tensor) -> Tensor:
        """One step of the optimiser on x (N, M, T, V, C) and labels (N,) or (N, K). Returns the
        sums (3,) of loss, correct predictions and clips."""
        o = self.options
        for group in self.optimiser.param_groups:
            group["lr"] = schedule.base_lr(o) * schedule.lr_multiplier(step, self.batches.steps, o)
        sums = self.gradients(x, labels)
        self.optimiser.step()
        if self.average is not None:
            self.average.update_parameters(self.net)
        return sums

    def _gradients(self, x: Tensor, labels: Tensor) -> Tensor:
        """Compute the gradients of a batch, in microbatches, and clip them. Returns as `step`."""
        o = self.options
        self.optimiser.zero_grad(set_to_none=True)
        sums = torch.zeros(3, device=self.device)
        parts = zip(x.chunk(o.microbatches), labels.chunk(o.microbatches), strict=True)
        for part, target in parts:
            with autocast(self.device, o.amp, o.compile):
                logits, extra = self.forward(part)
            loss = extra + schedule.cross_entropy(
                logits, target, o.label_smoothing, self.class_loss_weights
            )
            (loss * (len(part) / len(x))).backward()
            sums[0] += loss.detach() * len(part)
            sums[1] += schedule.num_correct(logits, target)
            sums[2] += len(part)
        distributed.all_reduce_mean(self.parameters, len(x))
        nn.utils.clip_grad_norm_(self.parameters, o.max_grad_norm)
        return sums

    def _report(self, text: str) -> None:
        self.on_progress(Event("train", "notice", text=text))

    def _is_stopped_early(self) -> bool:
        patience = self.options.patience
        if not patience or not len(self.subset_rows["val"]):
            return False
        since_best = next((i for i, row in enumerate(reversed(self.history)) if row.best), 0)
        return since_best >= patience


def long_training(network: str, seconds: float, epochs: int) -> str:
    """A notice that training takes long on a CPU, and what is faster."""
    return (
        f"Training {network} for {epochs} epochs takes about {max(1, round(seconds / 60))} minutes "
        "on this CPU, less if it stops early. A GPU is faster; --model rocket takes seconds."
    )


def _selection_key(row: EpochLog) -> tuple[float, float]:
    """Larger is better: validation accuracy, then validation loss; the latest epoch without a
    validation subset."""
    if row.val_mean_class is None or row.val_loss is None:
        return float(row.epoch), 0.0
    return row.val_mean_class, -row.val_loss


def _describe(row: EpochLog) -> str:
    text = f"epoch {row.epoch:3d}  loss {row.train_loss:.3f}  train {row.train_top1:.1%}"
    if row.val_top1 is not None:
        text += f"  val {row.val_top1:.1%} (loss {row.val_loss:.3f})"
    return text + ("  best" if row.best else "")
