"""MS-G3D (Liu et al. 2020): disentangled multi-scale aggregation, as in PYSKL; `norm="sym"` is the
normalisation of the authors' code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skelact.models.base import Backbone
from skelact.models.foreign import (
    ForeignArguments,
    ForeignFormat,
    State,
    count_children,
    read_data_bn,
)
from skelact.models.graph import Matrix, adjacency, k_adjacency, window_graph
from skelact.models.layers import DataBN, GraphConvolution
from skelact.models.multiscale import MultiScaleTCN
from skelact.models.specs import ModelSpec, SmallVariant
from skelact.skeletons import Skeleton

Norm = Literal["col", "sym"]


class _Layers(nn.Module):
    """Convolution, BN, ReLU with the state-dict name that they have in PYSKL: `layers`."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(channels, out, 1), nn.BatchNorm2d(out), nn.ReLU())

    def finish(self, y: Tensor) -> Tensor:
        """BN and ReLU of the convolution's result."""
        return self.layers[2](self.layers[1](y))


class MultiScaleGCN(nn.Module):
    """ReLU(BN(W [ (A_k + PA_k) x ]_k)) over joints exactly k hops apart (eq. 6). State-dict
    names as in PYSKL: `A`, `PA`, `mlp.layers`."""

    A: Tensor

    def __init__(self, channels: int, out: int, edges: Matrix, scales: int, norm: Norm) -> None:
        super().__init__()
        a = torch.from_numpy(k_adjacency(edges, scales, norm)).float()
        self.register_buffer("A", a)
        self.PA = nn.Parameter(torch.empty_like(a).uniform_(-1e-6, 1e-6))
        self.mlp = _Layers(channels * scales, out)
        self.graph_convolution = GraphConvolution()

    def per_scale(self) -> tuple[Tensor, Tensor]:
        """Weight (K, out, C) and bias (out,) of the convolution; k is the slow index of its
        columns."""
        conv = self.mlp.layers[0]
        assert isinstance(conv, nn.Conv2d) and conv.bias is not None
        return conv.weight.view(conv.out_channels, len(self.A), -1).transpose(0, 1), conv.bias

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) -> (N, out, T, V)."""
        y = self.graph_convolution(x, self.A + self.PA, *self.per_scale())
        return self.mlp.finish(y)


class WindowGCN(nn.Module):
    """One G3D path (sec. 3.2): a multi-scale graph convolution over all joints of a window of
    frames, then a convolution that reduces the window to one frame, BN. State-dict names as in
    PYSKL: `gcn3d.1`, `out_conv`, `out_bn`."""

    def __init__(
        self,
        channels: int,
        middle: int,
        out: int,
        *,
        edges: Matrix,
        window: int,
        stride: int,
        scales: int,
        norm: Norm,
    ) -> None:
        super().__init__()
        self.window, self.stride = window, stride
        graph = MultiScaleGCN(channels, middle, window_graph(edges, window), scales, norm)
        self.gcn3d = nn.Sequential(nn.Identity(), graph)
        self.out_conv = nn.Conv3d(middle, out, (1, window, 1))
        self.out_bn = nn.BatchNorm2d(out)

    @property
    def graph(self) -> MultiScaleGCN:
        """The graph convolution over a window."""
        graph = self.gcn3d[1]
        assert isinstance(graph, MultiScaleGCN)
        return graph

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) -> (N, out, T / stride, V)."""
        n, c, t, v = x.shape
        after = (t - 1) // self.stride + 1
        if self.out_conv.in_channels > c:
            y = self.graph(self.unfold(x)).permute(0, 2, 3, 1)
            y = y.reshape(n * after, self.window, v, -1).permute(0, 3, 1, 2)
        else:
            y = self.graph.mlp.finish(self._weights_first(x, after))
        y = F.conv2d(y, self.out_conv.weight.squeeze(2), self.out_conv.bias)
        y = y.permute(0, 2, 3, 1).reshape(n, after, v, -1).permute(0, 3, 1, 2)
        return self.out_bn(y)

    def unfold(self, x: Tensor) -> Tensor:
        """(N, C, T, V) -> (N, C, T / stride, window V), the joint is the fast index."""
        n, c, _, v = x.shape
        pad = (self.window - 1) // 2
        windows = F.pad(x, (0, 0, pad, pad)).unfold(2, self.window, self.stride)
        return windows.transpose(3, 4).reshape(n, c, -1, self.window * v)

    def _weights_first(self, x: Tensor, after: int) -> Tensor:
        """The graph convolution of all windows, (N T', C', window, V). Every frame is multiplied by
        the weights once, not once for each window that contains it."""
        n, c, t, v = x.shape
        weight, bias = self.graph.per_scale()
        k, out = weight.shape[:2]
        y = x.permute(0, 2, 3, 1).reshape(n, t, v, c)
        z = F.linear(y, weight.reshape(k * out, c)).view(n, t, v * k, out)
        pad = (self.window - 1) // 2
        z = F.pad(z, (0, 0, 0, 0, pad, pad))
        a = (self.graph.A + self.graph.PA).to(z.dtype)  # (K, window V from, window V to)
        total = bias.to(z.dtype).expand(n * after, self.window * v, out)
        for source, part in enumerate(a.split(v, dim=1)):
            frames = z[:, source : source + self.stride * (after - 1) + 1 : self.stride]
            gather = part.permute(2, 1, 0).reshape(1, self.window * v, v * k)
            frames = frames.reshape(n * after, v * k, out)
            total = torch.baddbmm(total, gather.expand(n * after, -1, -1), frames)
        return total.view(n * after, self.window, v, out).permute(0, 3, 1, 2)


