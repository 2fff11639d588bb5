"""The actor's body: builds and clothes, inverse kinematics from a pose vector to joints, limbs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from choreography import FIELDS

JOINTS = (
    "neck", "pelvis", "left_hip", "left_knee", "left_ankle", "left_foot", "right_hip", "right_knee", "right_ankle", "right_foot",
    "left_shoulder", "left_elbow", "left_wrist", "left_hand", "right_shoulder", "right_elbow", "right_wrist", "right_hand", "head",
)  # fmt: skip
J = {name: i for i, name in enumerate(JOINTS)}
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Performer:
    """One person: height [m], girth factor, tempo factor, colours in BGR, sleeve share of the arm
    that is clothed."""

    name: str
    height: float
    girth: float
    tempo: float
    skin: Colour
    hair: Colour
    shirt: Colour
    trousers: Colour
    shoes: Colour
    sleeve: float
    long_hair: bool = False


PERFORMERS = {
    p.name: p
    for p in (
        Performer(
            "A",
            1.78,
            1.00,
            1.00,
            (140, 172, 222),
            (25, 35, 50),
            (70, 60, 150),
            (95, 70, 45),
            (40, 40, 45),
            0.45,
        ),
        Performer(
            "B",
            1.64,
            0.92,
            1.12,
            (150, 185, 235),
            (40, 70, 120),
            (150, 130, 60),
            (60, 55, 60),
            (200, 200, 205),
            0.95,
            True,
        ),
        Performer(
            "C",
            1.85,
            1.14,
            0.90,
            (70, 100, 150),
            (15, 15, 20),
            (190, 190, 185),
            (110, 60, 50),
            (60, 30, 30),
            0.40,
        ),
        Performer(
            "D",
            1.70,
            1.05,
            1.05,
            (110, 145, 200),
            (80, 100, 130),
            (75, 120, 65),
            (80, 95, 110),
            (30, 30, 60),
            0.90,
        ),
    )
}


def rotation(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> np.ndarray:
    """3x3: roll about z, then pitch about x (forward), then yaw about y (to the actor's left)."""
    cy, sy, cp, sp, cr, sr = (
        np.cos(yaw),
        np.sin(yaw),
        np.cos(pitch),
        np.sin(pitch),
        np.cos(roll),
        np.sin(roll),
    )
    y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    p = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    r = np.array([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]])
    return y @ p @ r


