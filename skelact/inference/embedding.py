"""Embeddings: the pooled features of a network, which its linear layer classifies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from skelact.inference.ensemble import MemberModel
from skelact.inference.windows import PersonTrack, Window
from skelact.models.base import ActionClassifier
from skelact.models.evaluate import mean_features
from skelact.sequence.input import ClipArrays, window_values
from skelact.types import Floats


def window_embeddings(
    member: MemberModel,
    tracks: Sequence[PersonTrack],
    windows: Sequence[Sequence[Window]],
    batch_size: int,
    device: torch.device,
) -> list[Floats]:
    """For each track (W, D) float32: the `mean_features` of its windows [start, end)."""
    net, spec = member.net, member.spec
    assert isinstance(net, ActionClassifier)
    clips = [
        clip
        for track, spans in zip(tracks, windows, strict=True)
        for clip in window_values(track.sequence, spans, spec, as_stored=track.as_stored)
    ]
    rows = [np.zeros((0, net.cls_head.fc.in_features), np.float32)]
    for start in range(0, len(clips), batch_size):
        part = clips[start : start + batch_size]
        arrays = ClipArrays.of(part, spec)
        arrays = replace(arrays, values=torch.from_numpy(arrays.values).to(device))
        x, draws = arrays.test_input(np.arange(len(part)), spec.sampling)
        rows.append(mean_features(net, x, draws).cpu().numpy())
    return np.split(np.concatenate(rows), np.cumsum([len(w) for w in windows])[:-1])
