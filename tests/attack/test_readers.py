"""Damaged skeleton files of every format, and damaged descriptions of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from skelact.errors import InputError
from skelact.readers import description
from skelact.skeletons import load_skeleton
from tests.attack import seeds
from tests.attack.mutate import attack, read_skeletons

FORMATS = {
    "a.npy": (seeds.npy, False),
    "a.npz": (seeds.npz, False),
    "a.mat": (seeds.mat, False),
    "a.csv": (seeds.csv, False),
    "a.txt": (seeds.text, False),
    "a.bvh": (seeds.bvh, False),
    "a.c3d": (seeds.c3d, False),
    "a.skeleton": (seeds.kinect, False),
    "a.jsonl": (seeds.own_lines, False),
    "results.json": (seeds.results, True),
    "kinetics.json": (seeds.kinetics, True),
    "lists.json": (seeds.lists, True),
}


@pytest.mark.parametrize("name", FORMATS)
def test_skeleton_files(tmp_path: Path, name: str) -> None:
    make, is_json = FORMATS[name]
    if name.endswith(".c3d"):
        pytest.importorskip("c3d")
    if name == "a.mat":
        (tmp_path / description.FILE_NAME).write_text('layout = "kinect-20"\norder = "VCT"\n')
    attack(name, tmp_path / name, make(), lambda: read_skeletons(tmp_path / name), is_json=is_json)


def test_one_file_per_frame(tmp_path: Path) -> None:
    """The first of three frames is damaged."""
    folder = tmp_path / "walk"
    folder.mkdir()
    for t in range(3):
        (folder / f"walk_{t:012d}_keypoints.json").write_bytes(seeds.people())
    first = folder / "walk_000000000000_keypoints.json"
    attack("frames.json", first, [seeds.people()], lambda: read_skeletons(folder), is_json=True)


def test_skeletons_toml(tmp_path: Path) -> None:
    np.save(tmp_path / "a1_s2.npy", seeds.POINTS)

    def read_both() -> None:
        described = description.load(tmp_path / description.FILE_NAME)
        described.class_name("1"), described.groups_of("a1_s2")
        read_skeletons(tmp_path / "a1_s2.npy")

    def attempt() -> None:
        try:
            read_both()
        except InputError as error:
            assert error.message  # the description does not fit the file

    attack(description.FILE_NAME, tmp_path / description.FILE_NAME, seeds.skeletons_toml(), attempt)


def test_layouts(tmp_path: Path) -> None:
    path = tmp_path / "five.toml"
    attack("layout.toml", path, seeds.layout_toml(), lambda: load_skeleton(path))
