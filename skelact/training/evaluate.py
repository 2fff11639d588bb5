"""Class probabilities of a network."""

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
    rows: Indices,
    sampling: SamplingOptions,
    *,
    batch_size: int,
) -> npt.NDArray[np.float32]:
    """(N, K) float32 class probabilities of the clips `rows` (N,), averaged over the test draws of
    each. Always computed in float32, so that they do not depend on the precision of training."""
    net.eval()
    batches = [rows[n : n + batch_size] for n in range(0, len(rows), batch_size)]
    return np.concatenate(
        [average_probabilities(net, *clips.testing(batch, sampling)) for batch in batches]
    )
