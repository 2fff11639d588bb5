"""Overlay videos."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from skelact.report.options import OverlayOptions
from skelact.report.overlay import write_overlay
from skelact.skeletons import load_skeleton, parts_of
from skelact.types import Floats, PersonPose, Prediction, Segment
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


CLASSES = ("walk", "run", "a name that is much too long for any segment", "走る")


def prediction(person: int, seconds: float, *labels: str) -> Prediction:
    """Segments of equal length with these labels."""
    step = seconds / len(labels)
    segments = tuple(
        Segment(n * step, (n + 1) * step, label, 0.7, (0.7, 0.2, 0.1, 0.0))
        for n, label in enumerate(labels)
    )
    return Prediction(Path("a.mp4"), person, labels[0], 0.7, CLASSES, segments)


@pytest.mark.parametrize(("width", "height"), [(160, 120), (320, 240), (1920, 1080), (1080, 1920)])
def test_the_timeline_is_bounded(width: int, height: int) -> None:
    """Those who are visible longest have a row; the text is not larger than its row."""
    from skelact.report.drawing import font_size
    from skelact.report.timeline import SegmentStrip

    people = [prediction(n, 2 + n % 7, *CLASSES) for n in range(60)]
    strip = SegmentStrip(width, height, font_size(width, height), people, 10.0)
    assert strip.height < 0.75 * height and 1 <= len(strip.rows) <= 8
    assert strip.more == 60 - len(strip.rows)
    assert {p.segments[-1].end_s for p in strip.rows} == {8.0}
    assert strip.at(5.0).shape == (strip.height, width, 3)
    for time_s in (-1.0, 0.0, 11.0):
        assert strip.left <= strip.x(time_s) <= width


def test_segments_have_the_colour_of_their_class() -> None:
    from skelact.report.palette import bgr, class_colour
    from skelact.report.timeline import SegmentStrip

    strip = SegmentStrip(640, 480, 16, [prediction(3, 9.0, "run", "walk", "unknown")], 9.0)
    row = strip.image[strip.size // 2 + 1]  # above the text
    for time_s, label in ((1.5, "run"), (4.5, "walk"), (7.5, "unknown")):
        assert tuple(row[strip.x(time_s)]) == bgr(class_colour(label, CLASSES))


def test_the_panel_shows_probabilities() -> None:
    """A bar is as long as its probability; persons that do not fit are counted."""
    from skelact.report.palette import bgr, class_colour
    from skelact.report.panel import Panel

    panel = Panel(300, 16, CLASSES)
    labels = {n: prediction(n, 9.0, "walk").segments[0] for n in range(4)}
    image = panel.draw({0: labels[0]})
    walk = (image == bgr(class_colour("walk", CLASSES))).all(axis=2).sum(axis=1).max()
    assert walk == pytest.approx(0.7 * (panel.width - 16), abs=2)
    crowd = panel.draw(labels)
    assert crowd.shape == image.shape and (crowd[150:] != crowd[-1, -1]).any()
    assert (panel.draw({}) == panel.draw({})[0, 0]).all()


def test_names_of_any_script_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Greek has letters of its own; a script that no font has gives boxes, not an error."""
    from matplotlib import font_manager

    from skelact.report import text

    assert (text.alpha_of("τρέχω", 20) > 0.5).sum() > 100
    assert text.alpha_of("a\nb", 20).shape == text.alpha_of("a\\nb", 20).shape
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: ["/no/such/font.ttf"])
    for function in (text._system_fonts, text._font_of, text.alpha_of):
        function.cache_clear()
    assert (text.alpha_of("走る", 20) > 0.5).any()
    for function in (text._system_fonts, text._font_of, text.alpha_of):
        function.cache_clear()


def test_long_names_are_shortened() -> None:
    from skelact.report import text

    name = CLASSES[2]
    short = text.shortened(name, 16, 120)
    assert short.endswith("…") and name.startswith(short[:-1]) and len(short) > 6
    assert text.alpha_of(short, 16).shape[1] <= 120
    assert text.shortened(name, 16, 10) == "" and text.shortened("run", 16, 120) == "run"


def test_all_options_together(tmp_path: Path) -> None:
    """The panel is beside the video, the timeline below, and the face is not that of the video."""
    info = probe(grey_video(tmp_path / "grey.avi"))
    skeleton = load_skeleton("coco-17")
    xy = np.full((17, 2), 20, np.float32)
    xy[0] = (160, 120)
    people = [PersonPose(xy, np.ones(17, np.float32), person_id=0)]
    out = tmp_path / "overlay.mp4"
    options = OverlayOptions(panel=True, blur_faces=True)
    write_overlay(info, [people] * 3, skeleton, [prediction(0, 1.0, "run")], out, options=options)
    written = probe(out)
    assert written.width > 320 and written.height > 240 and written.frames == 3
    assert written.width % 2 == 0 and written.height % 2 == 0
