"""Arrays: .npy, .npz and MATLAB's .mat, with persons, frames, joints and coordinates in any
order."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skelact.errors import InputError, nearest
from skelact.readers.base import RawSequence, SkeletonReader
from skelact.readers.description import Description
from skelact.types import Floats

# names of the array with the coordinates, in files with several
_ARRAYS = (
    *("keypoint", "keypoints", "skeleton", "skeletons", "joints", "positions", "poses", "pose"),
    *("xyz", "xy", "coordinates", "data", "d_skel"),
)
_SCORES = ("score", "scores", "keypoint_score", "keypoint_scores", "confidence")
_MOST_PERSONS = 10


def axes_order(shape: Sequence[int]) -> str:
    """The probable order of the axes of an array: T frames, V joints, C coordinates, M persons; TF
    for (frames, joints x coordinates). Raises ValueError if none is probable."""

    def is_coordinates(n: int) -> bool:
        return n in (2, 3, 4)

    if len(shape) == 2:
        return "TF"
    if len(shape) == 3 and is_coordinates(shape[2]):
        return "TVC"
    if len(shape) == 3 and is_coordinates(shape[1]):
        return "VCT"
    if len(shape) == 3 and is_coordinates(shape[0]):
        return "CTV"
    if len(shape) == 4 and shape[0] == 3 and shape[3] == 2:
        raise ValueError(
            f"an array of shape {tuple(shape)} can be two persons in 3-D as in ST-GCN, or three in "
            '2-D; state order = "CTVM" or order = "MTVC"'
        )
    if len(shape) == 4 and is_coordinates(shape[3]) and shape[0] <= _MOST_PERSONS:
        return "TMVC" if shape[0] > shape[1] else "MTVC"
    if len(shape) == 4 and is_coordinates(shape[3]) and shape[1] <= _MOST_PERSONS:
        return "TMVC"
    if len(shape) == 4 and is_coordinates(shape[0]) and shape[3] <= _MOST_PERSONS:
        return "CTVM"
    if len(shape) == 4 and is_coordinates(shape[1]) and shape[0] <= _MOST_PERSONS:
        return "MCTV"
    raise ValueError(
        f"an array of shape {tuple(shape)} has no known order of axes; state order, for example "
        'order = "TVC"'
    )


def as_persons(array: Any, description: Description) -> Floats:
    """An array of any order as (M, T, V, C) float32. Raises ValueError if its shape does not fit
    the order."""
    values = np.asarray(array)
    if values.dtype.kind not in "fiu":
        raise ValueError(f"an array of {values.dtype}, not of numbers")
    values = np.asarray(values, np.float32)
    order = description.order or axes_order(values.shape)
    if order == "TF":
        if values.ndim != 2:
            raise ValueError(f"order TF needs 2 axes, the array has shape {values.shape}")
        return split_columns(values, description)[None]
    if values.ndim != len(order):
        raise ValueError(f"order {order} needs {len(order)} axes, got shape {values.shape}")
    if "M" not in order:
        order, values = f"M{order}", values[None]
    return np.ascontiguousarray(values.transpose([order.index(a) for a in "MTVC"]))


def split_columns(values: Floats, description: Description) -> Floats:
    """(T, V * C) with the coordinates of a joint side by side -> (T, V, C). C is `dims`, one more
    with `score`; without them 3, else 2. Raises ValueError if the columns do not divide."""
    columns = values.shape[1]
    if description.dims is not None:
        channels = [description.dims + bool(description.score)]
    else:
        channels = [3, 2]
    for c in channels:
        if columns and columns % c == 0:
            return values.reshape(len(values), columns // c, c)
    raise ValueError(f"{columns} columns cannot be divided into joints of {channels[0]} numbers")


def read_npy(
    files: tuple[Path, ...], description: Description, joints: int | None
) -> list[RawSequence]:
    """One array."""
    array = np.load(files[0], allow_pickle=False, mmap_mode=None)
    if not isinstance(array, np.ndarray):
        raise ValueError("it is an archive, not one array; name it .npz")
    return [RawSequence(values=as_persons(array, description))]


def read_npz(
    files: tuple[Path, ...], description: Description, joints: int | None
) -> list[RawSequence]:
    """An array of an archive, with scores, fps, size and joint_names if it has arrays of these
    names."""
    try:
        with np.load(files[0], allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files if _is_plain(archive, name)}
    except zipfile.BadZipFile as error:
        raise InputError(f"{files[0]} is not a .npz file: {error}") from error
    return [_from_arrays(arrays, description)]


def _is_plain(archive: Any, name: str) -> bool:
    """Whether an array of an archive holds no Python objects, which are not read."""
    try:
        return archive[name].dtype.kind in "fiuUSb"
    except ValueError:
        return False


def read_mat(
    files: tuple[Path, ...], description: Description, joints: int | None
) -> list[RawSequence]:
    """A variable of a MATLAB file (up to version 7.2)."""
    from scipy.io import loadmat

    try:
        content = loadmat(files[0])
    except NotImplementedError as error:
        raise InputError(
            f"{files[0]} has the HDF5 format of MATLAB 7.3", "Save it with -v7 in MATLAB."
        ) from error
    except Exception as error:  # scipy raises anything for a damaged file
        raise ValueError(str(error)) from error
    arrays = {
        k: v for k, v in content.items() if isinstance(v, np.ndarray) and v.dtype.kind in "fiu"
    }
    return [_from_arrays(arrays, description)]


def _from_arrays(arrays: dict[str, Any], description: Description) -> RawSequence:
    name = description.array or _named(arrays)
    if name not in arrays:
        raise ValueError(
            f"no array is called {name!r}{nearest(name, arrays)}; it has {', '.join(arrays)}"
        )
    values = as_persons(arrays[name], description)
    has_score = None
    score = next((arrays[s] for s in _SCORES if s in arrays and s != name), None)
    if score is not None and np.asarray(score).size == values[..., 0].size:
        score = np.asarray(score, np.float32).reshape(values.shape[:3])
        values, has_score = np.concatenate([values, score[..., None]], axis=-1), True
    fps, size = arrays.get("fps"), arrays.get("size")
    names = arrays.get("joint_names")
    if size is not None and (size.shape != (2,) or size.dtype.kind not in "iu" or min(size) < 1):
        raise ValueError("its array `size` is not the width and height in pixels")
    return RawSequence(
        values=values,
        has_score=has_score,
        size=None if size is None else (int(size[0]), int(size[1])),
        fps=float(np.asarray(fps).ravel()[0]) if fps is not None and np.size(fps) else None,
        joints=tuple(map(str, names.ravel()))
        if names is not None and names.dtype.kind == "U" and names.size == values.shape[2]
        else (),
    )


def _named(arrays: dict[str, Any]) -> str:
    """The only array, or the one with a usual name. Raises ValueError if there is none."""
    large = [n for n, a in arrays.items() if a.ndim >= 2 and a.dtype.kind in "fiu"]
    usual = [n for n in _ARRAYS if n in large]
    if len(large) != 1 and not usual:
        raise ValueError(
            f'it holds the arrays {", ".join(arrays) or "(none)"}; name one: array = "..."'
        )
    return usual[0] if usual else large[0]


READERS = (
    SkeletonReader(name="npy", title="a NumPy array", suffixes=(".npy",), read=read_npy),
    SkeletonReader(
        name="npz", title="an archive of NumPy arrays", suffixes=(".npz",), read=read_npz
    ),
    SkeletonReader(
        name="mat", title="a MATLAB file", suffixes=(".mat",), read=read_mat, certain=False
    ),
)
