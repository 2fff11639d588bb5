"""The sample names of NTU RGB+D: SsssCcccPpppRrrrAaaa, which state setup, camera, performer,
repetition and action."""

from __future__ import annotations

import re
from pathlib import Path

from skelact.datasets.base import Item

NAME = re.compile(
    r"S(?P<setup>\d{3})C(?P<camera>\d{3})P(?P<performer>\d{3})R(?P<take>\d{3})A(\d{3})"
)


def item_of(path: Path, name: str, key: str = "") -> Item | None:
    """The item of a sample by its name; None if that is not a name of NTU."""
    match = NAME.search(name)
    if match is None:
        return None
    groups = {k: v for k, v in match.groupdict().items() if k != "take"}
    groups["take"] = match[0][:4] + match[0][8:]  # without the camera
    return Item(path, f"A{match[5]}", groups=groups, key=key)
