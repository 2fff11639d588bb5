"""Render the sample set: a small MADS-shaped collection of four actions with exact ground truth.
Same machine, same bytes.

    python sample_videos/render.py [--out DIR] [--only Kata] [--jobs N]

Needs numpy, OpenCV, SciPy (for the .mat files) and an ffmpeg with libx264 (the system's, or the one
inside imageio-ffmpeg).
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import subprocess
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from actor import JOINTS, PERFORMERS, Performer, joints
from canvas import Canvas, draw, soft_shadow
from choreography import FPS, pose
from dance import hiphop, jazz
from martial import kata, taichi
from scipy.io import savemat

WIDTH, HEIGHT, OVERSAMPLE = 512, 384, 2
SEQUENCES = ("A1", "A2", "B1", "B2", "C1", "D1")  # performer's letter and take
UNTRIMMED = (
    ("Taichi", 14.0),
    ("HipHop", 11.0),
    ("Kata", 13.0),
    ("Jazz", 12.0),
    ("Taichi", 10.0),
)  # action, seconds
ACTIONS = {"Taichi": taichi, "Kata": kata, "Jazz": jazz, "HipHop": hiphop}
Look = tuple[np.ndarray, np.ndarray]


def cameras() -> list[dict[str, np.ndarray]]:
    """Three calibrated cameras around the front of the stage, in MADS's own terms: x_cam = R x + T,
    world y up, millimetres."""
    out = []
    for azimuth, distance, height, focal in (
        (4, 4.3, 1.25, 590.0),
        (-38, 4.5, 1.45, 610.0),
        (44, 4.2, 1.10, 575.0),
    ):
        a = np.deg2rad(azimuth)
        eye = np.array([distance * np.sin(a), height, distance * np.cos(a)])
        forward = np.array([0, 0.90, 0]) - eye
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0, 1, 0])
        right /= np.linalg.norm(right)
        r = np.stack(
            [right, np.cross(forward, right), forward]
        )  # image x right, y down, z into the scene
        k = np.array([[focal, 0, WIDTH / 2], [0, focal, HEIGHT / 2 + 6], [0, 0, 1]])
        out.append({"KK": k, "R": r, "T": -r @ eye})
    return out


def studio(camera: dict[str, np.ndarray]) -> np.ndarray:
    """The empty room of one camera, (H, W, 3) float32 at the oversampled size: wall, skirting,
    floor boards."""
    k = oversampled(camera["KK"])
    v, u = np.mgrid[0 : HEIGHT * OVERSAMPLE, 0 : WIDTH * OVERSAMPLE].astype(np.float64)
    ray = (
        np.stack([(u - k[0, 2]) / k[0, 0], (v - k[1, 2]) / k[1, 1], np.ones_like(u)], -1)
        @ camera["R"]
    )
    eye = -camera["R"].T @ camera["T"]
    to_floor = np.where(ray[..., 1] < -1e-6, -eye[1] / np.minimum(ray[..., 1], -1e-6), np.inf)
    to_wall = (-2.6 - eye[2]) / np.minimum(ray[..., 2], -1e-6)
    floor = to_floor < to_wall
    x = eye[0] + ray[..., 0] * np.where(floor, to_floor, to_wall)
    y = eye[1] + ray[..., 1] * to_wall
    z = eye[2] + ray[..., 2] * np.where(floor, to_floor, 0)
    wall = 186 + 14 * np.cos(u / u.max() * 2.2 - 0.8) - 10 * np.clip(y, 0, 3) / 3
    wall = np.where(y < 0.12, 120, wall)
    board = (
        128 + 10 * np.sin(np.floor(x / 0.25) * 12.9898) - 14 * (np.abs(x / 0.25 % 1 - 0.5) > 0.48)
    )
    board = board + np.clip(z, -3, 3) * 5
    tint = np.where(floor[..., None], np.array([0.80, 0.93, 1.0]), np.array([1.0, 0.99, 0.96]))
    return (np.where(floor, board, wall)[..., None] * tint).astype(np.float32)


def oversampled(k: np.ndarray) -> np.ndarray:
    return np.diag([OVERSAMPLE, OVERSAMPLE, 1.0]) @ k


def image(
    camera: dict[str, np.ndarray],
    room: np.ndarray,
    people: list[tuple[Performer, np.ndarray, np.ndarray]],
) -> np.ndarray:
    """One frame (H, W, 3) uint8 BGR."""
    k, r, t = oversampled(camera["KK"]), camera["R"], camera["T"]
    canvas = Canvas(room, k, r, t)
    for _, at, _ in people:
        soft_shadow(canvas.image, k, r, t, at)
    for performer, at, look in people:
        draw(canvas, performer, at, look)
    return cv2.resize(
        np.clip(canvas.image, 0, 255).astype(np.uint8),
        (WIDTH, HEIGHT),
        interpolation=cv2.INTER_AREA,
    )


def project(camera: dict[str, np.ndarray], points: np.ndarray) -> np.ndarray:
    """(..., 3) metres -> (..., 2) pixels."""
    c = points @ camera["R"].T + camera["T"]
    return (c @ camera["KK"].T)[..., :2] / c[..., 2:]


class Video:
    """H.264 in AVI through ffmpeg; one encoder thread, so that the bytes depend on nothing else."""

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        size, rate = f"{WIDTH}x{HEIGHT}", str(FPS)
        source = ["-f", "rawvideo", "-pix_fmt", "bgr24", "-s", size, "-r", rate, "-i", "-"]
        coding = [
            "-c:v",
            "libx264",
            "-preset",
            "slow",
            "-crf",
            "22",
            "-bf",
            "0",
            "-threads",
            "1",
            "-pix_fmt",
            "yuv420p",
        ]
        exact = ["-fflags", "+bitexact", "-flags:v", "+bitexact", "-map_metadata", "-1"]
        command = [ffmpeg(), "-y", "-loglevel", "error", *source, *coding, *exact, str(path)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE)

    def write(self, frame: np.ndarray) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(frame.tobytes())

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        if self.process.wait():
            raise SystemExit("ffmpeg failed")


def ffmpeg() -> str:
    found = shutil.which("ffmpeg")
    if found:
        return found
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_exe())


def save_mat(path: Path, content: dict[str, object]) -> None:
    """savemat without its date, so that the same content is the same file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, content, do_compression=True)
    raw = bytearray(path.read_bytes())
    raw[:116] = b"MATLAB 5.0 MAT-file, skelact sample set".ljust(116)
    path.write_bytes(raw)


