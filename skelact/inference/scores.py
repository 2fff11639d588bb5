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
"unknown" has no part in any of them. No torch: graph files have these scores, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

from skelact.inference.calibration import apply_temperature
from skelact.inference.score_names import (
    AGREEMENT,
    COMBINED,
    CONSTANT,
    ENERGY,
    PROBABILITY,
)
from skelact.schemas import ClassStatistics
from skelact.types import UNKNOWN, Floats

_CLOSEST = 1e-4  # of a probability to 0 and 1, for its log-odds


@dataclass(frozen=True, kw_only=True)
class NetworkOutputs:
    """What a network says of N clips, each averaged over its draws: `probabilities` (N, K),
    `logits` (N, K), and `features` (N, D), the input of its linear layer. float32."""

    probabilities: Floats
    logits: Floats
    features: Floats

    def values(self, basis: str) -> Floats:
        """The "features" or the "logits"."""
        return self.features if basis == "features" else self.logits

    def without_features(self) -> NetworkOutputs:
        """The same without features, which can be many: (N, 0)."""
        return replace(self, features=self.features[:, :0])

    @classmethod
    def joined(cls, parts: Sequence[NetworkOutputs]) -> NetworkOutputs:
        """The clips of several batches, one after the other."""
        names = [f.name for f in fields(cls)]
        return cls(**{n: np.concatenate([getattr(p, n) for p in parts]) for n in names})


def energy(logits: Floats, temperature: float) -> Floats:
    """(N,): T logsumexp(logits / T) of logits (N, K)."""
    return np.asarray(temperature * logsumexp(logits / temperature, axis=1), np.float32)


def agreement(probabilities: Floats, weights: Floats) -> Floats:
    """(N,) in [0, 1]: 1 - JSD / max JSD of probabilities (R, N, K) of R > 1 networks with weights
    (R,) that sum to 1. JSD = H(sum w p) - sum w H(p), at most H(w) (Lin 1991)."""

    def entropy(p: Floats) -> Floats:
        return np.asarray(-(p * np.log(np.maximum(p, 1e-12))).sum(axis=-1), np.float32)

    mean = np.tensordot(weights, probabilities, axes=1)
    divergence = entropy(mean) - np.tensordot(weights, entropy(probabilities), axes=1)
    return np.clip(1 - divergence / entropy(weights), 0, 1)


def distance(values: Floats, statistics: ClassStatistics) -> Floats:
    """(N,): minus the smallest squared distance of values (N, D) to a class mean in the space of
    the statistics, divided by its number of dimensions."""
    means = np.asarray(statistics.means, np.float32)
    rows = values @ np.asarray(statistics.projection, np.float32)
    squares = cdist(rows, means, "sqeuclidean")
    return np.asarray(-squares.min(axis=1) / means.shape[1], np.float32)


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
        shares = np.asarray(weights, np.float32)
        shares = shares / shares.sum()
        columns = [self._column(name, outputs, statistics, shares) for name in self.names]
        return np.stack(columns, axis=1).astype(np.float32)

    def _column(
        self,
        name: str,
        outputs: Sequence[NetworkOutputs],
        statistics: Sequence[ClassStatistics | None],
        shares: Floats,
    ) -> Floats:
        """(N,) one score; `shares` are the weights, which sum to 1."""
        if name == COMBINED:
            parts = {
                part: self._column(part, outputs, statistics, shares)
                for part in self.combination
                if part != CONSTANT
            }
            return combine(parts, self.combination)
        probabilities = np.stack([o.probabilities for o in outputs])
        named = [n for n, c in enumerate(self.classes) if c != UNKNOWN]
        if name == PROBABILITY:
            mean = np.tensordot(shares, probabilities, axes=1)
            best = apply_temperature(mean, self.temperature)[:, named].max(axis=1)
            return np.asarray(best, np.float32)
        if name == AGREEMENT:
            return agreement(probabilities, shares)
        each = [
            energy(o.logits[:, named], self.temperature) if name == ENERGY else _distance(o, s)
            for o, s in zip(outputs, statistics, strict=True)
        ]
        return np.asarray(np.tensordot(shares, np.stack(each), axes=1), np.float32)


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


def _distance(outputs: NetworkOutputs, statistics: ClassStatistics | None) -> Floats:
    assert statistics is not None  # see obstacle
    return distance(outputs.values(statistics.basis), statistics)
