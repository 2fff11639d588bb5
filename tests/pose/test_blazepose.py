"""Weights and options of blazepose, and real clips through the command line."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from skelact.config import shipped
from skelact.errors import ConfigError, EstimatorError, PathMissing, WeightsMissing
from skelact.pose.base import FrameRef, PoseOptions, get_spec
from skelact.pose.blazepose import BlazePose, weights
from skelact.pose.registry import resolve
from skelact.pose.weights import weights_folder
from skelact.video.decode import read_frames
from skelact.video.probe import probe
from tests.conftest import run, short_clip


def wheel(path: Path, change: bytes = b"") -> Path:
    """A wheel with the real model files, each followed by `change`."""
    with zipfile.ZipFile(path, "w") as archive:
        for file in weights.FILES:
            content = weights.find(file).read_bytes() + change
            archive.writestr(f"mediapipe/modules/{file.inside}", content)
    return path


def remove_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder of weights, and no installed mediapipe."""
    find_spec = weights.find_spec
    monkeypatch.setattr(weights, "find_spec", lambda n: None if n == "mediapipe" else find_spec(n))
    monkeypatch.setenv("SKELACT_MODELS", str(tmp_path / "empty"))


@pytest.mark.usefixtures("networks")
def test_weights_are_pulled_from_a_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = wheel(tmp_path / "mediapipe.whl")
    remove_weights(tmp_path, monkeypatch)
    with pytest.raises(WeightsMissing, match=r"pose_detection\.tflite is not in") as missing:
        weights.check()
    assert missing.value.hint == "skelact models pull blazepose"
    lines = list(weights.pull(source))
    assert len(lines) == len(weights.FILES) and all("SHA-256 checked" in line for line in lines)
    assert weights.check() == str(weights_folder())
    assert all("already downloaded" in line for line in weights.pull(None))
    (weights_folder() / "pose_detection.tflite").write_bytes(b"damaged")
    weights.sha256.cache_clear()
    with pytest.raises(WeightsMissing, match="is not the known"):
        weights.check()