def save_truth(path: Path, tracks: list[np.ndarray], views: list[dict[str, np.ndarray]]) -> None:
    """MADS's GTpose2 (1 x T cell of J x 3 millimetres), a second actor as GTpose2_2, and pixels a
    camera as GTpixels_C0 … (T, J, 2)."""
    content: dict[str, object] = {"joints": np.array(JOINTS, dtype=object)}
    for n, track in enumerate(tracks):
        suffix = "" if n == 0 else f"_{n + 1}"
        cell = np.empty((1, len(track)), dtype=object)
        for i, frame in enumerate(track):
            cell[0, i] = np.round(frame * 1000, 2)
        content[f"GTpose2{suffix}"] = cell
        for c, view in enumerate(views):
            content[f"GTpixels_C{c}{suffix}"] = np.round(project(view, track), 2).astype(np.float32)
    save_mat(path, content)


def sequence(root: Path, action: str, name: str) -> None:
    """One take: three videos and the ground truth."""
    performer = PERFORMERS[name[0]]
    rng = np.random.default_rng([ord(c) for c in action + name])
    vectors = ACTIONS[action](rng, rng.uniform(12.0, 14.0), performer.tempo)
    looks = [joints(performer, vector) for vector in vectors]
    views = cameras()
    for c, view in enumerate(views):
        room, video = studio(view), Video(root / action / f"{action}_{name}_C{c}.avi")
        for at, look in looks:
            video.write(image(view, room, [(performer, at, look)]))
        video.close()
    save_truth(
        root / action / f"{action}_{name}_GT.mat", [np.stack([at for at, _ in looks])], views
    )


