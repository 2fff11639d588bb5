"""The networks. `SPECS` lists them, `build` makes one.

To add a network, write a module in this package that defines a `Backbone` and `SPECS`, a tuple of
`ModelSpec`."""

from __future__ import annotations

import inspect
from typing import Any

from skelact.discovery import declared
from skelact.errors import ConfigError, lookup
from skelact.models.base import ActionClassifier
from skelact.models.specs import ModelSpec
from skelact.skeletons import Skeleton


def spec(name: str) -> ModelSpec:
    """The network of that name. Raises ConfigError if there is none."""
    return lookup("model", name, SPECS)


def build(
    name: str,
    classes: int,
    skeleton: Skeleton,
    in_channels: int = 3,
    persons: int = 1,
    **kwargs: Any,
) -> ActionClassifier:
    """The named network, with fresh weights, for a number of classes and a joint layout.

    `kwargs` are arguments of the backbone, except `dropout`, which is the head's. Raises
    ConfigError for an unknown name or argument, or for a value that the network refuses."""
    network = spec(name)
    arguments = {**network.kwargs, **kwargs}
    dropout = arguments.pop("dropout", 0.0)
    try:
        backbone = network.backbone(skeleton, in_channels, persons, **arguments)
        return ActionClassifier(backbone, classes, dropout)
    except (TypeError, ValueError) as error:
        known = list(inspect.signature(network.backbone).parameters)[3:]
        raise ConfigError(
            f"Model {name}: {error}", f"Its options are {', '.join([*known, 'dropout'])}."
        ) from error


def discover() -> dict[str, ModelSpec]:
    """The specs of all modules in this package, by name and in alphabetical order. Raises
    ValueError if two networks have the same name."""
    return dict(sorted(declared(__name__, __path__, "SPECS").items()))


SPECS = discover()
