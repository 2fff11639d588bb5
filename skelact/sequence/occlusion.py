"""Which joints the body hides from a camera, from the depth of the limbs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from skelact.sequence.cameras import View
from skelact.skeletons import Skeleton

# the ends and the radius [m] of the parts of the body
_LIMBS = (
    ("shoulder", "elbow", 0.05),
    ("elbow", "wrist", 0.04),
    ("hip", "knee", 0.08),
    ("knee", "ankle", 0.055),
    ("shoulder", "hip", 0.09),
)
_PARTS = (
    *((f"left_{a}", f"left_{b}", radius) for a, b, radius in _LIMBS),
    *((f"right_{a}", f"right_{b}", radius) for a, b, radius in _LIMBS),
    ("left_shoulder", "right_hip", 0.1),
    ("right_shoulder", "left_hip", 0.1),
    ("left_ear", "right_ear", 0.09),
)


def hidden_joints(view: View, skeleton: Skeleton) -> npt.NDArray[np.bool_]:
    """(M, T, V) whether a part of a body, of the same person or of another one, is in front of a
    joint. A joint is not hidden by the parts that it belongs to."""
    xy, depth = view.xy.astype(np.float64), view.depth.astype(np.float64)
    persons, _, joints = depth.shape
    hidden = np.zeros(depth.shape, bool)
    names = skeleton.joints
    focal = view.focal[:, None]
    for m in range(persons):
        for first, second, radius in _PARTS:
            if first not in names or second not in names:
                continue
            a, b = names.index(first), names.index(second)
            start, end = xy[m, :, a, None], xy[m, :, b, None]  # (T, 1, 2)
            along = end - start
            square = np.maximum((along**2).sum(axis=-1), 1e-9)
            for other in range(persons):
                share = (((xy[other] - start) * along).sum(axis=-1) / square).clip(0, 1)  # (T, V)
                near = start + share[..., None] * along
                part_depth = depth[m, :, a, None] * (1 - share) + depth[m, :, b, None] * share
                distance = np.linalg.norm(xy[other] - near, axis=-1)
                scale = np.maximum(part_depth, 0.1) / focal  # metres per pixel
                covered = (distance * scale < radius) & (depth[other] > part_depth + radius)
                if other == m:
                    own = [v for v in range(joints) if v in (a, b)]
                    covered[:, own] = False
                hidden[other] |= covered
    return hidden
