"""`skelact test --forecast` and `skelact forecast`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from skelact.cache import Cache
from skelact.cli import main
from skelact.errors import SkelactError
from skelact.runs.forecast import forecast
from skelact.runs.forecast_test import disjoint_folds
from skelact.schemas import Forecast, ForecastResult, load_json
from tests.readers import motion

CACHE = ("--cache-dir", "cache")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs/r, whose forecasts are measured, and its data."""
    place = tmp_path_factory.mktemp("forecast")
    motion.arrays(place / "data", 9)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        options = ("--set", "model.kernels=100", "--device", "cpu", "--name", "r")
        assert main(["train", "--dataset", "data", "--model", "rocket", *options, *CACHE]) == 0
        assert main(["test", "runs/r", "--forecast", *CACHE]) == 0
    return place


@pytest.fixture
def place(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it as the current folder, with a recording of two seconds."""
    shutil.copytree(trained, tmp_path / "w")
    monkeypatch.chdir(tmp_path / "w")
    np.save("long.npy", motion.sequence("kick", 77, 60))
    return tmp_path / "w"


def test_all_methods_are_measured_on_clips_of_other_takes(place: Path) -> None:
    result = load_json(Path("runs/r/forecast.json"), ForecastResult)
    assert [row.method for row in result.errors] == ["zero-velocity", "constant-velocity", "linear"]
    assert (result.unit, result.held_out, result.times_s) == ("m", "val", (0.08, 0.16, 0.32, 0.4))
    assert min(result.clips.values()) > 0 and result.windows["test"] >= result.clips["test"]
    still, linear = result.of("zero-velocity"), result.of("linear")
    assert still is not None and linear is not None and result.method == "linear"
    assert all(a < b for a, b in zip(linear.test, still.test, strict=True))


@pytest.mark.parametrize("count", [1, 2, 7])
def test_folds_share_no_group(count: int) -> None:
    groups = [f"camera {n % count}" for n in range(20)]
    folds = disjoint_folds(groups)
    assert len(folds) == min(5, max(2, count))
    assert (np.sum(folds, axis=0) == 1).all()
    if count > 1:
        for fold in folds:
            inside = {g for g, is_in in zip(groups, fold, strict=True) if is_in}
            assert inside.isdisjoint(g for g, is_in in zip(groups, fold, strict=True) if not is_in)


def test_forecast_of_a_file(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outputs = ("--out", "f.json", "--overlay", "f.png")
    assert main(["forecast", "runs/r", "long.npy", "--at", "1", *outputs, *CACHE]) == 0
    captured = capsys.readouterr()
    assert "mean error per joint on test clips of data" in captured.err.replace("\n", " ")
    document = load_json(Path("f.json"), Forecast)
    assert (document.method, document.unit, document.frames) == ("linear", "m", 12)
    (person,) = document.persons
    assert person.last_seen_s == 1.0 and person.poses[-1].time_s == pytest.approx(1.4, abs=1e-3)
    truth = motion.sequence("kick", 77, 60)
    last = np.array(person.poses[-1].points, np.float32)
    error, still = (float(np.linalg.norm(p - truth[42], axis=-1).mean()) for p in (last, truth[30]))
    assert error < still
    picture = cv2.imread("f.png")
    assert picture is not None and picture.max() > 200
    assert main(["forecast", "runs/r", "long.npy", *outputs, *CACHE]) == 2
    assert "exists" in capsys.readouterr().err
    assert main(["forecast", "runs/r", "long.npy", "--overlay", "long.npy", *CACHE]) == 2
    assert main(["forecast", "runs/r", "long.npy", "--overlay", "f.mp4", "--json", *CACHE]) == 0
    assert json.loads(capsys.readouterr().out)["method"] == "linear"
    capture = cv2.VideoCapture("f.mp4")
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 60


def test_a_forecast_that_loses_says_so(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    method = ("--method", "constant-velocity", "--horizon", "1")
    assert main(["forecast", "runs/r", "long.npy", *method, *CACHE]) == 0
    assert "not better than the last pose without motion" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--method", "network"), "rocket has no forecast head"),
        (("--horizon", "0.6"), "forecasts 0.40 s at most"),
        (("--horizon", "0"), "horizon"),
        (("--at", "2.5"), "ends at 2.00 s"),
        (("--method", "magic"), "magic"),
        (("--overlay", "f.gif"), "must end in .png or .mp4"),
    ],
)
def test_bad_requests(
    place: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    before = set(place.rglob("*"))
    assert main(["forecast", "runs/r", "long.npy", *arguments, *CACHE]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert set(place.rglob("*")) == before


def test_a_run_that_was_not_measured(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("runs/r/forecast.json").unlink()
    assert main(["forecast", "runs/r", "long.npy", *CACHE]) == 2
    assert "skelact test RUN --forecast" in " ".join(capsys.readouterr().err.split())
    assert main(["forecast", "runs/r", "long.npy", "--method", "linear", *CACHE]) == 0
    assert "was not measured" in capsys.readouterr().err
    Path("runs/r/forecast.pt").unlink()
    assert main(["forecast", "runs/r", "long.npy", "--method", "linear", *CACHE]) == 2
    assert "no linear forecaster" in capsys.readouterr().err


def test_damaged_files(place: Path) -> None:
    for name in ("forecast.json", "forecast.pt"):
        file = Path("runs/r") / name
        content = file.read_bytes()
        file.write_bytes(content[: len(content) // 2])
        with pytest.raises(SkelactError) as error:
            forecast("runs/r", "long.npy", Cache(place / "cache"))
        assert name in error.value.message and error.value.hint
        file.write_bytes(content)
    Path("runs/r/forecast.json").write_text("[]")
    assert main(["test", "runs/r", "--forecast", *CACHE]) == 2
    assert Path("runs/r/forecast.json").read_text() == "[]"
    assert main(["test", "runs/r", "--forecast", "--name", "x", *CACHE]) == 2


def test_nobody_is_visible_at_the_time(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    points = motion.sequence("kick", 77, 60)
    points[20:] = np.nan
    np.save("gone.npy", points)
    assert main(["forecast", "runs/r", "gone.npy", *CACHE]) == 2
    assert "No person is visible" in capsys.readouterr().err
    assert main(["forecast", "runs/r", "gone.npy", "--at", "0.6", *CACHE]) == 0
    assert main(["forecast", "runs/r", "nowhere.npy", *CACHE]) == 2
