"""Evaluation of networks, in tests and in prediction."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn


@torch.inference_mode()
def average_probabilities(net: nn.Module, x: Tensor, draws: int) -> npt.NDArray[np.float32]:
    """(N, K) float32: the softmax of the network's output for x (N * draws, M, L, V, C), averaged
    over the `draws` consecutive rows of each clip. The network must be in evaluation mode."""
    logits = net(x).float()
    probabilities = torch.softmax(logits, dim=1).view(-1, draws, logits.shape[1]).mean(dim=1)
    return np.asarray(probabilities.cpu().numpy())
