"""State dicts of PYSKL, mmaction2 and the authors of the networks: how a network recognises its
own, and what their names and shapes say about it.

In this module and in the functions that a `ForeignFormat` refers to, names have no "backbone."
prefix."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

State = Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class ForeignArguments:
    """What a state dict says about its network; `kwargs` are arguments of the backbone. `graphs`
    are further arguments of which the state dict's constant graph selects one, the usual one first.
    """

    kwargs: dict[str, Any]
    joints: int
    channels: int
    persons: int
    graphs: tuple[dict[str, Any], ...] = ({},)


def same_names(state: State) -> dict[str, Tensor]:
    """A copy of the state dict."""
    return dict(state)


@dataclass(frozen=True, kw_only=True)
class ForeignFormat:
    """A state dict belongs to the network if a name in it starts with `key` and none starts with a
    prefix in `absent`. `rename` gives it skelact's names and shapes. `read`, of the renamed state
    dict, raises KeyError or IndexError if a tensor that it needs is missing."""

    key: str
    read: Callable[[State], ForeignArguments]
    absent: tuple[str, ...] = ()

    authors: str = ""
    """The repository whose names these are, if it is not PYSKL or mmaction2."""
    rename: Callable[[State], dict[str, Tensor]] = same_names
    layouts: Mapping[int, str] = field(default_factory=dict)
    """Number of joints -> layout, where it is not that of PYSKL's checkpoints."""
    sampling: Mapping[str, Any] = field(default_factory=dict)
    """How its test pipeline samples frames, where it is not PYSKL's 100 of `uniform`."""

    def matches(self, state: State) -> bool:
        """Whether the state dict is one of this network."""
        return any(k.startswith(self.key) for k in state) and not any(
            k.startswith(self.absent) for k in state
        )


def rename_blocks(
    state: State, blocks: str, parts: Mapping[str, str] | None = None
) -> dict[str, Tensor]:
    """The names of 2s-AGCN and of what follows it, in which block n is called `l<n>`, as
    `<blocks>.<n - 1>`; `parts` are parts of the rest to replace."""
    out = {}
    for key, value in state.items():
        if number := re.match(r"l(\d+)\.", key):
            rest = key[number.end() :]
            for theirs, ours in (parts or {}).items():
                rest = rest.replace(theirs, ours)
            key = f"{blocks}.{int(number[1]) - 1}.{rest}"
        out[key] = value
    return out


def count_children(state: State, name: str) -> int:
    """The number of modules in the list or sequence called `name`."""
    return len({m[1] for k in state if (m := re.match(rf"{re.escape(name)}\.(\d+)\.", k))})


def read_data_bn(state: State, joints: int, channels: int) -> tuple[str, int]:
    """The kind of `DataBN` ("none", "VC" or "MVC") and the number of persons: 2, which is usual for
    NTU, if the kind does not depend on it."""
    if "data_bn.weight" not in state:
        return "none", 2
    persons = len(state["data_bn.weight"]) // (joints * channels)
    return ("MVC", persons) if persons > 1 else ("VC", 2)


def read_staged(state: State, *, blocks: str, bn: str, graph: str, conv: str) -> ForeignArguments:
    """The arguments of a network whose blocks are those of `stage_plan`, from the names of modules
    in a block: a batch norm, the graph, and a convolution of the block's input."""
    channels = state[f"{blocks}.0.{conv}.weight"].shape[1]
    joints = state[f"{blocks}.0.{graph}"].shape[1]
    _, persons = read_data_bn(state, joints, channels)
    kwargs = read_stages(state, blocks, bn)
    return ForeignArguments(kwargs=kwargs, joints=joints, channels=channels, persons=persons)


def read_stages(state: State, blocks: str, bn: str) -> dict[str, Any]:
    """The arguments of `stage_plan`, read from the batch norms called `<blocks>.<n>.<bn>`. The
    stages that widen are taken to halve the frame rate too."""
    names = [f"{blocks}.{n}.{bn}.weight" for n in range(count_children(state, blocks))]
    widths = [len(state[name]) for name in names]
    wider = tuple(n + 1 for n in range(1, len(widths)) if widths[n] != widths[n - 1])
    return {
        "base_channels": widths[0],
        "num_stages": len(widths),
        "inflate_stages": wider,
        "down_stages": wider,
    }
