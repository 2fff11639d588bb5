"""The efficient self-attention network: joints and bones as one input, their velocities, joint and
frame semantics, then blocks of self-attention over joints, frames or both.

The paper does not state widths and strides. The defaults reproduce its numbers: 0.89 M parameters,
1.00 M if directed, 0.32 GMACs for 20 frames of 25 joints and 60 classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skelact.models.base import Backbone
from skelact.models.layers import DataBN, FrameConv
from skelact.models.sgn import SMALL, Embed, one_hot_positions
from skelact.models.specs import ModelSpec
from skelact.skeletons import Skeleton

Kind = Literal["ST", "S1", "S2", "T1", "T2", "V"]
KINDS = ("ST", "S1", "S2", "T1", "T2", "V")


class AttentionBlock(nn.Module):
    """y = ReLU(BN(h(f(x) g(x))) + BN(residual(x))), f = softmax(theta(x)^T phi(x)); phi is
    theta if the graph is undirected. `kind` is one of

    ST  every joint of every frame to every other
    S1  joint to joint, a graph for each frame;     S2  one graph for the whole clip
    T1  frame to frame, a graph for each joint;     T2  one graph for all joints
    V   S1 without h, as in the paper's final network

    The residual is a temporal convolution (3 x 1) in spatial blocks, one over joints (1 x 3) in
    temporal blocks, 1 x 1 in ST."""

    def __init__(
        self, channels: int, out: int, *, embed: int, kind: Kind, directed: bool, stride: int
    ) -> None:
        super().__init__()
        self.kind, self.stride = kind, stride
        self.theta = nn.Conv2d(channels, embed, 1)
        self.phi = nn.Conv2d(channels, embed, 1) if directed else None
        self.g = nn.Conv2d(channels, out if kind == "V" else embed, 1)
        self.h = nn.Identity() if kind == "V" else nn.Conv2d(embed, out, 1)
        self.bn = nn.BatchNorm2d(out)
        self.residual: nn.Conv2d
        if kind == "ST":
            self.residual = FrameConv(channels, out, stride)
        else:
            kernel, pad = ((1, 3), (0, 1)) if kind in ("T1", "T2") else ((3, 1), (1, 0))
            self.residual = nn.Conv2d(channels, out, kernel, (stride, 1), pad)
        self.residual_bn = nn.BatchNorm2d(out)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) -> (N, out, T / stride, V)."""
        y = self.h(self.attend(x))
        return F.relu(self.bn(y) + self.residual_bn(self.residual(x)))

    def attend(self, x: Tensor) -> Tensor:
        """f(x) g(x) of every `stride`-th frame: (N, C, T, V) -> (N, E, T / stride, V)."""
        if self.kind in ("S1", "V"):  # frames do not attend to each other: drop them first
            return self.attention(x[:, :, :: self.stride])
        return self.attention(x)[:, :, :: self.stride]

    def attention(self, x: Tensor) -> Tensor:
        """f(x) g(x): (N, C, T, V) -> (N, E, T, V). The positions that attend to each other become
        the rows of a batched matrix product."""
        theta, g = self.theta(x), self.g(x)
        phi = theta if self.phi is None else self.phi(x)
        n, c, t, v = g.shape
        first, second = (2, 3) if self.kind in ("ST", "S1", "V", "T2") else (3, 2)  # frames, joints
        sizes = {"ST": (t * v,), "S1": (t, v), "V": (t, v), "S2": (v,), "T1": (v, t), "T2": (t,)}
        rows = (n, *sizes[self.kind])
        a, b, values = (z.permute(0, first, second, 1).reshape(*rows, -1) for z in (theta, phi, g))
        y = torch.softmax(a @ b.transpose(-1, -2), dim=-1).to(values.dtype) @ values
        y = y.reshape(n, g.shape[first], g.shape[second], c)
        return y.permute(0, 3, first - 1, second - 1)


class ESAN(Backbone):
    """The backbone. `bones` appends the bones to the joints; switch it off for an input that has
    them already. `frames` is the number of frame embeddings, see `sgn.one_hot_positions`. Raises
    ValueError for an unknown `kind`, or if widths and strides have different lengths."""

    parents: Tensor

    def __init__(
        self,
        skeleton: Skeleton,
        in_channels: int = 3,
        persons: int = 1,
        embed: int = 128,
        widths: Sequence[int] = (192, 192, 192, 192),
        strides: Sequence[int] = (1, 1, 2, 1),
        theta: int = 128,
        kind: Kind = "V",
        directed: bool = False,
        bones: bool = True,
        frames: int = 20,
    ) -> None:
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
        if len(widths) != len(strides):
            raise ValueError(f"got {len(widths)} widths but {len(strides)} strides")
        self.joints, self.frames, self.bones = len(skeleton.joints), frames, bones
        self.register_buffer("parents", torch.from_numpy(skeleton.parent_indices), False)
        channels = in_channels * (2 if bones else 1)
        self.position_bn = DataBN("VC", persons, self.joints, channels)
        self.velocity_bn = DataBN("VC", persons, self.joints, channels)
        self.position = nn.Sequential(Embed(channels, embed), Embed(embed, embed))
        self.velocity = nn.Sequential(Embed(channels, embed), Embed(embed, embed))
        self.joint_code = nn.Sequential(Embed(self.joints, embed), Embed(embed, embed))
        self.frame_code = nn.Sequential(Embed(frames, 2 * embed), Embed(2 * embed, 2 * embed))
        ins = (2 * embed, *widths[:-1])
        self.blocks = nn.ModuleList(
            AttentionBlock(i, o, embed=theta, kind=kind, directed=directed, stride=s)
            for i, o, s in zip(ins, widths, strides, strict=True)
        )
        self.out_channels = widths[-1]

    def stages(self) -> list[list[nn.Module]]:
        return [[block] for block in self.blocks]

    def forward(self, x: Tensor) -> Tensor:
        """(N, M, T, V, C) -> (N, M, C', T', V)."""
        n, m, t = x.shape[:3]
        if self.bones:
            x = torch.cat([x, x - x[:, :, :, self.parents]], dim=-1)
        velocity = torch.cat([torch.zeros_like(x[:, :, :1]), x[:, :, 1:] - x[:, :, :-1]], dim=2)
        z = self.position(self.position_bn(x)) + self.velocity(self.velocity_bn(velocity))
        joints = self.joint_code(one_hot_positions(self.joints, self.joints, z).transpose(2, 3))
        frames = self.frame_code(one_hot_positions(t, self.frames, z))
        z = torch.cat([z, joints.expand(n * m, -1, t, -1).to(z.dtype)], dim=1) + frames.to(z.dtype)
        for block in self.blocks:
            z = block(z)
        return cast(Tensor, z.reshape(n, m, *z.shape[1:]))


SPECS = (
    ModelSpec(
        name="esan",
        backbone=ESAN,
        summary="self-attention over joints; joints and bones, 20 frames, 0.89 million parameters",
        paper="the efficient self-attention network: joints and bones, semantics",
        accuracy="NTU60: 90.5 xsub, 96.1 xview; NTU120: 85.7, 86.8; Kinetics 37.6",
        source="the paper",
        clip_shape=(1, 20, 3),
        small=SMALL,
        benchmark_batch=64,
    ),
)
