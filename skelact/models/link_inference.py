"""AS-GCN's A-link inference module (AIM): an encoder that infers the type of the link between every
pair of joints, and a decoder that forecasts the motion from these links (Li et al. 2019, sec. 4.1;
after Kipf et al. 2018, "Neural Relational Inference"). It is trained alone, before the classifier.

Pairs of joints are a (V, V) grid with senders as rows, receivers as columns, and an unused
diagonal. A linear layer on [receiver, sender] is then the sum of two small layers on joints."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

_PRIOR_NO_LINK = 0.95
_VARIANCE = 5e-4
_EPS = 1e-10
_KEPT_BYTES = 1 << 31  # of activations over pairs of joints; with more, frames are recomputed


def off_diagonal(size: int, device: torch.device) -> Tensor:
    """Indices of the elements of a flattened (size, size) grid that are not on its diagonal."""
    return torch.arange(size * size, device=device)[1:].view(size - 1, size + 1)[:, :-1].flatten()


class MLP(nn.Module):
    """Linear, ELU, dropout, linear, ELU, BN of the features. State-dict names as published."""

    def __init__(self, channels: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, hidden)
        self.fc2 = nn.Linear(hidden, hidden)
        self.bn = nn.BatchNorm1d(hidden)
        self.dropout = dropout
        for fc in (self.fc1, self.fc2):
            nn.init.xavier_normal_(fc.weight)
            nn.init.constant_(fc.bias, 0.1)

    def forward(self, *parts: Tensor) -> Tensor:
        """(..., C_i), the parts of the concatenated input, which are broadcast -> (..., H)."""
        widths = [p.shape[-1] for p in parts]
        weights = self.fc1.weight.split(widths, dim=1)
        x = self.fc1.bias + sum(F.linear(p, w) for p, w in zip(parts, weights, strict=True))
        x = F.dropout(F.elu(x), self.dropout, self.training)
        x = F.elu(self.fc2(x))
        if x.dim() == 4 and self.bn.training:  # pairs: leave the diagonal out of the statistics
            pairs = off_diagonal(x.shape[1], x.device)
            normed = self.bn(x.flatten(1, 2)[:, pairs].flatten(0, 1)).to(x.dtype)
            out = torch.zeros_like(x).flatten(1, 2)
            return out.index_copy(1, pairs, normed.view(len(x), len(pairs), -1)).view(x.shape)
        normed = self.bn(x.flatten(0, -2)).view(x.shape)
        if x.dim() == 4:  # without index_copy, which the ONNX exporter writes wrongly
            normed = normed * (1 - torch.eye(x.shape[1], device=x.device, dtype=x.dtype))[..., None]
        return normed


class Encoder(nn.Module):
    """Motion of the joints -> logits of the type of link between each pair."""

    def __init__(self, channels: int, hidden: int, kinds: int, dropout: float) -> None:
        super().__init__()
        self.mlp1 = MLP(channels, hidden, dropout)
        self.mlp2 = MLP(2 * hidden, hidden, dropout)
        self.mlp3 = MLP(hidden, hidden, dropout)
        self.mlp4 = MLP(3 * hidden, hidden, dropout)
        self.fc_out = nn.Linear(hidden, kinds)
        nn.init.xavier_normal_(self.fc_out.weight)
        nn.init.constant_(self.fc_out.bias, 0.1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, V, T·C) -> (B, V, V, kinds)."""
        nodes = self.mlp1(x)
        pairs = self.mlp2(nodes[:, None], nodes[:, :, None])  # receiver, sender
        nodes = self.mlp3(pairs.sum(dim=1) / x.shape[1])
        return self.fc_out(self.mlp4(nodes[:, None], nodes[:, :, None], pairs))


