"""Trained networks in files (`schemas.Checkpoint`, `schemas.Ensemble`) and in memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from skelact.errors import CheckpointError, reading
from skelact.models import build
from skelact.models.base import ActionClassifier
from skelact.models.enrolled import with_enrolled
from skelact.models.guard import check_arguments, no_larger_than
from skelact.schemas import Checkpoint, CheckpointDocument, Ensemble, TrainingState, load_tensors

_HINT = CheckpointDocument.hint


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
    """The network of a checkpoint with its weights and its enrolled classes, in evaluation mode.
    Raises CheckpointError if the weights do not fit the network."""
    weights = checkpoint.weights
    with reading(f"The checkpoint of the network {checkpoint.model}", CheckpointError, _HINT):
        for name, value in weights.items():
            if not isinstance(value, Tensor):
                raise CheckpointError(f"{name} is a {type(value).__name__}, not a tensor", _HINT)
        check_arguments(checkpoint.model_kwargs, weights)
        with no_larger_than(weights):
            net = build(
                checkpoint.model,
                len(checkpoint.trained_classes),
                checkpoint.skeleton,
                checkpoint.in_channels,
                checkpoint.persons,
                **checkpoint.model_kwargs,
            )
        load_weights(net, weights)
        return with_enrolled(net, checkpoint).eval()


def load_weights(net: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """`load_state_dict` with the same names, shapes and kinds of numbers. Raises CheckpointError
    that names a tensor that differs."""
    own = net.state_dict()
    for name in (*own, *weights):
        if name not in own or name not in weights:
            raise CheckpointError(
                f"The weights do not fit the network: {name} is "
                f"{'not part of it' if name not in own else 'missing'}",
                _HINT,
            )
        ours, theirs = own[name], weights[name]
        if ours.shape != theirs.shape or ours.is_floating_point() != theirs.is_floating_point():
            raise CheckpointError(
                f"The weights do not fit the network: {name} is {theirs.dtype} of shape "
                f"{tuple(theirs.shape)}, expected {ours.dtype} of shape {tuple(ours.shape)}",
                _HINT,
            )
    net.load_state_dict(weights)


def state_dict_on_cpu(net: nn.Module) -> dict[str, Tensor]:
    """The state dict in CPU memory, contiguous, detached from the graph."""
    return {k: v.detach().cpu().contiguous() for k, v in net.state_dict().items()}
