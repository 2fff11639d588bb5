"""The sample names of NTU RGB+D: SsssCcccPpppRrrrAaaa, which state setup, camera, performer,
repetition and action; and the names of its actions."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from pathlib import Path

from skelact.datasets.base import Item

NAME = re.compile(
    r"S(?P<setup>\d{3})C(?P<camera>\d{3})P(?P<performer>\d{3})R(?P<take>\d{3})A(\d{3})"
)

ACTION_COUNTS = {60: "ntu60", 120: "ntu120"}  # actions -> name of the dataset
FPS = 30.0
WINDOW_S = 3.0  # the clips have 70 frames on average: 4 million in 56,880 clips, 8 in 114,480


@cache
def actions(count: int) -> tuple[str, ...]:
    """The names of the first `count` actions, A001 first, in the authors' wording."""
    text = files("skelact.datasets").joinpath("ntu_actions.txt").read_text(encoding="ascii")
    return tuple(text.splitlines()[:count])


def item_of(path: Path, name: str, key: str = "") -> Item | None:
    """The item of a sample by its name; None if that is not a name of NTU."""
    match = NAME.search(name)
    if match is None:
        return None
    groups = {k: v for k, v in match.groupdict().items() if k != "take"}
    groups["take"] = match[0][:4] + match[0][8:]  # without the camera
    return Item(path, f"A{match[5]}", groups=groups, key=key)
