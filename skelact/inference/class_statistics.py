"""The statistics of the training clips of a network, from which the score "distance" comes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from skelact.errors import CheckpointError
from skelact.metrics import Labels
from skelact.models.base import ActionClassifier
from skelact.schemas import CheckpointDocument, ClassStatistics
from skelact.types import Floats

MAX_FEATURES = 512  # with more features, distances are those of the logits
_MAX_DIMENSIONS = 64


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
