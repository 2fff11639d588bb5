"""Evaluation of networks, in tests and in prediction."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from skelact.models.base import ActionClassifier


@torch.inference_mode()
def mean_probabilities(net: nn.Module, x: Tensor, draws: int) -> Tensor:
    """(N, K) float32 on the device of x: the softmax of the network's output for
    x (N * draws, M, L, V, C), averaged over the `draws` consecutive rows of each clip. The network
    must be in evaluation mode."""
    logits = net(x).float()
    return torch.softmax(logits, dim=1).view(-1, draws, logits.shape[1]).mean(dim=1)


def average_probabilities(net: nn.Module, x: Tensor, draws: int) -> npt.NDArray[np.float32]:
    """`mean_probabilities` as a NumPy array."""
    return np.asarray(mean_probabilities(net, x, draws).cpu().numpy())


@torch.inference_mode()
def mean_features(net: ActionClassifier, x: Tensor, draws: int) -> Tensor:
    """(N, D) float32 on the device of x: the embeddings of x (N * draws, M, L, V, C), which are the
    input of the network's linear layer, averaged over the `draws` consecutive rows of each clip.
    The network must be in evaluation mode."""
    features = net.cls_head.pool(net.features(x)).float()
    return features.view(-1, draws, features.shape[1]).mean(dim=1)