@pytest.mark.usefixtures("networks")
def test_a_wrong_wheel_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed, empty = wheel(tmp_path / "changed.whl", b"x"), tmp_path / "empty.whl"
    remove_weights(tmp_path, monkeypatch)
    zipfile.ZipFile(empty, "w").close()
    for file, says in ((changed, "SHA-256"), (empty, "does not contain")):
        with pytest.raises(EstimatorError, match=says):
            list(weights.pull(file))
    with pytest.raises(PathMissing):
        list(weights.pull(tmp_path / "nowhere.whl"))
    assert not list(weights_folder().glob("*"))


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("import shutil, sys; shutil.copy({wheel!r}, sys.argv[-1])", ""),
        ("import sys; sys.exit('no network')", "pip cannot download .*: no network"),
        ("", "pip wrote no file"),
    ],
)
@pytest.mark.usefixtures("networks")
def test_pip_downloads_the_wheel(
    script: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for pip, whose last argument is the destination."""
    source = wheel(tmp_path / "mediapipe-0.10.21.whl")
    remove_weights(tmp_path, monkeypatch)
    pip = tmp_path / "pip.py"
    pip.write_text(script.format(wheel=str(source)))
    monkeypatch.setattr(weights, "PIP", (sys.executable, str(pip)))
    if message:
        with pytest.raises(EstimatorError, match=message) as caught:
            list(weights.pull(None))
        assert "--from FILE.whl" in caught.value.hint
        return
    first, *others = weights.pull(None)
    assert first.startswith("downloading mediapipe==0.10.21 with pip (36 MB)")
    assert all("SHA-256 checked" in line for line in others)
    assert weights.check() == str(weights_folder())


def test_options() -> None:
    for changes, says in (
        ({"tracking_confidence": 1.5}, "tracking_confidence"),
        ({"backfill_s": -1}, "between 0 and"),
        ({"small_people": "maybe"}, "off, auto, always"),
        ({"detect_every_s": 0.0}, "detect_every_s"),
        ({"smoothing": -1.0}, "smoothing"),
    ):
        with pytest.raises(ConfigError, match=says):
            PoseOptions(estimator="blazepose", **changes)  # type: ignore[arg-type]
    parts = [
        PoseOptions(estimator="blazepose", **changes).key_part()  # type: ignore[arg-type]
        for changes in ({}, {"detect_every_s": 0.5}, {"small_people": "off"}, {"smoothing": 0.0})
    ]
    assert all(parts.count(part) == 1 for part in parts)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tracking_confidence", 0.3),
        ("backfill_s", 1.0),
        ("detect_every_s", 0.5),
        ("small_people", "off"),
        ("smoothing", 0.0),
    ],
)
def test_options_of_blazepose_alone(name: str, value: object) -> None:
    """Others refuse them, and `auto` selects an estimator that supports them."""
    options = {name: value}
    with pytest.raises(ConfigError, match=f"rtmo-s does not support {name}") as caught:
        PoseOptions(estimator="rtmo-s", **options)  # type: ignore[arg-type]
    assert "--pose blazepose" in caught.value.hint
    assert resolve(PoseOptions(**options)).estimator == "blazepose"  # type: ignore[arg-type]
    assert name in PoseOptions(estimator="blazepose").key_part()
    assert name not in PoseOptions(estimator="rtmo-s").key_part()


def test_blazepose_without_its_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    """The status says what is missing and how to install it."""
    monkeypatch.setattr(weights, "find_spec", lambda name: None)
    status = get_spec("blazepose").status()
    assert not status.ready
    assert "ai-edge-litert" in status.text and status.fix.startswith("pip install 'ai-edge-litert")


def frames_of(path: Path) -> list[FrameRef]:
    info = probe(path)
    return [
        FrameRef(video=0, frame=n, fps=info.fps, image=image)
        for n, image in enumerate(read_frames(info))
    ]


@pytest.mark.usefixtures("networks")
def test_two_people_who_cross(tmp_path: Path) -> None:
    """One of them is hidden for a moment; both keep their ids."""
    source = shipped("sample_videos") / "extras" / "crossing.avi"
    clip = short_clip(source, tmp_path / "crossing.mp4", 50, start=30)
    frames = frames_of(clip)
    out = [p for _, p in BlazePose(PoseOptions(estimator="blazepose")).run(frames)]
    assert {q.person_id for p in out for q in p} == {0, 1}
    assert sum(len(p) == 2 for p in out) >= 35

    def red(n: int) -> list[int]:
        """Ids of the persons with a red shirt."""
        ids = []
        for person in out[n]:
            x, y = person.xy[[11, 12, 23, 24]].mean(axis=0).astype(int)
            blue, _, reds = frames[n].image[y - 12 : y, x].mean(axis=0)
            if reds > blue:
                ids.append(person.person_id)
        return ids

    both = [n for n, p in enumerate(out) if len(p) == 2]
    assert red(both[0]) == red(both[-1]) and len(red(both[0])) == 1


@pytest.mark.usefixtures("networks")
def test_results_do_not_depend_on_the_run(clip: Path) -> None:
    estimator = BlazePose(PoseOptions(estimator="blazepose"))
    first, second = ([p for _, p in estimator.run(frames_of(clip))] for _ in range(2))
    assert all(len(p) == 1 for p in first)
    for (a,), (b,) in zip(first, second, strict=True):
        assert np.array_equal(a.xy, b.xy) and np.array_equal(a.score, b.score)
        assert a.xyz is not None and np.linalg.norm(a.xyz[[23, 24]].mean(axis=0)) < 0.05


@pytest.mark.usefixtures("networks")
def test_backwards_in_a_real_clip(clip: Path, tmp_path: Path) -> None:
    """Eight nearly black frames, in which a person is only found by tracking backwards."""
    info, dark = probe(clip), tmp_path / "dark.avi"
    size = (info.width, info.height)
    writer = cv2.VideoWriter(str(dark), cv2.VideoWriter_fourcc(*"MJPG"), info.fps, size)  # type: ignore[attr-defined]
    for n, frame in enumerate(read_frames(info)):
        writer.write((frame * 0.03).astype(np.uint8) if n < 8 else frame)
    writer.release()
    done = run("extract", dark, "--json", "--tracking-confidence", "0.3", "--backfill", "3")
    assert done.returncode == 0, done.stderr
    (video,) = json.loads(done.stdout)["videos"]
    assert video["frames"] == 20 and 12 <= video["frames_with_people"] <= 20
    assert video["persons"] == 1
