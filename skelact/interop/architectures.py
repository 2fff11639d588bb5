"""Checkpoints of PYSKL and mmaction2: which network is in them, built with their weights.

Everything is read off the names and shapes: network, widths, joints, persons, channels, classes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from skelact.errors import CheckpointError
from skelact.models import MODELS, build
from skelact.models.base import ActionClassifier
from skelact.skeletons import SKELETONS, Skeleton, layout_for

_HEADS = ("cls_head.fc_cls.", "cls_head.fc.", "cls_head.fcn.", "fc.")
# a name that only this network's checkpoints hold, most telling first
_MARKS = (
    ("msg3d", "backbone.gcn3d1."),
    ("sgn", "backbone.t_embed."),
    ("ctrgcn", "backbone.net.0.gcn1.convs."),
    ("aagcn", "backbone.gcn.0.gcn.conv_sa."),
    ("2s-agcn", "backbone.gcn.0.gcn.alpha"),
    ("stgcnpp", "backbone.gcn.0.tcn.branches."),
    ("stgcn", "backbone.gcn.0.tcn.conv."),
)
State = dict[str, Tensor]


@dataclass(frozen=True)
class Foreign:
    """A network with another program's weights. `unit_input`: it was shown coordinates from 0 to 1
    rather than -1 to 1, as its batch norm remembers."""

    name: str
    kwargs: dict[str, Any]
    net: ActionClassifier
    skeleton: Skeleton
    classes: int
    channels: int
    persons: int
    unit_input: bool


def identify_architecture(weights: State, skeleton: Skeleton | None = None) -> Foreign:
    """The network of a state dict. `skeleton` where the number of joints does not tell.
    CheckpointError, naming the nearest network and the keys that differ, if it fits none."""
    state = _renamed(weights)
    name = next((n for n, mark in _MARKS if _has(state, mark)), None)
    if name is None:
        raise CheckpointError(
            f"no network of skelact is in these weights; the nearest is {_nearest(state)}",
            "checkpoints of PYSKL and mmaction2 can be read, and skelact's own",
        )
    if "cls_head.fc.weight" not in state:
        raise CheckpointError(
            f"the {name} in these weights has no classifying layer",
            f"one of {', '.join(h + 'weight' for h in _HEADS)} is needed",
        )
    try:
        kwargs, joints, channels, persons = _shape(name, state)
    except (KeyError, IndexError, ZeroDivisionError) as error:
        raise CheckpointError(
            f"these weights look like {name}, but {error} is missing", _differing(name, state)
        ) from error
    skeleton = skeleton or _layout(joints)
    if len(skeleton.joints) != joints:
        raise CheckpointError(
            f"these weights are for {joints} joints, {skeleton.name} has {len(skeleton.joints)}"
        )
    classes = len(state["cls_head.fc.weight"])
    net = build(name, classes, skeleton, channels, persons, **kwargs)
    own = net.state_dict()
    if own.keys() != state.keys() or any(own[k].shape != state[k].shape for k in own):
        raise CheckpointError(
            f"these weights look like {name}, but do not fit it", _differences(own, state)
        )
    net.load_state_dict(state)
    mean = state.get("backbone.data_bn.running_mean", torch.zeros(1))
    unit = bool((mean > 0.2).all()) and bool((mean < 0.8).all())
    return Foreign(name, kwargs, net.eval(), skeleton, classes, channels, persons, unit)


def _renamed(weights: State) -> State:
    """Our names: wrappers stripped, the head's layer called cls_head.fc."""
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


def _has(state: State, mark: str) -> bool:
    return any(k.startswith(mark) for k in state)


def _count(state: State, row: str) -> int:
    return len({m[1] for k in state if (m := re.match(rf"{re.escape(row)}\.(\d+)\.", k))})


