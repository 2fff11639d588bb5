"""Class probabilities of a network."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from skelact.sequence.sampling import Indices, SamplingOptions
from skelact.training.batches import DeviceClips


@torch.inference_mode()
def probabilities(
    net: nn.Module,
    clips: DeviceClips,
    rows: Indices,
    sampling: SamplingOptions,
    *,
    batch_size: int,
) -> npt.NDArray[np.float32]:
    """(N, K) float32 for the clips `rows` (N,): softmax of the logits, averaged over the test draws
    of each clip. Always computed in float32, so that a prediction does not depend on the precision
    of training."""
    net.eval()
    out = []
    for start in range(0, len(rows), batch_size):
        x, draws = clips.testing(rows[start : start + batch_size], sampling)
        each = torch.softmax(net(x), dim=1)
        out.append(each.view(-1, draws, each.shape[1]).mean(dim=1).cpu().numpy())
    return np.concatenate(out)
