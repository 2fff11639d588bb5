"""How the actor moves: four dance and martial-arts vocabularies, played as keyframes of
inverse-kinematic targets.

A pose is one flat vector. Lengths are in units of the body (legs for feet, arms for wrists), so
that one choreography fits every build. The actor faces +z, its left is +x, y is up. The four
actions share place, costume, stage travel and body; only the motion differs.
"""

from __future__ import annotations

from collections.abc import Callable
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
    t = _frames(seconds)
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
    return line.sample(_frames(seconds), sharpness=1.15)


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
    return line.sample(_frames(seconds))


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
    t = _frames(seconds)
    out = line.sample(t, sharpness=1.25)
    phase = np.pi * t / beat
    out[:, FIELDS["pelvis"]][:, 1] -= 0.07 * np.abs(np.sin(phase))
    out[:, FIELDS["head"]][:, 1] += 0.12 * np.abs(np.sin(phase))
    out[:, FIELDS["wrist_l"]][:, 1] -= 0.06 * np.abs(np.sin(phase))
    out[:, FIELDS["wrist_r"]][:, 1] -= 0.06 * np.abs(np.sin(phase))
    out[:, FIELDS["yaw"]] += 0.25 * np.sin(2 * np.pi * t / 7 + rng.uniform(0, 6))[:, None]
    return out


ACTIONS: dict[str, Callable[[np.random.Generator, float, float], np.ndarray]] = {
    "Taichi": taichi,
    "Kata": kata,
    "Jazz": jazz,
    "HipHop": hiphop,
}
FPS = 15


def _frames(seconds: float) -> np.ndarray:
    return np.arange(round(seconds * FPS)) / FPS
