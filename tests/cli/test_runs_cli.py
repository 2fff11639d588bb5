"""The verbs that work on runs, on the sample set's ground truth (no estimation, so it is quick)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from skelact.cli import main
from skelact.config import shipped
from skelact.runs.sweep import grid

TINY = (
    *("--dataset", "mads-projected", "--data", str(shipped("sample_videos"))),
    *("--model", "stgcn_small", "--epochs", "1", "--batch-size", "16", "--device", "cpu"),
    *("--set", "model.base_channels=8", "--set", "model.num_stages=3", "--set", "train.repeat=1"),
    *("--set", "model.inflate_stages=[3]", "--set", "model.down_stages=[3]"),
    *("--set", "sampling.length=16"),
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two streams of one small network."""
    where = tmp_path_factory.mktemp("runs")
    arguments = ["train", *TINY, "--streams", "joint,bone", "--runs", str(where), "--name", "a"]
    assert main([*arguments, "--cache-dir", str(where / "cache")]) == 0
    return where


def told(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, object]:
    """What a command says in JSON."""
    assert main([*map(str, arguments), "--json"]) == 0
    return dict(json.loads(capsys.readouterr().out))


def test_several_streams_give_several_runs(runs: Path) -> None:
    for stream in ("joint", "bone"):
        settings = json.loads((runs / f"a_{stream}" / "config.json").read_text())
        assert settings["recipe"]["sampling"]["streams"] == stream
        page = (runs / f"a_{stream}" / "report.html").read_text()
        assert "http:" not in page and "https:" not in page
        assert "<svg" in page and "precision" in page