class Decoder(nn.Module):
    """Forecasts every frame from the one before it, with messages along the links and a recurrent
    cell that the joints share."""

    def __init__(self, dims: int, hidden: int, kinds: int, dropout: float) -> None:
        super().__init__()
        self.msg_fc1 = nn.ModuleList(nn.Linear(2 * hidden, hidden) for _ in range(kinds))
        self.msg_fc2 = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(kinds))
        for gate in "rin":
            self.add_module(f"hidden_{gate}", nn.Linear(hidden, hidden, bias=False))
            self.add_module(f"input_{gate}", nn.Linear(dims, hidden))
        self.out_fc1 = nn.Linear(hidden, hidden)
        self.out_fc2 = nn.Linear(hidden, hidden)
        self.out_fc3 = nn.Linear(hidden, dims)
        self.hidden, self.dropout = hidden, dropout
        # type 0 is 'no link', which sends no message
        for unused in (self.msg_fc1[0], self.msg_fc2[0]):
            unused.requires_grad_(False)

    def forward(self, x: Tensor, links: Tensor) -> Tensor:
        """x (B, V, T, C), links (B, V, V, kinds) -> forecasts of frames 1 to T - 1,
        (B, V, T - 1, C).

        The dropout of messages is the same in all frames of a sequence (Gal and Ghahramani 2016):
        the random numbers for all pairs of joints in every frame took a third of the time."""
        state = x.new_zeros(*x.shape[:2], self.hidden)
        masks = self._message_masks(links)
        recompute = torch.is_grad_enabled() and self._kept_bytes(x) > _KEPT_BYTES
        out = []
        for t in range(x.shape[2] - 1):
            if recompute:  # in the backward pass, to save memory
                now, state = cast(
                    tuple[Tensor, Tensor],
                    checkpoint(self.step, x[:, :, t], state, links, masks, use_reentrant=False),
                )
            else:
                now, state = self.step(x[:, :, t], state, links, masks)
            out.append(now)
        return torch.stack(out, dim=2)

    def _message_masks(self, links: Tensor) -> Tensor | None:
        """(kinds - 1, B, V, V, H): 0 for dropped elements of the messages, else the inverse of the
        probability of being kept; None without dropout."""
        if not self.training or not self.dropout:
            return None
        shape = (links.shape[3] - 1, *links.shape[:3], self.hidden)
        return F.dropout(links.new_ones(shape), self.dropout)

    def _kept_bytes(self, x: Tensor) -> int:
        """The size of what the backward pass needs of the messages of all frames of (B, V, T, C):
        four tensors of each kind."""
        b, v, t = x.shape[:3]
        return b * v * v * t * self.hidden * 4 * (len(self.msg_fc1) - 1) * x.element_size()

    def step(
        self, x: Tensor, state: Tensor, links: Tensor, masks: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """One frame (B, V, C) and the state (B, V, H) -> the next frame and state."""
        total: Tensor | None = None
        kinds = range(1, len(self.msg_fc1))
        for kind in kinds:
            first, second = self.msg_fc1[kind], self.msg_fc2[kind]
            assert isinstance(first, nn.Linear)
            receiver, sender = first.weight.split(self.hidden, dim=1)
            receivers, senders = F.linear(state, receiver, first.bias), F.linear(state, sender)
            pairs = torch.tanh(receivers[:, None] + senders[:, :, None])
            message = torch.tanh(second(pairs if masks is None else pairs * masks[kind - 1]))
            sent = torch.einsum("bijh,bij->bjh", message, links[..., kind])
            total = sent if total is None else total + sent
        assert total is not None
        # divided by the number of coordinates as in the published code, not by that of joints
        received = total / len(kinds) / x.shape[-1]
        reset = torch.sigmoid(self._gate("r", x, received))
        update = torch.sigmoid(self._gate("i", x, received))
        new = self.get_submodule("input_n")(x)
        new = torch.tanh(new + reset * self.get_submodule("hidden_n")(received))
        state = (1 - update) * new + update * state
        y = self._drop(F.relu(self.out_fc1(state)))
        y = self._drop(F.relu(self.out_fc2(y)))
        return x + self.out_fc3(y), state

    def _gate(self, gate: str, x: Tensor, received: Tensor) -> Tensor:
        return cast(
            Tensor,
            self.get_submodule(f"input_{gate}")(x) + self.get_submodule(f"hidden_{gate}")(received),
        )

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training)


