"""AS-GCN (Li et al. 2019): structural links of up to four hops, and actional links inferred from
the motion, for classification and for a forecast of the next poses.

Where the published code deviates from the paper, the paper is the default and a flag selects the
code's behaviour."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skelact.models.base import Backbone, BlockSpec, stage_plan
from skelact.models.graph import adjacency
from skelact.models.layers import DataBN, GraphConvolution, Residual
from skelact.models.link_inference import LinkInference
from skelact.models.specs import ModelSpec, SmallVariant
from skelact.skeletons import Skeleton

_FRAMES_LEFT = 5  # before the forecast head's last convolution over time


class LinkedGCN(nn.Module):
    """Graph convolution with structural links (A_p masked by a learnt M_p), plus `share` times one
    with actional links; BN, ReLU."""

    A: Tensor

    def __init__(self, channels: int, out: int, *, a: Tensor, actional: int, share: float) -> None:
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
        stage: BlockSpec,
        *,
        dropout: float,
        kernel: int = 9,
        padded: bool = True,
    ) -> None:
        super().__init__()
        out, stride = stage.out, stage.stride
        self.gcn = gcn
        pad = (kernel - 1) // 2 if padded else 0
        self.conv = nn.Conv2d(out, out, (kernel, 1), (stride, 1), (pad, 0))
        self.bn = nn.BatchNorm2d(out)
        self.drop = nn.Dropout(dropout)
        self.add_residual(stage.channels, out, stride, stage.residual)

    def forward(self, x: Tensor, actional: Tensor) -> Tensor:
        """x (N, C, T, V), actional (N, K', V, V) -> (N, out, T', V)."""
        y = self.drop(self.bn(self.conv(self.gcn(x, actional))))
        return F.relu(self.plus_residual(y, x))


class ForecastHead(nn.Module):
    """Reduces the features to one frame, concatenates the last observed pose, and computes the
    displacement of each of the next `horizon` poses from it. With `recent_frames`, the
    displacements of that many frames from the last pose are concatenated too. A new head forecasts
    the last pose.

    For clips of 257 to 320 frames the strides leave five frames for the last convolution over time,
    as published; for other lengths the frames are averaged to five."""

    def __init__(
        self,
        channels: int,
        dims: int,
        *,
        horizon: int,
        a: Tensor,
        actional: int,
        share: float,
        dropout: float,
        mixed_layout: bool,
        recent_frames: int,
    ) -> None:
        super().__init__()
        self.horizon, self.dims, self.mixed_layout = horizon, dims, mixed_layout
        self.recent_frames = recent_frames
        middle = channels // 2
        links: dict[str, Any] = {"a": a, "actional": actional, "share": share}

        def block(inputs: int, stride: int, kernel: int, last: bool = False) -> ASGCNBlock:
            gcn = LinkedGCN(inputs, middle, **links)
            stage = BlockSpec(channels=inputs, out=middle, stride=stride, residual=not last)
            return ASGCNBlock(gcn, stage, dropout=dropout, kernel=kernel, padded=not last)

        self.down = nn.ModuleList(
            [block(channels, 1, 9), *(block(middle, 2, 9) for _ in range(3)), block(middle, 2, 3)]
        )
        self.collapse = block(middle, 1, _FRAMES_LEFT, last=True)
        out = horizon * dims
        self.gcn = LinkedGCN(middle + (1 + recent_frames) * dims, out, **links)
        self.conv = nn.Conv2d(out, out, 1)
        self.bn = nn.BatchNorm2d(out)
        nn.init.zeros_(self.bn.weight)

    def forward(self, features: Tensor, past: Tensor, actional: Tensor) -> Tensor:
        """features (B, C', T', V), past poses (B, D, T, V), actional (B, K', V, V) -> poses
        (B, horizon, V, D)."""
        last = past[:, :, -1:]
        y = features
        for block in self.down:
            y = block(y, actional)
        y = self.collapse(F.adaptive_avg_pool2d(y, (_FRAMES_LEFT, y.shape[3])), actional)
        observed = [last]
        if self.recent_frames:
            earlier = past[:, :, -1 - self.recent_frames : -1] - last
            missing = self.recent_frames - earlier.shape[2]  # of a short clip: the first frame
            earlier = F.pad(earlier, (0, 0, missing, 0), mode="replicate") if missing else earlier
            observed.append(earlier.flatten(1, 2)[:, :, None])
        y = torch.cat([y, *(poses.to(y.dtype) for poses in observed)], dim=1)
        y = self.bn(self.conv(self.gcn(y, actional)))
        y = y + last.repeat(1, self.horizon, 1, 1)
        b, _, _, v = y.shape
        if self.mixed_layout:
            return y.view(b, self.dims, self.horizon, v).permute(0, 2, 3, 1)
        return y.view(b, self.horizon, self.dims, v).transpose(2, 3)


class ASGCN(Backbone):
    """The backbone. Training has two phases: the first one trains the link inference (`aim`) alone;
    the second one trains everything else to classify, with the error of a forecast of the last
    `horizon` frames, which are hidden from the network, as an auxiliary loss with the weight
    `forecast_weight`.

    For forecasts of real motion (published: of repeated clips), `recentre` moves the origin of the
    `dims` coordinates to the middle of the last observed pose, because the origin of a clip depends
    on its end; `recent_frames` is that of ForecastHead. `fps` is the frame rate of the training
    clips [Hz], 0 if it is not known.

    Flags for the behaviour of the published code: `noise_in_eval` (links are sampled in evaluation
    too), `active_aim` (dropout and batch statistics of the frozen link inference stay active in the
    second phase), `repeat_block` (the second block runs twice on the same input), `mixed_layout`
    (frames and coordinates of the forecast are exchanged). `finetune_aim` trains the link inference
    in the second phase too, as described in the paper."""

    has_pretraining = True
    has_forecast = True

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
        recent_frames: int = 0,
        recentre: bool = False,
        dims: int = 3,
        fps: float = 0.0,
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
        self.finetune_aim, self.active_aim = finetune_aim, active_aim
        self.repeat_block = repeat_block
        self.recentre, self.dims, self.fps = recentre, dims, fps
        self.aim = LinkInference(
            in_channels, aim_frames, actional + 1, aim_hidden, noise_in_eval=noise_in_eval
        )
        self.data_bn = DataBN("VC", persons, len(skeleton.joints), in_channels)
        plan = stage_plan(in_channels, base_channels, 2.0, 9, (4, 7), (4, 7))
        links: dict[str, Any] = {"a": a, "actional": actional, "share": share}
        self.blocks = nn.ModuleList(
            ASGCNBlock(LinkedGCN(s.channels, s.out, **links), s, dropout=tcn_dropout) for s in plan
        )
        self.out_channels = 4 * base_channels
        self.foreteller = ForecastHead(
            self.out_channels,
            in_channels,
            horizon=horizon,
            dropout=tcn_dropout,
            mixed_layout=mixed_layout,
            recent_frames=recent_frames,
            **links,
        )

    def stages(self) -> list[list[nn.Module]]:
        return [[block] for block in self.blocks]

    def forward(self, x: Tensor) -> Tensor:
        """(N, M, T, V, C) -> (N, M, C', T', V)."""
        x, _ = self._centred(x)
        return self._features(x, self.links(x))

    def held(self, x: Tensor) -> Callable[[Tensor], Tensor]:
        """`forward` with the actional links of x (N, M, T, V, C): a link is there or not, and no
        gradient passes through that choice."""
        links = self.links(x)
        return lambda y: self._features(y, links.repeat(len(y) // len(x), 1, 1, 1))

    def _centred(self, x: Tensor) -> tuple[Tensor, Tensor | float]:
        """(N, M, T, V, C) with the origin in the middle of each person's last pose, and that origin
        (N, M, 1, 1, C), if `recentre`. Missing joints stay 0."""
        if not self.recentre:
            return x, 0.0
        last = x[:, :, -1:]
        known = _known(last, self.dims)
        origin = (last * known).sum(dim=3, keepdim=True) / known.sum(dim=3, keepdim=True).clamp(1)
        origin = F.pad(origin[..., : self.dims], (0, x.shape[4] - self.dims))
        return torch.where(_known(x, self.dims), x - origin, x), origin

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

    def _forecast(self, x: Tensor, features: Tensor, actional: Tensor) -> Tensor:
        n, m = x.shape[:2]
        past = x.flatten(0, 1).permute(0, 3, 1, 2)
        return self.foreteller(features.flatten(0, 1), past, actional).unflatten(0, (n, m))

    def forecast(self, x: Tensor) -> Tensor:
        """The next `horizon` poses after (N, M, T, V, C): (N, M, horizon, V, C)."""
        x, origin = self._centred(x)
        actional = self.links(x)
        return self._forecast(x, self._features(x, actional), actional) + origin

    def pretraining_loss(self, x: Tensor) -> Tensor:
        """The loss of the link inference (see `LinkInference.loss`); empty persons are left out."""
        x = self.aim.sampled(self._centred(x)[0])
        return self.aim.loss(x[x.flatten(1).any(dim=1)] if x.any() else x)

    def pretraining_parameters(self) -> list[nn.Parameter]:
        """The link inference."""
        return [p for p in self.aim.parameters() if p.requires_grad]

    def frozen_parameters(self) -> list[nn.Parameter]:
        """The link inference, unless `finetune_aim`."""
        return [] if self.finetune_aim else list(self.aim.parameters())

    def forward_train(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """The features of all but the last `horizon` frames, and the weighted mean squared error
        of the forecast of those for the first person; joints that are missing there do not count.
        A clip of `horizon` frames or less has no auxiliary loss, and all its frames are used."""
        if x.shape[2] <= self.horizon:
            return self(x), None
        future = x[:, 0, -self.horizon :]
        past, origin = self._centred(x[:, :, : -self.horizon])
        actional = self.links(past)
        features = self._features(past, actional)
        forecast = (self._forecast(past, features, actional) + origin)[:, 0].float()
        known = _known(future, self.dims)
        error = ((forecast - future).square() * known).sum() / x.shape[-1]
        return features, self.forecast_weight * error / known.sum().clamp(1)


def _known(x: Tensor, dims: int) -> Tensor:
    """(..., C) -> (..., 1) whether a joint is known: one of its coordinates is not 0."""
    return x[..., :dims].any(dim=-1, keepdim=True)


SPECS = (
    ModelSpec(
        name="asgcn",
        backbone=ASGCN,
        summary="AS-GCN: structural and inferred links, forecast; trained in two phases",
        paper="Li et al. 2019, Actional-Structural Graph Convolutional Networks",
        accuracy="NTU60: 86.8 xsub, 94.2 xview",
        source="the paper",
        reference="the authors' code",
        clip_shape=(2, 290, 3),
        data_arguments=frozenset({"dims", "fps"}),
        small=SmallVariant(
            sections={
                "model": {"base_channels": 32, "tcn_dropout": 0.2},
                "train": {"pretrain_epochs": 2},
            }
        ),
        benchmark_batch=2,
    ),
)
