"""Trained networks in files (`schemas.Checkpoint`, `schemas.Ensemble`) and in memory."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from skelact.errors import CheckpointError, ConfigError
from skelact.models import build
from skelact.models.base import ActionClassifier
from skelact.schemas import Checkpoint, CheckpointDocument, Ensemble, TrainingState, load_tensors


def load_model(path: Path) -> Checkpoint | Ensemble:
    """The checkpoint or ensemble in a file; of a training state (last.pt) its checkpoint. Raises
    CheckpointError if the file is missing, damaged or was not written by skelact."""
    kinds: tuple[type[CheckpointDocument], ...] = (Checkpoint, Ensemble, TrainingState)
    document = load_tensors(path, *kinds)
    if isinstance(document, TrainingState):
        return document.checkpoint
    assert isinstance(document, Checkpoint | Ensemble)
    return document


def load_checkpoint(path: Path) -> Checkpoint:
    """The single network in a file. Raises CheckpointError as `load_model`, and for an ensemble."""
    model = load_model(path)
    if isinstance(model, Ensemble):
        raise CheckpointError(
            f"{path} holds {len(model.members)} fused networks, expected one",
            "Name one of the runs that were fused.",
        )
    return model


def build_network(checkpoint: Checkpoint) -> ActionClassifier:
    """The network of a checkpoint with its weights, in evaluation mode. Raises CheckpointError if
    the weights do not fit the network."""
    try:
        net = build(
            checkpoint.model,
            len(checkpoint.classes),
            checkpoint.skeleton,
            checkpoint.in_channels,
            checkpoint.persons,
            **checkpoint.model_kwargs,
        )
        net.load_state_dict(checkpoint.weights)
    except (ConfigError, RuntimeError, TypeError, AttributeError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise CheckpointError(
            f"The checkpoint does not fit the network {checkpoint.model}: {reason}", checkpoint.hint
        ) from error
    return net.eval()


def state_dict_on_cpu(net: nn.Module) -> dict[str, Tensor]:
    """The state dict in CPU memory, contiguous, detached from the graph."""
    return {k: v.detach().cpu().contiguous() for k, v in net.state_dict().items()}
