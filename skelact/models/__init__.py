"""The networks, behind one door: build(name, classes=…, skeleton=…) -> a module from (N, M, T, V,
C) to logits (N, classes)."""

from __future__ import annotations

import inspect
from typing import Any

from skelact.errors import ConfigError
from skelact.models.aagcn import AAGCN
from skelact.models.asgcn import ASGCN
from skelact.models.base import ActionClassifier
from skelact.models.ctrgcn import CTRGCN
from skelact.models.ddnet import DDNet
from skelact.models.esan import ESAN
from skelact.models.kth import KTHNet
from skelact.models.msg3d import MSG3D
from skelact.models.rocket import Rocket
from skelact.models.sgn import SGN
from skelact.models.stgcn import PLUS_PLUS, STGCN
from skelact.skeletons import Skeleton
from skelact.types import nearest

# name -> backbone class and the arguments that make it this network
MODELS: dict[str, tuple[Any, dict[str, Any]]] = {
    "stgcn": (STGCN, {}),
    "stgcn-kth": (KTHNet, {}),
    "stgcnpp": (STGCN, PLUS_PLUS),
    "asgcn": (ASGCN, {}),
    "aagcn": (AAGCN, {}),
    "2s-agcn": (AAGCN, {"attention": False}),
    "agcn": (AAGCN, {"attention": False, "original": True}),
    "ctrgcn": (CTRGCN, {}),
    "msg3d": (MSG3D, {}),
    "sgn": (SGN, {}),
    "esan": (ESAN, {}),
    "ddnet": (DDNet, {}),
    "rocket": (Rocket, {}),
}


def accepts(name: str, argument: str) -> bool:
    """Whether the network takes this argument, which training knows of its clips."""
    return name in MODELS and argument in inspect.signature(MODELS[name][0]).parameters


def is_closed_form(name: str) -> bool:
    """Whether only the network's head is learnt, in closed form: its backbone then has
    `fit_scaler(clips)`."""
    return name in MODELS and MODELS[name][0].closed_form


def build(
    name: str,
    classes: int,
    skeleton: Skeleton,
    in_channels: int = 3,
    persons: int = 1,
    dropout: float = 0.0,
    **kwargs: Any,
) -> ActionClassifier:
    """The named network for that many classes and that skeleton; `dropout` is the head's, `kwargs`
    are the backbone's. ConfigError for an unknown name or argument."""
    if name not in MODELS:
        raise ConfigError(
            f"no model is called {name!r}{nearest(name, MODELS)}", f"one of {', '.join(MODELS)}"
        )
    backbone, fixed = MODELS[name]
    try:
        body = backbone(skeleton, in_channels, persons, **(fixed | kwargs))
        return ActionClassifier(body, classes, dropout)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"model {name}: {error}", "see configs/models for its options") from error
