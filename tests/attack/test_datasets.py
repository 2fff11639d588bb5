"""Damaged files of the datasets, tables of labels and split files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from skelact.datasets import registry, splits
from skelact.datasets.base import Collection
from skelact.datasets.split_file import split_file
from skelact.datasets.untrimmed import true_segments
from skelact.errors import SkelactError
from skelact.pose import importers
from skelact.pose.track import TrackOptions
from tests.attack import seeds
from tests.attack.mutate import attack, check_sequence


def use(collection: Collection) -> None:
    """Split a dataset in every way and read every item; an item that fails, fails alone."""
    for protocol in collection.protocols:
        try:
            splits.apply(collection, protocol)
        except SkelactError as error:
            assert error.message
    scores = (-10, 10) if collection.name == "pyskl" else (0, 1)  # as they were published
    for item in collection.items:
        if collection.read is not None:
            try:
                check_sequence(collection.read(item), scores)
            except SkelactError as error:
                assert error.message


def mads_truth(folder: Path) -> list[bytes]:
    import io

    from scipy.io import savemat

    frames = np.empty((5, 1), object)
    for t in range(5):
        frames[t, 0] = np.random.default_rng(t).uniform(-900, 900, (19, 3))
    camera = {"KK": np.eye(3) * 500, "om_ext": np.ones((3, 1)), "T_ext": np.ones((3, 1)) * 5000}
    savemat(folder / "Calib_Cam0.mat", camera)
    buffer = io.BytesIO()
    savemat(buffer, {"GTpose2": frames})
    return [buffer.getvalue()]


FILES = {  # dataset -> file name, content, whether JSON
    "nw-ucla": ("a01_s01_e00_v01.json", lambda _: [seeds.lists()[1]], True),
    "ntu60": ("S001C001P001R001A001.skeleton", lambda _: seeds.kinect(), False),
    "ntu60-denoised": ("S001C001P001R001A001.skeleton", lambda _: seeds.kinect(), False),
    "utd-mhad": ("a1_s1_t1_skeleton.mat", lambda _: seeds.mat(), False),
    "mads-3d": ("Kata_A1_GT.mat", mads_truth, False),
    "mads-projected": ("Kata_A1_GT.mat", mads_truth, False),
    "pyskl": ("a.pkl", lambda _: seeds.pickles(), False),
    "mads": ("performers.json", lambda _: [b'{"Kata_A1": "master_1", "Kata_A2": "b"}'], True),
    "kth": ("00sequences.txt", lambda _: [b"person01_boxing_d1 \t frames\t1-95, 96-185\n"], False),
    "jhmdb": ("sit_test_split1.txt", lambda _: [b"clip1.avi 1\nclip2.avi 2\n"], False),
}


@pytest.mark.parametrize("name", FILES)
def test_datasets(tmp_path: Path, name: str) -> None:
    file, make, is_json = FILES[name]
    for video in ("Kata_A1_C0.avi", "Kata_A2_C1.avi", "person01_boxing_d1_uncomp.avi"):
        (tmp_path / video).touch()
    (tmp_path / "sit").mkdir()
    (tmp_path / "sit" / "clip1.avi").touch()
    place = tmp_path / file if name == "pyskl" else tmp_path
    spec = registry.get_spec(name)
    attack(
        f"dataset {name}",
        tmp_path / file,
        make(tmp_path),
        lambda: use(spec.find(place)),
        is_json=is_json,
    )


def test_kinetics(tmp_path: Path) -> None:
    (tmp_path / "kinetics_train").mkdir()
    file = tmp_path / "kinetics_train" / "abc.json"
    listing = tmp_path / "kinetics_train_label.json"
    labels = json.dumps({"abc": {"has_skeleton": True, "label": "wave", "label_index": 3}}).encode()
    listing.write_bytes(labels)
    find = registry.get_spec("kinetics").find
    attack("kinetics", file, seeds.kinetics(), lambda: use(find(tmp_path)), is_json=True)
    file.write_bytes(seeds.kinetics()[0])
    attack("kinetics labels", listing, [labels], lambda: use(find(tmp_path)), is_json=True)


def test_labels(tmp_path: Path) -> None:
    names = seeds.write_items(tmp_path)
    path = tmp_path / "labels.csv"
    find = registry.get_spec("labels").find
    attack("labels.csv", path, seeds.labels(names), lambda: use(find(path)))
    for name in names:  # a table of videos
        (tmp_path / name).rename(tmp_path / f"{name}.mp4")
    videos = seeds.labels([f"{n}.mp4" for n in names])
    attack("labels.csv of videos", path, videos, lambda: use(find(path)))


def test_segments_of_untrimmed_videos(tmp_path: Path) -> None:
    (tmp_path / "long.mp4").touch()
    path = tmp_path / "long.csv"
    seed = b"label,start_s,end_s\nsit,0,5.5\nstand,6,7\n"
    attack("segments.csv", path, [seed], lambda: true_segments(tmp_path))


@pytest.mark.parametrize("suffix", [".csv", ".json", ".toml"])
def test_split_files(tmp_path: Path, suffix: str) -> None:
    names = seeds.write_items(tmp_path)
    (tmp_path / "labels.csv").write_bytes(seeds.labels(names)[0])
    collection = registry.get_spec("labels").find(tmp_path / "labels.csv")
    path = tmp_path / f"split{suffix}"
    attack(
        f"split{suffix}",
        path,
        seeds.splits(names)[suffix],
        lambda: split_file(path, tmp_path)(collection.items),
        is_json=suffix == ".json",
    )


@pytest.mark.parametrize("frames", [None, 3])
def test_imported_results(tmp_path: Path, frames: int | None) -> None:
    path = tmp_path / "walk.json"

    def read() -> None:
        for source in importers.sources(tmp_path).values():
            importers.read(source, frames, 25.0, TrackOptions())

    attack(f"import, {frames} frames", path, seeds.results(), read, is_json=True)


@pytest.mark.parametrize("details", [False, True])
def test_imported_frames(tmp_path: Path, details: bool) -> None:
    content = json.loads(seeds.people())
    for person in content["people"] if details else ():
        for part, joints in (("hand_left", 21), ("hand_right", 21), ("face", 70)):
            person[f"{part}_keypoints_2d"] = [1.5, 2.5, 0.5] * joints
    seed = json.dumps(content).encode()
    for t in range(3):
        (tmp_path / f"walk_{t:012d}_keypoints.json").write_bytes(seed)
    path = tmp_path / "walk_000000000001_keypoints.json"

    def read() -> None:
        for source in importers.sources(tmp_path).values():
            importers.read(source, None, 25.0, TrackOptions(), hands=details, face=details)

    attack(f"import of frames, details={details}", path, [seed], read, is_json=True)
