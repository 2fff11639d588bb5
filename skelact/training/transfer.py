"""Starting from the weights of another run: the same network, other classes, perhaps other joints;
and freezing what shall not be trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from skelact.errors import CheckpointError, ConfigError
from skelact.models.base import ActionClassifier, StagedBackbone
from skelact.models.layers import DataBN
from skelact.schemas import Checkpoint
from skelact.skeletons import Skeleton, convert

_HEAD = "cls_head.fc."


@dataclass(frozen=True)
class Transfer:
    """What became of the weights: copied as they are, matched joint by joint, left as they were
    initialised."""

    copied: tuple[str, ...]
    matched: tuple[str, ...]
    left: tuple[str, ...]

    def sentence(self) -> str:
        """For people."""
        text = f"{len(self.copied)} tensors loaded"
        if self.matched:
            text += f", {len(self.matched)} matched by the joints' names"
        if self.left:
            text += f", {len(self.left)} start afresh ({', '.join(self.left[:4])}"
            text += ", …)" if len(self.left) > 4 else ")"
        return text


@torch.no_grad()
def transfer(
    net: ActionClassifier, skeleton: Skeleton, classes: Sequence[str], checkpoint: Checkpoint
) -> Transfer:
    """Load the weights of a checkpoint into a network of the same kind. The head is kept
    only if the classes are the same; where joints differ, they are matched by name. CheckpointError
    if nothing fits."""
    source, weights = checkpoint.skeleton, checkpoint.weights
    own = net.state_dict()
    first_first = {n for n, m in net.named_modules() if isinstance(m, DataBN) and m.channels_first}
    same_classes = checkpoint.classes == tuple(classes)
    copied, matched, left = [], [], []
    for key, value in own.items():
        given = weights.get(key)
        if given is None or (key.startswith(_HEAD) and not same_classes):
            left.append(key)
        elif given.shape == value.shape and source == skeleton:
            value.copy_(given)
            copied.append(key)
        else:
            new = _by_joint(value, given, source, skeleton, key.rsplit(".", 1)[0] in first_first)
            if new is None and given.shape == value.shape:
                value.copy_(given)
                copied.append(key)
            elif new is None:
                left.append(key)
            else:
                value.copy_(new)
                matched.append(key)
    if not any(".conv" in k or "weight" in k for k in (*copied, *matched)):
        raise CheckpointError(
            f"the weights are of {checkpoint.model}, and nothing of them fits this network",
            f"train with --model {checkpoint.model}",
        )
    return Transfer(tuple(copied), tuple(matched), tuple(left))


def _by_joint(
    own: Tensor, given: Tensor, source: Skeleton, target: Skeleton, channels_first: bool
) -> Tensor | None:
    """`own` with what `given` has for the joints of the same name; None if the tensor has no joint
    axis. Graphs end in (V, V); features of the data's batch norm are joints x channels."""
    a, b = len(source.joints), len(target.joints)
    number = convert(np.arange(a, dtype=float)[:, None], source, target)[:, 0]
    to = torch.from_numpy(np.flatnonzero(~np.isnan(number)))
    of = torch.from_numpy(number[~np.isnan(number)].astype(np.int64))
    new = own.clone()
    graph = own.dim() >= 2 and own.shape[-2:] == (b, b) and given.shape[-2:] == (a, a)
    if graph and own.shape[:-2] == given.shape[:-2]:
        new[..., to[:, None], to] = given[..., of[:, None], of].to(new)
        return new
    if own.dim() == 1 and len(own) % b == 0 and len(given) % a == 0:
        if len(own) // b != len(given) // a or len(own) < b:
            return None
        if channels_first:
            new.view(-1, b)[:, to] = given.view(-1, a)[:, of].to(new)
        else:
            new.view(b, -1)[to] = given.view(a, -1)[of].to(new)
        return new
    return None


def freeze(net: ActionClassifier, what: str) -> list[nn.Module]:
    """Modules that shall not be trained: none, backbone, or stage:n, the first n stages. They keep
    their batch statistics too. ConfigError for anything else."""
    backbone = net.backbone
    if what == "none":
        return []
    if what == "backbone":
        frozen: list[nn.Module] = [backbone]
    elif what.startswith("stage:") and what[6:].isdigit():
        stages = _stages(backbone)
        count = int(what[6:])
        if not 0 < count <= len(stages):
            raise ConfigError(f"this network has {len(stages)} stages, not {count}")
        norms = [m for m in backbone.children() if isinstance(m, DataBN)]
        frozen = [*norms, *(m for stage in stages[:count] for m in stage)]
    else:
        raise ConfigError(f"cannot freeze {what!r}", "none, backbone or stage:3")
    for module in frozen:
        module.requires_grad_(False)
    return frozen


def _stages(backbone: nn.Module) -> list[list[nn.Module]]:
    """The modules of each stage, in order."""
    if isinstance(backbone, StagedBackbone):
        return [[block] for block in backbone.stages()]
    if hasattr(backbone, "blocks"):
        return [[block] for block in backbone.blocks]  # type: ignore[union-attr]
    names = dict(backbone.named_children())
    numbered = [[m for n, m in names.items() if n.endswith(str(k))] for k in (1, 2, 3)]
    return [stage for stage in numbered if stage]
