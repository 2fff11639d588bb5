"""3-D pickles of several layouts, without any option."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from skelact import config
from skelact.cache import Cache
from skelact.cli import main
from skelact.datasets import pyskl
from skelact.errors import ConfigError, OutputError
from skelact.recipe import compose
from skelact.runs.export import export_pyskl
from skelact.skeletons import SKELETONS, convert, guess_layout
from tests.helpers import Floats32, kinect_clip

TRAIN = ("train", "--dataset", "pyskl", "--model", "rocket", "--device", "cpu")


def write(path: Path, order: list[int], count: int = 12) -> Path:
    annotations = [
        {"frame_dir": f"s{n}", "label": n % 2, "total_frames": 20, "keypoint": x[:, :, order]}
        for n in range(count)
        for x in [kinect_clip(n)]
    ]
    names = [a["frame_dir"] for a in annotations]
    content = {"split": {"train": names[:8], "val": names[8:]}, "annotations": annotations}
    path.write_bytes(pickle.dumps(content))
    return path


def order_of(name: str) -> list[int]:
    source = SKELETONS["kinect-20"]
    numbers = np.arange(20, dtype=np.float32)[:, None]
    found = convert(numbers, source, SKELETONS[name])[:, 0]
    return [source.index("spine_shoulder") if np.isnan(n) else int(n) for n in found]


@pytest.mark.parametrize("name", ["kinect-20", "msr-action3d-20", "florence-15"])
def test_the_layout_follows_from_the_data(name: str) -> None:
    points: Floats32 = np.concatenate([kinect_clip(n)[0] for n in range(4)])
    assert guess_layout(points[:, order_of(name)]).skeleton.name == name
    shuffled = np.random.default_rng(0).permutation(20)
    guess = guess_layout(points[:, shuffled])
    assert not guess.is_shipped and len(guess.skeleton.edges) == 19
    wrist, elbow = (
        f"joint_{list(shuffled).index(SKELETONS['kinect-20'].index(j))}"
        for j in ("left_wrist", "left_elbow")
    )
    assert (wrist, elbow) in guess.skeleton.edges


def test_a_3d_pickle_trains_without_options(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / "x.pkl", order_of("florence-15"))
    assert main([*TRAIN, "--data", str(file), "--name", "a"]) == 0
    assert "dataset.skeleton=florence-15, normalise.dims=3" in capsys.readouterr().err
    recipe = json.loads((tmp_path / "runs/a/config.json").read_text())["recipe"]
    assert recipe["dataset"]["skeleton"] == "florence-15"
    assert (recipe["normalise"]["mode"], recipe["normalise"]["dims"]) == ("body", 3)
    assert main(["test", "runs/a", "--data", str(file)]) == 0
    assert main([*TRAIN, "--data", str(file), "--name", "a", "--resume"]) == 0
    assert main([*TRAIN, "--data", str(file), "--dims", "2"]) == 2
    assert main([*TRAIN, "--data", str(file), "--set", "normalise.mode=image"]) == 2
    assert main([*TRAIN, "--data", str(file), "--skeleton", "coco-17", "--name", "b"]) == 0
    assert "lack 5 of the 17 joints of coco-17: nose" in capsys.readouterr().err
    Path("odd.toml").write_text(
        "name = 'odd'\ncentre = 'a'\njoints = ['a', 'b']\nparents = {b = 'a'}"
    )
    assert main([*TRAIN, "--data", str(file), "--skeleton", "odd.toml", "--name", "c"]) == 2
    assert "No joint of the layout odd" in capsys.readouterr().err
    assert not Path("runs/c").exists()
    assert main([*TRAIN, "--data", str(file), "--source-skeleton", "coco-17"]) == 2


def test_an_export_keeps_the_joints(tmp_path: Path) -> None:
    file, out = write(tmp_path / "x.pkl", list(range(20))), tmp_path / "out.pkl"
    count, failed = export_pyskl("pyskl", file, out, Cache(tmp_path / "cache"))
    assert (count, failed) == (12, [])
    before, after = pyskl.load(file), pyskl.load(out)
    for a, b in zip(before["annotations"], after["annotations"], strict=True):
        assert (a["frame_dir"], a["label"]) == (b["frame_dir"], b["label"])
        assert np.array_equal(a["keypoint"].astype(np.float16), b["keypoint"])
    assert after["split"]["official_train"] == before["split"]["train"]
    changes = config.overrides(["dataset.skeleton=florence-15"])
    with pytest.raises(OutputError, match=r"out\.pkl exists"):
        export_pyskl("pyskl", file, out, Cache(tmp_path / "cache"), changes=changes)
    export_pyskl("pyskl", file, out, Cache(tmp_path / "cache"), changes=changes, overwrite=True)
    assert pyskl.load(out)["annotations"][0]["keypoint"].shape == (1, 20, 15, 3)


def test_a_config_and_a_dataset() -> None:
    recipe = compose("nw-ucla", None, "esan_ntu60", {})
    assert recipe.dataset == compose("nw-ucla", None, None, {}).dataset
    assert recipe.normalise.flatten_persons and recipe.normalise.minmax
    assert recipe.network == "esan" and recipe.sampling.length == 20
    same = compose("ntu60", None, "asgcn_ntu60_thesis", {})
    assert same == compose(None, None, "asgcn_ntu60_thesis", {}) and same.dataset.classes
    with pytest.raises(ConfigError, match="needs 3-D"):
        compose("mads", None, "asgcn_ntu60", {})
    Path("own.py").write_text(
        '_base_ = ["datasets/pyskl.py", "training/small.py"]\nmodel = dict(name="stgcn_small")'
    )
    own = compose(None, None, "own.py", {})
    assert (
        own.dataset.name == "pyskl"
        and own.train == compose(None, None, "stgcn_mads_demo", {}).train
    )
    assert compose("ntu120", None, "own.py", {}).dataset.name == "ntu120"
