"""The networks of a recogniser in an ONNX or OpenVINO file, as members of a predictor. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import structs
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
from skelact.inference.scores import NetworkOutputs, Scorer
from skelact.schemas import Checkpoint, ClassStatistics
from skelact.sequence.input import ClipArrays, InputSpec
from skelact.types import Floats

Shape = tuple[int | None, ...]


def graph_members(file: GraphFile) -> tuple[MemberModel, ...]:
    """The networks of a graph file. Raises CheckpointError if the graph does not have the inputs
    and outputs that its document tells of, InputError if the networks cannot be combined."""
    members = members_of(file.model)
    checkpoints = [m.checkpoint for m in members]
    check_members(checkpoints, [f"Member {n}" for n in range(1, len(members) + 1)])
    specs = [input_spec(c) for c in checkpoints]
    distinct, uses = inputs_of(specs)
    with reading("The graph", CheckpointError, "Export the model again."):
        statistics = [_checked(c) for c in checkpoints]
        with_features = [n for n, s in enumerate(statistics) if s and s.basis == "features"]
        widths = [len(c.classes) for c in checkpoints]
        widths += [len(statistics[n].projection) for n in with_features]  # type: ignore[union-attr]
        shapes = [
            (None, spec.persons, None, len(spec.skeleton.joints), checkpoints[n].in_channels)
            for spec, n in zip(distinct, map(uses.index, range(len(distinct))), strict=True)
        ]
        if not _fit(file.session.shapes(), shapes) or file.session.widths() != widths:
            raise ValueError("it has other inputs or outputs than its document says")
    places = {n: len(members) + k for k, n in enumerate(with_features)}
    total = sum(m.weight for m in members)
    return tuple(
        MemberModel(
            net=GraphNetwork(file=file, input=uses[n], logits=n, features=places.get(n)),
            spec=specs[n],
            clip_s=member.checkpoint.clip_s,
            weight=member.weight / total,
            statistics=statistics[n],
        )
        for n, member in enumerate(members)
    )


def _fit(found: Sequence[Shape], expected: Sequence[Shape]) -> bool:
    """Whether inputs have the expected shapes; None is an axis of any size."""
    return len(found) == len(expected) and all(
        len(a) == len(b) and all(None in (x, y) or x == y for x, y in zip(a, b, strict=True))
        for a, b in zip(found, expected, strict=True)
    )


def _checked(checkpoint: Checkpoint) -> ClassStatistics | None:
    """The class statistics of a document, lists of numbers, as arrays. Raises ValueError if they
    are not matrices that fit each other and the classes."""
    if checkpoint.statistics is None:
        return None
    found = checkpoint.statistics
    projection, means = (np.asarray(v, np.float32) for v in (found.projection, found.means))
    fits = projection.ndim == means.ndim == 2 and projection.shape[1] == means.shape[1] > 0
    if not fits or not len(means) or not all(np.isfinite(v).all() for v in (projection, means)):
        raise ValueError("its class statistics are not matrices of numbers that fit each other")
    if found.basis == "logits" and len(projection) != len(checkpoint.classes):
        raise ValueError("its class statistics are of another number of classes")
    return structs.replace(found, projection=projection, means=means)


def batch_outputs(
    by_spec: Mapping[InputSpec, Sequence[MemberModel]],
    clips: Mapping[InputSpec, Sequence[Floats]],
    device: Any,
    scorer: Scorer | None,
) -> WindowOutputs:
    """The outputs for N windows of all networks together; `clips` are the windows by the spec
    before sampling. The device is the CPU."""
    ordered = [model for models in by_spec.values() for model in models]
    inputs, draws = {}, {}
    for spec, models in by_spec.items():
        part = clips[spec.before_sampling]
        x, count = ClipArrays.of(part, spec).test_input(np.arange(len(part)), spec.sampling)
        inputs[models[0].net.input], draws[models[0].net.input] = x, count
    found = ordered[0].net.file.run(inputs)
    outputs = [_outputs(model.net, found, draws[model.net.input]) for model in ordered]
    weights = [model.weight for model in ordered]
    shares = np.array(weights, np.float32) / np.float32(sum(weights))
    probabilities = np.tensordot(shares, np.stack([o.probabilities for o in outputs]), axes=1)
    scores = np.zeros((len(probabilities), 0), np.float32)
    if scorer is not None:
        scores = scorer(outputs, [m.statistics for m in ordered], weights)
    return WindowOutputs(probabilities=probabilities, scores=scores)


def _outputs(net: GraphNetwork, found: Sequence[Floats], draws: int) -> NetworkOutputs:
    """The outputs of one network, averaged over the draws of each clip."""

    def mean(rows: Floats) -> Floats:
        shape = (len(rows) // draws, draws, rows.shape[1])
        return np.asarray(rows.reshape(shape).mean(axis=1), np.float32)

    logits = found[net.logits].astype(np.float32)
    features = logits[:, :0] if net.features is None else found[net.features]
    return NetworkOutputs(
        probabilities=mean(softmax(logits, axis=1)), logits=mean(logits), features=mean(features)
    )
