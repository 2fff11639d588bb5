"""Skeleton files in the formats of public collections, written from made-up motion: a standing body
of 20 Kinect joints that waves, squats, kicks or punches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from skelact.skeletons import SKELETONS, Skeleton, convert

KINECT = SKELETONS["kinect-20"]
CLASSES = ("kick", "punch", "squat", "wave")
Floats = npt.NDArray[np.float32]
_BODY = {
    **{"pelvis": (0, 0.95), "spine_mid": (0, 1.1), "spine_shoulder": (0, 1.4), "head": (0, 1.6)},
    **{"shoulder": (0.18, 1.38), "elbow": (0.25, 1.1), "wrist": (0.27, 0.85), "hand": (0.28, 0.78)},
    **{"hip": (0.1, 0.9), "knee": (0.12, 0.5), "ankle": (0.12, 0.1), "foot": (0.13, 0.05)},
}


def sequence(action: str, seed: int, frames: int = 40) -> Floats:
    """(T, 20, 3) in metres, y up, 2.5 m in front of the camera."""
    rng = np.random.default_rng(seed)
    points = np.zeros((frames, 20, 3), np.float32)
    for v, joint in enumerate(KINECT.joints):
        side = {"left": -1, "righ": 1}.get(joint[:4], 1)
        x, y = _BODY[joint.removeprefix("left_").removeprefix("right_")]
        points[:, v] = (side * x, y, 0)
    phase = np.sin(np.linspace(0, 2 * np.pi * rng.uniform(1.5, 2.5), frames) + rng.uniform(0, 1))
    swing = (0.5 + 0.5 * phase)[:, None] * rng.uniform(0.9, 1.1)
    arm = KINECT.find("right_wrist", "right_hand")
    leg = KINECT.find("right_ankle", "right_foot")
    if action == "wave":
        points[:, arm, 1] += 0.75
        points[:, arm, 0] += 0.3 * (swing - 0.5)
    elif action == "punch":
        points[:, arm, 1] += 0.45
        points[:, arm, 2] -= 0.5 * swing
    elif action == "kick":
        points[:, leg, 2] -= 0.6 * swing
        points[:, leg, 1] += 0.4 * swing
    else:
        upper = [v for v, j in enumerate(KINECT.joints) if "ankle" not in j and "foot" not in j]
        points[:, upper, 1] -= 0.4 * swing
    points *= rng.uniform(0.9, 1.1)
    points += np.array([rng.uniform(-0.3, 0.3), -0.9, 2.5], np.float32)
    return points + rng.normal(0, 0.004, points.shape).astype(np.float32)


def arrays(folder: Path, count: int, **changes: float) -> None:
    """<class>/<n>.npy (T, V, 3)."""
    for action in CLASSES:
        (folder / action).mkdir(parents=True, exist_ok=True)
        for n in range(count):
            np.save(folder / action / f"{action}_{n}.npy", sequence(action, 10 * n))


def wide_csv(path: Path, points: Floats, skeleton: Skeleton = KINECT) -> None:
    """A header of joint_x, joint_y, joint_z and a line per frame."""
    names = [f"{joint}_{axis}" for joint in skeleton.joints for axis in "xyz"]
    rows = [[t, *row] for t, row in enumerate(points.reshape(len(points), -1))]
    lines = [",".join(["frame", *names]), *(",".join(f"{v:g}" for v in row) for row in rows)]
    path.write_text("\n".join(lines) + "\n")


# MSR-Action3D: its 20 joints in its own order, one line per joint: x y z confidence
MSR = (
    *("left_shoulder", "right_shoulder", "spine_shoulder", "spine_mid", "left_hip", "right_hip"),
    *("pelvis", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hand"),
    *("right_hand", "left_knee", "right_knee", "left_ankle", "right_ankle", "left_foot"),
    *("right_foot", "head"),
)
# Florence 3D: 15 joints
FLORENCE = (
    *("head", "neck", "spine_mid", "left_shoulder", "left_elbow", "left_wrist", "right_shoulder"),
    *("right_elbow", "right_wrist", "left_hip", "left_knee", "left_ankle", "right_hip"),
    *("right_knee", "right_ankle"),
)


def msr_action3d(folder: Path, sequences: dict[tuple[int, int, int], Floats]) -> None:
    """aAA_sSS_eEE_skeleton3D.txt from (action, subject, take) -> (T, 20, 3) of kinect-20."""
    order = [KINECT.index(joint) for joint in MSR]
    for (action, subject, take), points in sequences.items():
        lines = [f"{x:.5f} {y:.5f} {z:.5f} 1.00000" for x, y, z in points[:, order].reshape(-1, 3)]
        name = f"a{action:02d}_s{subject:02d}_e{take:02d}_skeleton3D.txt"
        (folder / name).write_text("\n".join(lines) + "\n")


def utkinect(folder: Path, takes: dict[tuple[int, int], list[tuple[str, Floats]]]) -> None:
    """joints_sSS_eEE.txt with several actions one after the other, a frame number before the 60
    numbers of each line, and actionLabel.txt, from (subject, take) -> actions."""
    listing: list[str] = []
    for (subject, take), actions in takes.items():
        listing.append(f"s{subject:02d}_e{take:02d}")
        lines, frame = [], 252
        for action, points in actions:
            listing.append(f"{action}: {frame} {frame + len(points) - 1} ")
            for row in points.reshape(len(points), -1):
                lines.append(f"{frame} " + " ".join(f"{v:.6f}" for v in row))
                frame += 1
            frame += 7  # frames between two actions are not in the file
        name = f"joints_s{subject:02d}_e{take:02d}.txt"
        (folder / name).write_text("\n".join(lines) + "\n")
    (folder / "actionLabel.txt").write_text("\n".join(listing) + "\n")


def florence3d(path: Path, sequences: list[tuple[int, int, Floats]]) -> None:
    """One file: video, actor, action, 45 numbers in millimetres, from (actor, action, points)."""
    target = Skeleton.from_dict(
        {"name": "florence", "joints": FLORENCE, "parents": {}, "centre": "neck"}
    )
    lines = []
    for video, (actor, action, points) in enumerate(sequences, 1):
        fifteen = convert(points, KINECT, target)
        neck = KINECT.index("spine_shoulder")
        fifteen[:, target.index("neck")] = points[:, neck]
        for row in fifteen.reshape(len(points), -1) * 1000:
            lines.append(f"{video} {actor} {action} " + " ".join(f"{v:.2f}" for v in row))
    path.write_text("\n".join(lines) + "\n")


def deeplabcut(individuals: bool) -> str:
    """A table of DeepLabCut with one or two animals."""
    joints = ["nose", "left_eye", *SKELETONS["coco-17"].joints[2:]]
    people = ["a", "b"] if individuals else ["a"]
    columns = [(p, j, c) for p in people for j in joints for c in ("x", "y", "likelihood")]
    lines = ["scorer," + ",".join("DLC_net" for _ in columns)]
    if individuals:
        lines.append("individuals," + ",".join(p for p, _, _ in columns))
    lines.append("bodyparts," + ",".join(j for _, j, _ in columns))
    lines.append("coords," + ",".join(c for _, _, c in columns))
    for t in range(5):
        values = {"x": 100 + t, "y": 200.5, "likelihood": 0.75}
        lines.append(f"{t}," + ",".join(str(values[c]) for _, _, c in columns))
    return "\n".join(lines) + "\n"


BVH = """HIERARCHY
ROOT Hips
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT LeftUpLeg
  {
    OFFSET 10 0 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0 -40 0
    }
  }
  JOINT RightUpLeg
  {
    OFFSET -10 0 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0 -40 0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.0083333
0 90 0 0 0 0 0 0 0 0 0 0
0 90 0 0 0 90 0 90 0 90 0 0
"""
