"""A linear layer in closed form: ridge regression on what a fixed backbone gives. All batches and
their features are held at once: for thousands of clips, not for hundreds of thousands."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from skelact.errors import ConfigError
from skelact.models.base import ActionClassifier
from skelact.options import TrainOptions

# logits are so many times the regression's answers: the likelihood of held-out clips of JHMDB was
# largest there, and flat from 8 to 10
_LOGIT_SCALE = 8.0


def check(options: TrainOptions) -> None:
    """ConfigError for what means something to gradient descent alone."""
    if options.epochs > 1 or options.ema_decay or options.compile:
        raise ConfigError(
            "this network is solved in one step: epochs must be 1, ema_decay 0, nothing compiled",
            "--set train.epochs=1; train.repeat gives it more varied copies of the clips",
        )


@torch.no_grad()
def solve(
    net: ActionClassifier,
    batches: list[tuple[Tensor, Tensor]],
    strength: float,
    weights: Tensor | None = None,
) -> tuple[float, float]:
    """Settle the backbone and set the head so that it answers with the classes of the batches,
    each x (N, M, T, V, C) and labels (N,) or shares of the classes (N, K). Features are brought to
    deviation 1; the penalty is `strength` times their number. `weights` (K,) are of the classes.
    Returns loss and accuracy on the same batches."""
    fc, classes = net.cls_head.fc, net.cls_head.fc.out_features
    net.eval()
    net.backbone.fit_scaler(x for x, _ in batches)
    seen = torch.cat([net.cls_head.pool(net.features(x)) for x, _ in batches])
    target = torch.cat([F.one_hot(y, classes) if y.ndim == 1 else y for _, y in batches]).float()
    mean, deviation = seen.mean(dim=0), seen.std(dim=0, correction=0) + 1e-3
    features = (seen - mean) / deviation
    wanted = target - 1 / classes
    if weights is not None:
        root = (target @ weights).sqrt()[:, None]
        features, wanted = features * root, wanted * root
    penalty = strength * features.shape[1]
    if len(features) <= features.shape[1]:
        gram = features @ features.T
        gram.diagonal().add_(penalty)
        solution = features.T @ torch.linalg.solve(gram, wanted)
    else:
        gram = features.T @ features
        gram.diagonal().add_(penalty)
        solution = torch.linalg.solve(gram, features.T @ wanted)
    fc.weight.copy_((_LOGIT_SCALE * solution / deviation[:, None]).T)
    fc.bias.copy_(-fc.weight @ mean)
    logits = fc(seen)
    loss = F.cross_entropy(logits, target, weights)
    right = (logits.argmax(dim=1) == target.argmax(dim=1)).float().mean()
    return float(loss), float(right)
