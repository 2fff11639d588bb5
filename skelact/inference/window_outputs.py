"""What the networks of a model say of the windows of tracks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from skelact.inference import graph_networks
from skelact.inference.ensemble import MemberModel, WindowOutputs
from skelact.inference.graph_files import GraphNetwork
from skelact.inference.scores import Scorer
from skelact.inference.windows import PersonTrack, Window
from skelact.sequence.input import InputSpec, window_values
from skelact.types import Floats

if TYPE_CHECKING:
    import torch


def window_outputs(
    members: Sequence[MemberModel],
    tracks: Sequence[PersonTrack],
    windows: Sequence[Sequence[Window]],
    batch_size: int,
    device: torch.device,
    scorer: Scorer | None = None,
) -> list[WindowOutputs]:
    """For each track the outputs of its windows [start, end): probabilities are the mean over the
    members by their weights, which are scaled to sum to 1; scores are those of `scorer`, none
    without one.

    Members with equal preprocessing share its result; members with equal specs share their
    input."""
    by_spec: dict[InputSpec, list[MemberModel]] = {}
    for member in members:
        by_spec.setdefault(member.spec, []).append(member)
    clips: dict[InputSpec, list[Floats]] = {}  # by the spec before sampling
    for spec in by_spec:
        if spec.before_sampling not in clips:
            clips[spec.before_sampling] = [
                clip
                for track, spans in zip(tracks, windows, strict=True)
                for clip in window_values(track.sequence, spans, spec, as_stored=track.as_stored)
            ]
    count = sum(map(len, windows))
    if not count:
        nothing = np.zeros((0, 0), np.float32)
        return [WindowOutputs(probabilities=nothing, scores=nothing) for _ in windows]
    run = _runner(members)
    batches = []
    for start in range(0, count, batch_size):
        part = {spec: own[start : start + batch_size] for spec, own in clips.items()}
        batches.append(run(by_spec, part, device, scorer))
    joined = WindowOutputs.joined(batches)
    ends = np.cumsum([len(w) for w in windows])[:-1]
    parts = (np.split(rows, ends) for rows in (joined.probabilities, joined.scores))
    return [WindowOutputs(probabilities=p, scores=s) for p, s in zip(*parts, strict=True)]


def _runner(members: Sequence[MemberModel]) -> Callable[..., WindowOutputs]:
    """The function that computes the outputs of a batch of windows: with torch, or by the program
    that runs the graph of a file."""
    if isinstance(members[0].net, GraphNetwork):
        return graph_networks.batch_outputs
    from skelact.inference.networks import batch_outputs

    return batch_outputs
