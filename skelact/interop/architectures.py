"""Checkpoints of PYSKL, mmaction2 and the authors of some networks: which network is in them, built
with their weights.

Everything is read off the names and shapes of the state dict: network, widths, joints, persons,
channels, classes; and the joint layout off the graph, where the state dict holds it as a constant.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from skelact.errors import CheckpointError, counted, reading
from skelact.models import SPECS, build
from skelact.models.base import ActionClassifier
from skelact.models.foreign import ForeignArguments, ForeignFormat
from skelact.models.guard import check_arguments, no_larger_than
from skelact.models.specs import ModelSpec
from skelact.skeletons import SKELETONS, Skeleton, layout_for

_HEADS = ("cls_head.fc_cls.", "cls_head.fc.", "cls_head.fcn.", "fcn.", "fc.")
_HEAD = "cls_head.fc.weight"
_LOADABLE = "Use a checkpoint of skelact, PYSKL or mmaction2"
_UNSUPPORTED = {  # start of a name -> what has such names
    "class_layer_0.": "AS-GCN in its authors' form, whose link inference is in a second file",
    "encoder.mlp1.": "the link inference of AS-GCN, without its classifier",
    "conv.0.spatialConv.": "the ST-GCN of the KTH report, whose file does not name the partition",
    "l1.gcn1.conv_sa.": "AAGCN in its authors' form",
    "tem_embed.": "SGN in its authors' form",
    "conv1.conv.weight": "a 3-D convolution on heat maps (PoseC3D), which skelact does not have",
}
_SAME = 1e-3  # largest difference of two equal graphs, of which one may be in half precision
State = Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class ForeignModel:
    """A network with another program's weights, in evaluation mode. `unit_input`: it was trained on
    coordinates from 0 to 1 rather than -1 to 1, judging by the means in its input batch norm.
    `assumed_layout`: other layouts have as many joints, and nothing in the file tells them
    apart."""

    name: str
    kwargs: dict[str, Any]
    net: ActionClassifier
    skeleton: Skeleton
    classes: int
    channels: int
    persons: int
    unit_input: bool
    format: ForeignFormat
    assumed_layout: bool


def identify_architecture(weights: State, skeleton: Skeleton | None = None) -> ForeignModel:
    """The network that a state dict belongs to. `skeleton` is needed where neither the number of
    joints nor a graph in the state dict determines the layout. Raises CheckpointError if no network
    fits, which says what was found, or if the graph is that of another layout."""
    with reading("The state dict", CheckpointError):
        return _identify(weights, skeleton)


def _identify(weights: State, skeleton: Skeleton | None) -> ForeignModel:
    state = _standard_names(weights)
    found = _format_of({k.removeprefix("backbone."): v for k, v in state.items()})
    if found is None:
        raise _unknown(state)
    spec, form = found
    classifier = {k: state.pop(k) for k in (_HEAD, "cls_head.fc.bias") if k in state}
    inner = form.rename({k.removeprefix("backbone."): v for k, v in state.items()})
    state = {k if k.startswith("cls_head.") else f"backbone.{k}": v for k, v in inner.items()}
    state |= classifier
    if _HEAD not in state:
        raise CheckpointError(
            f"The weights of {spec.name} have no classification layer",
            f"One of {', '.join(h + 'weight' for h in _HEADS)} is required.",
        )
    try:
        shape = form.read(inner)
    except (KeyError, IndexError, ZeroDivisionError) as error:
        raise CheckpointError(
            f"The weights look like {spec.name}, but {error} is missing "
            f"({_differing(spec.name, state)})"
        ) from error
    classes = len(state[_HEAD])
    candidates = [skeleton] if skeleton else _layouts(shape.joints, form)
    if skeleton and len(skeleton.joints) != shape.joints:
        raise CheckpointError(
            f"The weights are {_description(spec.name, shape, classes)}, but {skeleton.name} has "
            f"{len(skeleton.joints)} joints",
            f"Choose another layout with --skeleton: {_layout_names(shape.joints)}.",
        )
    net, kwargs, layout, has_graph = _fit(spec.name, shape, classes, candidates, state)
    mean = state.get("backbone.data_bn.running_mean", torch.zeros(1))
    return ForeignModel(
        name=spec.name,
        kwargs=kwargs,
        net=net.eval(),
        skeleton=layout,
        classes=classes,
        channels=shape.channels,
        persons=shape.persons,
        unit_input=bool(((mean > 0.2) & (mean < 0.8)).all()),
        format=form,
        assumed_layout=not has_graph and len(candidates) > 1,
    )


def _standard_names(weights: State) -> dict[str, Tensor]:
    """Names without the prefixes of wrappers, the head's layer called cls_head.fc."""
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


