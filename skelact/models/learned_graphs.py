"""The graphs that networks have learned, as one (V, V) matrix of weights for each stage: senders
are rows, receivers are columns.

A module that gathers joints is known by its type. Where the graph depends on the input, it is read
while the network computes; with a graph for each channel, subset or frame, their mean absolute
value counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from skelact.errors import ConfigError
from skelact.models.aagcn import UnitAAGCN
from skelact.models.asgcn import LinkedGCN
from skelact.models.base import ActionClassifier
from skelact.models.ctrgcn import UnitCTRGCN
from skelact.models.esan import AttentionBlock
from skelact.models.kth import KTHLayer
from skelact.models.layers import UnitGCN
from skelact.models.msg3d import MultiScaleGCN
from skelact.models.sgn import AdaptiveGCN

Inputs = tuple[Tensor, ...]


def _unit_gcn(module: UnitGCN) -> Tensor | None:
    return None if module.adaptive == "none" else module.adjacency()


def _kth(module: KTHLayer) -> Tensor | None:
    if module.M is not None:
        return module.A * module.M
    return module.A if isinstance(module.A, nn.Parameter) else None


def _aagcn(module: UnitAAGCN, inputs: Inputs) -> Tensor:
    return module.graph(*module.embed(inputs[0]))


def _ctrgcn(module: UnitCTRGCN, inputs: Inputs) -> Tensor:
    own = module.get_parameter("PA" if module.original else "A")
    graphs = []
    for conv, a in zip(module.convs, own, strict=True):
        x1, x2 = conv.embed(inputs[0])  # type: ignore[operator]
        refined = conv.conv4(torch.tanh(x1.unsqueeze(-1) - x2.unsqueeze(-2)))  # type: ignore[operator]
        graph = refined * module.alpha + a
        graphs.append(graph.transpose(-1, -2) if module.original else graph)
    return torch.cat(graphs, dim=1)


def _asgcn(module: LinkedGCN, inputs: Inputs) -> Tensor:
    return inputs[1]  # the actional links; the structural ones are masks of fixed edges


def _sgn(module: AdaptiveGCN, inputs: Inputs) -> Tensor:
    return inputs[1].transpose(-1, -2)  # its rows receive


def _esan(module: AttentionBlock, inputs: Inputs) -> Tensor | None:
    if module.kind not in ("S1", "S2", "V"):
        return None
    theta = module.theta(inputs[0])
    phi = theta if module.phi is None else module.phi(inputs[0])
    if module.kind == "S2":
        a, b = (z.permute(0, 3, 1, 2).flatten(2) for z in (theta, phi))
    else:
        a, b = (z.permute(0, 2, 3, 1) for z in (theta, phi))
    return torch.softmax(a @ b.transpose(-1, -2), dim=-1).transpose(-1, -2)


_FIXED: dict[type[nn.Module], Callable[..., Tensor | None]] = {
    UnitGCN: _unit_gcn,
    KTHLayer: _kth,
    MultiScaleGCN: lambda m: m.A + m.PA,
}
_DEPENDENT: dict[type[nn.Module], Callable[..., Tensor | None]] = {
    UnitAAGCN: _aagcn,
    UnitCTRGCN: _ctrgcn,
    LinkedGCN: _asgcn,
    AdaptiveGCN: _sgn,
    AttentionBlock: _esan,
}


@dataclass(frozen=True, kw_only=True)
class LearnedGraphs:
    """The modules of a network that hold a learned graph."""

    net: ActionClassifier
    modules: tuple[nn.Module, ...]
    depends_on_input: bool

    @torch.no_grad()
    def of(self, x: Tensor | npt.NDArray[np.float32] | None) -> npt.NDArray[np.float64]:
        """(S, V, V): the graphs for the input x (N, M, L, V, C), averaged over clips and persons,
        or without an input those that do not depend on it."""
        if not self.depends_on_input:
            return np.stack([_matrix(_FIXED[type(m)](m)) for m in self.modules])
        assert x is not None
        tensor = torch.as_tensor(x)
        found: dict[nn.Module, Tensor] = {}

        def keep(module: nn.Module, inputs: Inputs) -> None:
            graph = _DEPENDENT[type(module)](module, inputs)
            assert graph is not None
            found[module] = graph

        handles = [m.register_forward_pre_hook(keep) for m in self.modules]
        try:
            self.net.features(tensor)
        finally:
            for handle in handles:
                handle.remove()
        return np.stack([_matrix(found[m]) for m in self.modules])


def _matrix(graph: Tensor | None) -> npt.NDArray[np.float64]:
    assert graph is not None
    flat = graph.detach().abs().double().reshape(-1, *graph.shape[-2:])
    return flat.mean(dim=0).cpu().numpy()


def learned_graphs(net: ActionClassifier, name: str, joints: int) -> LearnedGraphs:
    """The learned graphs of a network whose batch norms are not fused. Raises ConfigError if it has
    none."""
    backbone = net.backbone
    own = [m for part in _roots(backbone) for m in part.modules()]
    dependent = [m for m in own if type(m) in _DEPENDENT and _has_graph(m)]
    fixed = [m for m in own if type(m) in _FIXED and _of_joints(m, joints)]
    if not dependent and not fixed:
        raise ConfigError(
            f"{name} has no learned graph of joints",
            "Networks with one are stgcn, stgcnpp, agcn, aagcn, ctrgcn, asgcn, msg3d, sgn, esan.",
        )
    return LearnedGraphs(
        net=net,
        modules=tuple(dependent or fixed),
        depends_on_input=bool(dependent),
    )


def _roots(backbone: nn.Module) -> list[nn.Module]:
    """The stages that classify, without a forecast head."""
    stages = backbone.stages()  # type: ignore[operator]
    return [module for stage in stages for module in stage]


def _has_graph(module: nn.Module) -> bool:
    return not isinstance(module, AttentionBlock) or module.kind in ("S1", "S2", "V")


def _of_joints(module: nn.Module, joints: int) -> bool:
    """Whether a module has a learned graph of joints, not of joints in a window of frames."""
    graph = _FIXED[type(module)](module)
    return graph is not None and graph.shape[-1] == joints
