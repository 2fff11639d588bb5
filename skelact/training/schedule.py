"""The optimiser, the learning rate of every step, the loss, and weight averaging."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skelact.errors import CheckpointError
from skelact.options import TrainOptions


def optimiser(parameters: Iterable[nn.Parameter], options: TrainOptions) -> torch.optim.Optimizer:
    """The optimiser that the options name, with the base learning rate. On an NVIDIA GPU, one
    kernel updates all parameters."""
    parameters = list(parameters)
    o, lr = options, base_lr(options)
    fused = True if all(p.device.type == "cuda" for p in parameters) else None
    if o.optimiser == "sgd":
        return torch.optim.SGD(
            parameters,
            lr,
            momentum=o.momentum,
            nesterov=o.nesterov and o.momentum > 0,
            weight_decay=o.weight_decay,
            fused=fused,
        )
    kind = torch.optim.Adam if o.optimiser == "adam" else torch.optim.AdamW
    return kind(parameters, lr, weight_decay=o.weight_decay, fused=fused)


_STATE = ({"momentum_buffer"}, {"step", "exp_avg", "exp_avg_sq"})  # SGD; Adam and AdamW


def load_state(target: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """`load_state_dict` for the state of an optimiser with the same parameters and settings, except
    the learning rate, which every step sets. Raises CheckpointError for any other state."""
    fresh = [_settings(group) for group in target.param_groups]
    target.load_state_dict(state)
    if [_settings(group) for group in target.param_groups] != fresh:
        raise CheckpointError("The settings of the stored optimiser differ from those of the run")
    for parameter in (p for group in target.param_groups for p in group["params"]):
        values = target.state.get(parameter, {})
        shapes = {k: v.shape for k, v in values.items() if k != "step" and v is not None}
        if (values and set(values) not in _STATE) or set(shapes.values()) - {parameter.shape}:
            raise CheckpointError("The state of the optimiser does not fit the network")


def _settings(group: dict[str, Any]) -> dict[str, Any]:
    settings = {k: v for k, v in group.items() if k not in ("params", "lr", "initial_lr")}
    return {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}


def base_lr(options: TrainOptions) -> float:
    """The learning rate before warm-up and schedule, scaled linearly with the batch size if
    `base_batch_size` is set (Goyal et al. 2017)."""
    scale = options.batch_size / options.base_batch_size if options.base_batch_size else 1.0
    return options.lr * scale


def lr_multiplier(step: int, steps_per_epoch: int, options: TrainOptions) -> float:
    """The factor of the learning rate at a step, counted from 0: linear warm-up, then the
    schedule."""
    o, total = options, options.epochs * steps_per_epoch
    if step < o.warmup:
        return (step + 1) / (o.warmup + 1)
    if o.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * (step - o.warmup) / max(1, total - o.warmup)))
    passed = sum(step // steps_per_epoch >= m for m in o.milestones)
    return float(o.gamma**passed) if o.schedule == "step" else 1.0


def cross_entropy(
    logits: Tensor, labels: Tensor, smoothing: float, weights: Tensor | None = None
) -> Tensor:
    """Mean cross entropy, a scalar, of logits (N, K) and labels (N,) int64 or class proportions
    (N, K). With label smoothing, the target of the true class is 1 - smoothing and the other
    classes share the rest (SGN's definition; PyTorch's gives a part of the rest to the true class
    too). `weights` (K,) weight the clips by their class."""
    classes = logits.shape[1]
    spread = smoothing * classes / (classes - 1) if classes > 1 else 0.0
    each = F.cross_entropy(logits.float(), labels, label_smoothing=spread, reduction="none")
    if weights is None:
        return each.mean()
    return (each * (weights[labels] if labels.dim() == 1 else labels @ weights)).mean()


def num_correct(logits: Tensor, labels: Tensor) -> Tensor:
    """The number of correct predictions, a scalar int64, for logits (N, K) and labels (N,) or class
    proportions (N, K), of which the largest counts."""
    true = labels if labels.dim() == 1 else labels.argmax(dim=1)
    return (logits.argmax(dim=1) == true).sum()


def averaged(net: nn.Module, decay: float) -> torch.optim.swa_utils.AveragedModel:
    """A copy of the network whose weights and buffers are exponential moving averages."""
    update = torch.optim.swa_utils.get_ema_multi_avg_fn(decay)
    return torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=update, use_buffers=True)
