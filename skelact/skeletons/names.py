"""Spellings of joint names: "LeftElbow", "elbow_l" and "left elbow" are left_elbow."""

from __future__ import annotations

import re
from functools import cache

from skelact.skeletons.layouts import SKELETONS

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SIDES = {"left": "left", "l": "left", "right": "right", "r": "right"}
_OTHER_NAMES = {  # in Kinect's SDK and in motion capture
    **dict.fromkeys(("hips", "hip_center", "hip_centre", "spine_base", "mid_hip"), "pelvis"),
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
    if name in known_joints():
        return name
    words = [word.lower() for word in _WORD.findall(name)]
    sides = [_SIDES[word] for word in words if word in _SIDES]
    if len(sides) > 1:
        return None
    spelled = "_".join([*sides, *(word for word in words if word not in _SIDES)])
    spelled = _OTHER_NAMES.get(spelled, spelled)
    return spelled if spelled in known_joints() else None
