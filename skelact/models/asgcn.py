"""AS-GCN (Li et al. 2019): structural links of up to four hops and actional links inferred from the
motion, for recognition and for foretelling the next poses.

The published code's deviations from its paper are off by default and have a flag each."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skelact.models.base import Backbone, stage_plan
from skelact.models.graph import adjacency
from skelact.models.layers import DataBN, GraphConvolution, Residual
from skelact.models.link_inference import LinkInference
from skelact.models.specs import ModelSpec
from skelact.skeletons import Skeleton

CELLS = 5  # frames left before the prediction head's last convolution over time


class LinkedGCN(nn.Module):
    """sum over structural links of (A_p M_p) x W_p, plus `share` times the same over actional
    links; BN, ReLU."""

    A: Tensor

    def __init__(self, channels: int, out: int, a: Tensor, actional: int, share: float) -> None:
        super().__init__()
        self.register_buffer("A", a, persistent=False)
        self.mask = nn.Parameter(torch.ones_like(a))
        self.share = share
        self.conv = nn.Conv2d(channels, out * (len(a) + actional), 1)
        self.bn = nn.BatchNorm2d(out)
        self.graph_convolution = GraphConvolution()

    def forward(self, x: Tensor, actional: Tensor) -> Tensor:
        """x (N, C, T, V), actional (N, K', V, V) -> (N, out, T, V)."""
        k = len(self.A)
        assert self.conv.bias is not None
        weight = self.conv.weight.view(k + actional.shape[1], -1, x.shape[1])
        bias = self.conv.bias.view(len(weight), -1)
        y = self.graph_convolution(x, self.A * self.mask, weight[:k], bias[:k])
        y = y + self.share * self.graph_convolution(x, actional, weight[k:], bias[k:])
        return F.relu(self.bn(y))


class ASGCNBlock(Residual):
    """Linked graph convolution, temporal convolution, BN, dropout, residual, ReLU."""

    def __init__(
        self,
        gcn: LinkedGCN,
        channels: int,
        out: int,
        stride: int,
        residual: bool,
        dropout: float,
        kernel: int = 9,
        padded: bool = True,
    ) -> None:
        super().__init__()
        self.gcn = gcn
        pad = (kernel - 1) // 2 if padded else 0
        self.conv = nn.Conv2d(out, out, (kernel, 1), (stride, 1), (pad, 0))
        self.bn = nn.BatchNorm2d(out)
        self.drop = nn.Dropout(dropout)
        self.add_residual(channels, out, stride, residual)

    def forward(self, x: Tensor, actional: Tensor) -> Tensor:
        """x (N, C, T, V), actional (N, K', V, V) -> (N, out, T', V)."""
        y = self.drop(self.bn(self.conv(self.gcn(x, actional))))
        return F.relu(self.plus_residual(y, x))


class ForecastHead(nn.Module):
    """The prediction head: the features are brought down to one frame, joined with the last pose
    seen, and turned into the displacement of the next `horizon` poses from it.

    Lengths of 257 to 320 frames come down to five before the last convolution by strides alone, as
    published; other lengths are averaged to five."""

    def __init__(
        self,
        channels: int,
        dims: int,
        horizon: int,
        a: Tensor,
        actional: int,
        share: float,
        dropout: float,
        mixed_layout: bool,
    ) -> None:
        super().__init__()
        self.horizon, self.dims, self.mixed_layout = horizon, dims, mixed_layout
        middle = channels // 2

        def block(inside: int, stride: int, kernel: int, last: bool = False) -> ASGCNBlock:
            gcn = LinkedGCN(inside, middle, a, actional, share)
            return ASGCNBlock(gcn, inside, middle, stride, not last, dropout, kernel, not last)

        self.down = nn.ModuleList(
            [block(channels, 1, 9), *(block(middle, 2, 9) for _ in range(3)), block(middle, 2, 3)]
        )
        self.collapse = block(middle, 1, CELLS, last=True)
        out = horizon * dims
        self.gcn = LinkedGCN(middle + dims, out, a, actional, share)
        self.conv = nn.Conv2d(out, out, 1)
        self.bn = nn.BatchNorm2d(out)

    def forward(self, features: Tensor, last: Tensor, actional: Tensor) -> Tensor:
        """features (B, C', T', V), last pose (B, D, 1, V) -> poses (B, horizon, V, D)."""
        y = features
        for block in self.down:
            y = block(y, actional)
        y = self.collapse(F.adaptive_avg_pool2d(y, (CELLS, y.shape[3])), actional)
        y = self.bn(self.conv(self.gcn(torch.cat([y, last.to(y.dtype)], dim=1), actional)))
        y = y + last.repeat(1, self.horizon, 1, 1)
        b, _, _, v = y.shape
        if self.mixed_layout:  # coordinates and steps exchanged, as in the published code
            return y.view(b, self.dims, self.horizon, v).permute(0, 2, 3, 1)
        return y.view(b, self.horizon, self.dims, v).transpose(2, 3)


class ASGCN(Backbone):
    """The backbone. Training has two phases: `pretraining_loss` teaches the link inference alone,
    then `forward_train` gives the recogniser's features and the cost of its forecast of the last
    `horizon` frames, which it does not see.

    Flags of the published code: `noise_in_eval` (links are drawn in evaluation too), `active_aim`
    (dropout and batch statistics of the frozen link inference stay on in the second phase),
    `repeat_block` (the second block runs twice on the same input), `mixed_layout` (steps and
    coordinates of the forecast are exchanged). `finetune_aim` trains the link inference in the
    second phase as well, as the text says."""

    has_pretraining = True

    def __init__(
        self,
        skeleton: Skeleton,
        in_channels: int = 3,
        persons: int = 1,
        base_channels: int = 64,
        max_hop: int = 4,
        actional: int = 2,
        share: float = 0.5,
        tcn_dropout: float = 0.5,
        horizon: int = 10,
        forecast_weight: float = 0.01,
        aim_frames: int = 50,
        aim_hidden: int = 128,
        finetune_aim: bool = False,
        noise_in_eval: bool = False,
        active_aim: bool = False,
        repeat_block: bool = False,
        mixed_layout: bool = False,
    ) -> None:
        super().__init__()
        a = torch.from_numpy(adjacency(skeleton, "stgcn_spatial", max_hop))
        self.horizon, self.forecast_weight = horizon, forecast_weight
        self.finetune_aim, self.active_aim, self.repeat_block = (
            finetune_aim,
            active_aim,
            repeat_block,
        )
        self.aim = LinkInference(
            in_channels, aim_frames, actional + 1, aim_hidden, noise_in_eval=noise_in_eval
        )
        self.data_bn = DataBN("VC", persons, len(skeleton.joints), in_channels)
        plan = stage_plan(in_channels, base_channels, 2.0, 9, (4, 7), (4, 7))
        self.blocks = nn.ModuleList(
            ASGCNBlock(
                LinkedGCN(s.channels, s.out, a, actional, share),
                s.channels,
                s.out,
                s.stride,
                s.residual,
                tcn_dropout,
            )
            for s in plan
        )
        self.out_channels = 4 * base_channels
        self.foreteller = ForecastHead(
            self.out_channels, in_channels, horizon, a, actional, share, tcn_dropout, mixed_layout
        )

    def stages(self) -> list[list[nn.Module]]:
        return [[block] for block in self.blocks]

    def forward(self, x: Tensor) -> Tensor:
        """(N, M, T, V, C) -> (N, M, C', T', V)."""
        return self._features(x, self.links(x))

    def links(self, x: Tensor) -> Tensor:
        """(N, M, T, V, C) -> actional adjacency (N·M, K', V, V)."""
        was_training = self.aim.training
        self.aim.train(was_training and (self.finetune_aim or self.active_aim))
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.finetune_aim):
            a = self.aim.graph(self.aim(self.aim.sampled(x))[1])
        self.aim.train(was_training)
        return a

    def _features(self, x: Tensor, actional: Tensor) -> Tensor:
        n, m = x.shape[:2]
        y = self.data_bn(x)
        for number, block in enumerate(self.blocks):
            if number == 1 and self.repeat_block:
                block(y, actional)
            y = block(y, actional)
        return y.reshape(n, m, *y.shape[1:])

    def _foretold(self, x: Tensor, features: Tensor, actional: Tensor) -> Tensor:
        n, m = x.shape[:2]
        last = x[:, :, -1:].flatten(0, 1).permute(0, 3, 1, 2)
        return self.foreteller(features.flatten(0, 1), last, actional).unflatten(0, (n, m))

    def forecast(self, x: Tensor) -> Tensor:
        """The `horizon` poses after (N, M, T, V, C): (N, M, horizon, V, C)."""
        actional = self.links(x)
        return self._foretold(x, self._features(x, actional), actional)

    def pretraining_loss(self, x: Tensor) -> Tensor:
        """Scalar: the link inference's own loss on (N, M, T, V, C), people who are there."""
        x = self.aim.sampled(x)
        return self.aim.loss(x[x.flatten(1).any(dim=1)] if x.any() else x)

    def pretraining_parameters(self) -> list[nn.Parameter]:
        """What `pretraining_loss` trains."""
        return [p for p in self.aim.parameters() if p.requires_grad]

    def frozen_parameters(self) -> list[nn.Parameter]:
        """What the second phase leaves alone."""
        return [] if self.finetune_aim else list(self.aim.parameters())

    def forward_train(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Features of all but the last `horizon` frames, and the weighted mean square error of the
        forecast of those, first person. Too short a clip is seen whole and costs nothing."""
        if x.shape[2] <= self.horizon:
            return self(x), None
        seen, future = x[:, :, : -self.horizon], x[:, :, -self.horizon :]
        actional = self.links(seen)
        features = self._features(seen, actional)
        foretold = self._foretold(seen, features, actional)
        return features, self.forecast_weight * F.mse_loss(foretold[:, 0].float(), future[:, 0])


SPECS = (
    ModelSpec(
        name="asgcn",
        backbone=ASGCN,
        summary="AS-GCN: structural and inferred links, forecast; trained in two phases",
        paper="Li et al. 2019, Actional-Structural Graph Convolutional Networks",
        accuracy="NTU60: 86.8 xsub, 94.2 xview",
        source="the paper",
        clip_shape=(2, 290, 3),
        benchmark_batch=2,
    ),
)
