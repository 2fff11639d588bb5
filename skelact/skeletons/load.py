"""Layouts by name, and layouts that a user declares in a TOML file:

name = "my-camera"
joints = ["Hip", "Chest", "Head", "HandL", "HandR"]   # in the order of the data
centre = "Hip"
flip_pairs = [["HandL", "HandR"]]                     # default: names with left and right
edges = [["Chest", "Hip"], ["Head", "Chest"]]         # of the graph; default: the bones

[parents]                                             # joint = parent; a root has none
Chest = "Hip"
Head = "Chest"
HandL = "Chest"
HandR = "Chest"

[same]                                                # own name = name in the shipped layouts
HandL = "left_wrist"
HandR = "right_wrist"
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from skelact import limits
from skelact.errors import ConfigError, nearest, reason
from skelact.skeletons.base import Skeleton
from skelact.skeletons.details import with_details
from skelact.skeletons.layouts import SKELETONS
from skelact.skeletons.names import known_joints, known_name

_KEYS = ("name", "joints", "parents", "centre", "flip_pairs", "edges", "same")


def load_skeleton(name_or_file: str | Path) -> Skeleton:
    """A layout of SKELETONS by name, one of them with hands and face (a name with -hands, -face or
    -hands-face), or the layout that a TOML file declares. Raises ConfigError if there is no such
    layout or file, or if the file is wrong (see `parse_layout`)."""
    name = str(name_or_file)
    if name in SKELETONS:
        return SKELETONS[name]
    for suffix in ("-hands-face", "-hands", "-face"):
        body = SKELETONS.get(name.removesuffix(suffix))
        if name.endswith(suffix) and body is not None:
            return with_details(body, hands="-hands" in suffix, face="-face" in suffix)
    path = Path(name_or_file)
    if path.suffix != ".toml":
        raise ConfigError(
            f"No skeleton is called {name!r}{nearest(name, SKELETONS)}",
            f"Choose one of {', '.join(SKELETONS)}, or a .toml file (see `skelact skeletons`).",
        )
    try:
        content = limits.read_toml(path)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}", "Correct the path of the skeleton file."
        ) from error
    except Exception as error:
        raise ConfigError(
            f"{path} is not a skeleton file: {reason(error)}",
            "Correct this line; the format is TOML.",
        ) from error
    return parse_layout(content, str(path))


def parse_layout(content: Mapping[str, Any], where: str) -> Skeleton:
    """The layout that a table declares: name, joints in the order of the data, parents, centre, and
    optionally flip_pairs, edges and same. `where` is named in errors.

    The joints get the names of the shipped layouts, so that they can be matched: those of `same`,
    and those that differ in spelling only (see `known_name`). Raises ConfigError for unknown keys
    and joints, values of a wrong type, joints that occur twice, parents that form a cycle, and a
    missing entry."""
    table = _Table(content, where)
    for key in content:
        if key not in _KEYS:
            table.fail(
                f"the key {key!r} is unknown{nearest(key, _KEYS)}", f"Use {', '.join(_KEYS)}."
            )
    name = table.text("name", "For example: name = 'my-camera'.")
    joints = table.names("joints")
    table.check_unique(joints, "joints")
    parents = table.parents(joints)
    root = next(joint for joint in joints if parents[joint] == joint)
    centre = table.text("centre", f"The joint in the middle of the body, such as {root!r}.")
    table.check_joints((centre,), joints, "centre")
    bones = [(joint, parent) for joint, parent in parents.items() if joint != parent]
    edges = table.pairs("edges", joints)
    pairs = table.pairs("flip_pairs", joints)
    if pairs is not None:
        table.check_unique([joint for pair in pairs for joint in pair], "flip_pairs")
    new = table.new_names(joints)
    return Skeleton(
        name=name,
        joints=tuple(new[joint] for joint in joints),
        parents=tuple(new[parents[joint]] for joint in joints),
        edges=tuple((new[a], new[b]) for a, b in (bones if edges is None else edges)),
        flip_pairs=_twins(list(new.values()))
        if pairs is None
        else tuple((new[a], new[b]) for a, b in pairs),
        centre=new[centre],
    )


def _twins(joints: list[str]) -> tuple[tuple[str, str], ...]:
    """The joints whose names differ in left and right only."""
    words = (("left", "right"), ("Left", "Right"), ("LEFT", "RIGHT"))
    return tuple(
        (joint, joint.replace(left, right))
        for joint in joints
        for left, right in words
        if left in joint and joint.replace(left, right) in joints
    )


class _Table:
    """The content of a skeleton file, and the checks of its entries."""

    def __init__(self, content: Mapping[str, Any], where: str) -> None:
        self.content, self.where = content, where

    def fail(self, text: str, hint: str) -> NoReturn:
        raise ConfigError(f"{self.where}: {text}", hint)

    def get(self, key: str, hint: str) -> Any:
        if key not in self.content:
            self.fail(f"the entry {key!r} is missing", hint)
        return self.content[key]

    def text(self, key: str, hint: str) -> str:
        value = self.get(key, hint)
        if not isinstance(value, str) or not value.strip():
            self.fail(f"{key} is {value!r}, expected a name", hint)
        return value

    def names(self, key: str) -> list[str]:
        hint = f"For example: {key} = ['pelvis', 'left_knee'], in the order of the data."
        value = self.get(key, hint)
        if not isinstance(value, list) or not value:
            self.fail(f"{key} is {value!r}, expected a list of names", hint)
        for element in value:
            if not isinstance(element, str) or not element.strip():
                self.fail(f"{key} contains {element!r}, which is not a name", hint)
        if len(value) > limits.JOINTS:
            self.fail(f"{key} has {len(value)} names, the limit is {limits.JOINTS}", hint)
        return value

    def check_unique(self, names: Iterable[str], key: str) -> None:
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            self.fail(
                f"{key} names {', '.join(map(repr, twice))} more than once",
                "A joint has one counterpart on the other side."
                if key == "flip_pairs"
                else "Every joint needs a name of its own.",
            )

    def check_joints(self, names: Iterable[Any], joints: list[str], key: str) -> None:
        for name in names:
            if name not in joints:
                closest = nearest(name, joints) if isinstance(name, str) else ""
                self.fail(
                    f"{key} names {name!r}, which is not a joint{closest}",
                    f"The joints are {', '.join(joints)}.",
                )

    def parents(self, joints: list[str]) -> dict[str, str]:
        """The parent of every joint, itself for a root."""
        hint = "Write [parents] with lines such as left_knee = 'left_hip'; a root has no line."
        value = self.get("parents", hint)
        if not isinstance(value, dict):
            self.fail(f"parents is {value!r}, expected a table", hint)
        self.check_joints((*value, *value.values()), joints, "parents")
        parents = {joint: str(value.get(joint, joint)) for joint in joints}
        for joint in joints:
            path = [joint]
            while parents[path[-1]] != path[-1]:
                path.append(parents[path[-1]])
                if path[-1] in path[:-1]:
                    cycle = path[path.index(path[-1]) :]
                    self.fail(
                        f"the parents form a cycle: {' > '.join(cycle)}",
                        "Leave out the parent of the joint that is the root.",
                    )
        return parents

    def pairs(self, key: str, joints: list[str]) -> list[tuple[str, str]] | None:
        value = self.content.get(key)
        if value is None:
            return None
        hint = f"For example: {key} = [['left_knee', 'right_knee']]."
        if not isinstance(value, list):
            self.fail(f"{key} is {value!r}, expected a list of pairs", hint)
        for pair in value:
            if not isinstance(pair, list) or len(pair) != 2 or pair[0] == pair[1]:
                self.fail(f"{key} contains {pair!r}, expected two different joints", hint)
            self.check_joints(pair, joints, key)
        return [(a, b) for a, b in value]

    def new_names(self, joints: list[str]) -> dict[str, str]:
        """The name of every joint in the shipped layouts, or its own name if it has none there."""
        hint = "Write [same] with lines such as HandL = 'left_wrist'."
        same = self.content.get("same", {})
        if not isinstance(same, dict):
            self.fail(f"same is {same!r}, expected a table", hint)
        self.check_joints(same, joints, "same")
        for joint, known in same.items():
            if known not in known_joints():
                closest = nearest(known, known_joints()) if isinstance(known, str) else ""
                self.fail(
                    f"same maps {joint!r} to {known!r}, which no shipped layout has{closest}",
                    "`skelact skeletons NAME` prints the joints of a layout.",
                )
        spelled = {joint: same.get(joint) or known_name(joint) for joint in joints}
        counts = Counter(name or joint for joint, name in spelled.items())
        new = {j: n if n and (j in same or counts[n] == 1) else j for j, n in spelled.items()}
        self.check_unique(new.values(), "same")
        return new
