"""Training on two estimates of the same people, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

from skelact.config import shipped
from tests.conftest import run

QUICK = (
    *("--model", "rocket", "--set", "model.kernels=40", "--set", "dataset.mirrored_poses=True"),
    *("--batch-size", "8", "--device", "cpu"),
)


def test_the_training_side_alone_is_doubled(
    mini_mads: Path, cache_dir: Path, tmp_path: Path
) -> None:
    common = ("--data", mini_mads, "--cache-dir", cache_dir, "--json")
    done = run("train", *common, *QUICK, "--name", "two")
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "runs" / "two" / "result.json").read_text())
    videos = json.loads((tmp_path / "runs" / "two" / "split.json").read_text())["videos"]
    assert result["clips"]["train"] == 2 * len(videos["train"]) > 0
    assert result["clips"]["test"] == len(videos["test"]) > 0
    assert result["clips"]["val"] == len(videos["val"])
    assert "mirrored" not in (tmp_path / "runs" / "two" / "predictions.json").read_text()

    # tested again, and predicting, it needs one look
    again = run("test", "runs/two", *common)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["top1"] == result["scores"]["top1"]
    video = mini_mads / "Taichi" / "Taichi_A2_C0.avi"
    done = run("predict", video, "--model", "runs/two", "--cache-dir", cache_dir, "--json")
    assert done.returncode == 0, done.stderr


def test_a_dataset_without_videos_has_none(tmp_path: Path) -> None:
    data = shipped("sample_videos")
    done = run("train", "--dataset", "mads-projected", "--data", data, *QUICK)
    assert done.returncode == 2 and "has no videos" in done.stderr
