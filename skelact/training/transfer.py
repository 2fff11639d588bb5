"""Transfer learning: initial weights from a checkpoint of the same network with other classes and
possibly another skeleton; and freezing parts of a network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from skelact.errors import CheckpointError, ConfigError, counted
from skelact.models.base import ActionClassifier
from skelact.models.layers import DataBN
from skelact.schemas import Checkpoint
from skelact.skeletons import Skeleton, convert

_HEAD = "cls_head.fc."


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """Names of the tensors that were copied, that were copied joint by joint, and that keep their
    initial values."""

    copied: tuple[str, ...]
    matched: tuple[str, ...]
    initial: tuple[str, ...]

    def summary(self) -> str:
        """One line for the user."""
        text = f"{len(self.copied)} tensors loaded"
        if self.matched:
            text += f", {len(self.matched)} matched by joint names"
        if self.initial:
            text += f", {len(self.initial)} not loaded ({', '.join(self.initial[:4])}"
            text += ", …)" if len(self.initial) > 4 else ")"
        return text


@torch.no_grad()
def transfer(
    net: ActionClassifier, skeleton: Skeleton, classes: tuple[str, ...], source: Checkpoint
) -> Transfer:
    """Copy the weights of a checkpoint into a network for `skeleton` and `classes`. The head is
    copied only if the classes are the same; where the skeletons differ, joints are matched by name.
    Raises CheckpointError if no weights fit."""
    channels_first = {
        n for n, m in net.named_modules() if isinstance(m, DataBN) and m.channels_first
    }
    same_classes = source.trained_classes == classes
    copied, matched, initial = [], [], []
    for key, value in net.state_dict().items():
        weight = source.weights.get(key)
        if weight is None or (key.startswith(_HEAD) and not same_classes):
            initial.append(key)
            continue
        by_joint = None
        if weight.shape != value.shape or source.skeleton != skeleton:
            is_channels_first = key.rsplit(".", 1)[0] in channels_first
            by_joint = _match_joints(value, weight, source.skeleton, skeleton, is_channels_first)
        if by_joint is not None:
            value.copy_(by_joint)
            matched.append(key)
        elif weight.shape == value.shape:
            value.copy_(weight)
            copied.append(key)
        else:
            initial.append(key)
    if not any(".conv" in k or "weight" in k for k in (*copied, *matched)):
        raise CheckpointError(
            f"The checkpoint holds weights of {source.model}, none of which fit this network",
            f"Train with --model {source.model}.",
        )
    return Transfer(copied=tuple(copied), matched=tuple(matched), initial=tuple(initial))


def _match_joints(
    value: Tensor, weight: Tensor, source: Skeleton, target: Skeleton, channels_first: bool
) -> Tensor | None:
    """`value` with the entries of `weight` for all joints that both skeletons have; None if the
    tensor has no joint axis. Adjacency tensors are (..., V, V); tensors of the data batch norm are
    (V * C,), or (C * V,) with `channels_first`."""
    a, b = len(source.joints), len(target.joints)
    number = convert(np.arange(a, dtype=float)[:, None], source, target)[:, 0]
    to = torch.from_numpy(np.flatnonzero(~np.isnan(number)))
    of = torch.from_numpy(number[~np.isnan(number)].astype(np.int64))
    new = value.clone()
    is_graph = value.dim() >= 2 and value.shape[-2:] == (b, b) and weight.shape[-2:] == (a, a)
    if is_graph and value.shape[:-2] == weight.shape[:-2]:
        new[..., to[:, None], to] = weight[..., of[:, None], of].to(new)
        return new
    if value.dim() == 1 and len(value) % b == 0 and len(weight) % a == 0:
        if len(value) // b != len(weight) // a or len(value) < b:
            return None
        if channels_first:
            new.view(-1, b)[:, to] = weight.view(-1, a)[:, of].to(new)
        else:
            new.view(b, -1)[to] = weight.view(a, -1)[of].to(new)
        return new
    return None


def freeze(net: ActionClassifier, part: str) -> list[nn.Module]:
    """Exclude a part of the network from training and return its modules, which also keep their
    batch statistics: "none", "backbone", or "stage:n" for the first n stages. Raises ConfigError
    for anything else."""
    if part == "none":
        return []
    if part == "backbone":
        frozen: list[nn.Module] = [net.backbone]
    elif part.startswith("stage:") and part[6:].isdigit():
        stages = net.backbone.stages()
        count = int(part[6:])
        if not 0 < count <= len(stages):
            raise ConfigError(
                f"Cannot freeze {count} stages",
                f"This network has {counted(len(stages), 'stage')}.",
            )
        norms = [m for m in net.backbone.children() if isinstance(m, DataBN)]
        frozen = [*norms, *(m for stage in stages[:count] for m in stage)]
    else:
        raise ConfigError(f"Cannot freeze {part!r}", "Use none, backbone, or for example stage:3.")
    for module in frozen:
        module.requires_grad_(False)
    return frozen
