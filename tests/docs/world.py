"""The files that the commands of the documentation name, made from the sample videos."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
from scipy.io import loadmat

from skelact.config import shipped
from tests.conftest import sample, short_clip

FRAMES = 30
TAKES = ("A1", "A2", "B1", "B2", "C1", "D1")
SUBSETS = ("train", "train", "train", "val", "test", "test")


def make(root: Path) -> None:
    """Write short clips below `root`: sample_videos/ and data/mads (two actions of six takes, and
    the extras), my_videos/ (the same clips in one folder per class), labels.csv with subjects and
    cameras, videos/, long_videos/, negatives/, plank/, clip.mp4, openpose_out/, my_skeletons/,
    split.csv and recipe.toml."""
    rows = ["path,label,subject,camera"]
    for action in ("Kata", "Taichi"):
        for take in TAKES:
            name = f"{action}_{take}_C0.avi"
            clip = short_clip(sample(name), root / "sample_videos" / action / name, FRAMES)
            own = copied(clip, root / "my_videos" / action / f"{take}.avi")
            rows.append(f"{own.relative_to(root)},{action},{take[0]},{take[1]}")
    split = [f"Kata/{t}.avi,{s}\nTaichi/{t}.avi,{s}" for t, s in zip(TAKES, SUBSETS, strict=True)]
    (root / "split.csv").write_text("\n".join(["path,subset", *split]), encoding="utf-8")
    (root / "labels.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (root / "recipe.toml").write_text(
        '_base_ = ["datasets/folder", "training/small"]\nmodel = {name = "stgcn_small"}\n',
        encoding="utf-8",
    )
    for name in ("crossing.avi", "untrimmed.avi"):
        short_clip(sample(name), root / "sample_videos" / "extras" / name, FRAMES)
    for take in TAKES[:4]:
        name = f"HipHop_{take}_C0.avi"
        short_clip(sample(name), root / "negatives" / f"{take}.avi", FRAMES)
    for number, take in enumerate(TAKES[:2], 1):
        copied(root / "negatives" / f"{take}.avi", root / "plank" / f"{number}.avi")
    long = short_clip(sample("Kata_A1_C0.avi"), root / "long_videos" / "a.mp4", FRAMES)
    (long.parent / "labels.csv").write_text("path,label,start,end\na.mp4,Kata,0,0.5\n")
    long.with_suffix(".csv").write_text("label,start,end\nwalk,0,0.5\n")
    (root / "data").mkdir()
    (root / "data" / "mads").symlink_to("../sample_videos", target_is_directory=True)
    for take in TAKES[:2]:
        copied(root / "my_videos" / "Kata" / f"{take}.avi", root / "videos" / f"{take}.avi")
    short_clip(sample("Kata_A1_C1.avi"), root / "clip.mp4", FRAMES)
    _openpose(root / "openpose_out" / "clip")
    _skeletons(root / "my_skeletons")


def copied(source: Path, target: Path) -> Path:
    """A copy in a folder that may not exist yet."""
    target.parent.mkdir(parents=True, exist_ok=True)
    return shutil.copy(source, target)


def _skeletons(folder: Path) -> None:
    """The first seconds of the ground truth of the sample videos: (T, 19, 3) in millimetres."""
    for action in ("Kata", "Taichi"):
        (folder / action).mkdir(parents=True)
        for take in TAKES:
            truth = loadmat(shipped("sample_videos") / action / f"{action}_{take}_GT.mat")
            joints = np.stack(list(truth["GTpose2"].ravel()))[:FRAMES]
            np.save(folder / action / f"{take}.npy", joints.astype(np.float32))


def _openpose(folder: Path) -> None:
    """One person in the format of OpenPose, with hands, in every frame."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    body = np.column_stack([rng.uniform(100, 300, (25, 2)), np.full(25, 0.9)])
    hand = np.column_stack([rng.uniform(100, 130, (21, 2)), np.full(21, 0.9)])
    for frame in range(FRAMES):
        moved = body + np.array([frame, 0, 0])
        person = {
            "pose_keypoints_2d": moved.ravel().tolist(),
            "hand_left_keypoints_2d": hand.ravel().tolist(),
            "hand_right_keypoints_2d": hand.ravel().tolist(),
        }
        content = {"version": 1.3, "people": [person]}
        (folder / f"clip_{frame:012d}_keypoints.json").write_text(json.dumps(content))
