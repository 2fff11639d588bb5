"""Testing the temporal segmentation of untrimmed recordings whose segments are known."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from skelact.cache import Cache
from skelact.cli import main
from skelact.datasets.untrimmed import TrueSegment, true_segments
from skelact.errors import InputError, PathMissing
from skelact.inference.predictor import Predictor
from skelact.models.checkpoint import load_checkpoint
from skelact.options import PredictOptions
from skelact.recipe import compose
from skelact.runs import untrimmed
from skelact.runs.train import train
from skelact.schemas import BEST, UntrimmedResult, load_json
from skelact.segment_metrics import BACKGROUND
from tests import conftest
from tests.readers import motion

FPS = 30


def skelact(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = conftest.run(*arguments)
    assert done.returncode == code, done.stderr
    return done


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was trained on short sequences of four actions."""
    place = tmp_path_factory.mktemp("untrimmed")
    motion.arrays(place / "data", 9)
    skelact(
        *("train", "--dataset", str(place / "data"), "--model", "rocket", "--device", "cpu"),
        *("--set", "model.kernels=400", "--runs", str(place), "--name", "r"),
        *("--cache-dir", str(place / "cache")),
    )
    return place / "r"


def recording(folder: Path, order: tuple[str, ...], seconds: int = 4) -> Path:
    """One action after the other in one file, and its labels.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    each = [motion.sequence(a, 500 + n, seconds * FPS) for n, a in enumerate(order)]
    np.save(folder / "long.npy", np.concatenate(each))
    rows = [f"long.npy,{a},{n * seconds},{(n + 1) * seconds}" for n, a in enumerate(order)]
    (folder / "labels.csv").write_text("\n".join(["path,label,start,end", *rows]) + "\n")
    return folder / "labels.csv"


def test_a_recording_of_several_actions(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    order = ("wave", "squat", "kick", "wave", "squat")
    labels = recording(tmp_path, order)
    cache = ("--cache-dir", str(tmp_path / "cache"))
    done = skelact("test", str(model), "--untrimmed", str(labels), "--json", *cache)
    scores = json.loads(done.stdout)
    assert scores["actions"] == 5 and scores["videos"] == 1
    assert scores["frame_accuracy"] > 0.7 and scores["f1"][0] > 0.7
    stored = load_json(model / "untrimmed.json", UntrimmedResult)
    assert stored.scores.frame_accuracy == scores["frame_accuracy"]
    assert np.array(stored.scores.confusion).sum() == 5 * 4 * FPS
    assert main(["test", str(model), "--untrimmed", str(labels), *cache]) == 0
    table = capsys.readouterr().out
    assert "edit score" in table and "F1 at an overlap of 50%" in table


def test_options_of_the_segmentation(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = recording(tmp_path, ("wave", "squat", "kick"), seconds=3)
    arguments = ("test", str(model), "--untrimmed", str(labels), "--name", "other", "--json")
    assert main([*arguments, "--segmentation", "viterbi", "--window-scales", "0.5,1"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["f1"][0] > 0.6
    stored = load_json(model / "other.json", UntrimmedResult)
    assert stored.options["predict"] == {"segmentation": "viterbi", "window_scales": [0.5, 1.0]}
    options = PredictOptions(segmentation="viterbi")
    own = Predictor.load(model).window_lengths[0][0]
    assert [s for s, _ in Predictor.load(model, options).window_lengths] == [own / 2]
    both = PredictOptions(window_scales=(2.0, 1.0, 1.0))
    assert [s for s, _ in Predictor.load(model, both).window_lengths] == [own, 2 * own]
    for bad in ("0", "-1", "half", "1,x"):
        assert main([*arguments, "--window-scales", bad]) == 2
    assert main([*arguments, "--segmentation", "best"]) == 2


def test_durations_are_learnt_from_segments(tmp_path: Path) -> None:
    """In recordings with stated times, an action takes 1 s and another 2 s."""
    rows = ["path,label,start,end"]
    for n in range(6):
        parts = [motion.sequence(a, 50 * n, s * FPS) for a, s in (("wave", 1), ("squat", 2))]
        np.save(tmp_path / f"{n}.npy", np.concatenate(parts))
        rows += [f"{n}.npy,wave,0,1", f"{n}.npy,squat,1,3"]
    (tmp_path / "labels.csv").write_text("\n".join(rows) + "\n")
    recipe = compose("labels", "rocket", None, {"model": {"kernels": 40}}, tmp_path / "labels.csv")
    place = {"cache": Cache(tmp_path / "cache"), "data": tmp_path / "labels.csv"}
    run = train(recipe, runs=tmp_path, name="timed", **place)
    durations = load_checkpoint(run.folder / BEST).durations
    assert durations["wave"].median_s == pytest.approx(1) and durations["wave"].log_sd == 0.2
    assert durations["squat"].median_s == pytest.approx(2)
    assert Predictor.load(run.folder).durations == durations
    # an end that is not stated, or clips of a fixed length: the durations are not known
    open_end = [row.removesuffix("3") if "squat" in row else row for row in rows]
    (tmp_path / "labels.csv").write_text("\n".join(open_end) + "\n")
    run = train(recipe, runs=tmp_path, name="open", **place)
    assert load_checkpoint(run.folder / BEST).durations == {}


def test_labels_that_the_model_does_not_know_are_background(model: Path, tmp_path: Path) -> None:
    labels = recording(tmp_path, ("wave", "squat"))
    labels.write_text(labels.read_text().replace("squat", "dance"))
    predictor, cache = Predictor.load(model), Cache(tmp_path / "cache")
    result = untrimmed.test_untrimmed(predictor, labels, cache)
    assert result.other_labels == ("dance",) and result.file is None
    assert result.scores.actions == 1 and result.scores.false_per_minute is not None
    assert np.array(result.scores.confusion)[-1].sum() == 4 * FPS
    labels.write_text(labels.read_text().replace("wave", "wavv"))
    with pytest.raises(InputError, match="knows none of the labels"):
        untrimmed.test_untrimmed(predictor, labels, cache)


def test_one_file_without_use_does_not_end_the_test(model: Path, tmp_path: Path) -> None:
    labels = recording(tmp_path, ("wave", "squat"))
    labels.write_text(labels.read_text() + "missing.npy,wave,0,2\nlate.npy,wave,100,120\n")
    np.save(tmp_path / "late.npy", motion.sequence("wave", 3))
    result = untrimmed.test_untrimmed(Predictor.load(model), labels, Cache(tmp_path / "cache"))
    reasons = {f.path.name: f.reason for f in result.failed}
    assert set(reasons) == {"missing.npy", "late.npy"} and result.scores.videos == 1
    assert "after the end" in reasons["late.npy"]


def test_options_that_do_not_belong_together(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = str(recording(tmp_path, ("wave",)))
    run = str(model)
    for arguments, text in (
        ((run, "--untrimmed", labels, "--split", "takes"), "does not use the dataset"),
        ((run, "--untrimmed", labels, "--name", "result"), "belongs to the run"),
        ((run, "--step", "0.5"), "are for --untrimmed"),
        ((f"{run}/best.pt", "--untrimmed", labels, "--name", "x"), "not a run folder"),
    ):
        assert main(["test", *arguments]) == 2
        assert text in " ".join(capsys.readouterr().err.split())


def test_a_folder_with_a_table_beside_each_video(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    (tmp_path / "b.mp4").touch()
    (tmp_path / "a.csv").write_text("label,start_s,end_s\nwalk,3,5.5\nrun,0.5,3\n")
    found = true_segments(tmp_path)
    assert [(s.label, s.start_s, s.end_s) for s in found[tmp_path / "a.mp4"]] == [
        ("run", 0.5, 3.0),
        ("walk", 3.0, 5.5),
    ]
    assert set(found) == {tmp_path / "a.mp4"}


@pytest.mark.parametrize(
    "text, message",
    [
        ("label,start,end\nwalk,3,5\nrun,4,6\n", "overlap"),
        ("label,start,end\nwalk,5,3\n", "line 2"),
        ("label,start,end\nwalk,x,3\n", "line 2"),
        ("name,from\nwalk,5\n", "columns name, from"),
        ("", "(none)"),
    ],
)
def test_invalid_segments(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.mp4").touch()
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError) as error:
        true_segments(tmp_path)
    assert message in error.value.message


def test_a_source_without_segments(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="beside it"):
        true_segments(tmp_path)
    with pytest.raises(PathMissing):
        true_segments(tmp_path / "none")


def test_parts_without_an_action_are_background_for_every_model(tmp_path: Path) -> None:
    """Also for one that was trained on the class "unknown", which is never a label."""
    rows = (("unknown", 0), ("wave", 1))
    segments = [TrueSegment(label=name, start_s=start, end_s=start + 1) for name, start in rows]
    truth = untrimmed._true_frames(tmp_path, segments, ("unknown", "wave"), 10.0, 20)
    assert truth.tolist() == [BACKGROUND] * 10 + [1] * 10