def _shape(name: str, state: State) -> tuple[dict[str, Any], int, int, int]:
    """Arguments of the network, joints, channels, persons."""
    get = {k.removeprefix("backbone."): v for k, v in state.items()}
    if name == "sgn":
        joints, width = get["s_embed.0.conv.weight"].shape[1], len(get["s_embed.0.conv.weight"])
        frames = get["t_embed.0.conv.weight"].shape[1]
        kwargs: dict[str, Any] = {"base_channels": width, "frames": frames}
        return kwargs, joints, get["joint_embed.0.conv.weight"].shape[1], 2
    if name == "msg3d":
        scales, joints, _ = get["sgcn1.0.PA"].shape
        base, inputs = get["sgcn1.0.mlp.layers.0.weight"].shape[:2]
        channels = inputs // scales
        paths = range(_count(state, "backbone.gcn3d1.gcn3d"))
        graphs = [get[f"gcn3d1.gcn3d.{n}.gcn3d.1.PA"] for n in paths]
        kwargs = {"base_channels": base, "gcn_scales": scales, "g3d_scales": len(graphs[0])}
        kwargs["windows"] = tuple(g.shape[1] // joints for g in graphs)
        return kwargs, joints, channels, _persons(get, joints, channels)[1]
    row, unit = ("net", "gcn1") if name == "ctrgcn" else ("gcn", "gcn")
    stages = _count(state, f"backbone.{row}")
    widths = [len(get[f"{row}.{n}.{unit}.bn.weight"]) for n in range(stages)]
    a = get[f"{row}.0.{unit}.A"]
    first = {
        "ctrgcn": "convs.0.conv1.weight",
        "aagcn": "conv_d.0.weight",
        "2s-agcn": "conv_d.0.weight",
    }.get(name, "conv.weight")
    conv, post = get[f"{row}.0.{unit}.{first}"], False
    if first == "conv.weight":
        post = len(conv) == widths[0] and len(a) > 1
    channels = conv.shape[1] // (len(a) if post else 1)
    grown = tuple(n + 1 for n in range(1, len(widths)) if widths[n] != widths[n - 1])
    kwargs = {"base_channels": widths[0], "num_stages": len(widths)}
    kwargs |= {"inflate_stages": grown, "down_stages": grown}
    kind, persons = _persons(get, a.shape[1], channels)
    if name in ("stgcn", "stgcnpp"):
        kwargs |= {"max_hop": max(1, (len(a) - 1) // 2), "data_bn_type": kind}
    if name == "stgcn":
        mask = get.get("gcn.0.gcn.PA")
        kwargs["adaptive"] = (
            "init" if mask is None else "importance" if mask.median() > 0.5 else "offset"
        )
        kwargs["conv_pos"] = "post" if post else "pre"
        kwargs["with_res"] = "gcn.0.gcn.down.0.weight" in get
    return kwargs, a.shape[1], channels, persons


def _persons(get: State, joints: int, channels: int) -> tuple[str, int]:
    """The kind of data BN and the number of persons; two where it does not say."""
    if "data_bn.weight" not in get:
        return "none", 2
    persons = len(get["data_bn.weight"]) // (joints * channels)
    return ("MVC", persons) if persons > 1 else ("VC", 2)


def _layout(joints: int) -> Skeleton:
    try:
        return layout_for(joints, "checkpoint")
    except ValueError as error:
        fitting = [n for n, s in SKELETONS.items() if len(s.joints) == joints]
        raise CheckpointError(
            f"these weights are for {joints} joints, and no layout is known to be theirs",
            f"name it with --skeleton: {', '.join(fitting) or 'a .toml file'}",
        ) from error


def _nearest(state: State) -> str:
    """The network with most names in common, and what differs."""
    shared = {}
    for name in MODELS:
        own = build(name, 2, SKELETONS["coco-17"], persons=2).state_dict()
        shared[name] = len(own.keys() & state.keys())
    name = max(shared, key=lambda n: shared[n])
    return f"{name} ({_differing(name, state)})" if shared[name] else "none: no name is the same"


def _differing(name: str, state: State) -> str:
    return _differences(build(name, 2, SKELETONS["coco-17"], persons=2).state_dict(), state, False)


def _differences(own: State, state: State, shapes: bool = True) -> str:
    """A sentence with the first names and shapes that differ."""
    both = own.keys() & state.keys()
    parts = [
        ("missing", [k for k in own if k not in state]),
        ("unknown", [k for k in state if k not in own]),
    ]
    if shapes:
        other = [k for k in own if k in both and own[k].shape != state[k].shape]
        parts.append(("of another shape", other))
    return "; ".join(f"{what}: {_first(keys)}" for what, keys in parts if keys)


def _first(keys: Iterable[str], count: int = 3) -> str:
    keys = [k.removeprefix("backbone.") for k in keys]
    more = f" and {len(keys) - count} more" if len(keys) > count else ""
    return ", ".join(keys[:count]) + more