class LinkInference(nn.Module):
    """Encoder and decoder. `kinds` is the number of types of links, including 'no link'. The
    defaults are the published sizes."""

    def __init__(
        self,
        dims: int,
        frames: int = 50,
        kinds: int = 3,
        hidden: int = 128,
        dropout: float = 0.5,
        tau: float = 0.5,
        noise_in_eval: bool = False,
    ) -> None:
        super().__init__()
        self.frames, self.kinds, self.tau, self.noise_in_eval = frames, kinds, tau, noise_in_eval
        self.encoder = Encoder(dims * frames, hidden, kinds, dropout)
        self.decoder = Decoder(dims, hidden, kinds, dropout)

    def sampled(self, x: Tensor) -> Tensor:
        """(N, M, T, V, C) of any length -> (N·M, V, frames, C). A longer clip is sampled at equal
        distances, a shorter one repeated."""
        t = x.shape[2]
        steps = torch.arange(self.frames, device=x.device)
        at = torch.maximum(steps * t // self.frames, steps)  # without a branch, for an export
        at = at - at // t * t  # at % t, which the ONNX exporter cannot write
        return x[:, :, at].flatten(0, 1).transpose(1, 2)

    def forward(self, x: Tensor, noise: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(B, V, frames, C) -> logits and links, both (B, V, V, kinds).

        Links are one-hot, and zero from a joint to itself. In training, and in evaluation with
        `noise_in_eval`, they are sampled with Gumbel noise and a straight-through gradient;
        otherwise they are the most probable ones. `noise` (B, V, V, kinds), uniform in [0, 1),
        replaces the random numbers."""
        logits = self.encoder(x.flatten(2))
        y = logits
        if self.training or self.noise_in_eval or noise is not None:
            u = torch.rand_like(logits) if noise is None else noise
            y = logits - torch.log(_EPS - torch.log(u + _EPS))
        soft = torch.softmax(y / self.tau, dim=-1)
        hard = F.one_hot(soft.argmax(dim=-1), self.kinds).to(soft.dtype)
        not_self = 1 - torch.eye(logits.shape[1], device=x.device, dtype=soft.dtype)[..., None]
        return logits, (hard - soft.detach() + soft) * not_self

    def graph(self, links: Tensor, strength: float = 0.1) -> Tensor:
        """(B, V, V, kinds) -> actional adjacency (B, kinds - 1, V, V): self and links, columns
        normalised, times `strength` (published: 0.1)."""
        eye = torch.eye(links.shape[1], device=links.device, dtype=links.dtype)
        a = links.permute(0, 3, 1, 2)[:, 1:] + eye
        return a * (1 / a.sum(dim=2, keepdim=True) + _EPS) * strength

    def loss(self, x: Tensor) -> Tensor:
        """The scalar loss of (B, V, frames, C): the Gaussian negative log-likelihood of the
        decoder's forecast, plus the divergence of the links from a sparse prior."""
        logits, links = self(x)
        return self.likelihood(x, self.decoder(x, links)) + self.divergence(logits)

    @staticmethod
    def likelihood(x: Tensor, forecast: Tensor) -> Tensor:
        """Squared error divided by twice the variance, per joint of a sequence."""
        error = (forecast - x[:, :, 1:]).square().sum()
        return error / (2 * _VARIANCE) / (x.shape[0] * x.shape[1])

    def divergence(self, logits: Tensor) -> Tensor:
        """KL divergence from a prior of 0.95 for 'no link', the rest shared equally by the other
        types, per joint of a sequence."""
        batch, joints = logits.shape[:2]
        p = torch.softmax(logits, dim=-1)
        prior = p.new_full((self.kinds,), (1 - _PRIOR_NO_LINK) / (self.kinds - 1))
        prior[0] = _PRIOR_NO_LINK
        terms = (p * (torch.log(p + 1e-16) - torch.log(prior))).sum(dim=-1)
        return terms.flatten(1)[:, off_diagonal(joints, p.device)].sum() / (joints * batch)
