"""Checkpoints of PYSKL and mmaction2 for the actions of NTU RGB+D: names, windows and rate."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from skelact.cache import Cache
from skelact.cli import main
from skelact.datasets import ntu_names
from skelact.inference.predictor import Predictor
from skelact.inference.windows import PersonTrack, at_track_rate
from skelact.interop.checkpoints import foreign_checkpoint
from skelact.models import build
from skelact.options import ForeignOptions
from skelact.sequence.resample import is_same_rate
from skelact.skeletons import SKELETONS
from tests.helpers import poses


def write(folder: Path, classes: int = 60, layout: str = "coco-17") -> Path:
    """A small ST-GCN++ with the names of PYSKL's state dicts and random weights."""
    torch.manual_seed(0)
    stages = {"num_stages": 3, "inflate_stages": (2, 3), "down_stages": (2, 3), "base_channels": 8}
    net = build("stgcnpp", classes, SKELETONS[layout], persons=2, **stages)
    state = {k.replace("cls_head.fc.", "cls_head.fc_cls."): v for k, v in net.state_dict().items()}
    torch.save({"meta": {}, "state_dict": state}, folder / f"ntu{classes}.pth")
    return folder / f"ntu{classes}.pth"


def test_names_of_all_actions() -> None:
    names = ntu_names.actions(120)
    assert len(set(names)) == 120 and names[:60] == ntu_names.actions(60)
    assert (names[0], names[23], names[49], names[59], names[60], names[119]) == (
        *("drink water", "kicking something", "punching/slapping other person"),
        *("walking apart from each other", "put on headphone"),
        "finger-guessing game (playing rock-paper-scissors)",
    )


@pytest.mark.parametrize("classes", [60, 120])
@pytest.mark.parametrize("layout", ["coco-17", "ntu-25"])
def test_60_and_120_classes_are_ntu(tmp_path: Path, classes: int, layout: str) -> None:
    file = write(tmp_path, classes, layout)
    checkpoint, notes = foreign_checkpoint(file, ForeignOptions())
    assert checkpoint.classes == ntu_names.actions(classes)
    assert (checkpoint.clip_s, checkpoint.persons) == (3.0, 2)
    assert f"assumed to be the actions of NTU RGB+D {classes}" in notes[-1]
    assert "--labels" in notes[-1] and "windows of 3 s" in notes[-1]
    longer, notes = foreign_checkpoint(file, ForeignOptions(window=0))
    assert longer.clip_s == 0 and "the complete video" in notes[-1]


def test_other_labels_and_other_numbers_of_classes(tmp_path: Path) -> None:
    file, labels = write(tmp_path), tmp_path / "labels.txt"
    labels.write_text("\n".join(f"action {n}" for n in range(60)))
    checkpoint, notes = foreign_checkpoint(file, ForeignOptions(labels=labels))
    assert checkpoint.classes[0] == "action 0" and checkpoint.clip_s == 0
    assert "NTU" not in " ".join(notes)
    windows, _ = foreign_checkpoint(file, ForeignOptions(labels=labels, window=2.5))
    assert windows.clip_s == 2.5
    other, notes = foreign_checkpoint(write(tmp_path, 61), ForeignOptions())
    assert other.classes[0] == "class 0" and "NTU" not in " ".join(notes)
    assert Predictor.load(write(tmp_path, 61)).rate is None


def test_tracks_have_the_rate_of_ntu() -> None:
    sequence = replace(poses(1, 30), fps=15.0)
    track = at_track_rate(PersonTrack(person_id=3, start=10, sequence=sequence), 30.0)
    assert (track.start, track.sequence.frames, track.sequence.fps) == (20, 59, 30.0)
    assert np.array_equal(track.sequence.xy[:, ::2], sequence.xy)
    assert is_same_rate(29.97, 30.0) and not is_same_rate(25.0, 30.0)


def test_prediction_on_a_video(
    tmp_path: Path, clip: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path)
    arguments = ("--model", str(file), "--cache-dir", str(cache_dir), "--window", "1")
    assert main(["predict", str(clip), *arguments, "--min-segment", "0.5", "--json"]) == 0
    captured = capsys.readouterr()
    assert "actions of NTU RGB+D 60" in " ".join(captured.err.split())
    (prediction,) = json.loads(captured.out)["predictions"]  # of the scene: two persons at most
    assert prediction["person_id"] == -1
    segments = prediction["segments"]
    assert {s["label"] for s in segments} <= set(ntu_names.actions(60))
    manifest = next(Predictor.load(file).predict_many([clip], Cache(cache_dir)).results.__iter__())
    poses_of = manifest.extracted.poses.manifest  # type: ignore[union-attr]
    length = poses_of.frames / poses_of.fps
    assert 0 <= segments[0]["start_s"] < segments[-1]["end_s"] <= length + 0.05
    assert segments[-1]["end_s"] > length / 2
    assert main(["predict", str(clip), *arguments, "--unknown-threshold", "0.9", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["predictions"][0]["label"] == "unknown"


def test_options_of_foreign_checkpoints_have_ranges() -> None:
    from skelact.errors import ConfigError

    for window in (-1.0, 1e9):
        with pytest.raises(ConfigError, match="window"):
            ForeignOptions(window=window)