def test_test_measures_again_and_refuses_what_was_trained_on(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--data", shipped("sample_videos"), "--cache-dir", runs / "cache")
    found = told(capsys, "test", runs / "a_joint", "--clips", 2, "--length", 3, *options)
    assert found["split"] == "xseq" and isinstance(found["samples"], int)
    before = json.loads((runs / "a_joint" / "result.json").read_text())["scores"]["samples"]
    assert found["samples"] > before  # shorter clips are more
    assert (runs / "a_joint" / "test_predictions.json").is_file()
    arguments = ["test", runs / "a_joint", "--split", "xview", *options]
    assert main([str(a) for a in arguments]) == 2
    said = capsys.readouterr().err
    assert "was trained on what this split tests on" in said and "_GT.mat" in said
    assert main(["test", "nowhere"]) == 2


def test_fuse_and_compare(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = runs / "fused"
    found = told(capsys, "fuse", runs / "a_joint", runs / "a_bone", "--preset", "2s", "--out", out)
    assert found["weights"] == [1.0, 1.0]
    assert main(["fuse", str(runs / "a_joint"), str(runs / "a_bone"), "--weights", "x"]) == 2
    capsys.readouterr()
    page = runs / "page.html"
    arguments = ["compare", *(str(runs / n) for n in ("a_joint", "a_bone", "fused"))]
    assert main([*arguments, "--out", str(page), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {Path(r["run"]).name for r in rows} == {"a_joint", "a_bone", "fused"}
    assert all(r["same_split"] for r in rows) and "Recall of every class" in page.read_text()
    assert main([*arguments, "--out", str(runs / "nowhere" / "page.html")]) == 2
    assert "Cannot write" in capsys.readouterr().err


def test_sweep(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["sweep", "--over", "clips.length_s=3,5", "--test", "clips.length_s=8"]
    kept = [a for a in TINY if a not in ("--epochs", "--batch-size", "--device", "1", "16", "cpu")]
    arguments += [*kept, "--set", "train.epochs=1", "--runs", str(runs), "--name", "s"]
    assert main([*arguments, "--cache-dir", str(runs / "cache"), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(r["trained"], r["tested"]) for r in rows] == [
        ("clips.length_s=3", ""),
        ("clips.length_s=3", "clips.length_s=8"),
        ("clips.length_s=5", ""),
        ("clips.length_s=5", "clips.length_s=8"),
    ]
    assert (runs / "s.png").stat().st_size > 5000
    assert len((runs / "s.csv").read_text().splitlines()) == 5


def test_starting_from_another_run(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", *TINY, "--classes", "Kata,Jazz", "--runs", str(runs), "--name", "b"]
    arguments += ["--init-from", str(runs / "a_joint"), "--freeze", "stage:1"]
    assert main([*arguments, "--cache-dir", str(runs / "cache")]) == 0
    assert "cls_head.fc.weight" in capsys.readouterr().err
    assert main(["train", *TINY, "--freeze", "backbone"]) == 2
    assert "--init-from" in capsys.readouterr().err


def test_seeds_report_mean_and_deviation(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", *TINY, "--seeds", "2", "--runs", str(runs), "--name", "c"]
    found = told(capsys, *arguments, "--cache-dir", runs / "cache")
    assert isinstance(found["mean"], dict) and found["mean"]["runs"] == 2


def test_export_and_read_again(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = runs / "mads.pkl"
    arguments = ["datasets", "export", "--dataset", "mads-projected", "--out", str(out)]
    assert main([*arguments, "--data", str(shipped("sample_videos"))]) == 0
    capsys.readouterr()
    assert main(["datasets", "export", "--dataset", "mads", "--out", "x", "--format", "csv"]) == 2
    assert out.stat().st_size > 100_000


def test_models_table(capsys: pytest.CaptureFixture[str], runs: Path) -> None:
    found = told(capsys, "models", "--runs", runs, "--skeleton", "ntu-25")
    networks = found["networks"]
    assert isinstance(networks, list)
    rows = {n["name"]: n for n in networks}
    row = rows["stgcn"]
    assert (row["parameters"], row["gmacs"]) == (3_098_832, 5.713)
    assert rows["stgcn_small"]["checkpoint"].endswith("best.pt") and row["checkpoint"] is None
    assert "PYSKL" in row["source"]


def test_a_sweep_over_lists() -> None:
    found = grid(["model.inflate_stages=[3],[3,5]", "train.lr=0.1"])
    assert [v.changes["model"]["inflate_stages"] for v in found] == [[3], [3, 5]]
    assert all(v.changes["train"]["lr"] == 0.1 for v in found)


def test_training_on_everything_has_no_test_result(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--runs", str(tmp_path), "--cache-dir", str(tmp_path / "cache"))
    assert main(["train", *TINY, *options, "--no-test", "--name", "use"]) == 0
    assert "no test result" in capsys.readouterr().err
    result = json.loads((tmp_path / "use" / "result.json").read_text())
    assert result["scores"] is None
    assert result["clips"]["test"] == 0 and result["clips"]["val"] > 0
    page = (tmp_path / "use" / "report.html").read_text()
    assert "It has no test result" in page and "confusion" not in page
    data = ("--data", str(shipped("sample_videos")), "--cache-dir", str(tmp_path / "cache"))
    assert main(["test", str(tmp_path / "use"), *data]) == 2
    assert "was trained on what this split tests on" in capsys.readouterr().err
    assert main(["compare", str(tmp_path / "use")]) == 2
    assert "no test result" in capsys.readouterr().err
    assert main(["train", *TINY, *options, "--no-test", "--split", "xseq"]) == 2


def test_closed_form_without_test_needs_no_validation(tmp_path: Path) -> None:
    data = ("--dataset", "mads-projected", "--data", str(shipped("sample_videos")))
    options = ("--runs", str(tmp_path), "--cache-dir", str(tmp_path / "cache"), "--name", "use")
    network = ("--model", "rocket", "--set", "model.kernels=40", "--device", "cpu")
    assert main(["train", *data, *options, *network, "--no-test"]) == 0
    clips = json.loads((tmp_path / "use" / "result.json").read_text())["clips"]
    assert clips["val"] == clips["test"] == 0 and clips["train"] > 0


def test_folds_give_a_mean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ("--dataset", "mads-projected", "--data", str(shipped("sample_videos")))
    options = ("--runs", str(tmp_path), "--cache-dir", str(tmp_path / "cache"), "--name", "cv")
    network = ("--model", "rocket", "--set", "model.kernels=40", "--device", "cpu")
    found = told(capsys, "train", *data, *options, *network, "--split", "kfold3")
    runs, mean = found["runs"], found["mean"]
    assert isinstance(runs, list) and isinstance(mean, dict)
    assert [row["split"] for row in runs] == ["kfold3-1", "kfold3-2", "kfold3-3"]
    assert mean["runs"] == 3 and mean["top1_sd"] >= 0
    assert (tmp_path / "cv_kfold3-2" / "report.html").is_file()
