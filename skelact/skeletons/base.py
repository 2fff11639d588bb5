"""A skeleton as data: named joints, bones, left and right, the edges of the graph; and conversion
between layouts by the names of the joints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from skelact.errors import ConfigError, lookup

# different names of the same joint
_SAME = {
    "left_foot_index": "left_foot",
    "right_foot_index": "right_foot",
    "left_big_toe": "left_foot",
    "right_big_toe": "right_foot",
    "mid_hip": "pelvis",
    "spine_base": "pelvis",
}

MAX_JOINTS = 1000  # graphs have as many rows and columns


@dataclass(frozen=True)
class Skeleton:
    """V named joints. `parents[v]` is the joint at the other end of the bone of joint v (itself for
    a root), `edges` are the (child, parent) edges of the graph, `flip_pairs` the (left, right)
    pairs, `centre` is the joint on which normalisation and graph partitions are centred. All are
    names; indices are derived. Raises ConfigError if a name is not a joint."""

    name: str
    joints: tuple[str, ...]
    parents: tuple[str, ...]
    edges: tuple[tuple[str, str], ...]
    flip_pairs: tuple[tuple[str, str], ...]
    centre: str

    def __post_init__(self) -> None:
        if len(self.joints) > MAX_JOINTS:
            raise ConfigError(f"A skeleton has at most {MAX_JOINTS} joints")
        known = set(self.joints)
        if len(known) != len(self.joints) or not self.joints:
            raise ConfigError(f"Skeleton {self.name!r}: joint names must be unique")
        if len(self.parents) != len(self.joints):
            raise ConfigError(
                f"Skeleton {self.name!r}: {len(self.joints)} joints but {len(self.parents)} parents"
            )
        pairs = (joint for pair in (*self.edges, *self.flip_pairs) for joint in pair)
        for joint in (*self.parents, self.centre, *pairs):
            lookup(f"joint of skeleton {self.name!r}", joint, dict.fromkeys(self.joints))

    def index(self, joint: str) -> int:
        """The index of a joint. Raises ConfigError if the layout lacks it."""
        try:
            return self.joints.index(joint)
        except ValueError:
            raise ConfigError(f"Skeleton {self.name!r} has no joint {joint!r}") from None

    def find(self, *names: str) -> list[int]:
        """The indices of those `names` that the layout has."""
        return [self.joints.index(n) for n in names if n in self.joints]

    @property
    def parent_indices(self) -> npt.NDArray[np.int64]:
        """(V,) index of the parent of every joint."""
        return np.array([self.index(p) for p in self.parents])

    @property
    def edge_indices(self) -> list[tuple[int, int]]:
        """The edges as (child, parent) indices."""
        return [(self.index(a), self.index(b)) for a, b in self.edges]

    @property
    def flip_index(self) -> npt.NDArray[np.int64]:
        """(V,) permutation of the joints that exchanges left and right."""
        order = np.arange(len(self.joints))
        for a, b in self.flip_pairs:
            i, j = self.index(a), self.index(b)
            order[i], order[j] = j, i
        return order

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for checkpoints and manifests."""
        return {name: _as_list(value) for name, value in vars(self).items()}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Skeleton:
        """The inverse of as_dict. `parents` may be a table {joint: parent}; `edges` default to the
        bones, `flip_pairs` to the joints named left_* and right_*. Raises ConfigError if an entry
        is missing or names an unknown joint."""
        missing = {"name", "joints", "parents", "centre"} - content.keys()
        if missing:
            raise ConfigError(
                f"A skeleton needs {', '.join(sorted(missing))}",
                "name, joints, parents = {child = 'parent'}, centre",
            )
        joints = tuple(map(str, content["joints"]))
        parent_names = content["parents"]
        if isinstance(parent_names, dict):
            unknown = [j for j in parent_names if j not in joints]
            if unknown:
                raise ConfigError(
                    f"Skeleton {content['name']!r}: parents of unknown joint {unknown[0]!r}"
                )
            parents = tuple(str(parent_names.get(j, j)) for j in joints)
        else:
            parents = tuple(map(str, parent_names))
        bones = tuple((j, p) for j, p in zip(joints, parents, strict=False) if j != p)
        twins = tuple(
            (j, "right_" + j[5:])
            for j in joints
            if j.startswith("left_") and "right_" + j[5:] in joints
        )
        edges = tuple((str(a), str(b)) for a, b in content.get("edges", bones))
        flip_pairs = tuple((str(a), str(b)) for a, b in content.get("flip_pairs", twins))
        return cls(str(content["name"]), joints, parents, edges, flip_pairs, str(content["centre"]))


def _as_list(value: Any) -> Any:
    return [_as_list(v) for v in value] if isinstance(value, tuple) else value


def convert(values: npt.NDArray[Any], source: Skeleton, target: Skeleton) -> npt.NDArray[Any]:
    """Reorder joints by name: values (..., V_source, C) -> (..., V_target, C). Joints that the
    source lacks are NaN. The layout of a hand without a side (hand-21) gets the right hand of a
    source with both hands."""
    by_name = {_SAME.get(j, j): i for i, j in enumerate(source.joints)}
    out = np.full((*values.shape[:-2], len(target.joints), values.shape[-1]), np.nan, values.dtype)
    for i, joint in enumerate(target.joints):
        index = by_name.get(_SAME.get(joint, joint), by_name.get(f"right_hand_{joint}"))
        if index is not None:
            out[..., i, :] = values[..., index, :]
    return out


def missing_joints(target: Skeleton, source: Skeleton) -> list[str]:
    """The joints of `target` that poses in the layout `source` do not have."""
    known = convert(np.zeros((len(source.joints), 1)), source, target)[:, 0]
    return [j for j, value in zip(target.joints, known, strict=True) if np.isnan(value)]


def check_common_joints(target: Skeleton, source: Skeleton) -> list[str]:
    """`missing_joints`. Raises ConfigError if these are all joints, because then the input of the
    network would be empty."""
    missing = missing_joints(target, source)
    if len(missing) == len(target.joints):
        raise ConfigError(
            f"No joint of the layout {target.name} ({_first(target.joints)}) is known in the data, "
            f"whose layout is {source.name} ({_first(source.joints)})",
            "Choose another layout, or name the joints that are the same in [same] of the .toml "
            "file (see `skelact skeletons`).",
        )
    return missing


def _first(names: tuple[str, ...], count: int = 4) -> str:
    return ", ".join(names[:count]) + (", …" if len(names) > count else "")


def sides(*names: str) -> str:
    return " ".join(f"{side}_{n}" for n in names for side in ("left", "right"))


def layout(name: str, centre: str, joints: str, bones: str, edges: str | None = None) -> Skeleton:
    """`bones` and `edges` are written as child>parent. The prefix '*' stands for left_ and right_,
    at the parent only if it has these names."""
    names = tuple(joints.split())

    def parsed(text: str) -> list[tuple[str, str]]:
        out = []
        for word in text.split():
            child, parent = word.lstrip("*").split(">")
            for side in ("left_", "right_") if word.startswith("*") else ("",):
                out.append((side + child, side + parent if side + parent in names else parent))
        return out

    parents = dict(parsed(bones))
    return Skeleton.from_dict(
        {
            "name": name,
            "joints": names,
            "parents": parents,
            "centre": centre,
            "edges": parsed(bones if edges is None else edges),
        }
    )
