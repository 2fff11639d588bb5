"""SGN (Zhang et al. 2020): joint and frame semantics, adaptive graphs, as in PYSKL; `original=True`
is the authors' code. Designed for clips of 20 sampled frames."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skelact.models.base import Backbone
from skelact.models.foreign import ForeignArguments, ForeignFormat, State
from skelact.models.layers import DataBN
from skelact.models.specs import ModelSpec, SmallVariant
from skelact.skeletons import Skeleton


class Embed(nn.Module):
    """1x1 convolution and ReLU, optionally with BN in between. State-dict names as in PYSKL:
    `conv`, `bn`."""

    def __init__(
        self, channels: int, out: int, kernel: int = 1, bn: bool = False, relu: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, (kernel, 1), padding=(kernel // 2, 0))
        self.bn = nn.BatchNorm2d(out) if bn else nn.Identity()
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) -> (N, out, T, V)."""
        y = self.bn(self.conv(x))
        return F.relu(y) if self.relu else y


class AdaptiveGCN(nn.Module):
    """ReLU(BN(W (G x) + R x)) with a graph for every frame. State-dict names as in PYSKL."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, 1, bias=False)
        self.residual = nn.Conv2d(channels, out, 1)
        self.bn = nn.BatchNorm2d(out)

    def forward(self, x: Tensor, graph: Tensor) -> Tensor:
        """x (N, C, T, V), graph (N, T, V, V) -> (N, out, T, V)."""
        gathered = (graph.to(x.dtype) @ x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return F.relu(self.bn(self.conv(gathered) + self.residual(x)))


def one_hot_positions(count: int, codes: int, like: Tensor) -> Tensor:
    """(1, codes, count, 1) one-hot codes of `count` positions, with the dtype and device of `like`.
    Position i has code floor(i codes / count), so that clips of any length use all codes."""
    index = torch.arange(count, device=like.device) * codes // count
    return F.one_hot(index, codes).to(like.dtype).t()[None, :, :, None]


class SGN(Backbone):
    """The backbone. `frames` is the number of frame embeddings."""

    def __init__(
        self,
        skeleton: Skeleton,
        in_channels: int = 3,
        persons: int = 1,
        frames: int = 20,
        base_channels: int = 64,
        dropout: float = 0.2,
        original: bool = False,
    ) -> None:
        super().__init__()
        c, joints = base_channels, len(skeleton.joints)
        self.joints, self.frames, self.original, self.out_channels = joints, frames, original, 8 * c
        self.joint_bn = DataBN("VC", persons, joints, in_channels, channels_first=True)
        self.motion_bn = DataBN("VC", persons, joints, in_channels, channels_first=True)
        self.t_embed = nn.Sequential(Embed(frames, c), Embed(c, 4 * c))
        self.s_embed = nn.Sequential(Embed(joints, c), Embed(c, c))
        self.joint_embed = nn.Sequential(Embed(in_channels, c), Embed(c, c))
        self.motion_embed = nn.Sequential(Embed(in_channels, c), Embed(c, c))
        self.compute_A1 = Embed(2 * c, 4 * c, relu=not original)
        self.compute_A2 = Embed(2 * c, 4 * c, relu=not original)
        self.gcn1 = AdaptiveGCN(2 * c, 2 * c)
        self.gcn2 = AdaptiveGCN(2 * c, 4 * c)
        self.gcn3 = AdaptiveGCN(4 * c, 4 * c)
        self.tcn = nn.Sequential(
            nn.Identity(),
            Embed(4 * c, 4 * c, 3, bn=True),
            nn.Dropout2d(dropout),
            Embed(4 * c, 8 * c, bn=True),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan = module.kernel_size[0] * module.out_channels
                nn.init.normal_(module.weight, 0, (2 / fan) ** 0.5)
        for gcn in (self.gcn1, self.gcn2, self.gcn3):
            nn.init.zeros_(gcn.conv.weight)

    def stages(self) -> list[list[nn.Module]]:
        return [[self.compute_A1, self.gcn1], [self.compute_A2, self.gcn2], [self.gcn3]]

    def forward(self, x: Tensor) -> Tensor:
        """(N, M, T, V, C) -> (N, M, C', T, 1); with `original` the maximum over time,
        (N, M, C', 1, 1)."""
        n, m, t = x.shape[:3]
        motion = self.motion(x)
        x = self.joint_embed(self.joint_bn(x)) + self.motion_embed(self.motion_bn(motion))
        joints, frames = self.codes(x)
        x = torch.cat([x, self.s_embed(joints).expand(n * m, -1, t, -1).to(x.dtype)], dim=1)
        left = self.compute_A1(x).permute(0, 2, 3, 1)
        graph = torch.softmax(left @ self.compute_A2(x).permute(0, 2, 1, 3), dim=-1)
        for gcn in (self.gcn1, self.gcn2, self.gcn3):
            x = gcn(x, graph)
        x = x + self.t_embed(frames).to(x.dtype)
        x = self.tcn(x.amax(dim=3, keepdim=True))
        if self.original:
            x = x.amax(dim=2, keepdim=True)
        return x.reshape(n, m, *x.shape[1:])

    def codes(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """One-hot codes of the joints (1, V, 1, V) and of the frames (1, frames, T, 1) of
        x (N, C, T, V)."""
        joints = one_hot_positions(self.joints, self.joints, x).transpose(2, 3)
        return joints, one_hot_positions(x.shape[2], self.frames, x)

    def motion(self, x: Tensor) -> Tensor:
        """Differences of consecutive frames, (N, M, T, V, C). The authors' code has
        x_t - x_(t - 1), the first one 0; PYSKL has x_(t + 1) - x_t, with a frame of zeros after the
        last."""
        empty = torch.zeros_like(x[:, :, :1])
        if self.original:
            return torch.cat([empty, x[:, :, 1:] - x[:, :, :-1]], dim=2)
        return torch.cat([x[:, :, 1:], empty], dim=2) - x


def _read(state: State) -> ForeignArguments:
    base_channels, joints = state["s_embed.0.conv.weight"].shape[:2]
    frames = state["t_embed.0.conv.weight"].shape[1]
    channels = state["joint_embed.0.conv.weight"].shape[1]
    kwargs = {"base_channels": base_channels, "frames": frames}
    return ForeignArguments(kwargs=kwargs, joints=joints, channels=channels, persons=2)


SMALL = SmallVariant(
    training="frames20",
    sections={
        "augment": {"flip": 0.5, "scale": 0.15, "noise": 0.01},
        "train": {"epochs": 60, "batch_size": 16, "milestones": [40, 52]},
    },
)
SPECS = (
    ModelSpec(
        name="sgn",
        backbone=SGN,
        summary="SGN: joint and frame semantics, 20 frames, 0.69 million parameters",
        paper="Zhang et al. 2020, Semantics-Guided Neural Networks",
        accuracy="NTU60: 89.0 xsub, 94.5 xview",
        source="the paper",
        reference="PYSKL",
        clip_shape=(1, 20, 3),
        small=SMALL,
        foreign=(ForeignFormat(key="t_embed.", read=_read),),
        benchmark_batch=64,
    ),
)
