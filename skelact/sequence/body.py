"""Joints that a 3-D skeleton lacks, derived from those that it has, so that motion capture gets the
joints of a pose estimator: the face from the shoulders and the head, hands and feet from the limbs.

The proportions are medians of BlazePose's world landmarks over 6,089 frames of everyday footage, in
units of the torso (middle of the shoulders to middle of the hips)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from skelact.skeletons import Skeleton, convert
from skelact.types import Floats

# left-right (a left joint is positive), up the neck and forward, from the middle of the shoulders
_FACE = {
    "nose": (0.0, 0.40, 0.25),
    "eye_inner": (0.02, 0.46, 0.19),
    "eye": (0.035, 0.46, 0.19),
    "eye_outer": (0.05, 0.46, 0.19),
    "ear": (0.152, 0.37, 0.0),
    "mouth": (0.044, 0.324, 0.195),
    "head": (0.0, 0.42, 0.0),
}
_HAND = {"index": 0.13, "pinky": 0.11, "thumb": 0.04, "hand": 0.10}  # beyond the wrist
_FOOT = {  # beyond the ankle, forward
    "heel": (0.09, 0.015),
    "foot_index": (0.12, 0.245),
    "big_toe": (0.12, 0.245),
    "small_toe": (0.12, 0.21),
    "foot": (0.12, 0.2),
}
_WIDTHS = {"shoulder": 0.68, "hip": 0.45}
_HEAD = ("head", "nose", "neck")  # the joint that tells where the neck points, best first
_MIDDLES = {  # a joint in the middle of two others
    "neck": "shoulder",
    "spine_shoulder": "shoulder",
    "pelvis": "hip",
    "mid_hip": "hip",
}


def to_body(
    points: Floats, source: Skeleton, target: Skeleton, leg_ratio: float | None = None
) -> Floats:
    """points (M, T, V, 3) of `source` in a right-handed frame, in any unit, as the joints of
    `target` (M, T, V', 3). Joints are matched by their names; those of the face, hands and feet,
    the neck and the middle of the hips are derived where they are missing. What cannot be derived,
    for want of shoulders, hips or limbs, is NaN.

    Motion capture puts hips and shoulders at the joints of the bones. With `leg_ratio`, they are
    moved along and across the torso to where BlazePose has them: the legs are `leg_ratio` times as
    long as the torso, and the widths are its medians."""
    out = np.asarray(convert(points, source, target), np.float32)
    known = {joint: points[..., v, :] for v, joint in enumerate(source.joints)}

    def of(name: str) -> Floats | None:
        return known.get(name)

    def middle(part: str) -> Floats | None:
        left, right = of(f"left_{part}"), of(f"right_{part}")
        return None if left is None or right is None else (left + right) / 2

    shoulders, hips = middle("shoulder"), middle("hip")
    if shoulders is None or hips is None:
        return out
    if leg_ratio is not None:
        for joint, moved in _as_estimated(known, shoulders, hips, leg_ratio).items():
            known[joint] = moved
            if target.find(joint):
                out[..., target.index(joint), :] = moved
        shoulders, hips = middle("shoulder"), middle("hip")
        assert shoulders is not None and hips is not None
    torso = np.linalg.norm(shoulders - hips, axis=-1, keepdims=True)
    torso = np.nanmedian(torso, axis=1, keepdims=True)
    head = next((p for p in map(of, _HEAD) if p is not None and _apart(p, shoulders, torso)), None)
    neck = _unit((shoulders - hips) if head is None else (head - shoulders))
    across = known["left_shoulder"] - known["right_shoulder"]
    across = _unit(across - (across * neck).sum(axis=-1, keepdims=True) * neck)
    forward = np.cross(across, neck)
    for v, joint in enumerate(target.joints):
        if not np.isnan(out[..., v, :]).all():
            continue
        side, part = _side(joint)
        found: Floats | None = None
        if part in _FACE:
            x, y, z = _FACE[part]
            sign = {"left": 1, "right": -1}.get(side, 0)
            found = shoulders + torso * (sign * x * across + y * neck + z * forward)
        elif part in _MIDDLES and not side:
            found = middle(_MIDDLES[part])
        elif part in _HAND and side:
            wrist, elbow = of(f"{side}_wrist"), of(f"{side}_elbow")
            if wrist is not None and elbow is not None:
                found = wrist + torso * _HAND[part] * _unit(wrist - elbow)
        elif part in _FOOT and side:
            ankle, knee = of(f"{side}_ankle"), of(f"{side}_knee")
            if ankle is not None and knee is not None:
                down, ahead = _FOOT[part]
                shin = _unit(ankle - knee)
                toe = of(f"{side}_foot")
                front = forward if toe is None else toe - ankle
                front = _unit(front - (front * shin).sum(axis=-1, keepdims=True) * shin)
                found = ankle + torso * (down * shin + ahead * front)
        if found is not None:
            out[..., v, :] = found
    return out


def _as_estimated(
    known: Mapping[str, Floats], shoulders: Floats, hips: Floats, leg_ratio: float
) -> dict[str, Floats]:
    """Shoulders and hips where BlazePose has them; distances are medians over the frames."""

    def length(vector: Floats) -> float:
        return float(np.nanmedian(np.linalg.norm(vector, axis=-1)))

    torso = length(shoulders - hips)
    limbs = (("hip", "knee"), ("knee", "ankle"))
    legs = [
        length(known[f"{s}_{a}"] - known[f"{s}_{b}"])
        for s in ("left", "right")
        for a, b in limbs
        if f"{s}_{b}" in known
    ]
    lower = 0.0
    if len(legs) == 4:  # of the longer torso, three quarters are added at the hips
        lower = (sum(legs) / 2 / leg_ratio - torso) / (4 / 3 + 1 / leg_ratio)
        lower = float(np.clip(lower, -0.1 * torso, 0.4 * torso))
    down = _unit(hips - shoulders)
    out = {}
    longer = torso + 4 / 3 * lower
    for part, middle, shift in (
        ("shoulder", shoulders, -lower / 3 * down),
        ("hip", hips, lower * down),
    ):
        width = length(known[f"left_{part}"] - known[f"right_{part}"])
        scale = float(np.clip(_WIDTHS[part] * longer / max(width, 1e-6), 0.6, 1.8))
        for side in ("left", "right"):
            joint = f"{side}_{part}"
            out[joint] = np.asarray(middle + shift + scale * (known[joint] - middle), np.float32)
    return out


def _apart(head: Floats, shoulders: Floats, torso: Floats) -> bool:
    """Whether a joint is far enough from the shoulders to tell the direction of the neck."""
    distance = np.linalg.norm(head - shoulders, axis=-1, keepdims=True) / np.maximum(torso, 1e-6)
    return bool(np.nanmedian(distance) > 0.12) if np.isfinite(distance).any() else False


def _unit(vectors: Floats) -> Floats:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-6), np.float32)


def _side(joint: str) -> tuple[str, str]:
    """'left_eye' -> ('left', 'eye'), 'mouth_left' -> ('left', 'mouth'), 'nose' -> ('', 'nose')."""
    for side in ("left", "right"):
        if joint.startswith(f"{side}_"):
            return side, joint.removeprefix(f"{side}_")
        if joint.endswith(f"_{side}"):
            return side, joint.removesuffix(f"_{side}")
    return "", joint
