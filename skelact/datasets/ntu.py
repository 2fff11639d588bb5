"""NTU RGB+D 60 and 120 (Shahroudy et al. 2016, Liu et al. 2019): Kinect's .skeleton files, or the
RGB videos by extraction; the official protocols."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import numpy.typing as npt

from skelact.datasets.base import Collection, Item, Protocol, by_group
from skelact.errors import InputError, MissingDataset
from skelact.skeletons import SKELETONS
from skelact.types import Floats, PoseSequence

NAME = re.compile(
    r"S(?P<setup>\d{3})C(?P<camera>\d{3})P(?P<performer>\d{3})R(?P<take>\d{3})A(\d{3})"
)
TRAIN_60 = (1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38)
TRAIN_120 = (
    *TRAIN_60,
    *(45, 46, 47, 49, 50, 52, 53, 54, 55, 56, 57, 58, 59, 70, 74, 78, 80, 81, 82, 83, 84, 85, 86),
    *(89, 91, 92, 93, 94, 95, 97, 98, 100, 103),
)
FPS, WIDTH, HEIGHT, JOINTS = 30.0, 1920, 1080, 25
FIELDS = (
    *("x", "y", "z", "depth_x", "depth_y", "color_x", "color_y"),
    *("orientation_w", "orientation_x", "orientation_y", "orientation_z", "tracking"),
)
_MOST_BODIES = 4


@dataclass(frozen=True)
class Body:
    """One body in one frame: Kinect's number for it (it fits no float), its nine state values, and
    joints (25, 12) float64, columns as FIELDS."""

    id: str
    state: tuple[float, ...]
    joints: npt.NDArray[np.float64]


def read_bodies(path: Path) -> list[list[Body]]:
    """The bodies of every frame of a .skeleton file. InputError if it is cut off or is none."""
    try:
        lines = iter(path.read_text(encoding="ascii").split("\n"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    frames: list[list[Body]] = []
    count = -1
    try:
        count = int(next(lines))
        while len(frames) < count:
            frames.append([_body(lines) for _ in range(int(next(lines)))])
    except (StopIteration, ValueError) as error:
        at = f"in frame {len(frames)}" if count >= 0 else "in its first line"
        what = "it ends" if isinstance(error, StopIteration) or "''" in str(error) else str(error)
        raise InputError(
            f"{path} is no whole .skeleton file: {what} {at}", "fetch it again"
        ) from error
    return frames


def _body(lines: Iterator[str]) -> Body:
    number, *state = next(lines).split()
    count = int(next(lines))
    if count != JOINTS:
        raise ValueError(f"{count} joints instead of {JOINTS}")
    joints = np.empty((JOINTS, len(FIELDS)))
    for row in joints:
        values = next(lines).split()
        if len(values) != len(FIELDS):
            raise ValueError(f"a joint has {len(values)} values instead of {len(FIELDS)}")
        row[:] = [float(v) for v in values]
    return Body(number, tuple(float(v) for v in state), joints)


def read_sequence(path: Path, denoise: bool = False) -> PoseSequence:
    """The (at most two) people of a .skeleton file, in metres and in the colour image's pixels;
    score 1 where Kinect tracked a joint, 0.5 where it inferred it. `denoise` is PYSKL's way of
    choosing them, else the ST-GCN family's. InputError if nobody is in it."""
    frames = read_bodies(path)
    tracks = _denoised(frames) if denoise else _liveliest(frames)
    if not tracks:
        raise InputError(f"{path} holds no body")
    joints = np.stack(tracks)  # (M, T, V, 12)
    xyz = joints[..., :3].astype(np.float32)
    gone = ~(np.isfinite(xyz).all(axis=-1) & xyz.any(axis=-1))
    xyz[gone] = np.nan
    xy = joints[..., 5:7].astype(np.float32)
    xy[gone | ~np.isfinite(xy).all(axis=-1)] = np.nan
    score = np.where(gone, 0, np.nan_to_num(joints[..., 11]) / 2).astype(np.float32)
    skeleton, ids = SKELETONS["ntu-25"], tuple(range(len(joints)))
    return PoseSequence(
        xy=xy, score=score, skeleton=skeleton, fps=FPS, width=WIDTH, height=HEIGHT, ids=ids, xyz=xyz
    )


def _liveliest(frames: list[list[Body]]) -> list[Floats]:
    """Bodies by their place in each frame's list (four at most); those two whose coordinates vary
    most over the frames in which they are not empty."""
    slots = np.full((_MOST_BODIES, len(frames), JOINTS, len(FIELDS)), np.nan)
    for t, bodies in enumerate(frames):
        for slot, body in enumerate(bodies[:_MOST_BODIES]):
            slots[slot, t] = body.joints
    energy = []
    for track in slots[..., :3]:
        points = track[~np.isnan(track).all(axis=(1, 2)) & np.nan_to_num(track).any(axis=(1, 2))]
        energy.append(float(points.reshape(-1, 3).std(axis=0).sum()) if len(points) else -1.0)
    order = [i for i in np.argsort(-np.array(energy), kind="stable")[:2] if energy[i] >= 0]
    return [slots[i] for i in order]


