"""A trained recogniser in one file: plain tensors and plain values, read with weights_only=True.
`predict` needs nothing else."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from skelact.errors import CheckpointError
from skelact.files import load_tensors
from skelact.models import build
from skelact.skeletons import Skeleton

FORMAT = "skelact-1"
NEEDED = (
    "model",
    "model_kwargs",
    "weights",
    "classes",
    "skeleton",
    "in_channels",
    "persons",
    "recipe",
    "estimator",
    "clip_s",
    "split",
)


def save(path: Path, content: dict[str, Any]) -> None:
    """Write it whole or not at all."""
    temporary = path.with_name(f".{path.name}-{os.getpid()}-{uuid.uuid4().hex[:6]}.tmp")
    try:
        torch.save({"format": FORMAT, **content}, temporary)
        temporary.replace(path)
    except (OSError, RuntimeError) as error:
        raise CheckpointError(
            f"cannot write {path}: {error}", "is the disk full? earlier checkpoints are kept"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def is_skelact_checkpoint(content: Any) -> bool:
    """Whether that is the content of a checkpoint of skelact."""
    return isinstance(content, dict) and content.get("format") == FORMAT


def read(path: Path) -> dict[str, Any]:
    """The content of a checkpoint of ours. CheckpointError if it is none, is damaged, or holds
    anything but tensors and plain values."""
    content = load_tensors(path)
    if not is_skelact_checkpoint(content):
        raise CheckpointError(
            f"{path} was not written by skelact",
            "checkpoints of PYSKL and mmaction2 can be used by `skelact predict` alone",
        )
    missing = [k for k in NEEDED if k not in content]
    if missing:
        raise CheckpointError(
            f"{path} lacks {', '.join(missing)}",
            "it is from another version of skelact: train again",
        )
    return content


def read_single(path: Path) -> dict[str, Any]:
    """As `read`, of a file that holds one network. CheckpointError for fused runs."""
    content = read(path)
    if "members" in content:
        raise CheckpointError(
            f"{path} holds {1 + len(content['members'])} fused networks, one is needed here",
            "name one of the runs that were fused",
        )
    return content


def network(content: dict[str, Any]) -> nn.Module:
    """The network of a checkpoint, with its weights, in evaluation mode."""
    skeleton = Skeleton.from_dict(content["skeleton"])
    net = build(
        content["model"],
        len(content["classes"]),
        skeleton,
        content["in_channels"],
        content["persons"],
        **content["model_kwargs"],
    )
    try:
        net.load_state_dict(content["weights"])
    except RuntimeError as error:
        raise CheckpointError(
            f"the weights do not fit {content['model']}: {str(error).splitlines()[-1].strip()}"
        ) from error
    return net.eval()


def plain_state(net: nn.Module) -> dict[str, Tensor]:
    """The state dict in ordinary memory, for a checkpoint."""
    return {k: v.detach().cpu().contiguous() for k, v in net.state_dict().items()}
