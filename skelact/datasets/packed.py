"""The packed dataset: the frames of all clips in one memory-mapped .npy file, and an index in JSON.
It opens in milliseconds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from skelact.cache import CacheEntry, Stage
from skelact.errors import CacheError
from skelact.schemas import PackedManifest, PackedMeta, parse_json, save_json
from skelact.sequence.input import pad_persons
from skelact.skeletons import Skeleton
from skelact.types import Floats

PACKED = Stage(name="packed", version=3, manifest=PackedManifest)
ARRAY, INDEX = "keypoints.npy", "index.json"
_HEADER_SIZE = 192  # bytes before the values


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
    `minmax` says that they are still to be scaled to -1..1 per clip, `y_up` that y points up."""

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

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """(N,) frames of each clip."""
        return np.diff(self.offsets)


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
            file.write(values.tobytes())
            channels = values.shape[3]
            offsets.append(offsets[-1] + len(values))
            rows.append(
                (
                    classes.index(sample.label),
                    sample.item,
                    sample.fps,
                    sample.is_mirrored,
                    sample.id,
                )
            )
        file.seek(0)
        file.write(_npy_header((offsets[-1], persons, len(skeleton.joints), channels)))
    labels, items, fps, is_mirrored, ids = zip(*rows, strict=True) if rows else ((),) * 5
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
    """The packed dataset of a cache entry, memory-mapped. Raises CacheError if it is damaged."""
    meta = parse_json(entry.read(INDEX), PackedMeta, entry.path / INDEX)
    try:
        keypoints = np.load(entry.path / ARRAY, mmap_mode="c")
    except (OSError, ValueError) as error:
        raise CacheError(f"{entry.path / ARRAY} cannot be read: {error}", meta.hint) from error
    return Packed(
        keypoints=keypoints,
        offsets=np.array(meta.offsets, np.int64),
        labels=np.array(meta.labels, np.int64),
        items=np.array(meta.items, np.int64),
        fps=np.array(meta.fps, np.float64),
        is_mirrored=np.array(meta.is_mirrored, bool),
        ids=meta.ids,
        dataset=meta.dataset,
        classes=meta.classes,
        skeleton=meta.skeleton,
        dims=meta.dims,
        minmax=meta.minmax,
        y_up=meta.y_up,
    )


def joint_distances(packed: Packed, rows: npt.NDArray[np.int64]) -> list[float]:
    """(V,) mean distance of each joint from the centre of the body (the mean of the known joints of
    a person in a frame) over the clips `rows`. Missing joints do not count; a joint that is always
    missing gets the mean of the others."""
    joints = len(packed.skeleton.joints)
    total, count = np.zeros(joints), np.zeros(joints)
    for row in rows:
        frames = packed.keypoints[packed.offsets[row] : packed.offsets[row + 1]]
        points = frames[..., : packed.dims].reshape(-1, joints, packed.dims)
        points = points[~np.isnan(points).all(axis=(1, 2))]
        distances = np.linalg.norm(points - np.nanmean(points, axis=1, keepdims=True), axis=-1)
        total += np.nansum(distances, axis=0)
        count += (~np.isnan(distances)).sum(axis=0)
    mean = np.divide(total, count, out=np.full(joints, np.nan), where=count > 0)
    return [float(v) for v in np.where(np.isnan(mean), np.nanmean(mean), mean)]
