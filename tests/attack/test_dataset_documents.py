"""Other values in the documents of published datasets: annotation pickles, label files, samples,
lists of clips and of performers."""

from __future__ import annotations

import json
import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skelact.datasets import jhmdb, kinetics, kth, mads, nw_ucla, pyskl, splits
from skelact.datasets.base import Collection
from skelact.datasets.mads_truth import project
from skelact.datasets.untrimmed import true_segments
from skelact.errors import DatasetError, InputError, SkelactError
from tests.attack.documents import Tally, attempts, damaged_text, flipped, short, structural


def use(collection: Collection) -> None:
    """Split a collection and read its items; one that cannot be read does not stop the others."""
    for protocol in collection.protocols:
        try:
            splits.apply(collection, protocol)
        except (DatasetError, InputError):
            continue
    for item in collection.items:
        item.name(collection.root)
        if collection.read is not None:
            try:
                sequence = collection.read(item)
            except InputError:
                continue
            assert not np.isinf(sequence.xy).any() and sequence.width < 100_000
            assert np.isfinite(sequence.score).all()


ARRAYS: tuple[Any, ...] = (
    *(np.float32(1), np.int64(3), np.zeros(0), np.zeros((1, 4, 17, 2)), np.zeros((2, 0, 17, 3))),
    *(np.full((1, 4, 17, 2), 1e300), np.full((1, 4, 17, 2), np.nan), np.array("text")),
    *(np.zeros((1, 4, 17, 2), complex), np.array([[1], [2, 3]], object), np.zeros((1, 4, 17, 9))),
    *(np.zeros((1, 4, 17)), np.array([480, 640]), np.array([b"x"]), np.ones((1, 4, 17, 2), bool)),
)


def annotations() -> dict[str, Any]:
    names = [f"v_{n}" for n in range(4)]
    rng = np.random.default_rng(0)
    samples = [
        {
            "frame_dir": name,
            "total_frames": 4,
            "img_shape": (480, 640),
            "label": n % 2,
            "keypoint": rng.uniform(100, 300, (1, 4, 17, 2)).astype(np.float16),
            "keypoint_score": np.ones((1, 4, 17), np.float16),
        }
        for n, name in enumerate(names)
    ]
    split = {"xsub_train": names[:2], "xsub_val": names[2:]}
    return {"split": split, "annotations": samples}


def test_annotation_pickles(tmp_path: Path) -> None:
    path, rng, tally = tmp_path / "x.pkl", random.Random(1), Tally("annotation pickles, fields")
    content = annotations()
    path.write_bytes(pickle.dumps(content))
    use(pyskl.find(path))
    for n, mutated in enumerate(structural(content, rng, attempts(120))):
        if n % 3 == 0:
            sample = rng.choice(content["annotations"])
            other = {**sample, rng.choice(list(sample)): rng.choice(ARRAYS)}
            mutated = {**content, "annotations": [other, *content["annotations"][:2]]}
        path.write_bytes(pickle.dumps(mutated))
        tally.attempt(short(mutated), lambda: use(pyskl.find(path)))
    text = pickle.dumps(content)
    for n in range(attempts(60)):
        path.write_bytes(flipped(text, rng))
        tally.attempt(f"bytes {n}", lambda: use(pyskl.find(path)), bounded=True)
    tally.check()


def person(level: float) -> dict[str, list[float]]:
    return {"pose": [level] * 36, "score": [level] * 18}


def write_kinetics(root: Path) -> list[Path]:
    for subset in ("train", "val"):
        folder = root / f"kinetics_{subset}"
        folder.mkdir()
        frames = [{"frame_index": t + 1, "skeleton": [person(0.2), person(0.6)]} for t in range(3)]
        (folder / f"{subset}.json").write_text(json.dumps({"data": frames, "label": "a"}))
        label = {subset: {"has_skeleton": True, "label": "a", "label_index": 1}}
        (root / f"kinetics_{subset}_label.json").write_text(json.dumps(label))
    return [root / "kinetics_train_label.json", root / "kinetics_val" / "val.json"]


def write_ucla(root: Path) -> list[Path]:
    path = root / "a01_s01_e00_v01.json"
    path.write_text(json.dumps({"skeletons": [[[0.5, 1.0, 2.0]] * 20] * 3, "label": 1}))
    return [path]


def write_mads(root: Path) -> list[Path]:
    (root / "Kata_F2_C0.avi").write_bytes(b"")
    path = root / "performers.json"
    path.write_text(json.dumps({"Kata_F2": "master", "Kata_F3": "other"}))
    return [path]


JSON_DATASETS: dict[str, tuple[Callable[[Path], list[Path]], Callable[[Path], Collection]]] = {
    "kinetics": (write_kinetics, kinetics.find),
    "nw-ucla": (write_ucla, nw_ucla.find),
    "mads": (write_mads, mads.find),
}


@pytest.mark.parametrize("name", JSON_DATASETS)
def test_json_of_datasets(name: str, tmp_path: Path) -> None:
    write, find = JSON_DATASETS[name]
    rng, tally = random.Random(len(name)), Tally(f"JSON of {name}")
    for path in write(tmp_path):
        text = path.read_bytes()
        use(find(tmp_path))
        for n, mutated in enumerate(structural(json.loads(text), rng, attempts(40))):
            content = json.dumps(mutated).encode() if n % 4 else damaged_text(text, rng)
            path.write_bytes(content)
            tally.attempt(short(content), lambda: use(find(tmp_path)))
        path.write_bytes(text)
    tally.check()


@pytest.mark.parametrize(
    ("file", "content", "find"),
    [
        ("brush_hair_test_split1.txt", b"\xff\xfe\xe9 1\n", jhmdb.find),
        ("00sequences.txt", b"person01_boxing_d1 frames 9-1\n", kth.find),
        ("00sequences.txt", b"person01_boxing_d1 frames 0-5\n", kth.find),
        ("00sequences.txt", b"person01_boxing_d1 frames 1-" + b"9" * 30 + b"\n", kth.find),
        ("00sequences.txt", b"person01_boxing_d1 frames 1-" + b"9" * 5000 + b"\n", kth.find),
    ],
)
def test_lists(
    file: str, content: bytes, find: Callable[[Path], Collection], tmp_path: Path
) -> None:
    (tmp_path / "person01_boxing_d1_uncomp.avi").write_bytes(b"")
    (tmp_path / file).write_bytes(content)
    with pytest.raises(InputError, match=file):
        find(tmp_path)


def test_utf8_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    (tmp_path / "performers.json").write_bytes(b'\xef\xbb\xbf{"Kata_F2": "m", "Kata_F3": 7}')
    assert mads.performers(tmp_path) == {"Kata_F2": "m", "Kata_F3": "7"}


@pytest.mark.parametrize(
    "change", [{"KK": np.zeros((2, 2))}, {"om_ext": "x"}, {"T_ext": np.full(3, np.nan)}, {"kc": {}}]
)
def test_calibrations_of_cameras(change: dict[str, Any]) -> None:
    camera = {"KK": np.eye(3), "om_ext": np.zeros(3), "T_ext": np.ones(3), "kc": np.zeros(5)}
    project(np.ones((2, 3)), camera)
    with pytest.raises(SkelactError, match="calibration of a camera"):
        project(np.ones((2, 3)), camera | change)


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\xe9", b"label,start,end\na,1," + b"9" * 200_000, b"a\n", b"label\x00,"]
)
def test_tables_beside_untrimmed_videos(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_bytes(b"")
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"x\.csv"):
        true_segments(tmp_path)
