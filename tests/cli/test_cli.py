"""The commands as a user runs them, in processes of their own, on small real clips."""

from __future__ import annotations

import csv
import json
import os
import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from skelact.cache import Cache
from skelact.cli import main
from skelact.runs.calibrate import calibrate
from skelact.video.probe import probe
from tests.conftest import run, short_clip, walking
from tests.helpers import SMALL_RUN


@pytest.fixture(scope="module")
def trained(mini_mads: Path, cache_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run trained on the small dataset through the command line."""
    where = tmp_path_factory.mktemp("trained")
    done = run(
        "train",
        "--data",
        mini_mads,
        *SMALL_RUN,
        "--cache-dir",
        cache_dir,
        "--name",
        "mini",
        cwd=where,
    )
    assert done.returncode == 0, done.stderr
    assert "mean class accuracy" in done.stdout and "commonest class" in done.stdout
    assert "top-5" not in done.stdout  # meaningless with two classes
    return where / "runs" / "mini"


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "extract" in capsys.readouterr().out
    assert main(["--version"]) == 0
    assert main(["--nonsense"]) == 2
    assert main(["extract"]) == 2


def test_train_writes_a_run(trained: Path) -> None:
    assert {p.name for p in trained.iterdir()} == {
        "best.pt",
        "last.pt",
        "config.json",
        "split.json",
        "log.jsonl",
        "result.json",
        "predictions.json",
        "validation.json",
        "report.html",
        "curves.png",
        "confusion.png",
    }
    result = json.loads((trained / "result.json").read_text())
    assert result["scores"]["top1"] >= 0.5 and result["clips"]["test"] == 4
    split = json.loads((trained / "split.json").read_text())["videos"]
    assert not set(split["train"]) & set(split["test"])


def test_three_dimensions_and_two_persons(mini_mads: Path, cache_dir: Path, tmp_path: Path) -> None:
    """World landmarks in, a prediction about everyone together out."""
    arguments = ("--data", mini_mads, *SMALL_RUN, "--epochs", "1", "--cache-dir", cache_dir)
    done = run("train", *arguments, "--dims", "3", "--persons", "2", "--name", "solid", "--json")
    assert done.returncode == 0, done.stderr
    video = mini_mads / "Taichi" / "Taichi_A2_C0.avi"
    done = run("predict", video, "--model", "runs/solid", "--cache-dir", cache_dir, "--json")
    assert done.returncode == 0, done.stderr
    (prediction,) = json.loads(done.stdout)["predictions"]
    assert prediction["person_id"] == -1


def test_predict_one_clip_every_form(
    trained: Path, mini_mads: Path, cache_dir: Path, tmp_path: Path
) -> None:
    video = mini_mads / "Taichi" / "Taichi_A2_C0.avi"
    done = run(
        "predict",
        video,
        "--model",
        trained,
        "--cache-dir",
        cache_dir,
        "--json",
        "--csv",
        "s.csv",
        "--srt",
        "s.srt",
        "--overlay",
        "over lay.mp4",
    )
    assert done.returncode == 0, done.stderr
    (prediction,) = json.loads(done.stdout)["predictions"]
    assert prediction["label"] in ("HipHop", "Taichi") and prediction["person_id"] == 0
    assert prediction["segments"][0]["start_s"] == 0
    assert sum(prediction["segments"][0]["probabilities"].values()) == pytest.approx(1, abs=1e-3)
    rows = list(csv.DictReader((tmp_path / "s.csv").read_text().splitlines()))
    assert rows[0]["label"] == prediction["segments"][0]["label"]
    assert "00:00:00,000 --> " in (tmp_path / "s.srt").read_text()
    overlay = probe(tmp_path / "over lay.mp4")
    assert overlay.frames == 30 and overlay.width == 512 and overlay.height > 384


def test_predict_many_with_the_latest_run(trained: Path, mini_mads: Path, cache_dir: Path) -> None:
    latest = ("--model", "latest", "--cache-dir", cache_dir)
    done = run("predict", mini_mads / "HipHop", *latest, cwd=trained.parents[1])
    assert done.returncode == 0, done.stderr
    assert "using the latest run" in done.stderr and done.stdout.count(".avi") == 8
    assert run("predict", mini_mads / "HipHop", *latest).returncode == 2


def test_several_results_do_not_fit_one_file(
    trained: Path, mini_mads: Path, cache_dir: Path
) -> None:
    done = run(
        "predict",
        mini_mads / "HipHop",
        "--model",
        trained,
        "--cache-dir",
        cache_dir,
        "--srt",
        "a.srt",
    )
    assert done.returncode == 2 and "Give a folder" in done.stderr


def test_the_three_lines_of_python(trained: Path, mini_mads: Path, cache_dir: Path) -> None:
    import skelact
    from skelact.cache import Cache

    recogniser = skelact.load(trained, device="cpu")
    predictions = recogniser.predict(mini_mads / "Taichi" / "Taichi_A2_C0.avi", Cache(cache_dir))
    assert predictions[0].label in recogniser.classes
    with pytest.raises(skelact.SkelactError):
        recogniser.predict("nowhere.mp4")


def test_a_clip_longer_than_the_window_is_walked(
    trained: Path, cache_dir: Path, tmp_path: Path
) -> None:
    from tests.conftest import sample

    short_clip(sample("untrimmed.avi"), tmp_path / "long.mp4", 120, start=150)
    done = run(
        "predict",
        "long.mp4",
        "--model",
        trained,
        "--cache-dir",
        cache_dir,
        "--json",
        "--min-segment",
        "1",
    )
    assert done.returncode == 0, done.stderr
    segments = json.loads(done.stdout)["predictions"][0]["segments"]
    assert segments[0]["start_s"] == 0 and segments[-1]["end_s"] == pytest.approx(8, abs=0.1)
    assert all(a["end_s"] == b["start_s"] for a, b in pairwise(segments))


def test_imported_poses_take_the_place_of_estimation(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "json").mkdir()
    records = [
        {
            "image_id": f"{n}.jpg",
            "keypoints": [v for xy in p.xy.tolist() for v in (*xy, 0.9)],
            "score": 1,
        }
        for n, p in enumerate(walking(20))
    ]
    (tmp_path / "json" / "clip.json").write_text(json.dumps(records))
    done = run("extract", clip, "--poses-from", "json", "--json")
    assert done.returncode == 0, done.stderr
    video = json.loads(done.stdout)["videos"][0]
    assert video["estimator"] == "alphapose" and video["frames"] == 20 and video["persons"] == 1
    other = tmp_path / "other.mp4"
    shutil.copy(clip, other)
    failed = run("extract", clip, other, "--poses-from", "json")
    assert failed.returncode == 1 and "no poses of that name" in failed.stderr


def test_doctor(tmp_path: Path) -> None:
    done = run("doctor", "--json")
    content = json.loads(done.stdout)
    assert done.returncode == 0 and content["ok"]
    states = {f["what"]: f for f in content["findings"]}
    assert states["blazepose"]["ok"] and states["ffmpeg"]["ok"]
    assert states["rtmo-s"]["fix"] and not states["rtmo-s"]["needed"]


def test_doctor_reports_a_missing_component(tmp_path: Path) -> None:
    """An ai-edge-litert that cannot be imported: exit code 1 and the command that fixes it."""
    (tmp_path / "broken" / "ai_edge_litert").mkdir(parents=True)
    (tmp_path / "broken" / "ai_edge_litert" / "__init__.py").write_text(
        "raise ImportError('broken')"
    )
    path = os.pathsep.join((str(tmp_path / "broken"), os.environ.get("PYTHONPATH", "")))
    done = run("doctor", PYTHONPATH=path, COLUMNS="300")
    assert done.returncode == 1 and "pip install 'ai-edge-litert" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("train", "--dataset", "mds"), "did you mean 'mads'"),
        (("train", "--data", "nowhere"), "mads is not in nowhere"),
        (("train", "--split", "xcam"), "No split of mads-sample is called 'xcam'"),
        (("train", "--set", "train.epoch=3"), "did you mean 'train.epochs'"),
        (("train", "--classes", "Kata,Judo"), "No class of mads-sample is called 'Judo'"),
        (("train", "--device", "tpu"), "no device 'tpu'"),
        (("predict", "x.mp4", "--model", "nowhere.pt"), "no checkpoint nowhere.pt"),
        (("predict", "x.mp4", "--model", "latest"), "no trained run"),
        (("extract", "nowhere"), "no such file or folder"),
        (("extract", ".", "--pose", "blazpose"), "No pose estimator is called 'blazpose' (did you"),
        (("train", "--data", "nowhere", "--pose", "blazpose"), "did you mean 'blazepose'?"),
        (("models", "pull", "rtmo-xl"), "did you mean 'rtmo-"),
        (("models", "pull", "blazpose"), "(did you mean 'blazepose'?)"),
        (("models", "pull", "custom"), "Choose one of blazepose, rtmo-s"),
        (("models", "pull", "rtmo-s", "--from", "nowhere"), "no such file"),
    ],
)
def test_mistakes_get_a_sentence_and_exit_2(
    arguments: tuple[str, ...],
    says: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from skelact.stages import dataset

    monkeypatch.setattr(dataset, "extract", lambda *_, **__: pytest.fail("too late"))
    assert main(list(arguments)) == 2
    shown = capsys.readouterr().err
    assert says in shown and "Traceback" not in shown


def test_debug_shows_where(capsys: pytest.CaptureFixture[str]) -> None:
    done = run("extract", "nowhere", "--debug")
    assert done.returncode != 0 and "Traceback" in done.stderr


@pytest.mark.slow  # a minute; tests/runs/test_calibrate.py tests the parts
def test_calibrate_then_pack_then_predict(
    trained: Path,
    mini_mads: Path,
    cache_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The negative videos are of the sample set itself, so the threshold is measured on windows of
    known actions."""
    mine = shutil.copytree(trained, tmp_path / "runs" / "mine")
    options = ("--cache-dir", cache_dir)
    done = run("calibrate", mine, mini_mads / "HipHop", "--target-fpr", 0, *options, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    chosen = found["chosen"]
    assert 0 < chosen["threshold"] <= 1.01 and found["temperature"] > 0
    assert len(found["negatives"]) == 2 and found["known"] == "validation.json"
    assert found["curve"][0]["coverage"] == 1 and not found["applied"]
    before = (mine / "best.pt").read_bytes()
    shown = run("calibrate", mine, mini_mads / "HipHop", *options)
    assert "negatives labelled" in shown.stdout and "known samples become unknown" in shown.stderr
    assert "at least 50 are needed" in shown.stderr
    refused = run("calibrate", mine, mini_mads / "HipHop", "--apply", *options)
    assert refused.returncode == 2 and "at least 50 are needed" in refused.stderr
    assert (mine / "best.pt").read_bytes() == before and not (mine / "calibration.json").exists()
    assert run("calibrate", mine, "--undo").returncode == 2

    monkeypatch.setattr("skelact.runs.calibrate.MIN_NEGATIVES", 1)
    monkeypatch.setattr("skelact.runs.calibrate.MAX_REJECTED", 1.0)
    cache, negatives = Cache(cache_dir), [mini_mads / "HipHop"]
    first = calibrate(mine, negatives, target_fpr=0, apply=True, cache=cache).chosen
    second = calibrate(mine, negatives, target_fpr=0.9, apply=True, cache=cache).chosen
    assert first.threshold > second.threshold
    undone = run("calibrate", mine, "--undo", "--json")
    again = json.loads(undone.stdout)["calibration"]["unknown_threshold"]
    assert undone.returncode == 0 and again == pytest.approx(first.threshold)
    assert "not calibrated" in run("calibrate", mine, "--undo").stderr
    assert not (mine / "calibration.json").exists() and not (mine / "calibration.png").exists()
    calibrate(mine, negatives, target_fpr=0, apply=True, cache=cache)
    assert (mine / "calibration.png").stat().st_size > 5000

    packed = tmp_path / "out" / "mine.pt"
    done = run("export", mine, "--out", packed, "--calibration", mine)
    assert done.returncode == 0 and packed.stat().st_size < 0.7 * (mine / "best.pt").stat().st_size

    def labels(*more: object) -> set[str]:
        out = run("predict", mini_mads / "Taichi", "--model", packed, *options, "--json", *more)
        assert out.returncode == 0, out.stderr
        return {s["label"] for p in json.loads(out.stdout)["predictions"] for s in p["segments"]}

    assert labels("--unknown-threshold", 1) == {"unknown"}
    assert "unknown" not in labels("--unknown-threshold", 0)
    said = run(
        "predict", mini_mads / "Taichi", "--model", packed, *options, "--unknown-threshold", 1
    )
    assert "unknown (" in said.stdout
    assert run("calibrate", mine, tmp_path / "nothing").returncode == 2
    (tmp_path / "broken.avi").write_bytes(b"no video")
    some = run("calibrate", mine, mini_mads / "HipHop", tmp_path / "broken.avi", *options)
    assert some.returncode == 1 and "broken.avi" in some.stderr
    nobody = run("predict", mini_mads / "Taichi", "--model", packed, *options, "--max-persons", 0)
    assert nobody.returncode == 2 and "--max-persons" in nobody.stderr
    arguments = ("--calibration", tmp_path, "--overwrite")
    nowhere = run("export", mine, "--out", packed, *arguments)
    assert nowhere.returncode == 2 and "skelact calibrate" in nowhere.stderr
    unheard = run("predict", mini_mads / "Taichi", "--model", "everday", *options)
    assert (
        unheard.returncode == 2 and "not a run folder, a file or a shipped model" in unheard.stderr
    )