class G3D(nn.Module):
    """The sum of the paths of several windows. State-dict name as in PYSKL: `gcn3d`."""

    def __init__(self, paths: Iterable[WindowGCN]) -> None:
        super().__init__()
        self.gcn3d = nn.ModuleList(paths)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) -> (N, out, T / stride, V)."""
        return sum(path(x) for path in self.gcn3d)


class MSG3D(Backbone):
    """The backbone: three blocks of ReLU(factorised path + G3D paths) and a temporal convolution.
    State-dict names as in PYSKL: `gcn3d1`, `sgcn1`, `tcn1` and so on."""

    A: Tensor

    def __init__(
        self,
        skeleton: Skeleton,
        in_channels: int = 3,
        persons: int = 1,
        base_channels: int = 96,
        gcn_scales: int = 13,
        g3d_scales: int = 6,
        windows: Sequence[int] = (3, 5),
        norm: Norm = "col",
    ) -> None:
        super().__init__()
        edges = adjacency(skeleton, "binary_adj")[0].astype(float)
        self.register_buffer("A", torch.from_numpy(edges).float())
        self.data_bn = DataBN("MVC", persons, len(edges), in_channels)
        self.out_channels = 4 * base_channels
        channels = in_channels
        for block, stride in enumerate((1, 2, 2), start=1):
            out = base_channels * 2 ** (block - 1)
            middle = base_channels if block == 1 else channels
            sgcn = nn.Sequential(
                MultiScaleGCN(channels, middle, edges, gcn_scales, norm),
                MultiScaleTCN(middle, out, stride),
                MultiScaleTCN(out, out, activate=False),
            )
            paths = (
                WindowGCN(
                    channels,
                    middle,
                    out,
                    edges=edges,
                    window=window,
                    stride=stride,
                    scales=g3d_scales,
                    norm=norm,
                )
                for window in windows
            )
            self.add_module(f"gcn3d{block}", G3D(paths))
            self.add_module(f"sgcn{block}", sgcn)
            self.add_module(f"tcn{block}", MultiScaleTCN(out, out))
            channels = out

    def stages(self) -> list[list[nn.Module]]:
        names = ("gcn3d", "sgcn", "tcn")
        return [[self.get_submodule(f"{name}{k}") for name in names] for k in (1, 2, 3)]

    def forward(self, x: Tensor) -> Tensor:
        """(N, M, T, V, C) -> (N, M, C', T', V)."""
        n, m = x.shape[:2]
        x = self.data_bn(x)
        for block in "123":
            g3d, sgcn, tcn = (self.get_submodule(name + block) for name in ("gcn3d", "sgcn", "tcn"))
            x = tcn(F.relu(sgcn(x) + g3d(x)))
        return x.reshape(n, m, *x.shape[1:])


def _authors_names(state: State) -> dict[str, Tensor]:
    """Their added links `A_res` (K V, V) have receivers as rows."""
    out = {}
    for key, value in state.items():
        if key.endswith(".A_res"):
            key, joints = key.removesuffix("A_res") + "PA", value.shape[1]
            value = value.reshape(-1, joints, joints).transpose(1, 2)
        out[key] = value
    return out


def _read_authors(state: State) -> ForeignArguments:
    found = _read(state)
    return replace(found, kwargs=found.kwargs | {"norm": "sym"})


def _read(state: State) -> ForeignArguments:
    scales, joints, _ = state["sgcn1.0.PA"].shape
    base_channels, inputs = state["sgcn1.0.mlp.layers.0.weight"].shape[:2]
    channels = inputs // scales
    paths = range(count_children(state, "gcn3d1.gcn3d"))
    graphs = [state[f"gcn3d1.gcn3d.{n}.gcn3d.1.PA"] for n in paths]
    kwargs = {
        "base_channels": base_channels,
        "gcn_scales": scales,
        "g3d_scales": len(graphs[0]),
        "windows": tuple(g.shape[1] // joints for g in graphs),
    }
    _, persons = read_data_bn(state, joints, channels)
    return ForeignArguments(kwargs=kwargs, joints=joints, channels=channels, persons=persons)


SPECS = (
    ModelSpec(
        name="msg3d",
        backbone=MSG3D,
        summary="MS-G3D: 13 scales, windows of 3 and 5 frames, 3.0 million parameters",
        paper="Liu et al. 2020, Disentangling and Unifying Graph Convolutions",
        accuracy="joint: 2D 92.3, 3D 89.6",
        source="mmaction2 project: NTU60 xsub",
        reference="PYSKL, and the authors' code",
        small=SmallVariant(
            sections={
                "model": {"base_channels": 24, "gcn_scales": 8, "g3d_scales": 4, "dropout": 0.2}
            }
        ),
        foreign=(
            ForeignFormat(key="gcn3d1.gcn3d.0.gcn3d.1.PA", read=_read),
            ForeignFormat(
                key="gcn3d1.gcn3d.0.gcn3d.1.A_res",
                read=_read_authors,
                authors="MS-G3D",
                rename=_authors_names,
                layouts={25: "ntu-25-thumb"},
                sampling={"method": "wrap", "length": 300},
            ),
        ),
    ),
)
