"""Commands on damaged run folders."""

from __future__ import annotations

import json
import pickle
import random
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from skelact.cli import console, main
from skelact.errors import InputError
from skelact.inference import predictor
from skelact.inference.window_outputs import window_outputs
from skelact.pose.store import frame_json
from skelact.schemas import (
    BEST,
    CONFIG,
    PREDICTIONS,
    RESULT,
    SPLIT,
    VALIDATION,
    PredictedSample,
    Predictions,
    save_json,
)
from skelact.skeletons import SKELETONS
from tests.attack.documents import attempts, damaged_text, flipped, short, structural
from tests.conftest import walking

TINY = (
    *("--model", "stgcn_small", "--epochs", "1", "--batch-size", "4", "--device", "cpu"),
    *("--set", "model.base_channels=8", "--set", "model.num_stages=2", "--set", "train.repeat=1"),
    *("--set", "model.inflate_stages=[2]", "--set", "model.down_stages=[2]"),
    *("--set", "sampling.length=16", "--set", "sampling.test_clips=1"),
)


def annotations(path: Path, count: int = 16) -> Path:
    """A pickle of poses of two classes with a split."""
    rng = np.random.default_rng(0)
    names = [f"s{n}" for n in range(count)]
    samples = [
        {
            "frame_dir": name,
            "total_frames": 20,
            "img_shape": (480, 640),
            "label": n % 2,
            "keypoint": rng.uniform(100, 300, (1, 20, 17, 2)).astype(np.float16),
            "keypoint_score": np.ones((1, 20, 17), np.float16),
        }
        for n, name in enumerate(names)
    ]
    split = {"xsub_train": names[: count // 2], "xsub_val": names[count // 2 :]}
    path.write_bytes(pickle.dumps({"split": split, "annotations": samples}))
    return path


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data, a cache, and a trained run."""
    where = tmp_path_factory.mktemp("runs")
    data = annotations(where / "data.pkl")
    arguments = ["train", "--dataset", "pyskl", "--data", str(data), *TINY]
    arguments += ["--runs", str(where), "--name", "run", "--cache-dir", str(where / "cache")]
    assert main(arguments) == 0
    return where


def commands(where: Path, run: Path) -> dict[str, list[object]]:
    """Commands that read a run, by name."""
    data, cache = where / "data.pkl", ("--cache-dir", where / "cache")
    return {
        "test": ["test", run, *cache],
        "predict": ["predict", data, "--model", run, "--device", "cpu", "--json", *cache],
        "compare": ["compare", run, "--out", run / "page.html"],
        "calibrate": ["calibrate", run, data, *cache],
        "fuse": ["fuse", run, where / "run", "--out", run / "fused"],
        "export": ["export", run, "--out", run / "x.pt"],
    }


USES = {
    BEST: ("test", "predict", "calibrate", "fuse", "export"),
    CONFIG: ("test", "compare"),
    SPLIT: ("test", "compare"),
    RESULT: ("compare", "fuse"),
    PREDICTIONS: ("compare", "fuse"),
    VALIDATION: ("calibrate",),
}


def mutate(path: Path, rng: random.Random) -> str:
    """Damage one file of a run; returns what was done."""
    content = path.read_bytes()
    if rng.random() < 0.3:
        path.write_bytes(
            flipped(content, rng) if path.suffix == ".pt" else damaged_text(content, rng)
        )
        return "bytes"
    if path.suffix == ".pt":
        stored = torch.load(path, weights_only=True)
        settings = {k: v for k, v in stored.items() if k != "weights"}
        (changed,) = structural(settings, rng, 1)
        torch.save({"weights": stored["weights"], **changed}, path)
        return short({k: v for k, v in changed.items() if v != stored.get(k)})
    (document,) = structural(json.loads(content), rng, 1)
    path.write_text(json.dumps(document))
    return short(document)


def test_intact_runs_work(intact: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(intact / "run", tmp_path / "run"))
    for name, arguments in commands(intact, run).items():
        assert main([str(a) for a in arguments]) == 0, name


@pytest.mark.parametrize("file", USES)
def test_commands_on_damaged_runs(
    file: str, intact: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(len(file))
    tried, failures = 0, []
    for n in range(attempts(5)):
        run = tmp_path / str(n)
        shutil.copytree(intact / "run", run)
        what = mutate(run / file, rng)
        for name in USES[file]:
            tried += 1
            try:
                code = main([str(a) for a in commands(intact, run)[name]])
            except BaseException as error:
                failures.append(f"{name} {what}: {error!r}"[:300])
                continue
            out = capsys.readouterr()
            if code not in (0, 1, 2) or "bug in skelact" in out.err:
                failures.append(f"{name} {what}: {out.err}"[:400])
            if code == 0 and name == "predict":
                json.loads(out.out, parse_constant=_no_nan)
    print(f"attack: commands on a damaged {file}: {tried} attempts, {len(failures)} failures")
    assert not failures, "\n".join(failures)


def _no_nan(text: str) -> Any:
    raise ValueError(f"{text} in JSON")


def spoil(path: Path) -> None:
    """Change one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 2
    path.write_bytes(content)


def test_a_damaged_packed_array_is_made_again(
    intact: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = Path(shutil.copytree(intact, tmp_path / "x"))
    arguments = [str(a) for a in commands(where, where / "run")["test"]]
    assert main(arguments) == 0
    first = capsys.readouterr().out
    (array,) = (where / "cache").glob("packed/*/keypoints.npy")
    content = array.read_bytes()
    spoil(array)
    assert main(arguments) == 0
    told = capsys.readouterr()
    assert told.out == first and "keypoints.npy is damaged" in told.err
    assert "made again" in told.err and array.read_bytes() == content


def test_damaged_poses_are_estimated_again(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["predict", str(clip), "--json", "--cache-dir", str(tmp_path / "cache")]
    assert main(arguments) == 0
    first = capsys.readouterr().out
    frame = sorted((tmp_path / "cache").glob("poses/*/0*.json"))[7]
    spoil(frame)
    assert main(arguments) == 0
    told = capsys.readouterr()
    assert told.out == first and f"{frame} is damaged. The entry" in told.err
    assert main(["cache", "verify", "--cache-dir", str(tmp_path / "cache")]) == 0


def test_a_network_that_gives_nan_for_one_sequence(
    intact: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sequence is listed as failed; the others are predicted."""

    def overflowing(*arguments: Any) -> Any:
        rows = window_outputs(*arguments)
        spoiled = np.full_like(rows[1].probabilities, np.nan)
        return [rows[0], replace(rows[1], probabilities=spoiled), *rows[2:]]

    monkeypatch.setattr(predictor, "window_outputs", overflowing)
    arguments = commands(intact, intact / "run")["predict"]
    assert main([str(a) for a in arguments]) == 1
    told = json.loads(capsys.readouterr().out, parse_constant=_no_nan)
    assert len(told["predictions"]) == 15
    (failed,) = told["failed"]
    assert Path(failed["path"]).name == "s1" and "not finite" in failed["reason"]


def test_console_json_has_null_for_nan(capsys: pytest.CaptureFixture[str]) -> None:
    console.as_json({"a": [float("nan"), (1.5, float("inf"))], "b": Path("x")})
    assert json.loads(capsys.readouterr().out, parse_constant=_no_nan) == {
        "a": [None, [1.5, None]],
        "b": "x",
    }


def test_stored_poses_have_no_infinity() -> None:
    (person,) = walking(1)
    xy = person.xy.copy()
    xy[0] = np.inf
    text = frame_json([replace(person, xy=xy)], SKELETONS["coco-17"])
    (record,) = json.loads(text, parse_constant=_no_nan)["people"]
    assert record["pose_keypoints_2d"][:3] == [0, 0, 0]


def test_a_document_with_nan_is_not_written(tmp_path: Path) -> None:
    sample = PredictedSample(label="a", probabilities=(float("nan"), 0.5))
    with pytest.raises(InputError, match="cannot be used"):
        save_json(tmp_path / "x.json", Predictions(samples={"x": sample}))
    assert not list(tmp_path.iterdir())
