"""The reference implementations' graphs and transforms, which this folder holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent


def reference(name: str) -> dict[str, np.ndarray]:
    """`graphs` or `transforms`."""
    with np.load(FOLDER / f"{name}.npz") as content:
        return dict(content)
