"""A second look: mirrored pictures, and what is found in them turned back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest

from skelact.errors import ConfigError
from skelact.pose.base import FrameRef, PoseOptions
from skelact.pose.mirrored import Mirrored
from skelact.skeletons import SKELETONS
from skelact.types import PersonPose
from tests.conftest import run

COCO = SKELETONS["coco-17"]


class Bright:
    """Says that the left wrist is where the picture is brightest, the rest in its corner."""

    name, fingerprint, skeleton = "bright", "b", COCO

    def run(self, pictures: Iterable[FrameRef]) -> Iterator[tuple[FrameRef, list[PersonPose]]]:
        for p in pictures:
            y, x = np.unravel_index(p.image[..., 0].argmax(), p.image.shape[:2])
            xy, xyz = np.zeros((17, 2), np.float32), np.zeros((17, 3), np.float32)
            xy[COCO.index("left_wrist")] = x + 0.5, y + 0.5
            xyz[COCO.index("left_wrist")] = 1, 2, 3
            yield p, [PersonPose(xy, np.linspace(0, 1, 17, dtype=np.float32), xyz, 5)]


def test_left_is_left_again() -> None:
    image = np.zeros((10, 20, 3), np.uint8)
    image[3, 4] = 255
    ((picture, (person,)),) = Mirrored(Bright()).run([FrameRef(0, 0, 10.0, image)])
    np.testing.assert_array_equal(picture.image, image)
    wrist = COCO.index("right_wrist")  # in the mirror it was the left one
    np.testing.assert_allclose(person.xy[wrist], [4.5, 3.5])
    np.testing.assert_allclose(person.xyz[wrist], [-1, 2, 3])  # type: ignore[index]
    left = COCO.index("left_wrist")
    assert person.score[wrist] == pytest.approx(left / 16) and person.person_id == 5


def test_for_real_it_finds_the_same_person(clip: Path, cache_dir: Path, tmp_path: Path) -> None:
    found = []
    for look in ((), ("--mirrored",)):
        out = tmp_path / f"out{len(look)}"
        done = run("extract", clip, "--cache-dir", cache_dir, "--out", out, *look)
        assert done.returncode == 0, done.stderr
        frames = [json.loads(f.read_text()) for f in sorted(out.rglob("*.json"))]
        people = [f["people"][0]["pose_keypoints_2d"] for f in frames if f["people"]]
        found.append(np.array(people, float).reshape(len(people), 33, 3)[..., :2])
    assert len(found[0]) == len(found[1])
    away = np.linalg.norm(found[0] - found[1], axis=-1)
    height = np.ptp(found[0][..., 1], axis=1).mean()
    assert 0 < np.median(away) < 0.05 * height  # with left and right exchanged it is 0.1 and more


def test_imported_poses_have_no_second_look(clip: Path, tmp_path: Path) -> None:
    done = run("extract", clip, "--poses-from", tmp_path, "--mirrored", "--cache-dir", tmp_path)
    assert done.returncode == 2 and "mirrored" in done.stderr


def test_the_key_changes_only_where_it_is_asked_for() -> None:
    assert "mirrored" not in PoseOptions().key_part()
    assert PoseOptions(mirrored=True).key_part() == PoseOptions().key_part() | {"mirrored": True}
    with pytest.raises(ConfigError):
        PoseOptions(max_persons=0)
