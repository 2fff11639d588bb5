"""Attacks on the files of the user by every command that writes: nothing that exists is replaced
without --overwrite, and no input with it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from skelact.cli import main
from skelact.datasets import pyskl
from tests.conftest import sequence_of
from tests.helpers import pattern

TRAIN = (
    *("train", "--dataset", "pyskl", "--data", "clips.pkl", "--model", "rocket", "--split", "one"),
    *("--set", "model.kernels=16", "--set", "sampling.length=16", "--epochs", "1"),
    *("--device", "cpu"),
)
POSES = ("--poses-from", "json")
PREDICT = ("predict", "v.mp4", *POSES, "--model", "runs/a")


def openpose(folder: Path, frames: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for n in range(frames):
        joints = [
            value for v in range(25) for value in (20 + 4 * (v % 5) + n / 4, 2 + 1.8 * v, 0.9)
        ]
        people = [{"person_id": [-1], "pose_keypoints_2d": joints}]
        text = json.dumps({"version": 1.3, "people": people})
        (folder / f"{folder.name}_{n:012d}_keypoints.json").write_text(text)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two videos with imported poses, a dataset, and two runs trained on it."""
    root = tmp_path_factory.mktemp("world")
    for name, seconds in (("v", "0.8"), ("long", "1.2")):
        pattern(root / f"{name}.mp4", seconds=seconds)
        openpose(root / "json" / name, round(25 * float(seconds)))
    rng = np.random.default_rng(0)
    names = [f"clip{n}" for n in range(12)]
    samples = [
        (name, n % 2, sequence_of(rng.uniform(0, 100, (1, 20, 17, 2)) + 50 * (n % 2)))
        for n, name in enumerate(names)
    ]
    pyskl.export(root / "clips.pkl", samples, {"one_train": names[:8], "one_val": names[8:]})
    data = ("--data", str(root / "clips.pkl"), "--runs", str(root / "runs"))
    for name in ("a", "b"):
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(root)
            assert main([*TRAIN, *data, "--name", name]) == 0
    assert (root / "runs/a/best.pt").read_bytes() == (root / "runs/b/best.pt").read_bytes()
    return root


