"""The actor's body: builds and clothes, inverse kinematics from a pose vector to joints, and a
small z-buffered renderer of tapered limbs."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
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


class Canvas:
    """An image (H, W, 3) float32 with a depth buffer; everything drawn is shaded by one lamp over
    the camera's shoulder."""

    LAMP = np.array([-0.45, -0.65, -0.62]) / np.linalg.norm([-0.45, -0.65, -0.62])

    def __init__(self, background: np.ndarray, matrix: np.ndarray, r: np.ndarray, t: np.ndarray):
        self.image = background.copy()
        self.depth = np.full(background.shape[:2], np.inf, np.float32)
        self.matrix, self.r, self.t = matrix, r, t

    def to_camera(self, point: np.ndarray) -> np.ndarray:
        return self.r @ point + self.t

    def _window(
        self, u0: float, v0: float, u1: float, v1: float
    ) -> tuple[slice, slice, np.ndarray, np.ndarray] | None:
        height, width = self.depth.shape
        x0, x1 = max(int(u0), 0), min(int(u1) + 2, width)
        y0, y1 = max(int(v0), 0), min(int(v1) + 2, height)
        if x0 >= x1 or y0 >= y1:
            return None
        v, u = np.mgrid[y0:y1, x0:x1].astype(np.float32)
        return slice(y0, y1), slice(x0, x1), u, v

    def _paint(
        self,
        ys: slice,
        xs: slice,
        mask: np.ndarray,
        z: np.ndarray,
        colour: np.ndarray,
        normal: tuple,
    ) -> None:
        mask &= z < self.depth[ys, xs]
        nx, ny, nz = normal
        light = np.clip(-(nx * self.LAMP[0] + ny * self.LAMP[1] + nz * self.LAMP[2]) * -1, 0, 1)
        shade = 0.50 + 0.55 * light - 0.12 * (ny > 0) * ny
        value = colour * shade[..., None]
        self.image[ys, xs][mask] = value[mask]
        self.depth[ys, xs][mask] = z[mask]

    def limb(self, limb: Limb) -> None:
        """Draw one capsule: in the image it is a tapered stroke, its depth and normals those of the
        round body."""
        ca, cb = self.to_camera(limb.a), self.to_camera(limb.b)
        focal = self.matrix[0, 0]
        (ua, va), (ub, vb) = ((self.matrix @ c)[:2] / c[2] for c in (ca, cb))
        ra, rb = limb.ra * focal / ca[2], limb.rb * focal / cb[2]
        window = self._window(
            min(ua - ra, ub - rb),
            min(va - ra, vb - rb),
            max(ua + ra, ub + rb),
            max(va + ra, vb + rb),
        )
        if window is None:
            return
        ys, xs, u, v = window
        du, dv = ub - ua, vb - va
        along = np.clip(((u - ua) * du + (v - va) * dv) / max(du * du + dv * dv, 1e-6), 0, 1)
        radius = ra + (rb - ra) * along
        nx, ny = (u - ua - along * du) / radius, (v - va - along * dv) / radius
        flat = nx * nx + ny * ny
        nz = -np.sqrt(np.clip(1 - flat, 0, 1))
        z = ca[2] + (cb[2] - ca[2]) * along + nz * (limb.ra + (limb.rb - limb.ra) * along)
        colour = np.broadcast_to(np.float32(limb.colour), (*u.shape, 3))
        if limb.far_colour is not None:
            colour = np.where((along > limb.cut)[..., None], np.float32(limb.far_colour), colour)
        folds = 1 + 0.05 * np.sin(along * 21 + nx * 3)
        self._paint(ys, xs, flat <= 1, z, colour * folds[..., None], (nx, ny, nz))

    def head(self, p: Performer, at: np.ndarray, look: np.ndarray) -> None:
        """An ellipsoid with hair, eyes, brows, mouth, then nose and ears as small capsules."""
        centre, scale = (
            self.to_camera(at[J["head"]] + look @ np.array([0, 0.012, 0]) * p.height),
            p.height,
        )
        focal = self.matrix[0, 0]
        radii = np.array([0.045, 0.064, 0.054]) * scale
        frame = self.r @ look  # head -> camera
        uc, vc = (self.matrix @ centre)[:2] / centre[2]
        reach = radii.max() * focal / centre[2]
        window = self._window(uc - reach, vc - reach, uc + reach, vc + reach)
        if window is not None:
            ys, xs, u, v = window
            x, y = (u - uc) * centre[2] / focal, (v - vc) * centre[2] / focal
            # orthographic ray (x, y, s) against the ellipsoid q'q = 1, q = radii^-1 frame' (x, y,
            # s)
            inverse = frame.T / radii[:, None]
            base = np.stack([inverse[k, 0] * x + inverse[k, 1] * y for k in range(3)])
            step = inverse[:, 2]
            a, b, c = step @ step, np.tensordot(step, base, 1), (base**2).sum(0) - 1
            disc = b * b - a * c
            s = (-b - np.sqrt(np.clip(disc, 0, None))) / a
            q = base + step[:, None, None] * s
            normal = np.tensordot(frame, q / radii[:, None, None], 1)
            normal /= np.maximum(np.linalg.norm(normal, axis=0), 1e-9)
            self._paint(ys, xs, disc > 0, centre[2] + s, self._face(p, q), tuple(normal))
        for side in (1, -1):
            ear = at[J["head"]] + look @ (np.array([side * 0.046, 0.006, -0.004]) * scale)
            self.limb(
                Limb(
                    ear,
                    ear + look @ np.array([0, 0.012, 0]) * scale,
                    0.010 * scale,
                    0.011 * scale,
                    p.skin,
                )
            )
        nose = at[J["head"]] + look @ (np.array([0, 0.016, 0.051]) * scale)
        darker: Colour = tuple(int(c * 0.93) for c in p.skin)  # type: ignore[assignment]
        self.limb(
            Limb(
                nose,
                nose + look @ (np.array([0, -0.014, 0.010]) * scale),
                0.006 * scale,
                0.009 * scale,
                darker,
            )
        )
        if p.long_hair:
            back = at[J["head"]] + look @ (np.array([0, 0.02, -0.03]) * scale)
            self.limb(
                Limb(
                    back,
                    back + look @ (np.array([0, -0.10, -0.012]) * scale),
                    0.040 * scale,
                    0.022 * scale,
                    p.hair,
                )
            )

    @staticmethod
    def _face(p: Performer, q: np.ndarray) -> np.ndarray:
        """Colours (H, W, 3) over the unit directions q (3, H, W) of the head: x left, y up, z
        forward."""
        x, y, z = q
        colour = np.broadcast_to(np.float32(p.skin), (*x.shape, 3)).copy()

        def put(mask: np.ndarray, value: Colour) -> None:
            colour[mask] = value

        front = z > 0
        for side in (1, -1):
            dx = x - side * 0.40
            put(front & ((dx / 0.17) ** 2 + ((y - 0.12) / 0.085) ** 2 < 1), (235, 238, 240))
            put(front & ((dx / 0.085) ** 2 + ((y - 0.12) / 0.09) ** 2 < 1), (35, 40, 50))
            put(front & (np.abs(dx) < 0.22) & (np.abs(y - 0.30 + 0.25 * dx * dx) < 0.04), p.hair)
        put(front & ((x / 0.30) ** 2 + ((y + 0.50) / 0.075) ** 2 < 1), (75, 70, 165))
        put((y > 0.52 + 0.25 * np.clip(z, -1, 0)) | ((z < -0.12) & (y > -0.45)), p.hair)
        return colour


def draw(canvas: Canvas, p: Performer, at: np.ndarray, look: np.ndarray) -> None:
    for limb in limbs(p, at, look):
        canvas.limb(limb)
    canvas.head(p, at, look)


def soft_shadow(
    image: np.ndarray, matrix: np.ndarray, r: np.ndarray, t: np.ndarray, at: np.ndarray
) -> None:
    """Darken the floor under the body, in place: one blurred ellipse a foot and one for the trunk."""
    mask = np.zeros(image.shape[:2], np.float32)
    for name, radius, weight in (
        ("left_ankle", 0.16, 0.8),
        ("right_ankle", 0.16, 0.8),
        ("pelvis", 0.30, 0.6),
    ):
        ground = at[J[name]] * np.array([1, 0, 1])
        c = r @ ground + t
        u, v = (matrix @ c)[:2] / c[2]
        size = radius * matrix[0, 0] / c[2]
        cv2.ellipse(mask, (int(u), int(v)), (int(size), int(size * 0.28)), 0, 0, 360, weight, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), image.shape[1] / 110)
    image *= 1 - 0.38 * mask[..., None]
