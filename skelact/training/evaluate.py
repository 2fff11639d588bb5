"""Predictions of a network over clips."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from torch import nn

from skelact.models.evaluate import average_probabilities
from skelact.sequence.sampling import Indices, SamplingOptions
from skelact.training.batches import DeviceClips


def probabilities(
    net: nn.Module,
    clips: DeviceClips,
    samples: Indices,
    sampling: SamplingOptions,
    batch_size: int,
) -> npt.NDArray[np.float32]:
    """(N, K) float32: class probabilities of the clips `samples`, averaged over the test-time draws
    of each. Computed in float32, whatever precision was used in training."""
    net.eval()
    batches = [samples[n : n + batch_size] for n in range(0, len(samples), batch_size)]
    return np.concatenate(
        [average_probabilities(net, *clips.testing(batch, sampling)) for batch in batches]
    )
