"""The networks of a checkpoint or an ensemble, run by torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from skelact.inference.class_statistics import check_statistics
from skelact.inference.ensemble import (
    MemberModel,
    WindowOutputs,
    check_members,
    input_spec,
    members_of,
)
from skelact.inference.scores import NetworkOutputs, Scorer
from skelact.models.base import ActionClassifier
from skelact.models.checkpoint import build_network
from skelact.models.evaluate import average_probabilities
from skelact.models.fuse_conv_bn import fuse_conv_bn
from skelact.schemas import Checkpoint, Ensemble
from skelact.sequence.input import ClipArrays, InputSpec
from skelact.types import Floats


def load_members(model: Checkpoint | Ensemble, device: torch.device) -> tuple[MemberModel, ...]:
    """All networks with a weight above 0, on `device`. Raises CheckpointError if weights do not fit
    their network, InputError if the members cannot be combined."""
    members = members_of(model)
    checkpoints = [m.checkpoint for m in members]
    check_members(checkpoints, [f"Member {n}" for n in range(1, len(members) + 1)])
    total = sum(m.weight for m in members)
    return tuple(
        _load_member(m.checkpoint, m.weight / total, device) for m in members if m.weight > 0
    )


def _load_member(checkpoint: Checkpoint, weight: float, device: torch.device) -> MemberModel:
    net = build_network(checkpoint)
    if checkpoint.statistics is not None:
        check_statistics(checkpoint.statistics, net)
    return MemberModel(
        net=fuse_conv_bn(net).to(device),
        spec=input_spec(checkpoint),
        clip_s=checkpoint.clip_s,
        weight=weight,
        statistics=checkpoint.statistics,
    )


def batch_outputs(
    by_spec: Mapping[InputSpec, Sequence[MemberModel]],
    clips: Mapping[InputSpec, Sequence[Floats]],
    device: torch.device,
    scorer: Scorer | None,
) -> WindowOutputs:
    """The outputs for N windows of all networks together; `clips` are the windows by the spec
    before sampling."""
    ordered = [model for models in by_spec.values() for model in models]
    weight = sum(m.weight for m in ordered)
    mean: Any = 0.0
    outputs = []
    for spec, models in by_spec.items():
        part = clips[spec.before_sampling]
        arrays = ClipArrays.of(part, spec)
        arrays = replace(arrays, values=torch.from_numpy(arrays.values).to(device))
        x, draws = arrays.test_input(np.arange(len(part)), spec.sampling)
        for model in models:
            share = model.weight / weight
            if scorer is None:
                mean = mean + share * average_probabilities(model.net, x, draws)
            else:
                assert isinstance(model.net, ActionClassifier)
                outputs.append(network_outputs(model.net, x, draws))
                mean = mean + share * outputs[-1].probabilities
    if scorer is None:
        return WindowOutputs(probabilities=mean, scores=np.zeros((len(mean), 0), np.float32))
    statistics = [m.statistics for m in ordered]
    scores = scorer(outputs, statistics, [m.weight for m in ordered])
    return WindowOutputs(probabilities=mean, scores=scores)


@torch.inference_mode()
def network_outputs(net: ActionClassifier, x: torch.Tensor, draws: int) -> NetworkOutputs:
    """The outputs for x (N * draws, M, L, V, C), averaged over the `draws` consecutive rows of each
    clip. The network must be in evaluation mode."""
    features = net.cls_head.pool(net.features(x))
    logits = net.cls_head.classify(features).float()
    rows = (torch.softmax(logits, dim=1), logits, features.float())
    means = [v.view(-1, draws, v.shape[1]).mean(dim=1).cpu().numpy() for v in rows]
    return NetworkOutputs(probabilities=means[0], logits=means[1], features=means[2])
