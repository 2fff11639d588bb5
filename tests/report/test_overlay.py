"""Overlay videos."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from skelact.report.overlay import write_overlay
from skelact.skeletons import load_skeleton, parts_of
from skelact.types import Floats, PersonPose
from skelact.video.decode import read_frames
from skelact.video.probe import probe


def grey_video(path: Path) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10.0, (320, 240))  # type: ignore[attr-defined]
    for _ in range(3):
        writer.write(np.full((240, 320, 3), 128, np.uint8))
    writer.release()
    return path


def test_hands_are_drawn_thinner_than_the_body(tmp_path: Path) -> None:
    """A forearm and a middle finger are horizontal lines far from each other."""
    info = probe(grey_video(tmp_path / "grey.avi"))
    skeleton = load_skeleton("blazepose-33-hands")
    xy = np.full((len(skeleton.joints), 2), np.nan, np.float32)
    ends = {"left_elbow": (40, 60), "left_wrist": (280, 60)}
    ends |= {"left_hand_middle_1": (40, 180), "left_hand_middle_2": (280, 180)}
    for joint, at in ends.items():
        xy[skeleton.index(joint)] = at

    def painted(points: Floats, row: int) -> int:
        """Pixels of the column in the middle that are painted near a row."""
        score = np.where(np.isnan(points[:, 0]), 0, 1).astype(np.float32)
        people = [PersonPose(points, score, person_id=0)]
        out = tmp_path / "overlay.mp4"
        write_overlay(info, [people] * 3, skeleton, [], out)
        frame = next(iter(read_frames(probe(out)))).astype(int)
        return int((np.abs(frame[row - 20 : row + 20, 160] - 128).max(axis=1) > 25).sum())

    finger, arm = painted(xy, 180), painted(xy, 60)
    assert 0 < finger < arm
    xy[parts_of(skeleton)["hand_left"]] = np.nan
    assert painted(xy, 180) == 0 and painted(xy, 60) == arm
