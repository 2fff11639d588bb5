"""The packed dataset: the frames of all clips in one memory-mapped .npy file, and an index in JSON.

A large one opens in milliseconds: the frames of a clip are compared with their checksum when they
are first read."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from skelact.cache import CacheEntry, Stage
from skelact.errors import reason
from skelact.schemas import PackedManifest, PackedMeta, parse_json, save_json
from skelact.sequence.input import pad_persons
from skelact.skeletons import Skeleton
from skelact.types import Floats

PACKED = Stage(name="packed", version=4, manifest=PackedManifest)
ARRAY, INDEX = "keypoints.npy", "index.json"
_HEADER_SIZE = 192  # bytes before the values
_SMALL = 1 << 28  # bytes of an array that is compared with its checksums when it is opened


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One clip: its normalised values (M, T, V, C) float32 with NaN for missing joints, its class,
    the position of its item in the collection, frames per second, and whether the poses come from
    mirrored frames."""

    id: str
    label: str
    item: int
    values: Floats
    fps: float
    is_mirrored: bool = False


@dataclass(frozen=True, kw_only=True)
class Packed:
    """N clips. `keypoints` (F, M, V, C) float32 holds the frames of all clips, NaN for missing
    joints; clip i has rows offsets[i] to offsets[i + 1]. `labels`, `items`, `fps`, `is_mirrored`
    (N,) and `ids` describe the clips as in Sample. The first `dims` channels are coordinates;
    `minmax` says that they are still to be scaled to -1..1 per clip, `y_up` that y points up.

    `keypoints` of clips are read after `check`, which compares them with `checksums` (N,); there is
    nothing to compare if there is no `entry` of the cache."""

    keypoints: npt.NDArray[np.float32]
    offsets: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    items: npt.NDArray[np.int64]
    fps: npt.NDArray[np.float64]
    is_mirrored: npt.NDArray[np.bool_]
    ids: tuple[str, ...]
    dataset: str
    classes: tuple[str, ...]
    skeleton: Skeleton
    dims: int
    minmax: bool = False
    y_up: bool = False
    entry: CacheEntry[PackedManifest] | None = None
    checksums: Sequence[int] = ()
    _checked: set[int] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """(N,) frames of each clip."""
        return np.diff(self.offsets)

    def check(self, rows: Iterable[int] | None = None) -> None:
        """Compare the frames of the clips `rows`, by default of all, with their checksums, each
        clip once. Raises DamagedEntry if they are not what was written."""
        if self.entry is None:
            return
        new = set(range(len(self)) if rows is None else map(int, rows)) - self._checked
        for row in sorted(new):
            frames = self.keypoints[self.offsets[row] : self.offsets[row + 1]]
            if zlib.crc32(frames.data) != self.checksums[row]:
                raise self.entry.damaged(ARRAY, f"the frames of {self.ids[row]} were changed")
        self._checked.update(new)

    def frames(self, row: int) -> npt.NDArray[np.float32]:
        """(T, M, V, C): the frames of one clip, which are checked."""
        self.check([row])
        return self.keypoints[self.offsets[row] : self.offsets[row + 1]]


def write(
    folder: Path,
    samples: Iterable[Sample],
    *,
    dataset: str,
    classes: tuple[str, ...],
    skeleton: Skeleton,
    persons: int,
    dims: int,
    minmax: bool = False,
    y_up: bool = False,
) -> PackedManifest:
    """Write a packed dataset into `folder`, one sample at a time. Samples with fewer than `persons`
    persons are padded with NaN; of samples with more, the first are kept."""
    offsets, rows, channels = [0], [], 0
    with (folder / ARRAY).open("wb") as file:
        file.write(bytes(_HEADER_SIZE))
        for sample in samples:
            values = pad_persons(sample.values, persons).swapaxes(0, 1)
            content = values.tobytes()
            file.write(content)
            channels = values.shape[3]
            offsets.append(offsets[-1] + len(values))
            rows.append(
                (
                    classes.index(sample.label),
                    sample.item,
                    sample.fps,
                    sample.is_mirrored,
                    sample.id,
                    zlib.crc32(content),
                )
            )
        file.seek(0)
        file.write(_npy_header((offsets[-1], persons, len(skeleton.joints), channels)))
    columns = zip(*rows, strict=True) if rows else ((),) * 6
    labels, items, fps, is_mirrored, ids, checksums = columns
    meta = PackedMeta(
        dataset=dataset,
        classes=classes,
        skeleton=skeleton,
        dims=dims,
        minmax=minmax,
        y_up=y_up,
        offsets=offsets,
        labels=list(labels),
        items=list(items),
        fps=list(fps),
        is_mirrored=list(is_mirrored),
        ids=ids,
        checksums=list(checksums),
    )
    save_json(folder / INDEX, meta)
    return PackedManifest(dataset=dataset, samples=len(rows))


