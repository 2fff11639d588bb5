"""The networks. `SPECS` lists them, `build` makes one.

To add a network, write a module in this package that defines a `Backbone` and `SPECS`, a tuple of
`ModelSpec`."""

from __future__ import annotations

import inspect
from typing import Any

from skelact import limits
from skelact.discovery import declared
from skelact.errors import ConfigError, lookup, reason
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
    _check_sizes(name, kwargs)
    arguments = {**network.kwargs, **kwargs}
    dropout = arguments.pop("dropout", 0.0)
    try:
        backbone = network.backbone(skeleton, in_channels, persons, **arguments)
        return ActionClassifier(backbone, classes, dropout)
    except (
        TypeError,
        ValueError,
        ArithmeticError,
        LookupError,
        MemoryError,
        RuntimeError,
    ) as error:
        known = list(inspect.signature(network.backbone).parameters)[3:]
        raise ConfigError(
            f"Model {name}: {reason(error)}", f"Its options are {', '.join([*known, 'dropout'])}."
        ) from error


def _check_sizes(name: str, arguments: dict[str, Any]) -> None:
    """Raise ConfigError for a number, or a number of values, with which no network can be built."""
    for key, value in arguments.items():
        values = value if isinstance(value, list | tuple) else [value]
        numbers = [v for v in values if isinstance(v, int | float)]
        if len(values) > limits.MODEL_VALUES or any(
            not abs(v) <= limits.MODEL_NUMBER for v in numbers
        ):
            raise ConfigError(
                f"Model {name}: {key} is too large",
                f"Numbers up to {limits.MODEL_NUMBER:,} and up to {limits.MODEL_VALUES} values in "
                "a list are possible.",
            )


def discover() -> dict[str, ModelSpec]:
    """The specs of all modules in this package, by name and in alphabetical order. Raises
    ValueError if two networks have the same name."""
    return dict(sorted(declared(__name__, __path__, "SPECS").items()))


SPECS = discover()
