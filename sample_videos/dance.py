"""The vocabularies of Jazz and HipHop."""

from __future__ import annotations

import numpy as np
from choreography import FIELDS, Timeline, frame_times, mirrored, pose


def jazz(rng: np.random.Generator, seconds: float, tempo: float) -> np.ndarray:
    """Long straight lines and travel: extended arms, leg extensions, lunges, half turns, one shape
    flowing into the next."""
    second = {
        "wrist_l": (0.95, 0.05, 0.15),
        "wrist_r": (0.95, 0.05, 0.15),
        "elbow_l": (0, -0.5, -1),
        "elbow_r": (0, -0.5, -1),
    }
    high = {
        "wrist_l": (0.5, 0.82, 0.1),
        "wrist_r": (0.5, 0.82, 0.1),
        "elbow_l": (1, 0.2, 0),
        "elbow_r": (1, 0.2, 0),
    }
    first = {
        "wrist_l": (-0.2, -0.35, 0.55),
        "wrist_r": (-0.2, -0.35, 0.55),
        "elbow_l": (1, -0.1, 0),
        "elbow_r": (1, -0.1, 0),
    }

    def lunge() -> list[tuple[np.ndarray, float]]:
        return [
            (pose(**first, pelvis=(0, -0.08, 0)), 0.45),
            (
                pose(
                    pelvis=(0.28, -0.16, 0),
                    torso=(0.0, 0.22, 0.1),
                    foot_l=(0.55, 0, 0),
                    foot_r=(0.42, 0, 0),
                    **second,
                ),
                0.55,
            ),
            (pose(pelvis=(0.0, 0.0, 0), torso=(0, -0.15, 0), **high), 0.55),
        ]

    def extension() -> list[tuple[np.ndarray, float]]:
        leg = pose(
            pelvis=(-0.12, -0.01, 0),
            torso=(-0.08, -0.18, 0),
            foot_l=(0.72, 0.62, 0.15),
            foot_r=(0.06, 0, 0),
            **second,
        )
        return [
            (pose(**first, pelvis=(-0.1, -0.09, 0)), 0.4),
            (leg, 0.5),
            (pose(**high, foot_l=(0.12, 0, -0.1)), 0.5),
        ]

    def passe() -> list[tuple[np.ndarray, float]]:
        knee = pose(**first, pelvis=(-0.1, 0.02, 0), foot_l=(0.1, 0.42, 0.12), foot_r=(0.05, 0, 0))
        turned = knee.copy()
        turned[FIELDS["yaw"]] = 0.9
        return [
            (pose(**second, pelvis=(0, -0.1, 0)), 0.4),
            (knee, 0.35),
            (turned, 0.4),
            (pose(**second), 0.45),
        ]

    def sway() -> list[tuple[np.ndarray, float]]:
        a = pose(
            pelvis=(0.18, -0.04, 0),
            torso=(0, -0.25, 0.2),
            foot_l=(0.25, 0, 0),
            foot_r=(0.25, 0, 0),
            wrist_l=(0.45, 0.85, 0.1),
            wrist_r=(0.9, -0.25, 0.1),
            elbow_l=(1, 0.2, 0),
        )
        return [(a, 0.55), (mirrored(a), 0.6)]

    def sweep() -> list[tuple[np.ndarray, float]]:
        down = pose(
            pelvis=(0, -0.14, -0.05),
            torso=(0.45, 0.1, 0.3),
            wrist_l=(0.3, -0.75, 0.5),
            wrist_r=(0.7, -0.5, 0.1),
            foot_l=(0.25, 0, 0.2),
            foot_r=(0.25, 0, -0.15),
        )
        return [(down, 0.55), (pose(**high, torso=(-0.12, 0, 0)), 0.6)]

    line = Timeline([0.0], [pose(**second)])
    moves = [lunge, extension, passe, sway, sweep]
    while line.times[-1] < seconds:
        flip = rng.random() < 0.5
        travel = rng.uniform(-0.3, 0.3)
        for key, move in moves[rng.integers(len(moves))]():
            key = mirrored(key) if flip else key.copy()
            key[FIELDS["pelvis"]][0] += travel
            key[FIELDS["foot_l"]][0] += travel
            key[FIELDS["foot_r"]][0] -= travel
            line.to(key, move / tempo, 0.05)
    return line.sample(frame_times(seconds))


