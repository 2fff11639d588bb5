"""Neutral bodies, matrices and pages about the contributions of joints."""

from __future__ import annotations

import csv
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import cv2
import numpy as np
import pytest

from skelact.report import body, importance
from skelact.report.importance_video import PersonHeat, smooth, write_importance
from skelact.skeletons import SKELETONS, Skeleton
from skelact.types import VideoInfo
from tests.conftest import walking

COCO = SKELETONS["coco-17"]


@pytest.mark.parametrize("name", SKELETONS)
def test_every_layout_has_a_body(name: str) -> None:
    """Joints are apart, inside the picture, and the left side is on the right."""
    skeleton = SKELETONS[name]
    totals = np.linspace(-1, 1, len(skeleton.joints))
    picture = body.body(skeleton, totals)
    assert all(body.place(j) is not None for j in skeleton.joints)
    centres = np.array([d.centre for d in picture.discs])
    assert (centres >= 0).all() and (centres <= picture.size).all()
    assert len(np.unique(centres.round(3), axis=0)) == len(centres)
    places = body.places(skeleton)
    for left, right in skeleton.flip_pairs:
        assert places[skeleton.index(left)][0] > places[skeleton.index(right)][0]
    root = ElementTree.fromstring(body.svg(picture))
    assert len(root.findall("circle")) == len(skeleton.joints)
    # the last disc is that of a largest absolute value, and the largest one
    assert picture.discs[-1].radius == max(d.radius for d in picture.discs)


def test_unknown_joints_are_drawn_as_a_tree() -> None:
    skeleton = Skeleton("own", ("a", "b<i>"), ("a", "a"), (("b<i>", "a"),), (), "a")
    text = body.svg(body.body(skeleton, np.array([1.0, -1.0])))
    assert "b&lt;i&gt;" in text and "<i>" not in text


def test_colours_tell_the_sign() -> None:
    against, nothing, speaks_for = (
        [int(body.heat(v)[n : n + 2], 16) for n in (1, 3, 5)] for v in (-1, 0, 1)
    )
    assert against[2] > against[0] and speaks_for[0] > speaks_for[2] and len(set(nothing)) == 1


def test_a_graph_shows_the_heaviest_links() -> None:
    weights = np.zeros((17, 17))
    a, b, c = (COCO.index(j) for j in ("left_wrist", "left_elbow", "right_ankle"))
    weights[a, b], weights[c, a], weights[0, 0] = 1.0, 2.0, 9.0
    lines = body.graph(COCO, weights, 2).lines[len(COCO.edges) :]
    assert len(lines) == 2 and lines[0].width < lines[1].width
    assert lines[0].colour != lines[1].colour  # along a bone, and not


def test_the_matrix_as_csv(tmp_path: Path) -> None:
    values = np.arange(2 * 3 * 17, dtype=float).reshape(2, 3, 17)
    values[0, 0, 1] = -0.25  # no formula
    importance.write_matrix(values, COCO, (4, 7), 10, 20.0, tmp_path / "m.csv")
    rows = list(csv.reader((tmp_path / "m.csv").read_text(encoding="utf-8").splitlines()))
    assert rows[0][:4] == ["person", "frame", "time_s", "nose"] and len(rows) == 7
    assert rows[4][:4] == ["7", "10", "0.5", "51.0"] and rows[1][4] == "-0.25"


def test_the_page_escapes_names(tmp_path: Path) -> None:
    cards = [("<script>", body.body(COCO, np.ones(17)), ["a & b"])]
    importance.write_page(tmp_path / "p.html", "<b>", "text", cards)
    text = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert (
        "&lt;script&gt;" in text and "a &amp; b" in text and "<b>" not in text.split("<h1>")[1][:9]
    )
    assert "http:" not in text and "https:" not in text


def test_pictures(tmp_path: Path) -> None:
    importance.draw_body(COCO, np.linspace(-1, 1, 17), tmp_path / "b.png", "a $name_ " * 9)
    importance.draw_matrix(np.ones((20, 17)), COCO, 1.0, 25.0, tmp_path / "m.png", "title")
    for name in ("b.png", "m.png"):
        image = cv2.imread(str(tmp_path / name))
        assert image is not None and image.std() > 5


def test_smoothing_keeps_the_sum() -> None:
    values = np.zeros((60, 2))
    values[30, 0], values[20:40, 1] = 5, 1
    found = smooth(values, 25.0)
    assert found.shape == values.shape and found[30, 0] < 5
    np.testing.assert_allclose(found.sum(axis=0), values.sum(axis=0))
    assert smooth(np.ones((1, 3)), 25.0).shape == (1, 3)


@pytest.mark.parametrize("size", [(120, 90), (91, 121)])
def test_the_video(tmp_path: Path, size: tuple[int, int]) -> None:
    """The joint that counts is red; a strip for each person is below; odd sizes work."""
    width, height = size
    info = VideoInfo(path=tmp_path / "x.mp4", width=width, height=height, fps=10.0, frames=6)
    values = np.zeros((6, 17))
    values[:, 9] = 1
    people = [PersonHeat(person_id=0, title="Tür 100%", values=values, start=0, skeleton=COCO)]
    pose = walking(1)[0]
    pose.xy[:] = (20, 20)
    pose.xy[9] = (60, 60)
    images = [np.zeros((height, width, 3), np.uint8)] * 6
    write_importance(info, [[pose]] * 6, COCO, people, tmp_path / "o.mp4", images)
    capture = cv2.VideoCapture(str(tmp_path / "o.mp4"))
    ok, frame = capture.read()
    assert ok and frame.shape[0] > height and frame.shape[1] == width + width % 2
    blue, _, red = frame[60, 60].astype(int)
    assert red > 90 and red > blue + 50
