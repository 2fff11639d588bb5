"""Scores of how likely a window shows one of the classes that a model knows; higher means rather
known. A model answers "unknown" where its score is below a threshold (`skelact calibrate`).

- probability: the highest probability of a class (Hendrycks and Gimpel 2017).
- energy: T logsumexp(logits / T) with the calibrated temperature T (Liu et al. 2020).
- distance: minus the squared Mahalanobis distance to the nearest class mean, divided by the number
  of dimensions (Lee et al. 2018).
- agreement: 1 minus the Jensen-Shannon divergence of the networks of an ensemble, divided by its
  highest value (Lakshminarayanan et al. 2017 use the divergence).
- combined: the log-odds of a logistic regression of the other scores, of the probability its own
  log-odds, for a known sample with a right label against all else (stacking, Wolpert 1992).

Of an ensemble, energy and distance are the means of the networks by their weights. A class called
"unknown" has no part in any of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from skelact.errors import CheckpointError
from skelact.inference.calibration import apply_temperature
from skelact.inference.score_names import (
    AGREEMENT,
    COMBINED,
    CONSTANT,
    ENERGY,
    PROBABILITY,
)
from skelact.metrics import Labels
from skelact.models.base import ActionClassifier
from skelact.models.evaluate import NetworkOutputs
from skelact.schemas import CheckpointDocument, ClassStatistics
from skelact.types import UNKNOWN, Floats

MAX_FEATURES = 512  # with more features, distances are those of the logits
_MAX_DIMENSIONS = 64
_CLOSEST = 1e-4  # of a probability to 0 and 1, for its log-odds


def energy(logits: Tensor, temperature: float) -> Tensor:
    """(N,): T logsumexp(logits / T) of logits (N, K)."""
    return temperature * torch.logsumexp(logits / temperature, dim=1)


def agreement(probabilities: Tensor, weights: Tensor) -> Tensor:
    """(N,) in [0, 1]: 1 - JSD / max JSD of probabilities (R, N, K) of R > 1 networks with weights
    (R,) that sum to 1. JSD = H(sum w p) - sum w H(p), at most H(w) (Lin 1991)."""

    def entropy(p: Tensor, dim: int) -> Tensor:
        return -(p * p.clamp(min=1e-12).log()).sum(dim)

    mean = torch.tensordot(weights, probabilities, dims=1)
    divergence = entropy(mean, 1) - torch.tensordot(weights, entropy(probabilities, 2), dims=1)
    return (1 - divergence / entropy(weights, 0)).clamp(0, 1)


def distance(values: Tensor, statistics: ClassStatistics) -> Tensor:
    """(N,): minus the smallest squared distance of values (N, D) to a class mean in the space of
    the statistics, divided by its number of dimensions."""
    means = statistics.means.to(values)
    rows = values @ statistics.projection.to(values)
    return -torch.cdist(rows, means).square().amin(dim=1) / means.shape[1]


def class_statistics(
    values: Floats, labels: Labels, *, basis: str, most: int = _MAX_DIMENSIONS
) -> ClassStatistics:
    """The statistics of values (N, D) with labels (N,): class means, and the projection on the
    `most` directions in which the class means differ most, relative to the covariance within the
    classes, which is made the identity.

    The covariance is shared by the classes and shrunk towards a multiple of the identity (Ledoit
    and Wolf 2004). Raises ValueError with fewer than two samples."""
    if len(values) < 2:
        raise ValueError("class statistics need at least two samples")
    rows = values.astype(np.float64)
    kinds, index = np.unique(labels, return_inverse=True)
    counts = np.bincount(index)
    means = np.stack([rows[index == k].mean(axis=0) for k in range(len(kinds))])
    variances, axes = np.linalg.eigh(shrunk_covariance(rows - means[index]))
    whiten = axes / np.sqrt(np.maximum(variances, 1e-12 * max(variances.max(), 1e-12)))
    spread = (means - (counts @ means) / len(rows)) @ whiten * np.sqrt(counts)[:, None]
    _, _, directions = np.linalg.svd(spread, full_matrices=True)
    projection = whiten @ directions[: min(most, rows.shape[1])].T
    return ClassStatistics(
        basis="features" if basis == "features" else "logits",
        projection=torch.from_numpy(projection.astype(np.float32)),
        means=torch.from_numpy((means @ projection).astype(np.float32)),
    )


def shrunk_covariance(centred: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(D, D): the covariance of rows (N, D) with mean 0, shrunk to the mean variance times the
    identity with the intensity of Ledoit and Wolf 2004, "A well-conditioned estimator for
    large-dimensional covariance matrices", lemma 3.2 to 3.4."""
    n, d = centred.shape
    sample = centred.T @ centred / n
    target = np.trace(sample) / d * np.eye(d)
    # d^2 and b^2 of the paper, without the division by D that both have
    distance_to_target = ((sample - target) ** 2).sum()
    noise = ((centred**2).sum(axis=1) ** 2).mean() - (sample**2).sum()
    if distance_to_target <= 0:
        return np.asarray(target)
    share = min(1.0, max(0.0, noise / n / distance_to_target))
    return np.asarray(share * target + (1 - share) * sample)