def _denoised(frames: list[list[Body]]) -> list[Floats]:
    """PYSKL's ntu_preproc: bodies by Kinect's number, frames without a body left out; short, spread
    out and noisy bodies are dropped, the others (liveliest first) share two slots where they do not
    overlap."""
    full = [bodies for bodies in frames if bodies]
    tracks: dict[str, dict[int, npt.NDArray[np.float64]]] = {}
    for t, bodies in enumerate(full):
        for body in bodies:
            tracks.setdefault(body.id, {})[t] = body.joints
    kept = list(tracks)
    if len(kept) > 1:
        kept = [i for i in kept if len(tracks[i]) > 11] or kept
    if len(kept) > 1:
        kept = [i for i in kept if not _is_spread(tracks[i])] or kept
    kept.sort(key=lambda i: -_motion(tracks[i]))
    slots = np.full((2, len(full), JOINTS, len(FIELDS)), np.nan)
    for body_id in kept:
        at = np.array(sorted(tracks[body_id]))
        for slot in slots:
            if np.isnan(slot[at[0] : at[-1] + 1]).all():
                slot[at] = np.stack([tracks[body_id][int(t)] for t in at])
                break
    there = ~np.isnan(slots).all(axis=(2, 3))
    if not there.any():
        return []
    seen = np.flatnonzero(there.any(axis=0))
    slots = slots[:, seen[0] : seen[-1] + 1]
    there = there[:, seen[0] : seen[-1] + 1]
    order = (1, 0) if not there[0, 0] and there[1].any() else (0, 1)
    return [slots[i] for i in order if there[i].any()]


def _motion(track: dict[int, npt.NDArray[np.float64]]) -> float:
    points = np.stack(list(track.values()))[..., :3].reshape(-1, 3)
    return float(points.var(axis=0).sum())


def _is_spread(track: dict[int, npt.NDArray[np.float64]]) -> bool:
    """Whether in 69.754 % of its frames or more a body is wider than 0.8 of its height: furniture
    seen as a person."""
    points = np.stack(list(track.values()))[..., :2]
    extent = points.max(axis=1) - points.min(axis=1)
    return float((extent[:, 0] > 0.8 * extent[:, 1]).mean()) >= 0.69754


@cache
def missing() -> frozenset[str]:
    """Names of the samples whose skeletons are known to be missing or wrong (535, of which 302 in
    NTU60)."""
    text = files("skelact.datasets").joinpath("ntu_missing.txt").read_text(encoding="ascii")
    return frozenset(text.split())


def protocols(actions: int) -> dict[str, Protocol]:
    """The official splits of NTU60 (60 actions) or NTU120."""
    train = TRAIN_60 if actions == 60 else TRAIN_120

    def subjects(items: Sequence[Item]) -> list[str]:
        return ["train" if int(i.groups["performer"]) in train else "test" for i in items]

    def setups(items: Sequence[Item]) -> list[str]:
        return ["test" if int(i.groups["setup"]) % 2 else "train" for i in items]

    if actions == 60:
        return {
            "xsub": (subjects, ("performer",)),
            "xview": (by_group("camera", ["001"]), ("camera",)),
        }
    return {"xsub": (subjects, ("performer",)), "xset": (setups, ("setup",))}


def item_of(path: Path, name: str, key: str = "") -> Item | None:
    """The item of a sample's name; None if it is none of NTU's."""
    match = NAME.search(name)
    if match is None:
        return None
    groups = {k: v for k, v in match.groupdict().items() if k != "take"}
    groups["take"] = match[0][:4] + match[0][8:]  # all but the camera
    return Item(path, f"A{match[5]}", groups, key)


def find(root: Path, actions: int, denoise: bool = False) -> Collection:
    """The .skeleton files below a folder, or, if there are none, its videos, which go through
    extraction. MissingDataset if there are neither."""
    paths = sorted(root.rglob("*.skeleton"))
    is_video = not paths
    if is_video:
        paths = sorted(p for p in root.rglob("*_rgb.*") if p.suffix in (".avi", ".mp4"))
    found = [i for p in paths if (i := item_of(p, p.stem)) and int(i.label[1:]) <= actions]
    items = [i for i in found if is_video or i.path.stem not in missing()]
    if not items:
        raise MissingDataset(
            f"no sample of NTU{actions} in {root}",
            "SsssCcccPpppRrrrAaaa.skeleton or …_rgb.avi, in any folders below it",
        )
    left_out = len(found) - len(items)
    notice = f"{left_out} samples with missing skeletons left out" if left_out else ""

    def read(item: Item) -> PoseSequence:
        return read_sequence(item.path, denoise)

    reader = None if is_video else read
    return Collection(
        name=f"ntu{actions}",
        root=root,
        items=tuple(items),
        protocols=protocols(actions),
        notice=notice,
        read=reader,
    )
