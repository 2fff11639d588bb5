"""Skeletons as data: named joints, bones, left and right, the edges of the graph; and conversion
between layouts by the names of the joints.

Joints have numbers in this module only. The published layouts are kept as they are: the edges of
coco-17 connect the hips to the shoulders, its bones connect them to the nose; PYSKL's NTU graph
(ntu-25) connects the fingertips to the hands, its bone list goes through the thumbs; the NTU graph
of all others goes through the thumbs too (ntu-25-thumb).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from skelact.errors import ConfigError, lookup, nearest

# different names of the same joint
_SAME = {
    "left_foot_index": "left_foot",
    "right_foot_index": "right_foot",
    "left_big_toe": "left_foot",
    "right_big_toe": "right_foot",
    "mid_hip": "pelvis",
    "spine_base": "pelvis",
}


Context = Literal["openpose", "pyskl", "checkpoint", "mads"]
_COMMON = {17: "coco-17", 18: "openpose-18", 21: "hand-21"}
_BY_JOINT_COUNT: Mapping[Context, Mapping[int, str]] = {
    "openpose": {15: "openpose-mpi-15", **_COMMON, 25: "body-25"},
    "pyskl": {**_COMMON, 20: "kinect-20", 25: "ntu-25"},
    "checkpoint": {**_COMMON, 25: "ntu-25"},
    "mads": {15: "mads-15", 19: "mads-19"},
}


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
    source lacks are NaN."""
    by_name = {_SAME.get(j, j): i for i, j in enumerate(source.joints)}
    out = np.full((*values.shape[:-2], len(target.joints), values.shape[-1]), np.nan, values.dtype)
    for i, joint in enumerate(target.joints):
        index = by_name.get(_SAME.get(joint, joint))
        if index is not None:
            out[..., i, :] = values[..., index, :]
    return out


def load_skeleton(name_or_file: str | Path) -> Skeleton:
    """A layout of SKELETONS by name, or from a TOML file with name, centre, joints, parents and
    optionally edges and flip_pairs. Raises ConfigError if there is no such layout or file."""
    if str(name_or_file) in SKELETONS:
        return SKELETONS[str(name_or_file)]
    path = Path(name_or_file)
    if path.suffix != ".toml" or not path.is_file():
        raise ConfigError(
            f"No skeleton is called {str(name_or_file)!r}{nearest(str(name_or_file), SKELETONS)}",
            f"Choose one of {', '.join(SKELETONS)}, or a .toml file.",
        )
    try:
        return Skeleton.from_dict(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, TypeError, ValueError) as error:
        raise ConfigError(f"{path} is not a skeleton file: {error}") from error


def layout_for(joint_count: int, context: Context) -> Skeleton:
    """The layout of poses that only state their number of joints. The same number means different
    layouts in OpenPose's output ("openpose"), PYSKL's annotations ("pyskl"), published checkpoints
    ("checkpoint") and MADS's ground truth ("mads").

    Raises ValueError if no layout with that many joints is known there."""
    names = _BY_JOINT_COUNT[context]
    if joint_count not in names:
        known = ", ".join(f"{n} ({name})" for n, name in names.items())
        raise ValueError(f"{joint_count} joints, but the known layouts have {known}")
    return SKELETONS[names[joint_count]]


def _sides(*names: str) -> str:
    return " ".join(f"{side}_{n}" for n in names for side in ("left", "right"))


def _layout(name: str, centre: str, joints: str, bones: str, edges: str | None = None) -> Skeleton:
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


_ARM_LEG = "*wrist>elbow *elbow>shoulder *ankle>knee *knee>hip"
_MADS = (
    "*shoulder>neck *elbow>shoulder *wrist>elbow *hip>pelvis *knee>hip *ankle>knee "
    "pelvis>neck head>neck"
)
_NTU_JOINTS = (
    "pelvis spine_mid neck head left_shoulder left_elbow left_wrist left_hand "
    "right_shoulder right_elbow right_wrist right_hand "
    "left_hip left_knee left_ankle left_foot right_hip right_knee right_ankle right_foot "
    "spine_shoulder left_hand_tip left_thumb right_hand_tip right_thumb"
)
_FINGERS = ("thumb", "index", "middle", "ring", "pinky")
_NTU = (
    "pelvis>spine_mid neck>spine_shoulder spine_mid>spine_shoulder head>neck "
    "*shoulder>spine_shoulder *elbow>shoulder *wrist>elbow "
    + ("*hand>wrist *hip>pelvis *knee>hip *ankle>knee *foot>ankle")
)

