"""Evaluation of networks, in tests and in prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

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


@dataclass(frozen=True, kw_only=True)
class NetworkOutputs:
    """What a network says of N clips, each averaged over its draws: `probabilities` (N, K),
    `logits` (N, K), and `features` (N, D), the input of its linear layer. float32 on one device."""

    probabilities: Tensor
    logits: Tensor
    features: Tensor

    def values(self, basis: str) -> Tensor:
        """The "features" or the "logits"."""
        return self.features if basis == "features" else self.logits

    def without_features(self) -> NetworkOutputs:
        """The same without features, which can be many: (N, 0)."""
        return replace(self, features=self.features[:, :0])

    @classmethod
    def joined(cls, parts: Sequence[NetworkOutputs]) -> NetworkOutputs:
        """The clips of several batches, one after the other."""
        names = [f.name for f in fields(cls)]
        return cls(**{n: torch.cat([getattr(p, n) for p in parts]) for n in names})


@torch.inference_mode()
def network_outputs(net: ActionClassifier, x: Tensor, draws: int) -> NetworkOutputs:
    """The outputs for x (N * draws, M, L, V, C), averaged over the `draws` consecutive rows of each
    clip. The network must be in evaluation mode."""
    features = net.cls_head.pool(net.features(x))
    logits = net.cls_head.classify(features).float()
    rows = (torch.softmax(logits, dim=1), logits, features.float())
    means = (values.view(-1, draws, values.shape[1]).mean(dim=1) for values in rows)
    return NetworkOutputs(**dict(zip(("probabilities", "logits", "features"), means, strict=True)))


@torch.inference_mode()
def mean_features(net: ActionClassifier, x: Tensor, draws: int) -> Tensor:
    """(N, D) float32 on the device of x: the embeddings of x (N * draws, M, L, V, C), which are the
    input of the network's linear layer, averaged over the `draws` consecutive rows of each clip.
    The network must be in evaluation mode."""
    features = net.cls_head.pool(net.features(x)).float()
    return features.view(-1, draws, features.shape[1]).mean(dim=1)