def _format_of(inner: State) -> tuple[ModelSpec, ForeignFormat] | None:
    for spec in SPECS.values():
        for form in spec.foreign:
            if form.matches(inner):
                return spec, form
    return None


def _layouts(joints: int, form: ForeignFormat) -> list[Skeleton]:
    """All layouts with that many joints, the usual one of the format first."""
    fitting = [s for s in SKELETONS.values() if len(s.joints) == joints]
    if joints in form.layouts:
        first = SKELETONS[form.layouts[joints]]
    else:
        try:
            first = layout_for(joints, "checkpoint")
        except ValueError as error:
            if len(fitting) == 1:
                return fitting
            raise CheckpointError(
                f"The weights are for {joints} joints, which does not determine the layout",
                f"Name it with --skeleton: {_layout_names(joints)}.",
            ) from error
    return [first, *(s for s in fitting if s is not first)]


def _layout_names(joints: int) -> str:
    return ", ".join(n for n, s in SKELETONS.items() if len(s.joints) == joints) or "a .toml file"


def _fit(
    name: str, shape: ForeignArguments, classes: int, layouts: list[Skeleton], state: State
) -> tuple[ActionClassifier, dict[str, Any], Skeleton, bool]:
    """The network with the weights, its arguments, the first layout whose graph is that of the
    state dict, and whether the state dict holds a graph. Graphs that it lacks are computed."""
    what = _description(name, shape, classes)
    check_arguments(shape.kwargs | {"persons": shape.persons, "channels": shape.channels}, state)
    problem, other_graphs = "", []
    for layout in layouts:
        for graph in shape.graphs:
            kwargs = shape.kwargs | graph
            with no_larger_than(state):
                net = build(name, classes, layout, shape.channels, shape.persons, **kwargs)
            own, graphs = net.state_dict(), _constant_graphs(net)
            differences = _differences(
                {k: v for k, v in own.items() if k not in graphs},
                {k: v for k, v in state.items() if k not in graphs},
            )
            if differences:
                problem = problem or differences
                continue
            given = [k for k in graphs if k in state]
            if all(_is_same(state[k], graphs[k]) for k in given):
                net.load_state_dict(own | {k: v for k, v in state.items() if k in own})
                return net, kwargs, layout, bool(given)
            other_graphs = given
    if not other_graphs:
        raise CheckpointError(f"The weights look like {what}, but do not fit it ({problem})")
    raise CheckpointError(
        f"The weights are {what}, but they were trained on another graph than that of "
        f"{' or '.join(s.name for s in layouts)} ({_first(other_graphs)})",
        f"Name the layout with --skeleton: {_layout_names(shape.joints)}, or a .toml file with the "
        "edges of the training.",
    )


def _constant_graphs(net: ActionClassifier) -> dict[str, Tensor]:
    """The graphs of a new network that training does not change, by their names in a state dict.
    PYSKL and mmaction2 also store the graph with which learnt ones start, as `backbone.A`."""
    found = {k: v for k, v in net.named_buffers() if k.endswith(".A")}
    learnt = (v for k, v in net.named_parameters() if k.endswith(".A"))
    if "backbone.A" not in found and (first := next(learnt, None)) is not None:
        found["backbone.A"] = first.detach().clone()
    return found


def _is_same(theirs: Tensor, ours: Tensor) -> bool:
    return theirs.shape == ours.shape and bool((theirs - ours).abs().max() < _SAME)


def _description(name: str, shape: ForeignArguments, classes: int) -> str:
    return f"{name} with {shape.joints} joints, {shape.channels} channels and {classes} classes"


def _unknown(state: State) -> CheckpointError:
    """The error about weights of no network that skelact can load."""
    inner = [k.removeprefix("backbone.") for k in state]
    for start, what in _UNSUPPORTED.items():
        if any(k.startswith(start) for k in inner):
            return CheckpointError(f"The weights are of {what}", f"{_LOADABLE}.")
    classes = f", {counted(len(state[_HEAD]), 'class')}" if _HEAD in state else ""
    networks = ", ".join(s.name for s in SPECS.values() if s.foreign)
    return CheckpointError(
        f"The weights ({len(state)} tensors{classes}, the first ones {_first(state)}) fit no "
        f"network of skelact; the most similar is {_nearest(state)}",
        f"{_LOADABLE} of one of these networks: {networks}.",
    )


def _nearest(state: State) -> str:
    """The network that shares most names with the state dict, and what differs."""
    shared = {name: len(_own_state(name).keys() & state.keys()) for name in SPECS}
    name = max(shared, key=lambda n: shared[n])
    enough = shared[name] > 2  # every network has a classifier's weight and bias
    return f"{name} ({_differing(name, state)})" if enough else "none: no name is the same"


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
