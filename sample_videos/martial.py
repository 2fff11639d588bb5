"""The vocabularies of Taichi and Kata."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from choreography import FIELDS, Timeline, frame_times, mirrored, pose


def taichi(rng: np.random.Generator, seconds: float, tempo: float) -> np.ndarray:
    """Slow, unbroken: the weight sinks from leg to leg, the hands draw circles."""
    low = -0.10
    wide = {"foot_l": (0.30, 0, 0.02), "foot_r": (0.30, 0, 0.02)}

    def float_up() -> list[np.ndarray]:
        return [
            pose(pelvis=(0, -0.05, 0), wrist_l=(0.05, 0.0, 0.9), wrist_r=(0.05, 0.0, 0.9), **wide),
            pose(
                pelvis=(0, low - 0.06, 0),
                wrist_l=(0.1, -0.55, 0.5),
                wrist_r=(0.1, -0.55, 0.5),
                **wide,
            ),
        ]

    def mane(side: int) -> list[np.ndarray]:
        ball = pose(
            pelvis=(-0.14, low, 0),
            torso=(0.03, 0, -0.2),
            wrist_l=(-0.15, -0.5, 0.45),
            wrist_r=(0.0, 0.0, 0.5),
            **wide,
        )
        part = pose(
            pelvis=(0.17, low - 0.03, 0.06),
            torso=(0.06, 0, 0.35),
            head=(0.3, 0),
            wrist_l=(0.35, 0.15, 0.8),
            wrist_r=(0.30, -0.75, 0.25),
            foot_l=(0.38, 0, 0.18),
            foot_r=(0.30, 0, -0.08),
        )
        return [ball, part] if side > 0 else [mirrored(ball), mirrored(part)]

    def clouds(side: int) -> list[np.ndarray]:
        keys = []
        for k in range(5):
            a = k / 4 * 2 * np.pi
            keys.append(
                pose(
                    pelvis=(0.16 * np.cos(a) * side, low, 0),
                    torso=(0.03, 0, 0.3 * np.cos(a) * side),
                    wrist_l=(0.15 + 0.4 * np.cos(a), -0.15 + 0.4 * np.sin(a), 0.62),
                    wrist_r=(0.15 - 0.4 * np.cos(a + 0.6), -0.15 - 0.4 * np.sin(a + 0.6), 0.62),
                    **wide,
                )
            )
        return keys

    def push(side: int) -> list[np.ndarray]:
        back = pose(
            pelvis=(0.0, low - 0.02, -0.12),
            torso=(-0.04, 0, 0.1),
            wrist_l=(0.2, -0.25, 0.35),
            wrist_r=(0.2, -0.25, 0.35),
            foot_l=(0.26, 0, 0.2),
            foot_r=(0.26, 0, -0.12),
        )
        front = pose(
            pelvis=(0.04, low - 0.04, 0.14),
            torso=(0.1, 0, 0),
            wrist_l=(0.08, 0.08, 0.9),
            wrist_r=(0.08, 0.08, 0.9),
            foot_l=(0.26, 0, 0.2),
            foot_r=(0.26, 0, -0.12),
        )
        return [back, front] if side > 0 else [mirrored(back), mirrored(front)]

    line = Timeline([0.0], [pose(pelvis=(0, -0.04, 0))])
    moves: list[Callable[[int], list[np.ndarray]]] = [lambda _: float_up(), mane, clouds, push]
    while line.times[-1] < seconds:
        for key in moves[rng.integers(4)](int(rng.choice([-1, 1]))):
            line.to(key, rng.uniform(1.2, 1.9) / tempo)
    t = frame_times(seconds)
    out = line.sample(t)
    # a circle has no corners: smooth across the keys, which also removes every stop
    kernel = np.hanning(15)[:, None]
    padded = np.concatenate([out[:1].repeat(7, 0), out, out[-1:].repeat(7, 0)])
    out = np.stack([(padded[i : i + 15] * kernel).sum(0) for i in range(len(t))]) / kernel.sum()
    out[:, FIELDS["yaw"]] += 0.35 * np.sin(2 * np.pi * t / 11 + rng.uniform(0, 6))[:, None]
    return out


def kata(rng: np.random.Generator, seconds: float, tempo: float) -> np.ndarray:
    """Stances, punches, blocks and kicks: fast, straight, each followed by a dead stop."""
    chamber, guard = (0.12, -0.55, -0.12), (0.0, -0.25, 0.5)
    front = {"foot_l": (0.2, 0, 0.42), "foot_r": (0.2, 0, -0.34), "pelvis": (0, -0.12, 0.08)}
    horse = {"foot_l": (0.42, 0, 0), "foot_r": (0.42, 0, 0), "pelvis": (0, -0.2, 0)}
    ready = {"foot_l": (0.2, 0, 0), "foot_r": (0.2, 0, 0), "pelvis": (0, -0.02, 0)}

    def stance() -> dict:
        return (front, horse, front, ready)[rng.integers(4)]

    def punch() -> list[tuple[np.ndarray, float, float]]:
        s = stance()
        hit = pose(**s, wrist_l=(-0.12, -0.02, 0.97), wrist_r=chamber, torso=(0.03, 0, -0.25))
        other = pose(**s, wrist_r=(-0.12, -0.02, 0.97), wrist_l=chamber, torso=(0.03, 0, 0.25))
        return [(hit, 0.2, 0.32), (other, 0.2, 0.5)]

    def rising() -> list[tuple[np.ndarray, float, float]]:
        s = stance()
        load = pose(**s, wrist_l=(-0.25, -0.3, 0.35), wrist_r=(-0.2, 0.0, 0.6))
        up = pose(
            **s,
            wrist_l=(-0.1, 0.42, 0.38),
            wrist_r=chamber,
            torso=(0, 0, -0.3),
            elbow_l=(0.9, 0.3, 0.1),
        )
        return [(load, 0.2, 0.0), (up, 0.2, 0.55)]

    def down() -> list[tuple[np.ndarray, float, float]]:
        load = pose(**front, wrist_l=(-0.3, 0.05, 0.35), wrist_r=(-0.1, -0.35, 0.6))
        low = pose(**front, wrist_l=(0.15, -0.75, 0.55), wrist_r=chamber, torso=(0.05, 0, -0.3))
        return [(load, 0.25, 0.05), (low, 0.18, 0.55)]

    def knife() -> list[tuple[np.ndarray, float, float]]:
        load = pose(**horse, wrist_l=(-0.35, 0.1, 0.35), wrist_r=(0.1, -0.4, 0.4))
        cut = pose(
            **horse,
            wrist_l=(0.85, 0.08, 0.35),
            wrist_r=(0.0, -0.35, 0.35),
            head=(0.5, 0),
            torso=(0, 0, 0.2),
        )
        return [(load, 0.25, 0.08), (cut, 0.18, 0.55)]

    def kick() -> list[tuple[np.ndarray, float, float]]:
        base = {"wrist_l": guard, "wrist_r": guard, "foot_r": (0.1, 0, 0)}
        knee = pose(**base, pelvis=(-0.1, -0.03, 0), foot_l=(0.12, 0.42, 0.28), torso=(-0.03, 0, 0))
        out = pose(
            **base, pelvis=(-0.1, -0.02, 0.05), foot_l=(0.1, 0.72, 0.72), torso=(-0.18, 0, 0)
        )
        land = pose(**front, wrist_l=guard, wrist_r=guard)
        return [(knee, 0.28, 0.05), (out, 0.18, 0.12), (knee, 0.2, 0.05), (land, 0.3, 0.35)]

    line = Timeline([0.0], [pose(**ready, wrist_l=(0.0, -0.75, 0.4), wrist_r=(0.0, -0.75, 0.4))])
    line.to(line.poses[0], 0.4)
    moves = [punch, punch, rising, down, knife, kick, kick]
    while line.times[-1] < seconds:
        flip = rng.random() < 0.5
        yaw = rng.choice([-0.6, 0.0, 0.0, 0.6])
        for key, move, hold in moves[rng.integers(len(moves))]():
            key = mirrored(key) if flip else key.copy()
            key[FIELDS["yaw"]] += yaw
            line.to(key, move / tempo, hold / tempo)
    return line.sample(frame_times(seconds), sharpness=1.15)