def basis_of(net: ActionClassifier) -> str:
    """What the distances of a network are computed from: its features, or its logits if it has more
    than MAX_FEATURES features, because statistics of those would be larger than the network."""
    return "features" if net.cls_head.fc.in_features <= MAX_FEATURES else "logits"


def check_statistics(statistics: ClassStatistics, net: ActionClassifier) -> None:
    """Raises CheckpointError if the statistics are not those of such a network."""
    fc = net.cls_head.fc
    width = fc.in_features if statistics.basis == "features" else fc.out_features
    projection, means = statistics.projection, statistics.means
    if not (
        all(isinstance(t, Tensor) and t.ndim == 2 for t in (projection, means))
        and all(t.is_floating_point() for t in (projection, means))
        and projection.shape[0] == width
        and projection.shape[1] == means.shape[1] > 0
        and len(means)
    ):
        raise CheckpointError(
            "The class statistics of the checkpoint do not fit its network",
            CheckpointDocument.hint,
        )


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """Computes the scores `names` of the networks of a model with these classes."""

    names: tuple[str, ...]
    classes: tuple[str, ...]
    temperature: float = 1.0
    combination: Mapping[str, float] = field(default_factory=dict)

    def __call__(
        self,
        outputs: Sequence[NetworkOutputs],
        statistics: Sequence[ClassStatistics | None],
        weights: Sequence[float],
    ) -> Floats:
        """(N, S): the scores of N windows from the outputs of each network that sees them, its
        statistics and its weight."""
        shares = torch.tensor(weights, device=outputs[0].logits.device)
        shares = shares / shares.sum()
        columns = [self._column(name, outputs, statistics, shares) for name in self.names]
        return np.stack(columns, axis=1).astype(np.float32)

    def _column(
        self,
        name: str,
        outputs: Sequence[NetworkOutputs],
        statistics: Sequence[ClassStatistics | None],
        shares: Tensor,
    ) -> Floats:
        """(N,) one score; `shares` are the weights, which sum to 1."""
        if name == COMBINED:
            parts = {
                part: self._column(part, outputs, statistics, shares)
                for part in self.combination
                if part != CONSTANT
            }
            return combine(parts, self.combination)
        probabilities = torch.stack([o.probabilities for o in outputs])
        named = [n for n, c in enumerate(self.classes) if c != UNKNOWN]
        if name == PROBABILITY:
            mean = torch.tensordot(shares, probabilities, dims=1).cpu().numpy()
            best = apply_temperature(mean, self.temperature)[:, named].max(axis=1)
            return np.asarray(best, np.float32)
        if name == AGREEMENT:
            column = agreement(probabilities, shares)
        else:
            each = [
                energy(o.logits[:, named], self.temperature) if name == ENERGY else _distance(o, s)
                for o, s in zip(outputs, statistics, strict=True)
            ]
            column = torch.tensordot(shares, torch.stack(each), dims=1)
        return np.asarray(column.cpu().numpy(), np.float32)


def combine(scores: Mapping[str, Floats], combination: Mapping[str, float]) -> Floats:
    """(N,) the combined score of scores (N,) by their names."""
    total = np.full(len(next(iter(scores.values()))), combination.get(CONSTANT, 0.0))
    for name, values in scores.items():
        total += combination[name] * combined_input(name, values)
    return np.asarray(total, np.float32)


def combined_input(name: str, values: Floats) -> npt.NDArray[np.float64]:
    """The values (N,) of a score as a combination uses them: of a probability the log-odds."""
    rows = values.astype(np.float64)
    if name != PROBABILITY:
        return rows
    clipped = np.clip(rows, _CLOSEST, 1 - _CLOSEST)
    return np.asarray(np.log(clipped / (1 - clipped)))


def _distance(outputs: NetworkOutputs, statistics: ClassStatistics | None) -> Tensor:
    assert statistics is not None  # see obstacle
    return distance(outputs.values(statistics.basis), statistics)
