"""Estimation on mirrored frames, with the poses flipped back."""

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
    """Puts the left wrist at the brightest pixel and the other joints into the corner."""

    name, fingerprint, skeleton = "bright", "b", COCO

    def run(self, frames: Iterable[FrameRef]) -> Iterator[tuple[FrameRef, list[PersonPose]]]:
        for f in frames:
            y, x = np.unravel_index(f.image[..., 0].argmax(), f.image.shape[:2])
            xy, xyz = np.zeros((17, 2), np.float32), np.zeros((17, 3), np.float32)
            xy[COCO.index("left_wrist")] = x + 0.5, y + 0.5
            xyz[COCO.index("left_wrist")] = 1, 2, 3
            yield f, [PersonPose(xy, np.linspace(0, 1, 17, dtype=np.float32), xyz=xyz, person_id=5)]


def test_poses_are_flipped_back() -> None:
    image = np.zeros((10, 20, 3), np.uint8)
    image[3, 4] = 255
    given = FrameRef(video=0, frame=0, fps=10.0, image=image)
    ((frame, (person,)),) = Mirrored(Bright()).run([given])
    np.testing.assert_array_equal(frame.image, image)
    wrist = COCO.index("right_wrist")  # the left wrist of the mirrored frame
    np.testing.assert_allclose(person.xy[wrist], [4.5, 3.5])
    np.testing.assert_allclose(person.xyz[wrist], [-1, 2, 3])  # type: ignore[index]
    left = COCO.index("left_wrist")
    assert person.score[wrist] == pytest.approx(left / 16) and person.person_id == 5


def test_mirrored_extraction_of_a_real_clip(clip: Path, cache_dir: Path, tmp_path: Path) -> None:
    found = []
    for option in ((), ("--mirrored",)):
        out = tmp_path / f"out{len(option)}"
        done = run("extract", clip, "--cache-dir", cache_dir, "--out", out, *option)
        assert done.returncode == 0, done.stderr
        frames = [json.loads(f.read_text()) for f in sorted(out.rglob("*.json"))]
        people = [f["people"][0]["pose_keypoints_2d"] for f in frames if f["people"]]
        found.append(np.array(people, float).reshape(len(people), 33, 3)[..., :2])
    assert len(found[0]) == len(found[1])
    distance = np.linalg.norm(found[0] - found[1], axis=-1)
    height = np.ptp(found[0][..., 1], axis=1).mean()
    assert (
        0 < np.median(distance) < 0.05 * height
    )  # with left and right exchanged it is 0.1 and more


def test_imported_poses_cannot_be_mirrored(clip: Path, tmp_path: Path) -> None:
    done = run("extract", clip, "--poses-from", tmp_path, "--mirrored", "--cache-dir", tmp_path)
    assert done.returncode == 2 and "mirrored" in done.stderr


def test_the_cache_key_changes_only_if_mirrored() -> None:
    assert "mirrored" not in PoseOptions().key_part()
    assert PoseOptions(mirrored=True).key_part() == PoseOptions().key_part() | {"mirrored": True}
    with pytest.raises(ConfigError):
        PoseOptions(max_persons=0)
