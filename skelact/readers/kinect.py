"""Kinect's .skeleton files of NTU RGB+D: up to four bodies per frame with 25 joints, in metres and
in pixels of the colour and depth images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from skelact import limits
from skelact.errors import InputError, reading, reason
from skelact.readers.base import RawSequence, SkeletonReader, first_lines
from skelact.readers.description import Description
from skelact.skeletons import SKELETONS
from skelact.types import Floats, PoseSequence

FPS, WIDTH, HEIGHT, JOINTS = 30.0, 1920, 1080, 25
FIELDS = (
    *("x", "y", "z", "depth_x", "depth_y", "color_x", "color_y"),
    *("orientation_w", "orientation_x", "orientation_y", "orientation_z", "tracking"),
)
_MAX_BODIES = 4


@dataclass(frozen=True)
class Body:
    """One body in one frame: Kinect's number for it (too large for a float), and its joints
    (25, 12) float64, columns as FIELDS."""

    id: str
    joints: npt.NDArray[np.float64]


def read_bodies(path: Path) -> list[list[Body]]:
    """The bodies of every frame of a .skeleton file. Raises InputError if it is truncated or
    another file."""
    try:
        lines = iter(limits.read_text(path, encoding="ascii").split("\n"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {reason(error)}") from error
    frames: list[list[Body]] = []
    count = -1
    try:
        count = int(next(lines))
        limits.check_frames(count)
        while len(frames) < count:
            frames.append([_body(lines) for _ in range(int(next(lines)))])
    except (StopIteration, ValueError, IndexError) as error:
        at = f"in frame {len(frames)}" if count >= 0 else "in its first line"
        what = "it ends" if isinstance(error, StopIteration) or "''" in str(error) else str(error)
        raise InputError(
            f"{path} is not a complete .skeleton file: {what} {at}", "Download it again."
        ) from error
    return frames


def _body(lines: Iterator[str]) -> Body:
    number = next(lines).split()[0]
    count = int(next(lines))
    if count != JOINTS:
        raise ValueError(f"{count} joints instead of {JOINTS}")
    joints = np.empty((JOINTS, len(FIELDS)))
    for row in joints:
        values = next(lines).split()
        if len(values) != len(FIELDS):
            raise ValueError(f"a joint has {len(values)} values instead of {len(FIELDS)}")
        row[:] = [float(v) for v in values]
    joints[~np.isfinite(joints)] = np.nan
    if (np.abs(joints[:, :7]) > limits.COORDINATE).any():
        raise ValueError("a coordinate that is damaged")
    return Body(number, joints)


def read_sequence(path: Path, denoise: bool = False) -> PoseSequence:
    """At most two persons of a .skeleton file, in metres and in pixels of the colour image. The
    score is 1 where Kinect tracked a joint and 0.5 where it inferred it. The persons are chosen as
    in PYSKL if `denoise`, else as in ST-GCN and its successors. Raises InputError if there is
    none."""
    frames = read_bodies(path)
    with reading(path, InputError):
        limits.check_array((_MAX_BODIES, len(frames), JOINTS, len(FIELDS)), 8)
        tracks = _denoised(frames) if denoise else _most_moving(frames)
    if not tracks:
        raise InputError(f"{path} holds no body")
    joints = np.stack(tracks)  # (M, T, V, 12)
    xyz = joints[..., :3].astype(np.float32)
    missing = ~(np.isfinite(xyz).all(axis=-1) & xyz.any(axis=-1))
    xyz[missing] = np.nan
    xy = joints[..., 5:7].astype(np.float32)
    xy[missing | ~np.isfinite(xy).all(axis=-1)] = np.nan
    tracking = np.clip(np.nan_to_num(joints[..., 11]) / 2, 0, 1)
    score = np.where(missing, 0, tracking).astype(np.float32)
    skeleton, ids = SKELETONS["ntu-25"], tuple(range(len(joints)))
    return PoseSequence(
        xy=xy, score=score, skeleton=skeleton, fps=FPS, width=WIDTH, height=HEIGHT, ids=ids, xyz=xyz
    )


def _most_moving(frames: list[list[Body]]) -> list[Floats]:
    """Tracks by position in the list of each frame, four at most. Returns the two whose coordinates
    vary most over the frames in which they are not empty."""
    slots = np.full((_MAX_BODIES, len(frames), JOINTS, len(FIELDS)), np.nan)
    for t, bodies in enumerate(frames):
        for slot, body in enumerate(bodies[:_MAX_BODIES]):
            slots[slot, t] = body.joints
    energy = []
    for track in slots[..., :3]:
        points = track[~np.isnan(track).all(axis=(1, 2)) & np.nan_to_num(track).any(axis=(1, 2))]
        energy.append(float(points.reshape(-1, 3).std(axis=0).sum()) if len(points) else -1.0)
    order = [i for i in np.argsort(-np.array(energy), kind="stable")[:2] if energy[i] >= 0]
    return [slots[i] for i in order]


def _denoised(frames: list[list[Body]]) -> list[Floats]:
    """PYSKL's ntu_preproc: tracks by Kinect's number, without the frames that hold no body. Short
    and wide tracks are dropped; the others, the one that moves most first, share two slots as long
    as they do not overlap in time."""
    occupied = [bodies for bodies in frames if bodies]
    tracks: dict[str, dict[int, npt.NDArray[np.float64]]] = {}
    for t, bodies in enumerate(occupied):
        for body in bodies:
            tracks.setdefault(body.id, {})[t] = body.joints
    kept = list(tracks)
    if len(kept) > 1:
        kept = [i for i in kept if len(tracks[i]) > 11] or kept
    if len(kept) > 1:
        kept = [i for i in kept if not _is_spread(tracks[i])] or kept
    kept.sort(key=lambda i: -_motion(tracks[i]))
    slots = np.full((2, len(occupied), JOINTS, len(FIELDS)), np.nan)
    for body_id in kept:
        at = np.array(sorted(tracks[body_id]))
        for slot in slots:
            if np.isnan(slot[at[0] : at[-1] + 1]).all():
                slot[at] = np.stack([tracks[body_id][int(t)] for t in at])
                break
    present = ~np.isnan(slots).all(axis=(2, 3))
    if not present.any():
        return []
    used = np.flatnonzero(present.any(axis=0))
    slots = slots[:, used[0] : used[-1] + 1]
    present = present[:, used[0] : used[-1] + 1]
    order = (1, 0) if not present[0, 0] and present[1].any() else (0, 1)
    return [slots[i] for i in order if present[i].any()]


def _motion(track: dict[int, npt.NDArray[np.float64]]) -> float:
    points = np.stack(list(track.values()))[..., :3].reshape(-1, 3)
    return float(points.var(axis=0).sum())


def _is_spread(track: dict[int, npt.NDArray[np.float64]]) -> bool:
    """Whether a body is wider than 0.8 of its height in at least 69.754 % of its frames, as
    furniture is that Kinect took for a person (threshold of PYSKL)."""
    points = np.stack(list(track.values()))[..., :2]
    extent = points.max(axis=1) - points.min(axis=1)
    return float((extent[:, 0] > 0.8 * extent[:, 1]).mean()) >= 0.69754


def read(
    files: tuple[Path, ...], description: Description, joints: int | None
) -> list[RawSequence]:
    """The two persons who move most, in metres with Kinect's tracking state as score."""
    sequence = read_sequence(files[0])
    assert sequence.xyz is not None
    return [
        RawSequence(
            values=np.concatenate([sequence.xyz, sequence.score[..., None]], axis=-1),
            skeleton=sequence.skeleton,
            fps=FPS,
            unit="m",
            has_score=True,
            size=(WIDTH, HEIGHT),
            pixels=sequence.xy,
        )
    ]


READERS = (
    SkeletonReader(
        name="ntu",
        title="a .skeleton file of NTU RGB+D",
        suffixes=(".skeleton",),
        read=read,
        accepts=lambda path: first_lines(path, 1) != [],
    ),
)