def two_bones(
    root: np.ndarray, target: np.ndarray, a: float, b: float, pole: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Middle and end of a limb of lengths a, b reaching for `target` (as far as it can), bending
    towards `pole`. All (3,) metres."""
    reach = target - root
    d = float(np.clip(np.linalg.norm(reach), abs(a - b) + 0.02, 0.995 * (a + b)))
    axis = reach / max(np.linalg.norm(reach), 1e-9)
    along = (a * a - b * b + d * d) / (2 * d)
    side = pole - axis * (pole @ axis)
    side /= max(np.linalg.norm(side), 1e-9)
    return root + axis * along + side * np.sqrt(max(a * a - along * along, 0.0)), root + axis * d


def joints(p: Performer, vector: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 19 MADS joints (19, 3) in metres (y up, stage origin between the standing feet) and the
    head's rotation (3, 3)."""
    h = p.height
    leg, arm = 0.485 * h, 0.325 * h
    f = {name: vector[s] for name, s in FIELDS.items()}
    turn = rotation(f["yaw"][0])
    pelvis = turn @ (np.array([0, 0.525 * h, 0]) + f["pelvis"] * leg)
    pitch, roll, twist = f["torso"]
    spine = turn @ rotation(0, pitch, roll)
    chest = spine @ rotation(twist)
    out = np.empty((19, 3))
    out[J["pelvis"]] = pelvis
    neck = pelvis + spine @ np.array([0, 0.295 * h, 0.0])
    out[J["neck"]] = neck
    look = turn @ rotation(f["head"][0], pitch * 0.5 + f["head"][1], roll * 0.6)
    out[J["head"]] = neck + look @ np.array([0, 0.105 * h, 0.012 * h])
    for side, s in (("left", 1.0), ("right", -1.0)):
        k, flip = side[0], np.array([s, 1, 1])
        hip = pelvis + turn @ np.array([s * 0.053 * h, -0.01 * h, 0])
        shoulder = neck + chest @ np.array([s * 0.108 * h * (0.6 + 0.4 * p.girth), -0.018 * h, 0])
        foot = f[f"foot_{k}"]
        ankle_at = turn @ np.array([s * foot[0] * leg, 0.045 * h + foot[1] * leg, foot[2] * leg])
        knee, ankle = two_bones(
            hip, ankle_at, 0.245 * h, 0.24 * h, turn @ np.array([s * 0.25, 0, 1.0])
        )
        shin = (ankle - knee) / np.linalg.norm(ankle - knee)
        lifted = float(np.clip(foot[1] / 0.25, 0, 1))
        toe_flat, toe_up = (
            turn @ np.array([s * 0.3, -0.28, 0.95]),
            turn @ np.array([s * 0.15, 0, 1.0]),
        )
        toe = (
            toe_flat * (1 - lifted) + (toe_up - shin * (toe_up @ shin) * 0.7 + shin * 0.35) * lifted
        )
        wrist_at = shoulder + chest @ (f[f"wrist_{k}"] * flip * arm)
        elbow, wrist = two_bones(
            shoulder, wrist_at, 0.168 * h, 0.157 * h, chest @ (f[f"elbow_{k}"] * flip)
        )
        fore = (wrist - elbow) / np.linalg.norm(wrist - elbow)
        for name, at in (
            ("hip", hip),
            ("knee", knee),
            ("ankle", ankle),
            ("shoulder", shoulder),
            ("elbow", elbow),
            ("wrist", wrist),
        ):
            out[J[f"{side}_{name}"]] = at
        out[J[f"{side}_foot"]] = ankle + toe / np.linalg.norm(toe) * 0.105 * h
        out[J[f"{side}_hand"]] = wrist + fore * 0.055 * h
    return out, look


@dataclass(frozen=True)
class Limb:
    """A tapered capsule between two points (3,) [m] with radii [m]; `colours` may change along it
    at `cut` (0..1), as a sleeve ends."""

    a: np.ndarray
    b: np.ndarray
    ra: float
    rb: float
    colour: Colour
    far_colour: Colour | None = None
    cut: float = 1.0


def limbs(p: Performer, at: np.ndarray, look: np.ndarray) -> list[Limb]:
    """Everything of the body but the head, as capsules."""
    h, g = p.height, p.girth
    out: list[Limb] = []

    def capsule(
        a: np.ndarray,
        b: np.ndarray,
        ra: float,
        rb: float,
        colour: Colour,
        far: Colour | None = None,
        cut: float = 1.0,
    ) -> None:
        out.append(Limb(a, b, ra * h, rb * h, colour, far, cut))

    pelvis, neck = at[J["pelvis"]], at[J["neck"]]
    up = (neck - pelvis) / np.linalg.norm(neck - pelvis)
    belt = tuple(c // 3 for c in p.trousers)
    for side in ("left", "right"):
        hip, knee, ankle, foot = (at[J[f"{side}_{n}"]] for n in ("hip", "knee", "ankle", "foot"))
        shoulder, elbow, wrist, hand = (
            at[J[f"{side}_{n}"]] for n in ("shoulder", "elbow", "wrist", "hand")
        )
        armpit = shoulder - up * 0.055 * h
        middle = (shoulder + neck) / 2
        capsule(shoulder * 0.9 + neck * 0.1, middle - up * 0.05 * h, 0.036 * g, 0.062 * g, p.shirt)
        capsule(
            neck * 0.55 + armpit * 0.45 - up * 0.01 * h,
            pelvis * 0.45 + hip * 0.55 + up * 0.075 * h,
            0.066 * g,
            0.058 * g,
            p.shirt,
        )
        capsule(neck - up * 0.01 * h, shoulder, 0.032, 0.034 * g, p.shirt)
        capsule(
            pelvis * 0.5 + hip * 0.5 + up * 0.05 * h,
            hip,
            0.060 * g,
            0.056 * g,
            belt,
            p.trousers,
            0.12,
        )
        capsule(hip, knee, 0.053 * g, 0.036 * g, p.trousers)
        capsule(knee, ankle, 0.037 * g, 0.026, p.trousers, p.skin, 0.94)
        capsule(ankle - (knee - ankle) * 0.10, foot, 0.024, 0.017, p.shoes)
        capsule(ankle, ankle - (knee - ankle) * 0.11, 0.024, 0.024, p.shoes)
        upper = min(p.sleeve * 2, 1.0)
        capsule(shoulder, elbow, 0.034 * g, 0.026 * g, p.shirt, p.skin, upper)
        lower = max(p.sleeve * 2 - 1, 0.0)
        capsule(
            elbow,
            wrist,
            0.026 * g,
            0.0175,
            p.shirt if lower > 0 else p.skin,
            p.skin,
            lower if lower > 0 else 1.0,
        )
        palm = wrist + (hand - wrist) * 0.8
        capsule(wrist, palm, 0.0175, 0.022, p.skin)
        capsule(palm, hand + (hand - wrist) * 0.45, 0.020, 0.012, p.skin)
        thumb = look @ np.array([0, 0.018 * h, 0.012 * h])
        capsule(palm, palm + thumb, 0.010, 0.008, p.skin)
    capsule(neck - up * 0.01 * h, at[J["head"]], 0.031, 0.030, p.skin)
    return out
