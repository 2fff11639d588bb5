"""Checkpoints of PYSKL and mmaction2: which network is in them, built with their weights.

Everything is read off the names and shapes of the state dict: network, widths, joints, persons,
channels, classes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from skelact.errors import CheckpointError
from skelact.models import SPECS, build
from skelact.models.base import ActionClassifier
from skelact.skeletons import SKELETONS, Skeleton, layout_for

_HEADS = ("cls_head.fc_cls.", "cls_head.fc.", "cls_head.fcn.", "fc.")
State = Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class ForeignModel:
    """A network with another program's weights, in evaluation mode. `unit_input`: it was trained on
    coordinates from 0 to 1 rather than -1 to 1, judging by the means in its input batch norm."""

    name: str
    kwargs: dict[str, Any]
    net: ActionClassifier
    skeleton: Skeleton
    classes: int
    channels: int
    persons: int
    unit_input: bool


def identify_architecture(weights: State, skeleton: Skeleton | None = None) -> ForeignModel:
    """The network that a state dict belongs to. `skeleton` is needed where the number of joints
    does not determine the layout. Raises CheckpointError, which names the most similar network and
    the keys that differ, if no network fits."""
    state = _standard_names(weights)
    inner = {k.removeprefix("backbone."): v for k, v in state.items()}
    spec = next((s for s in SPECS.values() if s.foreign and s.foreign.matches(inner)), None)
    if spec is None or spec.foreign is None:
        raise CheckpointError(
            f"The weights fit no network of skelact; the most similar is {_nearest(state)}",
            "Use a checkpoint of skelact, PYSKL or mmaction2.",
        )
    name = spec.name
    if "cls_head.fc.weight" not in state:
        raise CheckpointError(
            f"The weights of {name} have no classification layer",
            f"One of {', '.join(h + 'weight' for h in _HEADS)} is required.",
        )
    try:
        shape = spec.foreign.read(inner)
    except (KeyError, IndexError, ZeroDivisionError) as error:
        raise CheckpointError(
            f"The weights look like {name}, but {error} is missing ({_differing(name, state)})"
        ) from error
    skeleton = skeleton or _layout(shape.joints)
    if len(skeleton.joints) != shape.joints:
        raise CheckpointError(
            f"The weights are for {shape.joints} joints, {skeleton.name} has "
            f"{len(skeleton.joints)}",
            "Choose another layout with --skeleton.",
        )
    classes = len(state["cls_head.fc.weight"])
    net = build(name, classes, skeleton, shape.channels, shape.persons, **shape.kwargs)
    own = net.state_dict()
    if own.keys() != state.keys() or any(own[k].shape != state[k].shape for k in own):
        raise CheckpointError(
            f"The weights look like {name}, but do not fit it ({_differences(own, state)})"
        )
    net.load_state_dict(state)
    mean = state.get("backbone.data_bn.running_mean", torch.zeros(1))
    return ForeignModel(
        name=name,
        kwargs=shape.kwargs,
        net=net.eval(),
        skeleton=skeleton,
        classes=classes,
        channels=shape.channels,
        persons=shape.persons,
        unit_input=bool(((mean > 0.2) & (mean < 0.8)).all()),
    )


def _standard_names(weights: State) -> dict[str, Tensor]:
    """skelact's names: without the prefixes of wrappers, the head's layer called cls_head.fc."""
    out = {}
    for key, value in weights.items():
        key = re.sub(r"^(module\.|model\.)+", "", key)
        for head in _HEADS:
            if key.startswith(head):
                key = "cls_head.fc." + key[len(head) :]
                value = value.reshape(len(value), -1) if key.endswith("weight") else value
                break
        if not key.startswith(("backbone.", "cls_head.")):
            key = "backbone." + key
        out[key] = value.float() if value.is_floating_point() else value
    return out


def _layout(joints: int) -> Skeleton:
    try:
        return layout_for(joints, "checkpoint")
    except ValueError as error:
        fitting = [n for n, s in SKELETONS.items() if len(s.joints) == joints]
        raise CheckpointError(
            f"The weights are for {joints} joints, which does not determine the layout",
            f"Name it with --skeleton: {', '.join(fitting) or 'a .toml file'}.",
        ) from error


def _nearest(state: State) -> str:
    """The network that shares most names with the state dict, and what differs."""
    shared = {name: len(_own_state(name).keys() & state.keys()) for name in SPECS}
    name = max(shared, key=lambda n: shared[n])
    return f"{name} ({_differing(name, state)})" if shared[name] else "none: no name is the same"


def _own_state(name: str) -> State:
    return build(name, 2, SKELETONS["coco-17"], persons=2).state_dict()


def _differing(name: str, state: State) -> str:
    return _differences(_own_state(name), state, shapes=False)


def _differences(own: State, state: State, shapes: bool = True) -> str:
    """The first names, and where asked the first shapes, that differ."""
    parts = [
        ("missing", [k for k in own if k not in state]),
        ("unknown", [k for k in state if k not in own]),
    ]
    if shapes:
        other = [k for k in own if k in state and own[k].shape != state[k].shape]
        parts.append(("of another shape", other))
    return "; ".join(f"{what}: {_first(keys)}" for what, keys in parts if keys)


def _first(keys: Iterable[str], count: int = 3) -> str:
    keys = [k.removeprefix("backbone.") for k in keys]
    more = f" and {len(keys) - count} more" if len(keys) > count else ""
    return ", ".join(keys[:count]) + more
