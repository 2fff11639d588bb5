"""Spellings of joint names: "LeftElbow", "elbow_l" and "left elbow" are left_elbow."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from skelact.skeletons.base import Skeleton
from skelact.skeletons.layouts import SKELETONS

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SIDES = {
    **dict.fromkeys(("left", "l", "lt"), "left"),
    **dict.fromkeys(("right", "r", "rt"), "right"),
}
_OTHER_NAMES = {  # in Kinect's SDK and in motion capture
    **dict.fromkeys(
        ("hips", "hip_center", "hip_centre", "spine_base", "mid_hip", "hip_mid"), "pelvis"
    ),
    **dict.fromkeys(("shoulder_center", "shoulder_centre"), "spine_shoulder"),
    **dict.fromkeys(("spine", "torso"), "spine_mid"),
    **{f"{side}_fore_arm": f"{side}_elbow" for side in ("left", "right")},
    **{f"{side}_up_leg": f"{side}_hip" for side in ("left", "right")},
}


@cache
def known_joints() -> frozenset[str]:
    """The names of the joints of all shipped layouts."""
    return frozenset(joint for skeleton in SKELETONS.values() for joint in skeleton.joints)


def known_name(name: str) -> str | None:
    """The joint of the shipped layouts that `name` is another spelling of: other case, other
    separators, the side in front, behind or as one letter, or the name in Kinect's SDK and in
    motion capture. None if there is none."""
    spelled = name if name in known_joints() else _spelled(name)
    return spelled if spelled in known_joints() else None


def _spelled(name: str) -> str:
    """The name in lower case with its words joined by underscores and the side in front, or the
    usual name of the same joint."""
    words = [word.lower() for word in _WORD.findall(name)]
    sides = [_SIDES[word] for word in words if word in _SIDES]
    if len(sides) > 1:
        return name
    spelled = "_".join([*sides, *(word for word in words if word not in _SIDES)]) or name
    return _OTHER_NAMES.get(spelled, spelled)


def match_names(names: Sequence[str], skeleton: Skeleton) -> list[int | None]:
    """For each joint of the layout the index of the name that means it, or None."""
    exact = {name: n for n, name in enumerate(names)}
    similar = {_spelled(name): n for n, name in enumerate(names)}
    return [exact.get(j, similar.get(_spelled(j))) for j in skeleton.joints]


def layout_of(names: Sequence[str]) -> Skeleton | None:
    """The shipped layout with the most joints of which every joint is among the names."""
    full = [s for s in SKELETONS.values() if None not in match_names(names, s)]
    return max(full, key=lambda s: len(s.joints), default=None)