SKELETONS: dict[str, Skeleton] = {
    s.name: s
    for s in (
        _layout(
            "coco-17",
            "nose",
            f"nose {_sides('eye', 'ear', 'shoulder', 'elbow', 'wrist', 'hip', 'knee', 'ankle')}",
            f"*eye>nose *ear>eye *shoulder>nose *hip>nose {_ARM_LEG}",
            f"*eye>nose *ear>eye *shoulder>nose *hip>shoulder {_ARM_LEG}",
        ),
        _layout(
            "body-25",
            "neck",
            "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow "
            "left_wrist mid_hip right_hip right_knee right_ankle "
            "left_hip left_knee left_ankle right_eye left_eye right_ear left_ear "
            "left_big_toe left_small_toe left_heel right_big_toe "
            "right_small_toe right_heel",
            "nose>neck *eye>nose *ear>eye *shoulder>neck mid_hip>neck *hip>mid_hip "
            f"{_ARM_LEG} *big_toe>ankle *small_toe>big_toe *heel>ankle",
        ),
        _layout(
            "openpose-18",
            "neck",
            "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow "
            "left_wrist right_hip right_knee right_ankle left_hip "
            "left_knee left_ankle right_eye left_eye right_ear left_ear",
            f"neck>nose *shoulder>neck *hip>shoulder {_ARM_LEG} *eye>nose *ear>eye",
            f"nose>neck *shoulder>neck *hip>shoulder {_ARM_LEG} *eye>nose *ear>eye",
        ),
        _layout(
            "openpose-mpi-15",
            "neck",
            "head neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist "
            "right_hip right_knee right_ankle left_hip left_knee left_ankle chest",
            f"head>neck *shoulder>neck chest>neck *hip>chest {_ARM_LEG}",
        ),
        _layout(
            "blazepose-33",
            "nose",
            "nose left_eye_inner left_eye left_eye_outer right_eye_inner right_eye "
            "right_eye_outer left_ear right_ear mouth_left mouth_right "
            + _sides(
                "shoulder",
                "elbow",
                "wrist",
                "pinky",
                "index",
                "thumb",
                "hip",
                "knee",
                "ankle",
                "heel",
                "foot_index",
            ),
            "*eye_inner>nose *eye>eye_inner *eye_outer>eye *ear>eye_outer mouth_left>nose "
            "mouth_right>nose *shoulder>nose *hip>shoulder "
            f"{_ARM_LEG} *pinky>wrist *index>wrist *thumb>wrist *heel>ankle *foot_index>ankle",
        ),
        _layout(
            "ntu-25",
            "spine_shoulder",
            _NTU_JOINTS,
            f"{_NTU} *hand_tip>thumb *thumb>hand",
            f"{_NTU} *hand_tip>hand *thumb>hand",
        ),
        _layout(
            "ntu-25-thumb",
            "spine_shoulder",
            _NTU_JOINTS,
            f"{_NTU} *hand_tip>thumb *thumb>hand",
        ),
        _layout(
            "kinect-20",
            "spine_shoulder",
            "pelvis spine_mid spine_shoulder head left_shoulder left_elbow left_wrist left_hand "
            "right_shoulder right_elbow right_wrist right_hand "
            "left_hip left_knee left_ankle left_foot right_hip right_knee right_ankle right_foot",
            "pelvis>spine_mid spine_mid>spine_shoulder head>spine_shoulder "
            f"*shoulder>spine_shoulder *hip>pelvis *hand>wrist *foot>ankle {_ARM_LEG}",
        ),
        _layout(
            "hand-21",
            "wrist",
            "wrist " + " ".join(f"{f}_{n}" for f in _FINGERS for n in range(1, 5)),
            " ".join(
                f"{f}_{n}>{f}_{n - 1}" if n > 1 else f"{f}_1>wrist"
                for f in _FINGERS
                for n in range(1, 5)
            ),
        ),
        _layout(
            "mads-19",
            "neck",
            "neck pelvis left_hip left_knee left_ankle left_foot right_hip right_knee "
            "right_ankle right_foot left_shoulder left_elbow "
            "left_wrist left_hand right_shoulder right_elbow right_wrist right_hand head",
            f"{_MADS} *foot>ankle *hand>wrist",
        ),
        _layout(
            "mads-15",
            "neck",
            "neck pelvis left_hip left_knee left_ankle right_hip right_knee right_ankle "
            "left_shoulder left_elbow left_wrist right_shoulder "
            "right_elbow right_wrist head",
            _MADS,
        ),
    )
}
