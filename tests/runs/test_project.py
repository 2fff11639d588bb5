"""Motion capture as 2-D training data, from the command to a trained network."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest

from skelact.cli import main
from skelact.datasets import registry
from skelact.errors import ConfigError, DatasetError, OutputError
from skelact.runs.project import project
from skelact.sequence.cameras import CameraOptions
from skelact.sequence.imitate import ImitationOptions
from skelact.skeletons import SKELETONS
from tests.readers.motion import CLASSES, sequence

COCO = SKELETONS["coco-17"]


@pytest.fixture(scope="module")
def mocap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two subjects, a table, and a damaged file."""
    folder = tmp_path_factory.mktemp("mocap")
    rows = ["path,label,subject"]
    for n, action in enumerate(CLASSES):
        for subject in range(3):
            name = f"{action}{subject}.npy"
            np.save(folder / name, sequence(action, 10 * subject + n, 30))
            rows.append(f"{name},{action},p{subject}")
    (folder / "broken.npy").write_bytes(b"nothing")
    rows.append("broken.npy,wave,p0")
    (folder / "labels.csv").write_text("\n".join(rows))
    (folder / "skeletons.toml").write_text(
        'layout = "kinect-20"\nunit = "m"\nfps = 25\naxes = "x,y,z"\n'
    )
    return folder


@pytest.fixture(scope="module")
def views(mocap: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("views") / "mocap"
    count, failed = project(
        "labels", mocap / "labels.csv", out, COCO, cameras=CameraOptions(cameras=2)
    )
    assert count == 2 * 3 * len(CLASSES)
    assert [f.path.name for f in failed] == ["broken.npy"]
    return out


def test_views_are_a_dataset_with_groups(views: Path) -> None:
    found = registry.find("labels", views / "labels.csv", None)
    assert {i.label for i in found.items} == set(CLASSES)
    assert {i.groups["subject"] for i in found.items} == {"p0", "p1", "p2"}
    by_source = [i.groups["take"] for i in found.items]
    assert len(set(by_source)) == 3 * len(CLASSES)
    assert "xsub" in found.protocols and not found.merge_similar
    assert found.read is not None
    first = found.read(found.items[0])
    assert (first.skeleton.name, first.fps) == ("coco-17", 25)
    assert first.xyz is None and first.width in (320, 360, 640, 1280)
    assert first.score.min() > 0 or np.isnan(first.xy[first.score == 0]).all()


def test_the_seed_decides(mocap: Path, tmp_path: Path) -> None:
    def points(name: str, seed: int) -> bytes:
        out = tmp_path / name
        project(
            "labels", mocap / "labels.csv", out, COCO, cameras=CameraOptions(cameras=1, seed=seed)
        )
        return b"".join(p.read_bytes() for p in sorted(out.rglob("*.npz")))

    first = points("a", 1)
    assert points("b", 1) == first
    assert points("c", 2) != first


def test_long_recordings_become_windows_with_one_source(tmp_path: Path) -> None:
    (tmp_path / "in" / "wave").mkdir(parents=True)
    (tmp_path / "in" / "kick").mkdir(parents=True)
    np.save(tmp_path / "in" / "wave" / "a.npy", sequence("wave", 0, 130))
    np.save(tmp_path / "in" / "kick" / "b.npy", sequence("kick", 0, 60))
    out = tmp_path / "out"
    arguments = [str(tmp_path / "in"), "--out", str(out), "--cameras", "1", "--length", "2"]
    assert main(["datasets", "project", *arguments, "--noise", "0"]) == 0
    with (out / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [r["label"] for r in rows].count("wave") == 2  # 60, 60 and a rest that is too short
    assert len({r["source"] for r in rows}) == 2
    assert all((out / r["path"]).is_file() for r in rows)


def test_only_what_skelact_wrote_is_replaced(mocap: Path, views: Path, tmp_path: Path) -> None:
    def again(out: Path, overwrite: bool = True) -> None:
        project(
            "labels",
            mocap / "labels.csv",
            out,
            COCO,
            cameras=CameraOptions(cameras=1),
            overwrite=overwrite,
        )

    mine, ours = tmp_path / "mine", tmp_path / "ours"
    shutil.copytree(mocap, mine)  # has labels.csv and skeletons.toml too
    with pytest.raises(OutputError, match="did not write"):
        again(mine)
    assert len(list(mine.iterdir())) == len(list(mocap.iterdir()))
    shutil.copytree(views, ours)
    with pytest.raises(OutputError, match="holds another result"):
        again(ours, overwrite=False)
    (ours / "thesis.txt").write_text("important")
    with pytest.raises(OutputError, match="did not write"):
        again(ours)
    assert (ours / "thesis.txt").exists() and len(list(ours.rglob("*.npz"))) == 24
    (ours / "thesis.txt").unlink()
    again(ours)
    assert len(list(ours.rglob("*.npz"))) == 12


def test_data_that_cannot_be_projected_are_refused(views: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="3-D"):
        project("labels", views / "labels.csv", tmp_path / "out", COCO)
    with pytest.raises(ConfigError, match="videos"):
        project("mads", None, tmp_path / "out", COCO)
    assert not (tmp_path / "out").exists() and not list(tmp_path.iterdir())


def test_z_up_data_are_turned_upright(tmp_path: Path) -> None:
    for action in ("wave", "kick"):
        (tmp_path / "in" / action).mkdir(parents=True)
        points = sequence(action, 0, 20)
        np.save(tmp_path / "in" / action / "a.npy", points[..., [0, 2, 1]] * [1, -1, 1])
    out = tmp_path / "out"
    project("folder", tmp_path / "in", out, COCO, imitation=ImitationOptions(noise=0))
    for path in out.rglob("*.npz"):
        with np.load(path) as arrays:
            y = arrays["keypoints"][0, 0, :, 1]
        assert y[COCO.index("left_shoulder")] < y[COCO.index("left_hip")]
