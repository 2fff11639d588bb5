"""What an export format is, and what it gets."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from skelact.errors import BackendMissing
from skelact.types import Floats, PoseSequence

Dims = Literal["auto", "2", "3"]
MM = 1000.0  # in a metre


@dataclass(frozen=True, kw_only=True)
class Recording:
    """The persons of a video or skeleton file, and whether y points up in `sequence.xyz`, which is
    so for files and not for videos."""

    path: Path
    sequence: PoseSequence
    y_up: bool = False

    @property
    def has_3d(self) -> bool:
        xyz = self.sequence.xyz
        return xyz is not None and bool(np.isfinite(xyz).any())

    @property
    def has_pixels(self) -> bool:
        return bool(np.isfinite(self.sequence.xy).any())

    def by_person(self) -> Iterator[Recording]:
        """One recording for each person with joints."""
        for m, person in enumerate(self.sequence.ids):
            rows = slice(m, m + 1)
            part = self.sequence.with_points(
                lambda points, rows=rows: points[rows],  # type: ignore[misc]
                score=self.sequence.score[rows],
                ids=(person,),
            )
            found = replace(self, sequence=part)
            if found.has_pixels or found.has_3d:
                yield found

    def points(self, dims: Dims) -> tuple[Floats, str]:
        """Coordinates (M, T, V, 3) with x to the right, y up and z towards the viewer, and their
        unit: mm, or px where there are no 3-D joints or `dims` is "2"; z is 0 then. A right-handed
        system, as OpenSim's. Those of the joints of a video have their origin between the hips of
        the person in every frame."""
        sequence = self.sequence
        if dims != "2" and self.has_3d:
            assert sequence.xyz is not None
            turn = (1, 1, 1) if self.y_up else (1, -1, -1)
            return np.asarray(sequence.xyz * np.array(turn, np.float32) * MM, np.float32), "mm"
        flat = np.zeros((*sequence.xy.shape[:3], 3), np.float32)
        flat[..., 0] = sequence.xy[..., 0]
        flat[..., 1] = sequence.height - sequence.xy[..., 1]
        flat[np.isnan(sequence.xy).any(axis=-1)] = np.nan
        return flat, "px"


@dataclass(frozen=True, kw_only=True)
class PoseFormat:
    """An export format. `write` gets a recording, the file to write and the dimensions; it gets one
    person at a time if `per_person`. A format without `has_dims` ignores the dimensions, and needs
    joints in pixels. `packages` are the modules that it imports, which the extra `extra` of skelact
    installs."""

    name: str
    suffix: str
    title: str
    write: Callable[[Recording, Path, Dims], None]
    per_person: bool = False
    has_dims: bool = False
    packages: tuple[str, ...] = ()
    extra: str = ""

    def check_packages(self) -> None:
        """Raises BackendMissing if a package is not installed."""
        try:
            for package in self.packages:
                importlib.import_module(package)
        except ImportError as error:
            names = " and ".join(package.replace("_", "-") for package in self.packages)
            raise BackendMissing(
                f"The format {self.name} needs {names} to be installed",
                f'Run pip install "skelact[{self.extra}]".',
            ) from error
