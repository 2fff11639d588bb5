"""Accuracy of BlazePose on the sample videos: PCK, the fraction of joints within 0.2 torso lengths
of the ground truth."""

from __future__ import annotations

import re
from collections import defaultdict

import numpy as np
from scipy.io import loadmat

from skelact.cache import Cache
from skelact.config import shipped
from skelact.pose.base import PoseOptions
from skelact.pose.store import read_poses
from skelact.skeletons import SKELETONS
from skelact.stages.poses import poses_of

PARTS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
TRUTH = SKELETONS["mads-19"]


def main() -> None:
    videos = sorted(shipped("sample_videos").glob("*/*_C[0-2].avi"))
    batch = poses_of(videos, Cache(), PoseOptions(estimator="blazepose"))
    assert not batch.failed, batch.failed
    hits: dict[str, list[bool]] = defaultdict(list)
    for video in batch.results:
        name = re.fullmatch(r"(.+)_C(\d)", video.path.stem)
        assert name is not None
        truth = loadmat(video.path.with_name(f"{name[1]}_GT.mat"))[f"GTpixels_C{name[2]}"]
        skeleton = video.poses.manifest.skeleton
        frames = read_poses(video.poses)
        assert len(frames) == len(truth), video.path

        def middle(joint: str, points: np.ndarray = truth) -> np.ndarray:
            both = [TRUTH.index(f"{side}_{joint}") for side in ("left", "right")]
            return np.asarray(points[:, both].mean(axis=1))

        torso = np.linalg.norm(middle("shoulder") - middle("hip"), axis=1)
        for people, pixels, unit in zip(frames, truth, torso, strict=True):
            for part in PARTS:
                for joint in (f"left_{part}", f"right_{part}"):
                    distance = np.inf
                    if people:
                        position = people[0].xy[skeleton.index(joint)]
                        distance = float(np.linalg.norm(position - pixels[TRUTH.index(joint)]))
                    hits[part].append(distance <= 0.2 * unit)
    for part in PARTS:
        print(f"{part:10s} {np.mean(hits[part]):.3f}")
    overall = np.mean([h for part in PARTS for h in hits[part]])
    print(f"all        {overall:.3f} over {len(videos)} videos, {len(hits['hip']) // 2} frames")
