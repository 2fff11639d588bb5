"""Probabilities of a network over clips."""

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
    samples: Indices,
    sampling: SamplingOptions,
    batch_size: int,
) -> npt.NDArray[np.float32]:
    """(N, K) float32: softmax of the network's output, averaged over a sample's test clips.
    Computed in float32, so that a prediction is the same whatever the training was done in."""
    net.eval()
    out = []
    for start in range(0, len(samples), batch_size):
        x, draws = clips.testing(samples[start : start + batch_size], sampling)
        logits = net(x)
        out.append(
            torch.softmax(logits, dim=1).view(-1, draws, logits.shape[1]).mean(dim=1).cpu().numpy()
        )
    return np.concatenate(out)
