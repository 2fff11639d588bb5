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


def test_labels_move_away_from_each_other() -> None:
    from skelact.report.drawing import free_place

    first = free_place(10, 50, 80, 20, [], 200)
    assert first == (10, 50, 90, 70)
    second = free_place(30, 55, 80, 20, [first], 200)
    assert second is not None and (second[3] <= 50 or second[1] >= 70)
    full = [(0, y, 200, y + 20) for y in range(0, 200, 20)]
    assert free_place(30, 55, 80, 20, full, 200) is None


def test_report_names_are_wrapped() -> None:
    from skelact.report.plots import wrapped

    name = "put_the_very_long_object_name_on_a_table"
    assert max(map(len, wrapped(name).splitlines())) <= 25
    assert wrapped(name).replace("\n", "") == name


def test_weak_persons_are_faint() -> None:
    """The same skeleton, once with high and once with low scores."""
    from skelact.report.drawing import Painter
    from skelact.skeletons import SKELETONS

    skeleton = SKELETONS["coco-17"]
    rng = np.random.default_rng(0)
    xy = rng.uniform(60, 200, (len(skeleton.joints), 2)).astype(np.float32)
    painter = Painter(320, 240, skeleton, ())
    image = np.full((240, 320, 3), 128, np.uint8)

    def contrast(score: float) -> float:
        person = PersonPose(xy, np.full(len(xy), score, np.float32), person_id=0)
        frame = image.copy()
        painter.draw(frame, [person], {})
        return float(np.abs(frame.astype(int) - 128).mean())

    assert contrast(0.35) < 0.6 * contrast(0.9)
