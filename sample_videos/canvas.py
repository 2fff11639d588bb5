"""A small z-buffered renderer of tapered limbs and a head with a face, shaded by one lamp."""

from __future__ import annotations

import cv2
import numpy as np
from actor import Colour, J, Limb, Performer, limbs


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
