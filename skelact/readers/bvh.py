"""BVH (Biovision Hierarchy) motion capture: a hierarchy of joints with offsets, and rotations for
every frame, from which forward kinematics gives the positions. The names of the joints and their
parents are the layout; an end site is a joint called <parent>_end."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from skelact import limits
from skelact.readers.base import RawSequence, SkeletonReader
from skelact.readers.description import Description
from skelact.skeletons import Skeleton

Floats64 = npt.NDArray[np.float64]
_CENTRES = ("hips", "hip", "pelvis", "root")


@dataclass
class _Node:
    """A joint: its parent (-1 for a root), its offset from it, the first of its channels."""

    name: str
    parent: int
    offset: Floats64 = field(default_factory=lambda: np.zeros(3))
    channels: tuple[str, ...] = ()
    first: int = 0


def read(
    files: tuple[Path, ...], description: Description, joints: int | None
) -> list[RawSequence]:
    """The positions of all joints and end sites, in the file's unit."""
    lines = limits.read_text(files[0], errors="replace").split("\n")
    nodes, at = _hierarchy([line.split() for line in lines])
    motion = [line.split() for line in lines[at:] if line.strip()]
    if len(motion) < 3 or motion[0][0].upper() != "MOTION":
        raise ValueError("there is no MOTION section")
    count, step = int(motion[1][-1]), float(motion[2][-1])
    width = sum(len(n.channels) for n in nodes)
    rows = motion[3:]
    if len(rows) != count:
        raise ValueError(f"it states {count} frames and has {len(rows)}")
    if step <= 0 or any(len(r) != width for r in rows):
        raise ValueError(f"its frames do not have the {width} values of the hierarchy")
    limits.check_array((len(rows), len(nodes), 12), 8)  # positions and rotations
    positions = forward_kinematics(nodes, np.array(rows, np.float64))
    return [
        RawSequence(
            values=positions[None].astype(np.float32),
            joints=tuple(n.name for n in nodes),
            skeleton=_skeleton(nodes),
            fps=round(1 / step, 3),
            has_score=False,
        )
    ]


def _hierarchy(lines: list[list[str]]) -> tuple[list[_Node], int]:
    """The joints in the order of the file, and the line of MOTION. Raises ValueError if braces or
    keywords are not those of BVH."""
    nodes: list[_Node] = []
    stack: list[int] = []
    channels = 0
    for number, words in enumerate(lines):
        if not words or words[0].upper() in ("HIERARCHY", "{"):
            continue
        keyword = words[0].upper()
        if keyword in ("ROOT", "JOINT", "END"):
            parent = stack[-1] if stack else -1
            name = "_".join(words[1:]) if keyword != "END" else f"{nodes[parent].name}_end"
            names = {n.name for n in nodes}
            while name in names:
                name += "_"
            stack.append(len(nodes))
            limits.check_joints(len(nodes) + 1)
            nodes.append(_Node(name, parent))
        elif keyword == "OFFSET" and nodes:
            nodes[stack[-1]].offset = np.array(words[1:4], np.float64)
        elif keyword == "CHANNELS" and nodes:
            node = nodes[stack[-1]]
            node.channels, node.first = tuple(w.lower() for w in words[2:]), channels
            channels += len(node.channels)
        elif keyword == "}" and stack:
            stack.pop()
        elif keyword == "MOTION" and nodes and not stack:
            return nodes, number
        else:
            raise ValueError(f"line {number + 1}: {' '.join(words)[:40]!r} is not expected here")
    raise ValueError("its hierarchy is incomplete")


def forward_kinematics(nodes: list[_Node], motion: Floats64) -> Floats64:
    """(T, V, 3) positions from the channels (T, channels): a joint is at the position of its parent
    plus its offset in the parent's rotation; rotations in degrees are multiplied in the order of
    the channels."""
    positions = np.zeros((len(motion), len(nodes), 3))
    rotations: list[Floats64] = []
    for v, node in enumerate(nodes):
        offset = np.broadcast_to(node.offset, (len(motion), 3)).copy()
        rotation = np.broadcast_to(np.eye(3), (len(motion), 3, 3))
        moved = np.zeros_like(offset)
        for n, channel in enumerate(node.channels):
            values = motion[:, node.first + n]
            axis = "xyz".index(channel[0])
            if channel.endswith("position"):
                moved[:, axis] = values
            elif channel.endswith("rotation"):
                rotation = rotation @ _rotation(axis, np.radians(values))
            else:
                raise ValueError(f"channel {channel!r}")
        if any(c.endswith("position") for c in node.channels):
            # the position replaces the offset of a joint that has one; a root's offset is added
            offset = moved + (offset if node.parent < 0 else 0)
        if node.parent >= 0:
            turned = np.einsum("tij,tj->ti", rotations[node.parent], offset)
            positions[:, v] = positions[:, node.parent] + turned
            rotation = rotations[node.parent] @ rotation
        else:
            positions[:, v] = offset
        rotations.append(rotation)
    return positions


def _rotation(axis: int, angles: Floats64) -> Floats64:
    """(T, 3, 3) right-handed rotations about one axis."""
    out = np.broadcast_to(np.eye(3), (len(angles), 3, 3)).copy()
    i, j = (axis + 1) % 3, (axis + 2) % 3
    out[:, i, i] = out[:, j, j] = np.cos(angles)
    out[:, i, j], out[:, j, i] = -np.sin(angles), np.sin(angles)
    return out


def _skeleton(nodes: list[_Node]) -> Skeleton:
    """The layout of a hierarchy, with pairs of names that differ in left and right only."""
    names = [n.name for n in nodes]
    centre = next((n for n in names if n.lower() in _CENTRES), names[0])
    pairs = [(n, _other_side(n)) for n in names]
    return Skeleton.from_dict(
        {
            "name": f"bvh-{len(nodes)}",
            "joints": names,
            "parents": {n.name: names[n.parent] for n in nodes if n.parent >= 0},
            "centre": centre,
            "flip_pairs": [(a, b) for a, b in pairs if b in names and b != a],
        }
    )


def _other_side(name: str) -> str:
    """The name of the joint on the right side, if `name` is one on the left, else `name`."""
    for left, right in (("Left", "Right"), ("left", "right")):
        if left in name:
            return name.replace(left, right)
    for left, right in (("l", "r"), ("L", "R")):
        if name.startswith(left) and not name.startswith(("lower", "Lower")):
            return right + name[1:]
    return name


READERS = (SkeletonReader(name="bvh", title="BVH motion capture", suffixes=(".bvh",), read=read),)
