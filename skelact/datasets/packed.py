"""The packed dataset: all samples' frames one after another in one memory-mapped .npy, and an index
in JSON. Opens in milliseconds."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from skelact.cache import CacheEntry
from skelact.sequence.input import pad_persons
from skelact.skeletons import Skeleton
from skelact.types import Floats

STAGE, VERSION = "packed", 2
ARRAY, INDEX = "keypoints.npy", "index.json"
_HEADER = 192  # bytes before the values


@dataclass(frozen=True)
class Sample:
    """One clip: its network input (M, T, V, C) float32 with NaN for what is missing, and what it
    is."""

    id: str
    label: str
    item: int  # position of its video in the collection
    values: Floats
    fps: float
    is_mirrored: bool = False  # from the second look at its video


@dataclass(frozen=True, kw_only=True)
class Packed:
    """keypoints (F, M, V, C) float32, all clips' frames; clip i is rows offsets[i] to offsets[i +
    1]."""

    keypoints: npt.NDArray[np.float32]
    offsets: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    items: npt.NDArray[np.int64]
    fps: npt.NDArray[np.float64]
    is_mirrored: npt.NDArray[np.bool_]
    ids: tuple[str, ...]
    classes: tuple[str, ...]
    skeleton: Skeleton
    meta: dict[str, Any]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """(N,) frames of each clip."""
        return np.diff(self.offsets)


def write(
    folder: Path,
    samples: Iterable[Sample],
    classes: tuple[str, ...],
    skeleton: Skeleton,
    persons: int,
    meta: dict[str, Any],
) -> int:
    """Fill `folder`, sample by sample; how many there were. Fewer people than `persons` are padded
    with NaN, more are cut. What `meta` holds at the end is kept."""
    offsets, index, channels = [0], [], 0
    with (folder / ARRAY).open("wb") as file:
        file.write(bytes(_HEADER))
        for s in samples:
            part = pad_persons(s.values, persons).swapaxes(0, 1)
            file.write(part.tobytes())
            channels = part.shape[3]
            offsets.append(offsets[-1] + len(part))
            label = classes.index(s.label)
            about: dict[str, Any] = {"id": s.id, "label": label, "item": s.item, "fps": s.fps}
            index.append(about | ({"mirrored": True} if s.is_mirrored else {}))
        file.seek(0)
        file.write(_npy_header((offsets[-1], persons, len(skeleton.joints), channels)))
    content = {
        "classes": classes,
        "skeleton": skeleton.as_dict(),
        "offsets": offsets,
        "samples": index,
        "meta": meta,
    }
    (folder / INDEX).write_text(json.dumps(content), encoding="utf-8")
    return len(index)


def _npy_header(shape: tuple[int, ...]) -> bytes:
    """The first bytes of a .npy file of float32, always as many, so that they can be written when
    the number of frames is known."""
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"
    room = _HEADER - 10
    return b"\x93NUMPY\x01\x00" + room.to_bytes(2, "little") + text.ljust(room - 1).encode() + b"\n"


def open_packed(entry: CacheEntry) -> Packed:
    """The packed dataset of a cache entry, memory-mapped. CacheError if it is damaged."""
    index = json.loads(entry.read(INDEX))
    samples = index["samples"]
    return Packed(
        keypoints=np.load(entry.path / ARRAY, mmap_mode="c"),
        offsets=np.array(index["offsets"], np.int64),
        labels=np.array([s["label"] for s in samples], np.int64),
        items=np.array([s["item"] for s in samples], np.int64),
        fps=np.array([s["fps"] for s in samples], np.float64),
        is_mirrored=np.array([s.get("mirrored", False) for s in samples], bool),
        ids=tuple(s["id"] for s in samples),
        classes=tuple(index["classes"]),
        skeleton=Skeleton.from_dict(index["skeleton"]),
        meta=index["meta"],
    )


def joint_distances(packed: Packed, rows: npt.NDArray[np.int64]) -> list[float]:
    """(V,) mean distance of each joint to the middle of the body in its frame (the mean of the
    joints seen), over the clips `rows`; missing joints do not count. A joint never seen is put at
    the mean of the others."""
    joints = len(packed.skeleton.joints)
    total, count = np.zeros(joints), np.zeros(joints)
    for row in rows:
        frames = packed.keypoints[packed.offsets[row] : packed.offsets[row + 1]]
        where = frames[..., : int(packed.meta["dims"])].reshape(-1, joints, packed.meta["dims"])
        where = where[~np.isnan(where).all(axis=(1, 2))]
        away = np.linalg.norm(where - np.nanmean(where, axis=1, keepdims=True), axis=-1)
        total += np.nansum(away, axis=0)
        count += (~np.isnan(away)).sum(axis=0)
    mean = np.divide(total, count, out=np.full(joints, np.nan), where=count > 0)
    return [float(v) for v in np.where(np.isnan(mean), np.nanmean(mean), mean)]
