"""Match the names of joints in files with those of layouts: LeftElbow, L_Elbow and left_elbow are
the same."""

from __future__ import annotations

import re
from collections.abc import Sequence

from skelact.skeletons import SKELETONS, Skeleton

_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
# joints that Kinect and OpenPose call otherwise
_SAME = {
    ("center", "shoulder"): ("shoulder", "spine"),
    ("center", "hip"): ("pelvis",),
    ("hip", "mid"): ("pelvis",),
    ("base", "spine"): ("pelvis",),
    ("spine",): ("mid", "spine"),
}
_SIDES = {"l": "left", "r": "right", "lt": "left", "rt": "right"}


def key_of(name: str) -> tuple[str, ...]:
    """The words of a name in lower case and in alphabetical order, with l and r spelt out."""
    words = [w.lower() for w in _WORDS.findall(name)]
    key = tuple(sorted(_SIDES.get(w, w) for w in words)) or (name,)
    return _SAME.get(key, key)


def match(names: Sequence[str], skeleton: Skeleton) -> list[int | None]:
    """For each joint of the layout the index of the name that means it, or None."""
    exact = {name: n for n, name in enumerate(names)}
    similar = {key_of(name): n for n, name in enumerate(names)}
    return [exact.get(j, similar.get(key_of(j))) for j in skeleton.joints]


def layout_of(names: Sequence[str]) -> Skeleton | None:
    """The shipped layout with the most joints of which every joint is among the names."""
    full = [s for s in SKELETONS.values() if None not in match(names, s)]
    return max(full, key=lambda s: len(s.joints), default=None)
