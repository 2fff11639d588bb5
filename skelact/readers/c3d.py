"""C3D motion capture: the marker positions, read with the package c3d (extra "mocap")."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from skelact.errors import BackendMissing
from skelact.readers.base import RawSequence, SkeletonReader
from skelact.readers.description import Description

_UNITS = ("m", "cm", "mm")


def read(
    files: tuple[Path, ...], description: Description, joints: int | None
) -> list[RawSequence]:
    """The markers with their labels; a marker with a negative residual is missing. Raises
    BackendMissing without the package."""
    try:
        import c3d
    except ImportError as error:
        raise BackendMissing(
            f"{files[0]}: C3D files need the package c3d", 'pip install "skelact[mocap]"'
        ) from error
    try:
        with warnings.catch_warnings(), files[0].open("rb") as file:
            warnings.simplefilter("ignore")  # about analog channels and unusual headers
            reader = c3d.Reader(file)
            frames = [points for _, points, _ in reader.read_frames(copy=True)]
            names = [str(name).strip() for name in reader.point_labels]
            rate = float(reader.point_rate)
            unit = reader.get("POINT:UNITS")
            unit = unit.string_value.strip().lower() if unit is not None else None
    except Exception as error:  # the package raises anything for a damaged file
        raise ValueError(str(error) or type(error).__name__) from error
    values = np.stack(frames).astype(np.float32)  # (T, V, 5): x, y, z, residual, cameras
    points = np.where(values[..., 3:4] < 0, np.float32(np.nan), values[..., :3])
    kept = [
        n for n, name in enumerate(names[: points.shape[1]]) if name and not name.startswith("*")
    ]
    return [
        RawSequence(
            values=points[None][:, :, kept],
            joints=tuple(names[n] for n in kept),
            fps=rate or None,
            unit=unit if unit in _UNITS else None,
            has_score=False,
        )
    ]


READERS = (SkeletonReader(name="c3d", title="C3D motion capture", suffixes=(".c3d",), read=read),)