def crossing(root: Path) -> None:
    """Two actors walk past each other twice, one before the other, arms swinging."""
    t = np.arange(14 * FPS) / FPS
    view, rng = cameras()[0], np.random.default_rng(7)
    cast = [PERFORMERS["A"], PERFORMERS["B"]]
    tracks: list[list[Look]] = [[], []]
    for n, performer in enumerate(cast):
        phase = rng.uniform(0, 6)
        for time in t:
            swing = np.sin(2 * np.pi * 0.9 * time + phase)
            heading = np.cos(2 * np.pi * time / 14) * (1 if n == 0 else -1)
            walk = pose(
                pelvis=(0, -0.03, 0),
                yaw=heading * 0.7,
                wrist_l=(0.2, -0.85, 0.35 * swing),
                wrist_r=(0.2, -0.85, -0.35 * swing),
                foot_l=(0.1, 0.08 * max(-swing, 0), -0.22 * swing),
                foot_r=(0.1, 0.08 * max(swing, 0), 0.22 * swing),
            )
            at, look = joints(performer, walk)
            x = -1.15 * np.cos(2 * np.pi * time / 14) * (1 if n == 0 else -1)
            tracks[n].append((at + np.array([x, 0, -0.55 if n == 0 else 0.35]), look))
    room, video = studio(view), Video(root / "extras" / "crossing.avi")
    for frame in zip(*tracks, strict=True):
        video.write(
            image(view, room, [(p, at, look) for p, (at, look) in zip(cast, frame, strict=True)])
        )
    video.close()
    save_truth(
        root / "extras" / "crossing_GT.mat",
        [np.stack([at for at, _ in track]) for track in tracks],
        [view],
    )


def untrimmed(root: Path) -> None:
    """One performer goes from action to action; untrimmed.csv says when."""
    view, performer, rng = cameras()[0], PERFORMERS["D"], np.random.default_rng(11)
    parts, rows, start = [], [], 0.0
    for action, seconds in UNTRIMMED:
        part = ACTIONS[action](rng, seconds, performer.tempo)
        if parts:  # blend over half a second
            w = np.linspace(0, 1, FPS // 2)[:, None]
            part[: len(w)] = parts[-1][-1] * (1 - w) + part[: len(w)] * w
        parts.append(part)
        rows.append(
            {
                "label": action,
                "start_s": round(start, 3),
                "end_s": round(start + len(part) / FPS, 3),
            }
        )
        start += len(part) / FPS
    looks = [joints(performer, vector) for vector in np.concatenate(parts)]
    room, video = studio(view), Video(root / "extras" / "untrimmed.avi")
    for at, look in looks:
        video.write(image(view, room, [(performer, at, look)]))
    video.close()
    save_truth(root / "extras" / "untrimmed_GT.mat", [np.stack([at for at, _ in looks])], [view])
    with (root / "extras" / "untrimmed.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["label", "start_s", "end_s"])
        writer.writeheader()
        writer.writerows(rows)


def tables(root: Path) -> None:
    """What is not a video: calibration beside every action's videos, and who performs what."""
    for action in ACTIONS:
        for c, view in enumerate(cameras()):
            rodrigues = cv2.Rodrigues(view["R"])[0]
            k = view["KK"]
            calibration = {
                "KK": k, "kc": np.zeros((5, 1)), "fc": np.array([[k[0, 0]], [k[1, 1]]]), "cc": np.array([[k[0, 2]], [k[1, 2]]]),
                "alpha_c": np.zeros((1, 1)), "om_ext": rodrigues, "T_ext": view["T"][:, None] * 1000,
            }  # fmt: skip
            save_mat(root / action / f"Calib_Cam{c}.mat", calibration)
    performers = {f"{action}_{name}": name[0] for action in ACTIONS for name in SEQUENCES}
    (root / "performers.json").write_text(json.dumps(performers, indent=1) + "\n")


def run(job: tuple[str, Path, str, str]) -> str:
    kind, root, action, name = job
    if kind == "sequence":
        sequence(root, action, name)
    else:
        {"crossing": crossing, "untrimmed": untrimmed}[kind](root)
    return f"{kind} {action} {name}".strip()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument(
        "--only", choices=[*ACTIONS, "extras"], help="one action, or the extra clips"
    )
    parser.add_argument("--sequence", choices=SEQUENCES)
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    actions = [a for a in ACTIONS if args.only in (None, a)]
    takes = [s for s in SEQUENCES if args.sequence in (None, s)]
    jobs = [("sequence", args.out, action, take) for action in actions for take in takes]
    if args.only in (None, "extras"):
        jobs = [("crossing", args.out, "", ""), ("untrimmed", args.out, "", ""), *jobs]
    with ProcessPoolExecutor(args.jobs) as pool:
        for done in pool.map(run, jobs):
            print(done, flush=True)
    if args.only != "extras":
        tables(args.out)


if __name__ == "__main__":
    main()
