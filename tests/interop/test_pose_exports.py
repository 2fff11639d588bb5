"""Poses in the formats of other programs, read back by programs that are not ours where there are
some."""

from __future__ import annotations

import csv
import json
import os
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skelact import cli
from skelact.errors import BackendMissing, ConfigError, InputError, OutputError
from skelact.interop.poses import Recording, export, load_formats
from skelact.interop.poses.angles import joint_angles
from skelact.pose.base import PoseOptions
from skelact.runs.poses import export_recordings
from skelact.skeletons import SKELETONS
from skelact.types import PoseSequence

SKELETON = SKELETONS["coco-17"]
JOINTS = SKELETON.joints


def recording(persons: int = 1, *, with_3d: bool = True, y_up: bool = False) -> Recording:
    """Three frames; the nose is missing in the second, the second person in the first."""
    rng = np.random.default_rng(0)
    xy = rng.uniform(10, 90, (persons, 3, 17, 2)).astype(np.float32)
    xyz = rng.uniform(-1, 1, (persons, 3, 17, 3)).astype(np.float32)
    score = rng.uniform(0.3, 1, (persons, 3, 17)).astype(np.float32)
    xy[0, 1, 0], xyz[0, 1, 0], score[0, 1, 0] = np.nan, np.nan, 0
    if persons > 1:
        xy[1, 0], xyz[1, 0], score[1, 0] = np.nan, np.nan, 0
    sequence = PoseSequence(
        xy=xy,
        score=score,
        skeleton=SKELETON,
        fps=25.0,
        width=200,
        height=100,
        ids=(3, 8)[:persons],
        xyz=xyz if with_3d else None,
    )
    return Recording(path=Path("walk.mp4"), sequence=sequence, y_up=y_up)


def written(form: str, folder: Path, source: Recording, **options: Any) -> list[Path]:
    return export(source, load_formats()[form], folder, Path(source.path.stem), **options)


def test_trc_is_what_opensim_specifies(tmp_path: Path) -> None:
    """Five lines of header and an empty one; millimetres, y up, empty cells where a joint is
    missing. Written down from OpenSim's documentation of .trc files."""
    source = recording()
    (path,) = written("trc", tmp_path, source)
    lines = path.read_text().split("\n")
    assert lines[0] == "PathFileType\t4\t(X/Y/Z)\twalk.trc"
    assert dict(zip(lines[1].split("\t"), lines[2].split("\t"), strict=True)) == {
        "DataRate": "25",
        "CameraRate": "25",
        "NumFrames": "3",
        "NumMarkers": "17",
        "Units": "mm",
        "OrigDataRate": "25",
        "OrigDataStartFrame": "1",
        "OrigNumFrames": "3",
    }
    assert lines[3].split("\t")[:6] == ["Frame#", "Time", "nose", "", "", "left_eye"]
    assert lines[4].split("\t")[:6] == ["", "", "X1", "Y1", "Z1", "X2"] and lines[5] == ""
    assert lines[7].split("\t")[:5] == ["2", "0.040000", "", "", ""]
    assert len(lines) == 10 and lines[9] == "" and len(lines[8].split("\t")) == 2 + 3 * 17
    x, y, z = map(float, lines[6].split("\t")[2:5])
    assert source.sequence.xyz is not None
    expected = source.sequence.xyz[0, 0, 0] * (1000, -1000, -1000)  # in videos, y points down
    assert (x, y, z) == pytest.approx(tuple(expected), abs=1e-3)


def test_without_3d_joints_the_unit_is_pixels(tmp_path: Path) -> None:
    source = recording(with_3d=False)
    (path,) = written("trc", tmp_path, source)
    lines = path.read_text().split("\n")
    assert "px" in lines[2].split("\t")
    x, y, z = map(float, lines[6].split("\t")[2:5])
    px, py = source.sequence.xy[0, 0, 0]
    assert (x, y, z) == pytest.approx((px, 100 - py, 0), abs=1e-3)
    with pytest.raises(InputError, match="no 3-D joints"):
        written("trc", tmp_path / "other", source, dims="3")


@pytest.mark.parametrize("form", ["trc", "c3d"])
def test_formats_of_one_person_give_one_file_each(form: str, tmp_path: Path) -> None:
    paths = written(form, tmp_path, recording(2))
    assert [p.name for p in paths] == [f"walk_person3.{form}", f"walk_person8.{form}"]
    assert paths[0].read_bytes() != paths[1].read_bytes()


