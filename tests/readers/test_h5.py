"""HDF5 of SLEAP and DeepLabCut."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skelact.datasets.skeleton_files import source
from skelact.errors import BackendMissing, InputError
from skelact.readers.find import sequence_file
from skelact.skeletons import SKELETONS
from skelact.types import PoseSequence

h5py = pytest.importorskip("h5py", reason="h5py is not installed (extra h5)")
JOINTS = SKELETONS["coco-17"].joints
POINTS = np.random.default_rng(0).uniform(10, 90, (2, 5, 17, 2))  # M, T, V, 2


def load(path: Path) -> PoseSequence:
    (path.parent / "skeletons.toml").write_text("fps = 25.0")
    file = sequence_file(path)
    assert file is not None
    return source([file], path.parent).sequence(file)


def sleap(path: Path) -> Path:
    """An analysis file: datasets in the order of SLEAP's documentation."""
    with h5py.File(path, "w") as file:
        file["tracks"] = POINTS.transpose(0, 3, 2, 1)
        file["point_scores"] = np.full((2, 17, 5), 0.5)
        file["node_names"] = np.array([j.encode() for j in JOINTS])
        file["track_names"] = np.array([b"a", b"b"])
    return path


def deeplabcut(path: Path, names: Any) -> Path:
    """The table that pandas writes with format="table"."""
    flat = np.concatenate([POINTS, np.full((2, 5, 17, 1), 0.75)], axis=-1)
    rows = flat.transpose(1, 0, 2, 3).reshape(5, -1)
    table = np.zeros(5, [("index", "<i8"), ("values_block_0", "<f8", (rows.shape[1],))])
    table["values_block_0"] = rows
    with h5py.File(path, "w") as file:
        file["df_with_missing/table"] = table
        stored = np.void(pickle.dumps(names, protocol=0))
        file["df_with_missing/table"].attrs["values_block_0_kind"] = stored
    return path


COLUMNS = [
    ("DLC_net", person, joint, kind)
    for person in ("a", "b")
    for joint in JOINTS
    for kind in ("x", "y", "likelihood")
]


def test_tracks_of_sleap(tmp_path: Path) -> None:
    found = load(sleap(tmp_path / "a.h5"))
    assert found.persons == 2 and found.skeleton.name == "coco-17"
    np.testing.assert_allclose(found.xy, POINTS, rtol=1e-5)
    assert (found.score == 0.5).all()


def test_individuals_of_deeplabcut(tmp_path: Path) -> None:
    found = load(deeplabcut(tmp_path / "a.h5", COLUMNS))
    assert found.persons == 2 and (found.score == 0.75).all()
    np.testing.assert_allclose(found.xy, POINTS, rtol=1e-5)


class Trap:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.target),)


def test_no_code_in_a_file_runs(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    path = deeplabcut(tmp_path / "a.h5", [*COLUMNS[:-1], Trap(trap)])
    with pytest.raises(InputError, match="object"):
        load(path)
    assert not trap.exists()


def test_damaged_and_other_files(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    path.write_bytes(b"\x89HDF\r\n")
    with pytest.raises(InputError):
        load(path)
    with h5py.File(path, "w") as file:
        file["other"] = np.zeros(3)
    with pytest.raises(InputError, match="neither") as caught:
        load(path)
    assert "CSV" in caught.value.hint
    deeplabcut(path, COLUMNS[:-1])
    with pytest.raises(InputError, match="names"):
        load(path)
    with h5py.File(sleap(path), "a") as file:
        del file["tracks"]
        file["tracks"] = np.zeros((2, 3, 17, 5))
    with pytest.raises(InputError, match="shape"):
        load(path)


def test_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from skelact.readers import h5

    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(BackendMissing, match="h5py"):
        h5._content(tmp_path / "a.h5")