def hiphop(rng: np.random.Generator, seconds: float, tempo: float) -> np.ndarray:
    """A bounce on every beat, bent arms, knees and chest working on their own."""
    beat = 0.56 / tempo
    base = {"pelvis": (0, -0.07, 0), "foot_l": (0.24, 0, 0), "foot_r": (0.24, 0, 0)}
    bent = {"elbow_l": (0.9, -0.3, -0.2), "elbow_r": (0.9, -0.3, -0.2)}

    def two_step() -> list[np.ndarray]:
        a = pose(
            pelvis=(0.12, -0.08, 0),
            foot_l=(0.4, 0, 0),
            foot_r=(0.1, 0, 0),
            wrist_l=(0.25, -0.3, 0.45),
            wrist_r=(0.1, -0.5, 0.25),
            torso=(0.08, 0.1, 0.15),
            **bent,
        )
        return [
            a,
            pose(**base, **bent, wrist_l=(0.1, -0.45, 0.3), wrist_r=(0.1, -0.45, 0.3)),
            mirrored(a),
        ]

    def pump() -> list[np.ndarray]:
        up = pose(
            **base,
            **bent,
            wrist_l=(0.25, 0.35, 0.3),
            wrist_r=(0.25, 0.35, 0.3),
            torso=(-0.08, 0, 0),
            head=(0, -0.1),
        )
        down = pose(
            **base,
            **bent,
            wrist_l=(0.2, -0.35, 0.4),
            wrist_r=(0.2, -0.35, 0.4),
            torso=(0.22, 0, 0),
            head=(0, 0.25),
        )
        return [up, down, up, down]

    def running_man() -> list[np.ndarray]:
        a = pose(
            pelvis=(-0.05, -0.06, 0),
            foot_l=(0.14, 0.3, 0.18),
            foot_r=(0.14, 0, -0.1),
            wrist_l=(0.1, -0.45, 0.15),
            wrist_r=(0.05, -0.15, 0.5),
            torso=(0.12, 0, 0.1),
            **bent,
        )
        return [a, mirrored(a), a, mirrored(a)]

    def isolate() -> list[np.ndarray]:
        a = pose(
            **{**base, "pelvis": (0.08, -0.08, 0.02)},
            **bent,
            torso=(0.0, -0.22, 0.25),
            head=(-0.3, 0.05),
            wrist_l=(0.45, -0.1, 0.35),
            wrist_r=(0.25, -0.5, 0.2),
        )
        b = pose(
            **{**base, "pelvis": (-0.08, -0.08, -0.02)},
            **bent,
            torso=(0.2, 0.2, -0.25),
            head=(0.3, 0.1),
            wrist_l=(0.25, -0.5, 0.2),
            wrist_r=(0.45, -0.1, 0.35),
        )
        return [a, b, a]

    def cross() -> list[np.ndarray]:
        x = pose(
            **base,
            **bent,
            wrist_l=(-0.35, -0.25, 0.45),
            wrist_r=(-0.35, -0.3, 0.5),
            torso=(0.18, 0, 0),
        )
        openup = pose(
            pelvis=(0, -0.14, 0),
            foot_l=(0.36, 0, 0),
            foot_r=(0.36, 0, 0),
            **bent,
            wrist_l=(0.6, -0.2, 0.3),
            wrist_r=(0.6, -0.2, 0.3),
            torso=(-0.05, 0, 0),
        )
        return [x, openup, x]

    line = Timeline(
        [0.0], [pose(**base, **bent, wrist_l=(0.1, -0.5, 0.3), wrist_r=(0.1, -0.5, 0.3))]
    )
    moves = [two_step, pump, running_man, isolate, cross]
    while line.times[-1] < seconds:
        flip = rng.random() < 0.5
        for key in moves[rng.integers(len(moves))]():
            line.to(mirrored(key) if flip else key, beat)
    t = frame_times(seconds)
    out = line.sample(t, sharpness=1.25)
    phase = np.pi * t / beat
    out[:, FIELDS["pelvis"]][:, 1] -= 0.07 * np.abs(np.sin(phase))
    out[:, FIELDS["head"]][:, 1] += 0.12 * np.abs(np.sin(phase))
    out[:, FIELDS["wrist_l"]][:, 1] -= 0.06 * np.abs(np.sin(phase))
    out[:, FIELDS["wrist_r"]][:, 1] -= 0.06 * np.abs(np.sin(phase))
    out[:, FIELDS["yaw"]] += 0.25 * np.sin(2 * np.pi * t / 7 + rng.uniform(0, 6))[:, None]
    return out