def test_c3d_is_read_by_its_package(tmp_path: Path) -> None:
    c3d = pytest.importorskip("c3d")
    source = recording(y_up=True)
    (path,) = written("c3d", tmp_path, source)
    with path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # there are no analog channels
        reader = c3d.Reader(file)
        frames = np.stack([points for _, points, _ in reader.read_frames()])
        assert [name.strip() for name in reader.point_labels] == list(JOINTS)
        assert reader.point_rate == 25
        assert reader.get("POINT:UNITS").string_value.strip() == "mm"
    assert source.sequence.xyz is not None
    known = np.isfinite(source.sequence.xyz[0, ..., 0])
    assert ((frames[..., 3] >= 0) == known).all()
    np.testing.assert_allclose(
        frames[known][:, :3], 1000 * source.sequence.xyz[0][known], atol=0.01
    )


def test_coco_is_read_by_pycocotools(tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    source = recording(2)
    (path,) = written("coco", tmp_path, source)
    found = coco.COCO(str(path))
    assert len(found.getImgIds()) == 3 and len(found.getAnnIds()) == 5
    (category,) = found.loadCats(found.getCatIds())
    assert tuple(category["keypoints"]) == JOINTS and min(map(min, category["skeleton"])) == 1
    (first,) = found.loadAnns(found.getAnnIds(imgIds=2))[:1]
    assert first["track_id"] == 3 and first["num_keypoints"] == 16
    assert first["keypoints"][:3] == [0, 0, 0]
    assert first["keypoints"][3:5] == pytest.approx(source.sequence.xy[0, 1, 1], abs=0.01)
    x, y, w, h = first["bbox"]
    points = source.sequence.xy[0, 1, 1:]
    assert (x + w, y + h) == pytest.approx(tuple(points.max(axis=0)), abs=0.02)


def test_tasks_of_label_studio(tmp_path: Path) -> None:
    """Coordinates are per cent of the image, as its keypoint regions have them."""
    (path,) = written("label-studio", tmp_path, recording(2))
    tasks = json.loads(path.read_text())
    assert [t["data"]["image"] for t in tasks] == [f"walk/00000{n}.jpg" for n in range(3)]
    results = tasks[1]["predictions"][0]["result"]
    assert len(results) == 16 + 17 and {r["type"] for r in results} == {"keypointlabels"}
    x, y = recording(2).sequence.xy[0, 1, 1]
    first = results[0]
    assert first["value"]["keypointlabels"] == ["left_eye"] and first["original_width"] == 200
    assert (first["value"]["x"], first["value"]["y"]) == pytest.approx((x / 2, y), abs=1e-3)
    assert len({r["id"] for r in results}) == len(results)


def test_angles_of_a_known_posture(tmp_path: Path) -> None:
    """A straight left leg, a right knee at a right angle, a trunk inclined by 45 degrees."""
    at = {
        **{"left_hip": (50, 60), "left_knee": (50, 80), "left_ankle": (50, 95)},
        **{"right_hip": (60, 60), "right_knee": (60, 80), "right_ankle": (75, 80)},
        **{"left_shoulder": (80, 30), "right_shoulder": (90, 30)},
    }
    source = recording(with_3d=False)
    source.sequence.xy[:] = np.nan
    for joint, place in at.items():
        source.sequence.xy[0, :2, JOINTS.index(joint)] = place
    names, values = joint_angles(source, "auto")
    found = dict(zip(names, values[0, 0], strict=True))
    expected = {"left_knee": 180, "right_knee": 90, "trunk_inclination": 45, "left_hip": 135}
    for name, degrees in expected.items():
        assert found[name] == pytest.approx(degrees, abs=0.01)
    assert np.isnan(found["left_elbow"])
    (path,) = written("angles", tmp_path, source)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 and rows[1]["time_s"] == "0.0400" and rows[0]["left_elbow"] == ""
    assert (rows[0]["person_id"], rows[0]["right_knee"]) == ("3", "90.00")


def test_angles_do_not_depend_on_the_axes() -> None:
    up, down = joint_angles(recording(y_up=True), "3")[1], joint_angles(recording(), "3")[1]
    np.testing.assert_allclose(up[..., :-1], down[..., :-1], atol=1e-3)  # all but the trunk


def test_sleap_io_reads_its_files(tmp_path: Path) -> None:
    sleap_io = pytest.importorskip("sleap_io")
    source = recording(2)
    (path,) = written("sleap", tmp_path, source)
    labels = sleap_io.load_file(str(path))
    assert labels.skeletons[0].node_names == list(JOINTS)
    points = labels.numpy(untracked=False)
    assert points.shape[1:] == (2, 17, 2)
    np.testing.assert_allclose(points, source.sequence.xy.swapaxes(0, 1), atol=1e-3)


def test_movement_reads_nwb(tmp_path: Path) -> None:
    """movement is a program of neuroscientists that reads poses of many others."""
    pytest.importorskip("ndx_pose")
    load_poses = pytest.importorskip("movement.io.load_poses")
    source = recording(2)
    first, second = written("nwb", tmp_path, source, dims="2")
    for m, path in enumerate((first, second)):
        dataset = load_poses.from_nwb_file(path)
        assert dataset.fps == 25 and sorted(dataset.keypoints.values) == sorted(JOINTS)
        dataset = dataset.sel(keypoints=list(JOINTS))
        (individual,) = dataset.individuals.values
        assert individual.startswith(f"walk person {source.sequence.ids[m]} ")
        xy = dataset.position.transpose("time", "keypoints", "space", ...).values[..., 0]
        np.testing.assert_array_equal(xy, source.sequence.xy[m])  # missing joints are NaN
        score = dataset.confidence.transpose("time", "keypoints", ...).values[..., 0]
        np.testing.assert_array_equal(score, source.sequence.score[m])


def test_nwb_has_3d_joints_in_metres_and_the_bones(tmp_path: Path) -> None:
    pynwb = pytest.importorskip("pynwb")
    pytest.importorskip("ndx_pose")
    source = recording()
    (path,) = written("nwb", tmp_path, source)
    with pynwb.NWBHDF5IO(path, "r") as io:
        poses = io.read().processing["behavior"]["PoseEstimation"]
        bones = [tuple(map(int, edge)) for edge in poses.skeleton.edges]
        assert bones == list(SKELETON.edge_indices)
        nose = poses["nose"]
        assert source.sequence.xyz is not None and nose.unit == "meters"
        expected = source.sequence.xyz[0, :, 0] * (1, -1, -1)  # in videos, y points down
        np.testing.assert_allclose(nose.data[:], expected, atol=1e-6)
    assert pynwb.validate(path=str(path)) in ([], ([], 0))


@pytest.mark.parametrize(("form", "package"), [("sleap", "sleap_io"), ("nwb", "ndx_pose")])
def test_a_missing_package_is_named(
    form: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(BackendMissing, match=package.replace("_", "-")) as caught:
        written(form, tmp_path, recording())
    assert f"skelact[{form}]" in caught.value.hint and list(tmp_path.iterdir()) == []


def test_bad_input(tmp_path: Path) -> None:
    nobody = recording()
    nobody.sequence.xy[:] = np.nan
    nobody.sequence.xyz[:] = np.nan  # type: ignore[index]
    with pytest.raises(InputError, match="no person"):
        written("trc", tmp_path, nobody)
    flat = recording()
    flat.sequence.xy[:] = np.nan
    for form in ("coco", "label-studio"):
        with pytest.raises(InputError, match="no joints in pixels"):
            written(form, tmp_path, flat)
    with pytest.raises(InputError, match="no joints in pixels"):
        written("trc", tmp_path, flat, dims="2")
    (tmp_path / "walk.trc").write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        written("trc", tmp_path, recording())
    assert (tmp_path / "walk.trc").read_text() == "mine"
    assert written("trc", tmp_path, recording(), overwrite=True) == [tmp_path / "walk.trc"]
    with pytest.raises(ConfigError, match="pose format"):
        export_recordings(["a.mp4"], "trk", tmp_path)
    with pytest.raises(OutputError, match="not a folder"):
        export_recordings(["a.mp4"], "trc", tmp_path / "walk.trc")


def test_the_command_exports_skeleton_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files as they are; one that is damaged fails alone."""
    folder = tmp_path / "in"
    folder.mkdir()
    np.save(folder / "a.npy", np.random.default_rng(0).uniform(1, 90, (4, 17, 2)))
    (folder / "skeletons.toml").write_text('layout = "coco-17"\nfps = 25.0\n')
    (folder / "b.npy").write_bytes(b"\x93NUMPY no")
    out = tmp_path / "out"
    command = ["poses", "export", str(folder), "--format", "trc", "--out", str(out), "--json"]
    assert cli.main(command) == 1
    content = json.loads(capsys.readouterr().out)
    assert content["files"] == [str(out / "a.trc")] and len(content["failed"]) == 1
    assert cli.main(["poses"]) == 0 and "label-studio" in capsys.readouterr().out


def skeleton_files(folder: Path, persons: int = 1, name: str = "a.npy") -> Path:
    """A folder with a skeleton file in 3-D."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(persons)
    points = rng.uniform(-1, 1, (4, persons, 17, 3))
    np.save(folder / name, points[:, 0] if persons == 1 else points)
    (folder / "skeletons.toml").write_text('layout = "coco-17"\nfps = 25.0\nunit = "m"\n')
    return folder


def test_a_person_without_joints_has_no_file(tmp_path: Path) -> None:
    source = recording(2)
    source.sequence.xy[1] = np.nan
    source.sequence.xyz[1] = np.nan  # type: ignore[index]
    assert [p.name for p in written("trc", tmp_path, source)] == ["walk_person3.trc"]


def test_no_input_of_the_command_is_replaced(tmp_path: Path) -> None:
    pytest.importorskip("c3d")
    folder = skeleton_files(tmp_path / "in", 2)
    one = written("c3d", tmp_path / "other", recording())[0].rename(folder / "a_person1.c3d")
    before = one.read_bytes()
    batch = export_recordings([folder], "c3d", folder, overwrite=True)
    assert any("is an input" in f.message for f in batch.failed) and one.read_bytes() == before


def test_a_folder_without_poses_is_reported(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    events: list[Any] = []
    paths = [tmp_path / "empty", skeleton_files(tmp_path / "in")]
    assert export_recordings(paths, "trc", tmp_path / "out", on_progress=events.append).done
    (text,) = (e.text for e in events if e.text and "empty" in e.text)
    assert "no video and no skeleton file" in text


def test_two_recordings_do_not_write_one_file(tmp_path: Path) -> None:
    folder = skeleton_files(tmp_path / "in", 2)
    skeleton_files(folder, 1, "a_person1.npy")
    batch = export_recordings([folder], "trc", tmp_path / "out", overwrite=True)
    assert len(batch.done) == len(set(batch.done)) == 2
    (failure,) = batch.failed
    assert "a.npy" in failure.message and "a_person1.npy" in failure.message


@pytest.mark.parametrize("form", ["trc", "nwb", "coco", "label-studio", "angles", "c3d"])
def test_odd_names(form: str, tmp_path: Path) -> None:
    """Bytes that are not UTF-8, and characters with a meaning in the file."""
    for package in load_formats()[form].packages:
        pytest.importorskip(package)
    for name in (b"tri\xff.mp4", b"a\nb\tc.mp4"):
        source = replace(recording(), path=Path(os.fsdecode(name)))
        (path,) = export(source, load_formats()[form], tmp_path, Path("x"), overwrite=True)
        if form == "trc":
            assert path.read_text().split("\n")[1].startswith("DataRate")


def test_what_is_wrong_is_said_before_poses_are_estimated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def estimate(videos: Any, *_: Any, **__: Any) -> Any:
        raise AssertionError(f"poses of {videos} were estimated")

    monkeypatch.setattr("skelact.runs.poses.poses_of", estimate)
    (tmp_path / "a.mp4").write_bytes(b"")
    (tmp_path / "a.json").write_text("mine")
    batch = export_recordings([tmp_path / "a.mp4"], "coco", tmp_path)
    assert [f.path.name for f in batch.failed] == ["a.mp4"] and "exists" in batch.failed[0].message
    monkeypatch.setitem(sys.modules, "sleap_io", None)
    with pytest.raises(BackendMissing, match="sleap-io"):
        export_recordings([tmp_path / "a.mp4"], "sleap", tmp_path)
    folder = skeleton_files(tmp_path / "in")
    with pytest.raises(ConfigError, match="no effect on skeleton files"):
        export_recordings([folder], "trc", tmp_path, pose=PoseOptions(max_persons=1))
