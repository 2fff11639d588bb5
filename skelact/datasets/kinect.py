"""Checks shared by the datasets of Kinect v1 skeletons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from skelact.errors import InputError


def check_joints(points: Any, path: Path) -> Any:
    """(T, 20, 3) with NaN for joints whose coordinates are all zero. Raises InputError for any
    other shape and for coordinates that are not finite."""
    if points.ndim != 3 or points.shape[1:] != (20, 3) or not len(points):
        raise InputError(f"{path}: skeletons of shape {points.shape}, expected (frames, 20, 3)")
    if not np.isfinite(points).all():
        raise InputError(f"{path}: coordinates that are not finite")
    return np.where(points.any(axis=-1, keepdims=True), points, np.float32(np.nan))
