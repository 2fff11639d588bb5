"""How the actor moves: keyframes of inverse-kinematic targets, and a timeline that plays them.

A pose is one flat vector. Lengths are in units of the body (legs for feet, arms for wrists), so
that one choreography fits every build. The actor faces +z, its left is +x, y is up. The four
actions share place, costume, stage travel and body; only the motion differs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# name -> slice of the pose vector
FIELDS = {
    "pelvis": slice(0, 3),  # shift from the standing pelvis (leg lengths): left, up, forward
    "yaw": slice(3, 4),
    "torso": slice(4, 7),  # pitch (forward), roll (to the left), twist of the shoulders [rad]
    "wrist_l": slice(7, 10),  # from the shoulder, in arm lengths: outward, up, forward
    "wrist_r": slice(10, 13),
    "foot_l": slice(
        13, 16
    ),  # ankle on the stage, leg lengths: outward from the middle, up, forward
    "foot_r": slice(16, 19),
    "head": slice(19, 21),  # yaw, pitch
    "elbow_l": slice(21, 24),  # where the elbow points: outward, up, forward
    "elbow_r": slice(24, 27),
}
SIZE = 27


def pose(**fields: object) -> np.ndarray:
    """A pose vector (27,) float64: the neutral stand with the given fields replaced."""
    vector = np.zeros(SIZE)
    vector[FIELDS["wrist_l"]] = vector[FIELDS["wrist_r"]] = (0.22, -0.93, 0.12)
    vector[FIELDS["foot_l"]] = vector[FIELDS["foot_r"]] = (0.15, 0.0, 0.0)
    vector[FIELDS["elbow_l"]] = vector[FIELDS["elbow_r"]] = (0.6, -0.5, -0.6)
    for name, value in fields.items():
        vector[FIELDS[name]] = value
    return vector


def mirrored(vector: np.ndarray) -> np.ndarray:
    """The same pose with left and right exchanged."""
    out = vector.copy()
    for part in ("wrist", "foot", "elbow"):
        out[FIELDS[f"{part}_l"]], out[FIELDS[f"{part}_r"]] = (
            vector[FIELDS[f"{part}_r"]],
            vector[FIELDS[f"{part}_l"]],
        )
    out[FIELDS["pelvis"]][0] *= -1
    out[FIELDS["yaw"]] *= -1
    out[FIELDS["torso"]][1:] *= -1
    out[FIELDS["head"]][0] *= -1
    return out


@dataclass
class Timeline:
    """Keyframes in time, joined by minimum-jerk transitions: standing still at every key, as a stop
    or as the turn of a slow circle."""

    times: list[float]
    poses: list[np.ndarray]

    def to(self, target: np.ndarray, seconds: float, hold: float = 0.0) -> None:
        self.times.append(self.times[-1] + seconds)
        self.poses.append(target)
        if hold > 0:
            self.times.append(self.times[-1] + hold)
            self.poses.append(target)

    def sample(self, at: np.ndarray, sharpness: float = 1.0) -> np.ndarray:
        """Pose vectors (len(at), 27) at the times `at` [s]; sharpness above 1 ends a transition
        early and waits."""
        times, poses = np.asarray(self.times), np.stack(self.poses)
        i = np.clip(np.searchsorted(times, at, side="right") - 1, 0, len(times) - 2)
        u = np.clip((at - times[i]) / np.maximum(times[i + 1] - times[i], 1e-6) * sharpness, 0, 1)[
            :, None
        ]
        ease = u**3 * (10 - 15 * u + 6 * u**2)
        return poses[i] * (1 - ease) + poses[i + 1] * ease


FPS = 15


def frame_times(seconds: float) -> np.ndarray:
    return np.arange(round(seconds * FPS)) / FPS