@pytest.fixture
def folder(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the world, which is the current folder."""
    copy = tmp_path / "copy"
    shutil.copytree(world, copy, symlinks=True)
    monkeypatch.chdir(copy)
    return copy


def put(*names: str, text: str = "mine") -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)


def kept(names: Sequence[str], *command: str) -> int:
    """The exit code of a command that changes none of the files."""
    before = [Path(name).read_bytes() for name in names]
    code = main(list(command))
    assert [Path(name).read_bytes() for name in names] == before
    return code


EXISTING = {  # files of the user, and a command that would replace them
    "csv": (["n.csv"], (*PREDICT, "--csv", "n.csv")),
    "srt": (["n.srt"], (*PREDICT, "--srt", "n.srt")),
    "overlay": (["n.mp4"], (*PREDICT, "--overlay", "n.mp4")),
    "overlay in a folder": (["out/v.mp4"], (*PREDICT, "--overlay", "out")),
    "cut": (["c/v_000.mp4"], ("cut", "v.mp4", "--length", "0.8", "--out", "c")),
    "compare": (["n.html"], ("compare", "runs/a", "runs/b", "--out", "n.html")),
    "export": (["n.pt"], ("export", "runs/a", "--out", "n.pt")),
    "datasets export": (
        ["n.pkl"],
        ("datasets", "export", "--dataset", "clips.pkl", "--out", "n.pkl"),
    ),
    "fuse": (["f/best.pt", "f/result.json"], ("fuse", "runs/a", "runs/b", "--out", "f")),
    "sweep": (
        ["s.csv", "s.png"],
        ("sweep", *TRAIN[1:], "--runs", ".", "--name", "s", "--over", "train.seed=0"),
    ),
    "picture": (["n.png"], ("skeletons", "coco-17", "--picture", "n.png")),
}


@pytest.mark.parametrize("name", EXISTING)
def test_existing_files_need_overwrite(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files, command = EXISTING[name]
    put(*files)
    assert kept(files, *command) == 2
    told = capsys.readouterr().err
    assert "exists" in told and "--overwrite" in told
    Path(files[0]).unlink()
    put("thesis.txt")
    Path(files[0]).symlink_to(folder / "thesis.txt")
    assert kept([*files, "thesis.txt"], *command) == 2
    assert kept(["thesis.txt"], *command, "--overwrite") == 0  # and the link is replaced
    assert all(Path(file).read_bytes() != b"mine" for file in files)
    assert not Path(files[0]).is_symlink() and not list(folder.rglob(".skelact-*"))


INPUTS = {
    "csv": (["v.mp4"], (*PREDICT, "--csv", "v.mp4")),
    "overlay": (["v.mp4"], (*PREDICT, "--overlay", "v.mp4")),
    "overlay in its folder": (["v.mp4"], (*PREDICT, "--overlay", ".")),
    "overlay through a hard link": (["v.mp4", "l.mp4"], (*PREDICT, "--overlay", "l.mp4")),
    "cut": (["c/v_000.mp4", "c/v.mp4"], ("cut", "c", "--length", "0.8", "--out", "c")),
    "cut through a hard link": (["h/v.mp4"], ("cut", "h/v.mp4", "--length", "0.8", "--out", "h")),
    "export": (["runs/a/best.pt"], ("export", "runs/a", "--out", "runs/a/best.pt")),
    "datasets export": (
        ["clips.pkl"],
        ("datasets", "export", "--dataset", "clips.pkl", "--out", "clips.pkl"),
    ),
    "compare": (["runs/a/result.json"], ("compare", "runs/a", "--out", "runs/a/result.json")),
    "fuse": (["runs/a/best.pt"], ("fuse", "runs/a", "runs/b", "--out", "runs/a")),
    "extract": (
        ["json/v/v_000000000000_keypoints.json"],
        ("extract", "v.mp4", *POSES, "--out", "json"),
    ),
    "picture": (["my.toml"], ("skeletons", "my.toml", "--picture", "my.toml")),
}


@pytest.mark.parametrize("name", INPUTS)
def test_inputs_are_never_replaced(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("l.mp4").hardlink_to("v.mp4")
    for place, other in (("c", "v.mp4"), ("h", "long.mp4")):
        Path(place).mkdir()
        shutil.copy("v.mp4", f"{place}/v.mp4")
        shutil.copy(other, f"{place}/w.mp4")
    shutil.copy("long.mp4", "c/v_000.mp4")
    Path("h/v_000.mp4").hardlink_to("h/v.mp4")
    put("my.toml", text='name = "mine"\njoints = ["a", "b"]\ncentre = "a"\nparents = {b = "a"}')
    files, command = INPUTS[name]
    assert kept(files, *command, "--overwrite") in (1, 2)
    told = capsys.readouterr().err
    reasons = (
        *("is never replaced", "must end in", "is a part of the input"),
        "holds a trained run",
    )
    assert any(reason in told for reason in reasons), told
    assert not list(folder.rglob(".skelact-*"))


def test_the_poses_of_a_video_are_replaced_as_a_whole(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["extract", "w.mp4", *POSES, "--out", "out"]
    shutil.copy("long.mp4", "w.mp4")
    openpose(Path("json/w"), 30)
    assert main(command) == 0 and len(list(Path("out/w").iterdir())) == 30
    assert main(command) == 0  # equal: an interrupted command can be repeated
    shutil.copy("v.mp4", "w.mp4")
    openpose(Path("json/w"), 20)
    assert main(command) == 1 and "holds another result" in capsys.readouterr().err
    assert len(list(Path("out/w").iterdir())) == 30
    assert main([*command, "--overwrite"]) == 0
    assert len(list(Path("out/w").iterdir())) == 20
    put("out/w/thesis.txt")
    assert main([*command, "--json-form", "lines", "--overwrite"]) == 1
    assert "did not write" in capsys.readouterr().err and len(list(Path("out/w").iterdir())) == 21


def test_clips_of_two_cuts_are_not_mixed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["cut", "long.mp4", "--out", "c", "--length"]
    assert main([*command, "0.4"]) == 0 and len(list(Path("c").iterdir())) == 3
    before = {p.name: p.stat().st_mtime_ns for p in Path("c").iterdir()}
    assert main([*command, "0.4"]) == 0  # equal: nothing is written
    for more in ([], ["--overwrite"]):
        assert main([*command, "0.8", *more]) == 2
    assert "more clips of another cut" in capsys.readouterr().err
    assert {p.name: p.stat().st_mtime_ns for p in Path("c").iterdir()} == before


def test_a_folder_of_the_user_is_no_run_and_no_cache(folder: Path) -> None:
    put("mine/thesis.txt", "videos/kick/a.mp4")
    assert main([*TRAIN, "--runs", ".", "--name", "mine", "--resume"]) == 0
    assert [p.name for p in Path("mine").iterdir()] == ["thesis.txt"]
    assert Path("mine-2/best.pt").is_file()
    for option in ("--all", "--damaged"):
        assert kept(["videos/kick/a.mp4"], "cache", "prune", option, "--cache-dir", ".") == 0


def test_damaged_poses_are_estimated_again_for_the_output(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["extract", str(clip), "--cache-dir", str(tmp_path / "cache"), "--out"]
    assert main([*command, str(tmp_path / "a")]) == 0
    frame = min((tmp_path / "cache" / "poses").glob("*/*0.json"))
    frame.write_bytes(frame.read_bytes().replace(b"1", b"7"))
    capsys.readouterr()
    assert main([*command, str(tmp_path / "b")]) == 0
    assert "is damaged" in capsys.readouterr().err
    one, two = (sorted((tmp_path / name).rglob("*.json")) for name in "ab")
    assert [p.read_bytes() for p in one] == [p.read_bytes() for p in two] and one


def test_no_table_without_a_result(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put("n.csv", "broken.mp4")
    command = ("predict", "broken.mp4", *POSES, "--model", "runs/a", "--csv")
    assert kept(["n.csv"], *command, "n.csv", "--overwrite") == 2
    assert main([*command, "new.csv"]) == 2 and not Path("new.csv").exists()
    assert "new.csv" not in capsys.readouterr().out