def _npy_header(shape: tuple[int, ...]) -> bytes:
    """The header of a .npy file of float32, of constant size, so that it can be written after the
    values, when the number of frames is known."""
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"
    size = _HEADER_SIZE - 10
    return b"\x93NUMPY\x01\x00" + size.to_bytes(2, "little") + text.ljust(size - 1).encode() + b"\n"


def open_packed(entry: CacheEntry[PackedManifest]) -> Packed:
    """The packed dataset of a cache entry, memory-mapped. Raises DamagedEntry if it is damaged;
    for arrays of more than 256 MB, `Packed.check` does when the clips are read."""
    meta = parse_json(entry.read(INDEX), PackedMeta, entry.path / INDEX)
    try:
        keypoints = np.load(entry.path / ARRAY, mmap_mode="c", allow_pickle=False)
    except Exception as error:  # a damaged header can raise anything
        raise entry.damaged(ARRAY, reason(error)) from error
    frames, joints = meta.offsets[-1], len(meta.skeleton.joints)
    shape = keypoints.shape
    if keypoints.dtype != np.dtype("<f4") or shape[::2] != (frames, joints) or len(shape) != 4:
        raise entry.damaged(ARRAY, f"its values are {keypoints.dtype} of shape {shape}")
    packed = _packed(entry, meta, keypoints)
    if keypoints.nbytes <= _SMALL:
        packed.check()
    return packed


def _packed(
    entry: CacheEntry[PackedManifest], meta: PackedMeta, keypoints: npt.NDArray[np.float32]
) -> Packed:
    return Packed(
        entry=entry,
        keypoints=keypoints,
        offsets=np.array(meta.offsets, np.int64),
        labels=np.array(meta.labels, np.int64),
        items=np.array(meta.items, np.int64),
        fps=np.array(meta.fps, np.float64),
        is_mirrored=np.array(meta.is_mirrored, bool),
        ids=meta.ids,
        checksums=meta.checksums,
        dataset=meta.dataset,
        classes=meta.classes,
        skeleton=meta.skeleton,
        dims=meta.dims,
        minmax=meta.minmax,
        y_up=meta.y_up,
    )


def with_class(packed: Packed, label: str) -> Packed:
    """The same clips with one more class, of which there is no clip; unchanged if there is."""
    if label in packed.classes:
        return packed
    classes = tuple(sorted((*packed.classes, label)))
    positions = np.array([classes.index(c) for c in packed.classes], np.int64)
    return replace(packed, classes=classes, labels=positions[packed.labels])


def joint_distances(packed: Packed, rows: npt.NDArray[np.int64]) -> list[float]:
    """(V,) mean distance of each joint from the centre of the body (the mean of the known joints of
    a person in a frame) over the clips `rows`. Missing joints do not count; a joint that is always
    missing gets the mean of the others."""
    joints = len(packed.skeleton.joints)
    total, count = np.zeros(joints), np.zeros(joints)
    for row in rows:
        frames = packed.frames(row)
        points = frames[..., : packed.dims].reshape(-1, joints, packed.dims)
        points = points[~np.isnan(points).all(axis=(1, 2))]
        distances = np.linalg.norm(points - np.nanmean(points, axis=1, keepdims=True), axis=-1)
        total += np.nansum(distances, axis=0)
        count += (~np.isnan(distances)).sum(axis=0)
    mean = np.divide(total, count, out=np.full(joints, np.nan), where=count > 0)
    return [float(v) for v in np.where(np.isnan(mean), np.nanmean(mean), mean)]
