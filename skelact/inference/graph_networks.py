"""The networks of a recogniser in an ONNX or OpenVINO file, as members of a predictor. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import softmax

from skelact.errors import CheckpointError, reading
from skelact.inference.ensemble import (
    MemberModel,
    WindowOutputs,
    check_members,
    input_spec,
    members_of,
)
from skelact.inference.graph_files import GraphFile, GraphNetwork, inputs_of
from skelact.sequence.input import ClipArrays, InputSpec
from skelact.types import Floats


def graph_members(file: GraphFile) -> tuple[MemberModel, ...]:
    """The networks of a graph file. Raises CheckpointError if the graph does not have the inputs
    that its document tells of, InputError if the networks cannot be combined."""
    members = members_of(file.model)
    checkpoints = [m.checkpoint for m in members]
    check_members(checkpoints, [f"Member {n}" for n in range(1, len(members) + 1)])
    specs = [input_spec(c) for c in checkpoints]
    distinct, uses = inputs_of(specs)
    shapes = file.session.shapes()
    with reading("The graph", CheckpointError, "Export the model again."):
        if len(shapes) != len(distinct) or file.session.outputs() != len(members):
            raise ValueError("it has other inputs or outputs than its document says")
    total = sum(m.weight for m in members)
    return tuple(
        MemberModel(
            net=GraphNetwork(file=file, number=n, input=use),
            spec=spec,
            clip_s=member.checkpoint.clip_s,
            weight=member.weight / total,
        )
        for n, (member, spec, use) in enumerate(zip(members, specs, uses, strict=True))
    )


def batch_outputs(
    by_spec: Mapping[InputSpec, Sequence[MemberModel]],
    clips: Mapping[InputSpec, Sequence[Floats]],
    device: Any,
    scorer: Any,
) -> WindowOutputs:
    """The outputs for N windows of all networks together; `clips` are the windows by the spec
    before sampling. There are no scores but the probability, and the device is the CPU."""
    ordered = [model.net for models in by_spec.values() for model in models]
    inputs, draws = {}, {}
    for spec, models in by_spec.items():
        part = clips[spec.before_sampling]
        x, count = ClipArrays.of(part, spec).test_input(np.arange(len(part)), spec.sampling)
        inputs[models[0].net.input], draws[models[0].net.input] = x, count
    logits = ordered[0].file.logits(inputs)
    weight = sum(m.weight for models in by_spec.values() for m in models)
    mean: Any = 0.0
    for models in by_spec.values():
        for model in models:
            rows = softmax(logits[model.net.number].astype(np.float32), axis=1)
            rows = rows.reshape(-1, draws[model.net.input], rows.shape[1]).mean(axis=1)
            mean = mean + model.weight / weight * rows
    probabilities = np.asarray(mean, np.float32)
    return WindowOutputs(
        probabilities=probabilities, scores=np.zeros((len(probabilities), 0), np.float32)
    )
