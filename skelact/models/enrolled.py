"""Heads for classes that were added to a trained network from a few examples.

An example is stored as its embedding, the pooled features of the network. There are two kinds of
heads. `solve_ridge` repeats the ridge regression of a network with a closed-form head, with the
examples as additional rows. `AnchorHead` compares embeddings with those of the examples (anchors)
by cosine or by the Jensen-Shannon divergence of their softmax, and works with every network.

Both need statistics of the embeddings of the training clips, `schemas.FeatureStatistics`."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skelact.errors import CheckpointError
from skelact.models.base import ActionClassifier, GCNHead
from skelact.schemas import Checkpoint, Enrolment, FeatureStatistics

# The logits of a closed-form head are the answers of its regression times this factor. It maximises
# the likelihood of held-out clips of JHMDB, which is flat from 8 to 10.
LOGIT_SCALE = 8.0
# The numbers below were chosen on validation clips of JHMDB, with classes that the network was not
# trained on (docs/pages/guides/enroll.md).
SLOPE = 0.7
THRESHOLD = {"cosine": 3.0, "jsd": 2.5}
OFFSET = 2.0  # added to the logits of enrolled classes of a ridge regression: examples are few
WHITENING = 0.001  # of the variance of all directions, added to that of each
CLASS_WEIGHT = 60.0  # of all examples of a class in the regression, in clips
RIDGE = "ridge"
RANK = 128  # principal directions that are stored
COHORT = 256  # embeddings that are stored


@torch.no_grad()
def feature_statistics(
    rows: Tensor, mean: Tensor, deviation: Tensor, cohort: Tensor, penalty: float = 0.0
) -> FeatureStatistics:
    """The statistics of a network's embeddings. `rows` (N, D) are those of the training clips,
    standardised by `mean` and `deviation` (D,) and weighted as in the regression whose penalty is
    `penalty`; `cohort` (N', D) are standardised embeddings of clips, best not of trained ones.

    The matrix rowsᵀ rows (D, D) of the regression is kept as its RANK largest eigenvalues and
    their eigenvectors. The other eigenvalues are small beside the penalty."""
    rank = min(RANK, *rows.shape)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        _, values, basis = torch.svd_lowrank(rows.float().cpu(), q=min(rank + 8, *rows.shape))
    basis = basis[:, :rank]
    keep = torch.linspace(0, len(cohort) - 1, min(len(cohort), COHORT)).round().long()
    return FeatureStatistics(
        mean=mean.float().cpu().contiguous(),
        deviation=deviation.float().cpu().contiguous(),
        basis=basis.half().contiguous(),
        eigenvalues=values[:rank].square().contiguous(),
        cohort=(cohort[keep.to(cohort.device)].float().cpu() @ basis).contiguous(),
        penalty=penalty,
    )


def statistics_of(features: Tensor, cohort: Tensor | None = None) -> FeatureStatistics:
    """The statistics of embeddings (N, D), for a network whose head is not in closed form or whose
    regression is not known. The cohort (N', D) are other embeddings, or the same."""
    mean, deviation = features.mean(dim=0), features.std(dim=0, correction=0) + 1e-3
    rows = (features - mean) / deviation
    others = rows if cohort is None else (cohort - mean) / deviation
    return feature_statistics(rows, mean, deviation, others)


def similarity(method: str, x: Tensor, anchors: Tensor) -> Tensor:
    """(N, S): how similar x (N, R) and anchors (S, R) are, 1 for equal ones: the cosine, or 1 minus
    the Jensen-Shannon divergence (base 2) of their softmax (Lin 1991, "Divergence Measures Based
    on the Shannon Entropy"), after they are scaled to a root mean square of 1."""
    x, anchors = F.normalize(x, dim=1), F.normalize(anchors, dim=1)
    if method == "cosine":
        return x @ anchors.T
    p, q = (F.softmax(v * math.sqrt(v.shape[1]), dim=1) for v in (x, anchors))
    p, q = p[:, None], q[None]
    divergence = _entropy((p + q) / 2) - (_entropy(p) + _entropy(q)) / 2
    return 1 - divergence / math.log(2)


def _entropy(p: Tensor) -> Tensor:
    return -torch.special.xlogy(p, p).sum(dim=-1)


def _gains(statistics: FeatureStatistics) -> Tensor:
    """(R,): factors that give the principal directions nearly equal variances."""
    variances = statistics.eigenvalues.float()
    return (variances + WHITENING * variances.sum()).rsqrt()


def whitening(statistics: FeatureStatistics) -> Tensor:
    """(D, R): the matrix that takes embeddings, without their mean, to the principal directions,
    scaled to nearly equal variances."""
    scale = statistics.basis.float() / statistics.deviation.float()[:, None]
    return scale * _gains(statistics)


class AnchorHead(GCNHead):
    """The head of a trained network, with a logit for each enrolled class c:

        log sum exp(logits of the trained classes) + SLOPE * (u_c - THRESHOLD)

    so that the trained classes keep their ratios, and SLOPE * (u_c - THRESHOLD) are the log odds
    of class c against all of them together. u_c is the similarity to the mean of the examples of c,
    in standard deviations of that of the cohort (z-norm; Auckenthaler et al. 2000, "Score
    Normalization for Text-Independent Speaker Verification Systems"). Embeddings are compared in
    the stored principal directions, scaled to equal variances."""

    scale: Tensor
    offset: Tensor
    anchors: Tensor
    middle: Tensor
    spread: Tensor

    def __init__(self, head: GCNHead, enrolment: Enrolment, statistics: FeatureStatistics) -> None:
        nn.Module.__init__(self)
        self.drop, self.fc, self.method = head.drop, head.fc, enrolment.method
        scale = whitening(statistics)
        self._keep("scale", scale)
        self._keep("offset", statistics.mean.float() @ scale)
        rows = [c.embeddings.float() @ scale - self.offset for c in enrolment.classes]
        self._keep("anchors", torch.stack([F.normalize(r, dim=1).mean(dim=0) for r in rows]))
        others = statistics.cohort.float() * _gains(statistics)
        others = similarity(self.method, others, self.anchors)
        self._keep("middle", others.mean(dim=0))
        self._keep("spread", others.std(dim=0, correction=0).clamp(min=0.01))

    def _keep(self, name: str, value: Tensor) -> None:
        self.register_buffer(name, value, persistent=False)

    def classify(self, x: Tensor) -> Tensor:
        """Pooled features (N, C) -> logits (N, classes), the enrolled classes last."""
        logits = self.fc(self.drop(x))
        near = similarity(self.method, x.float() @ self.scale - self.offset, self.anchors)
        odds = SLOPE * ((near - self.middle) / self.spread - THRESHOLD[self.method])
        return torch.cat([logits, logits.logsumexp(dim=1, keepdim=True) + odds], dim=1)


@torch.no_grad()
def solve_ridge(head: GCNHead, enrolment: Enrolment, statistics: FeatureStatistics) -> GCNHead:
    """The head of a closed-form network, with the examples as additional rows of its regression.

    With the standardised features Z (N, D) of the regression, A = Zᵀ Z + penalty, the solution W
    of the trained classes and the rows E (S, D) of the examples, whose weights are the diagonal of
    Q, the new solution is W + (A + Eᵀ Q E)⁻¹ Eᵀ Q (T - E W), where T are the targets of the
    examples (Woodbury identity; the trained classes are 0 at the mean of Z). A is known in the
    directions of the basis, and is the penalty in all others."""
    fc = head.fc
    mean, deviation = statistics.mean.float(), statistics.deviation.float()
    rows = torch.cat([(c.embeddings.float() - mean) / deviation for c in enrolment.classes])
    trained, total = fc.out_features, fc.out_features + len(enrolment.classes)
    solution = rows.new_zeros(len(mean), total)
    solution[:, :trained] = (fc.weight * deviation).T / LOGIT_SCALE
    counts = [len(c.embeddings) for c in enrolment.classes]
    owner = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    target = F.one_hot(trained + owner, total).float() - 1 / total
    weight = CLASS_WEIGHT / torch.tensor(counts, dtype=torch.float32)[owner]
    basis, penalty = statistics.basis.float(), statistics.penalty
    inside = rows @ basis
    shrink = 1 / (statistics.eigenvalues.float() + penalty) - 1 / penalty
    inverse = rows / penalty + (inside * shrink) @ basis.T  # the rows of E A⁻¹
    gram = rows @ inverse.T
    gram.diagonal().add_(1 / weight)
    solution += inverse.T @ torch.linalg.solve(gram, target - rows @ solution)
    new = GCNHead(fc.in_features, total)
    new.drop = head.drop
    new.fc.weight.copy_((LOGIT_SCALE * solution / deviation[:, None]).T)
    # the trained classes keep offsets that were added to their logits
    change = new.fc.weight.clone()
    change[:trained] -= fc.weight
    new.fc.bias.copy_(-change @ mean)
    new.fc.bias[:trained] += fc.bias
    new.fc.bias[trained:] += OFFSET
    return new


def with_enrolled(net: ActionClassifier, checkpoint: Checkpoint) -> ActionClassifier:
    """The network of a checkpoint with a head for its enrolled classes too. Raises CheckpointError
    if the examples do not fit the network."""
    enrolment, statistics = checkpoint.enrolment, checkpoint.features
    if enrolment is None or statistics is None:
        return net
    size = net.cls_head.fc.in_features
    if len(statistics.mean) != size or enrolment.classes[0].embeddings.shape[1] != size:
        raise CheckpointError("The enrolled classes do not fit the network", checkpoint.hint)
    if enrolment.method != RIDGE:
        net.cls_head = AnchorHead(net.cls_head, enrolment, statistics)
    elif statistics.penalty > 0:
        net.cls_head = solve_ridge(net.cls_head, enrolment, statistics)
    else:
        raise CheckpointError("The network has no closed-form head", checkpoint.hint)
    return net
