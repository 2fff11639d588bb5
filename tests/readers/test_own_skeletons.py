"""The documented steps with skeleton files in the formats of public collections: init, check,
train, predict, test."""

from __future__ import annotations

import csv
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from skelact.datasets.describe import write_description
from skelact.datasets.folder import folder, table
from skelact.errors import DatasetError, OutputError
from tests import conftest
from tests.readers import motion

ACTIONS = dict(enumerate(motion.CLASSES, 1))


def run(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """skelact in a process of its own, with the expected exit code."""
    done = conftest.run(*arguments)
    assert done.returncode == code, done.stderr
    return done


def train(tmp_path: Path, dataset: Path, *options: str) -> dict[str, object]:
    done = run(
        *("train", "--dataset", str(dataset), "--model", "rocket", "--device", "cpu"),
        *("--set", "model.kernels=400", "--runs", str(tmp_path / "runs"), "--name", "r"),
        *("--cache-dir", str(tmp_path / "cache"), "--json", *options),
    )
    return json.loads(done.stdout)


def write(kind: str, folder: Path) -> None:
    """12 sequences of each class, three takes of four subjects."""
    folder.mkdir(parents=True)
    keys = [(a, s, t) for a in ACTIONS for s in (1, 2, 3, 4) for t in (1, 2, 3)]
    moves = {(a, s, t): motion.sequence(ACTIONS[a], 100 * a + 10 * s + t) for a, s, t in keys}
    if kind == "msr":
        motion.msr_action3d(folder, moves)
    elif kind == "florence":
        rows = [(s, a, points) for (a, s, _), points in moves.items()]
        motion.florence3d(folder / "Florence_dataset_WorldCoordinates.txt", rows)
    else:
        takes = {
            (s, t): [(ACTIONS[a], moves[a, s, t]) for a in ACTIONS]
            for s in (1, 2, 3, 4)
            for t in (1, 2, 3)
        }
        motion.utkinect(folder, takes)


@pytest.mark.parametrize(
    "kind, unit, joints", [("msr", "m", 20), ("florence", "mm", 15), ("utkinect", "m", 20)]
)
def test_public_collections_train_with_the_documented_steps(
    tmp_path: Path, kind: str, unit: str, joints: int
) -> None:
    data = tmp_path / kind
    write(kind, data)
    found = write_description(data)
    assert found.form.unit == unit and len(found.form.skeleton.joints) == joints
    dataset = data / "labels.csv" if kind == "utkinect" else data
    result = train(tmp_path, dataset, "--split", "xsub")
    assert result["top1"] > 0.6 and result["clips"]["test"] == 12  # chance: 0.25
    first = next(p for p in sorted(data.glob("*.txt")) if p.name != "actionLabel.txt")
    out = tmp_path / "out.csv"
    done = run(
        *("predict", str(first), "--model", str(tmp_path / "runs" / "r"), "--csv", str(out)),
        *("--cache-dir", str(tmp_path / "cache")),
    )
    labels = {row["label"] for row in csv.DictReader(out.read_text().splitlines())}
    classes = {f"{a:02d}" for a in ACTIONS} | {str(a) for a in ACTIONS} | set(ACTIONS.values())
    assert labels and labels <= classes, done.stdout


@pytest.fixture(scope="module")
def arrays(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder of arrays of four classes, and a run that was trained on it."""
    place = tmp_path_factory.mktemp("arrays")
    motion.arrays(place / "data", 9)
    (place / "data" / "kick" / "damaged.npy").write_bytes(b"\x93NUMPY")
    done = run(
        *("train", "--dataset", str(place / "data"), "--model", "rocket", "--device", "cpu"),
        *("--set", "model.kernels=400", "--runs", str(place), "--name", "r"),
        *("--cache-dir", str(place / "cache")),
        code=1,
    )
    assert "20 joints fit the layout kinect-20" in done.stderr
    assert "no frame rate" in done.stderr and "damaged.npy" in done.stderr
    return place / "data", place / "r"


def predict(model: Path, *arguments: str, code: int = 0) -> list[dict[str, object]]:
    done = run(
        *("predict", *arguments, "--model", str(model), "--json"),
        *("--cache-dir", str(model / "cache")),
        code=code,
    )
    return json.loads(done.stdout)["predictions"]


def test_predict_and_test_take_skeleton_files(arrays: tuple[Path, Path], tmp_path: Path) -> None:
    data, model = arrays
    overlay = tmp_path / "o.mp4"
    one = predict(model, str(data / "wave" / "wave_3.npy"), "--overlay", str(overlay))
    assert one[0]["label"] == "wave" and overlay.stat().st_size > 1000
    several = predict(model, str(data), code=1)  # one file is damaged
    right = [Path(str(p["path"])).parent.name == p["label"] for p in several]
    assert len(right) == 36 and np.mean(right) > 0.8
    run("test", str(model), "--data", str(data), "--cache-dir", str(tmp_path), code=0)


def test_the_format_of_the_training_is_used_without_a_description(
    arrays: tuple[Path, Path], tmp_path: Path
) -> None:
    _, model = arrays
    motion.wide_csv(tmp_path / "a.csv", motion.sequence("squat", 77))
    assert predict(model, str(tmp_path / "a.csv"))[0]["label"] == "squat"


def test_files_that_do_not_fit_the_model_fail_alone(
    arrays: tuple[Path, Path], tmp_path: Path
) -> None:
    data, model = arrays
    flat = motion.sequence("wave", 0)[..., :2] * 100 + 300
    (tmp_path / "flat").mkdir()
    np.save(tmp_path / "flat" / "a.npy", flat)
    (tmp_path / "flat" / "skeletons.toml").write_text('dims = 2\nlayout = "kinect-20"\n')
    good = str(data / "kick" / "kick_1.npy")
    found = predict(model, good, str(tmp_path / "flat" / "a.npy"), code=1)
    assert [p["label"] for p in found] == ["kick"]
    alone = run(
        *("predict", str(tmp_path / "flat" / "a.npy"), "--model", str(model)),
        *("--cache-dir", str(tmp_path / "cache")),
        code=2,
    )
    assert "2-D joints" in alone.stderr and "3-D" in alone.stderr


def test_changing_the_description_changes_the_dataset(tmp_path: Path) -> None:
    motion.arrays(tmp_path / "d", 2)
    before = folder(tmp_path / "d")
    (tmp_path / "d" / "skeletons.toml").write_text("fps = 60.0\n")
    after = folder(tmp_path / "d")
    assert before.read and after.read
    assert before.read(before.items[0]).fps == 30 and after.read(after.items[0]).fps == 60
    assert before.format != after.format


def test_videos_and_skeleton_files_together_are_refused(tmp_path: Path) -> None:
    motion.arrays(tmp_path / "d", 2)
    (tmp_path / "d" / "kick" / "film.mp4").write_bytes(b"0")
    with pytest.raises(DatasetError, match=r"film\.mp4"):
        folder(tmp_path / "d")
    rows = "path,label\nkick/film.mp4,kick\nwave/wave_0.npy,wave\n"
    (tmp_path / "d" / "labels.csv").write_text(rows)
    with pytest.raises(DatasetError, match=r"wave_0\.npy"):
        table(tmp_path / "d" / "labels.csv")


def test_labels_csv_with_spans_and_groups(tmp_path: Path) -> None:
    motion.arrays(tmp_path / "d", 2)
    rows = [
        "path,label,start,end,subject",
        "kick/kick_0.npy,kick,0,0.5,1",
        "kick/kick_1.npy,kick,0.5,,2",
        "wave/wave_0.npy,wave,,,1",
        "wave/none.npy,wave,,,2",
    ]
    (tmp_path / "d" / "labels.csv").write_text("\n".join(rows))
    found = table(tmp_path / "d" / "labels.csv")
    assert found.read is not None and "xsub" in found.protocols
    assert [found.read(i).frames for i in found.items[:3]] == [15, 25, 40]
    assert found.files(found.items[3]) == ()


def test_init_refuses_to_overwrite(tmp_path: Path) -> None:
    motion.arrays(tmp_path / "d", 1)
    write_description(tmp_path / "d")
    with pytest.raises(OutputError, match="exists"):
        write_description(tmp_path / "d")
    write_description(tmp_path / "d", overwrite=True)
