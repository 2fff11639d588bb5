"""The pretraining phase of networks that have one (AS-GCN's link inference)."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn
from torch.optim import Adam

from skelact.models.base import Backbone
from skelact.options import TrainOptions
from skelact.schemas import PretrainingState
from skelact.training import distributed, schedule


class Pretraining:
    """Trains what the backbone's `pretraining_loss` depends on, with Adam. `losses` holds the mean
    loss of each finished epoch."""

    def __init__(self, backbone: Backbone, options: TrainOptions) -> None:
        self.backbone, self.options = backbone, options
        self.losses: list[float] = []
        self.optimiser = Adam(backbone.pretraining_parameters(), lr=options.pretrain_lr)

    @property
    def is_done(self) -> bool:
        """Whether all epochs of this phase are finished."""
        return len(self.losses) >= self.options.pretrain_epochs

    def epoch(self, batches: Iterable[tuple[Tensor, Tensor]]) -> float:
        """Train on x (N, M, T, V, C) of every batch (x, labels) once; returns the mean loss."""
        total: float | Tensor = 0.0
        count = 0
        for x, _ in batches:
            loss = self.backbone.pretraining_loss(x)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            parameters = self.backbone.pretraining_parameters()
            distributed.all_reduce_mean(parameters, len(x))
            nn.utils.clip_grad_norm_(parameters, self.options.max_grad_norm)
            self.optimiser.step()
            total, count = total + loss.detach(), count + 1
        self.losses.append(float(total) / count)
        return self.losses[-1]

    def state(self) -> PretrainingState:
        """What `load` restores."""
        return PretrainingState(losses=tuple(self.losses), optimiser=self.optimiser.state_dict())

    def load(self, state: PretrainingState) -> None:
        """Continue from a saved state."""
        self.losses = list(state.losses)
        schedule.load_state(self.optimiser, state.optimiser)
