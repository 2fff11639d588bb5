"""C3D motion capture: the marker positions, read with the package c3d (extra "mocap")."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from skelact import sandbox
from skelact.errors import BackendMissing
from skelact.readers.base import RawSequence, SkeletonReader
from skelact.readers.description import Description

_UNITS = ("m", "cm", "mm")


def read(
    files: tuple[Path, ...], description: Description, joints: int | None
) -> list[RawSequence]:
    """The markers with their labels; a marker with a negative residual is missing. Raises
    BackendMissing without the package."""
    content = sandbox.call(_content, files[0])
    names, values, unit = content["names"], content["frames"], content["unit"]
    points = np.where(values[..., 3:4] < 0, np.float32(np.nan), values[..., :3])
    kept = [
        n for n, name in enumerate(names[: points.shape[1]]) if name and not name.startswith("*")
    ]
    return [
        RawSequence(
            values=points[None][:, :, kept],
            joints=tuple(names[n] for n in kept),
            fps=content["rate"] or None,
            unit=unit if unit in _UNITS else None,
            has_score=False,
        )
    ]


def _content(path: Path) -> dict[str, Any]:
    """What a file states: `frames` (T, V, 5) float32 with x, y, z, residual and cameras, the names
    of the V markers, frames per second, and the unit."""
    try:
        import c3d
    except ImportError as error:
        raise BackendMissing(
            f"{path}: C3D files need the package c3d", 'pip install "skelact[mocap]"'
        ) from error
    with warnings.catch_warnings(), path.open("rb") as file:
        warnings.simplefilter("ignore")  # about analog channels and unusual headers
        reader = c3d.Reader(file)
        frames = [points for _, points, _ in reader.read_frames(copy=True)]
        unit = reader.get("POINT:UNITS")
        return {
            "frames": np.stack(frames).astype(np.float32),
            "names": [str(name).strip() for name in reader.point_labels],
            "rate": float(reader.point_rate),
            "unit": unit.string_value.strip().lower() if unit is not None else None,
        }


READERS = (SkeletonReader(name="c3d", title="C3D motion capture", suffixes=(".c3d",), read=read),)
