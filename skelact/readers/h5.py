"""HDF5 files of SLEAP (analysis files) and DeepLabCut, read with the package h5py (extra "h5")."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from skelact import limits, sandbox
from skelact.errors import BackendMissing, InputError
from skelact.files import parse_pickle
from skelact.readers.base import RawSequence, SkeletonReader
from skelact.readers.description import Description

_HINT = (
    "Export an analysis file from SLEAP, or CSV from DeepLabCut: analyze_videos_converth5_to_csv."
)
_KINDS = ("x", "y", "likelihood")


def read(
    files: tuple[Path, ...], description: Description, joints: int | None
) -> list[RawSequence]:
    """The tracks of a SLEAP analysis file, or the individuals of DeepLabCut's table. Raises
    BackendMissing without the package, InputError for any other HDF5 file."""
    content = sandbox.call(_content, files[0])
    names = tuple(content["joints"])
    values = np.asarray(content["values"], np.float32)
    limits.check_joints(len(names))
    return [RawSequence(values=values, joints=names, has_score=values.shape[-1] == 3)]


def _content(path: Path) -> dict[str, Any]:
    """The names of the V joints, and `values` (M, T, V, 2 or 3)."""
    try:
        import h5py
    except ImportError as error:
        raise BackendMissing(
            f"{path}: .h5 files need the package h5py", 'pip install "skelact[h5]"'
        ) from error
    with h5py.File(path, "r") as file:
        if {"tracks", "node_names"} <= set(file):
            return _sleap(file)
        for group in file.values():
            table = group.get("table") if isinstance(group, h5py.Group) else None
            if table is not None and "values_block_0" in (table.dtype.names or ()):
                return _deeplabcut(table)
    raise InputError(f"{path} is neither an analysis file of SLEAP nor of DeepLabCut", _HINT)


def _sleap(file: Any) -> dict[str, Any]:
    """`tracks` is (M, 2, V, T), `point_scores` (M, V, T)."""
    tracks = _array(file["tracks"])
    if tracks.ndim != 4 or tracks.shape[1] != 2:
        raise ValueError(f"the tracks have the shape {tracks.shape}")
    values = tracks.transpose(0, 3, 2, 1)
    names = [_text(name) for name in file["node_names"][()]]
    if "point_scores" in file:
        scores = _array(file["point_scores"]).transpose(0, 2, 1)
        values = np.concatenate([values, np.clip(scores, 0, 1)[..., None]], axis=-1)
    if len(names) != values.shape[2]:
        raise ValueError(f"{len(names)} names for {values.shape[2]} nodes")
    return {"joints": names, "values": values.astype(np.float32)}


def _deeplabcut(table: Any) -> dict[str, Any]:
    """The table of pandas: one row for each frame. The names of its columns are a pickle, of which
    nothing but lists and texts is read."""
    columns = _names(table.attrs["values_block_0_kind"])
    limits.check_array((len(table), len(columns)))
    numbers = np.asarray(table["values_block_0"], np.float64)
    if not columns or numbers.ndim != 2 or numbers.shape[1] != len(columns):
        raise ValueError("the columns of the table have no names")
    names = [tuple(map(str, column)) for column in columns]
    if any(len(name) not in (3, 4) or name[-1] not in _KINDS for name in names):
        raise ValueError("the columns are not scorer, bodypart and coordinate")
    people = {n: k for k, n in enumerate(dict.fromkeys(name[:-2] for name in names))}
    joints = list(dict.fromkeys(name[-2] for name in names))
    shape = (len(people), len(numbers), len(joints), len(_KINDS))
    limits.check_array(shape)
    values = np.full(shape, np.nan, np.float32)
    for n, name in enumerate(names):
        values[people[name[:-2]], :, joints.index(name[-2]), _KINDS.index(name[-1])] = numbers[:, n]
    return {"joints": joints, "values": values}


def _names(content: Any) -> list[Any]:
    """The list of names in a pickle, which holds no object that could run code."""
    found = parse_pickle(content if isinstance(content, bytes) else bytes(content))
    if not isinstance(found, list) or not all(isinstance(n, tuple | list) for n in found):
        raise ValueError("the names of the columns are no list")
    return found


def _array(dataset: Any) -> Any:
    limits.check_array(dataset.shape)
    return np.asarray(dataset[()], np.float64)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


READERS = (
    SkeletonReader(
        name="h5",
        title="HDF5 of SLEAP or DeepLabCut",
        suffixes=(".h5",),
        read=read,
        certain=False,
    ),
)
