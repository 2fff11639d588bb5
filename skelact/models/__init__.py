"""The networks, behind one door: build(name, classes=…, skeleton=…) -> a module from (N, M, T, V,
C) to logits (N, classes)."""

from __future__ import annotations

from typing import Any

from torch import nn

from skelact.errors import ConfigError
from skelact.models.aagcn import aagcn
from skelact.models.ctrgcn import ctrgcn
from skelact.models.stgcn import stgcn, stgcnpp
from skelact.skeletons import Skeleton
from skelact.types import nearest

MODELS = {"stgcn": stgcn, "stgcnpp": stgcnpp, "aagcn": aagcn, "ctrgcn": ctrgcn}


def build(
    name: str,
    classes: int,
    skeleton: Skeleton,
    in_channels: int = 3,
    persons: int = 1,
    **kwargs: Any,
) -> nn.Module:
    """The named network for that many classes and that skeleton. ConfigError for an unknown name or
    argument."""
    if name not in MODELS:
        raise ConfigError(
            f"no model is called {name!r}{nearest(name, MODELS)}", f"one of {', '.join(MODELS)}"
        )
    try:
        return MODELS[name](classes, skeleton, in_channels, persons, **kwargs)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"model {name}: {error}", "see configs/models for its options") from error
