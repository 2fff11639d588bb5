"""MATLAB's .mat files up to version 7.2, read in a child process: SciPy's reader crashes on some
damaged files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from skelact import sandbox
from skelact.errors import InputError


def load_mat(path: Path) -> dict[str, Any]:
    """The variables of a file: arrays of numbers or texts, and a list of arrays for a cell array of
    them, in the order of its elements. Other variables are left out.

    Raises InputError if the file is damaged or has the format of version 7.3."""
    try:
        return dict(sandbox.call(_variables, path))
    except ValueError as error:
        raise InputError(f"{path} is damaged or not a .mat file: {error}") from error


def _variables(path: Path) -> dict[str, Any]:
    from scipy.io import loadmat

    try:
        content = loadmat(path)
    except NotImplementedError as error:
        raise InputError(
            f"{path} has the HDF5 format of MATLAB 7.3", "Save it with -v7 in MATLAB."
        ) from error
    plain = {name: _plain(value) for name, value in content.items() if not name.startswith("__")}
    return {name: value for name, value in plain.items() if value is not None}


def _plain(value: Any) -> Any:
    """An array, or a list of arrays; None for anything else."""
    if not isinstance(value, np.ndarray):
        return None
    if value.dtype.kind in "biufU":
        return value
    cells = list(value.ravel()) if value.dtype.kind == "O" else []
    is_plain = all(isinstance(c, np.ndarray) and c.dtype.kind in "biufU" for c in cells)
    return cells if cells and is_plain else None
