"""Shared fixtures: small real clips cut from the sample videos, a small MADS, synthetic people."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from skelact.config import shipped
from skelact.errors import EstimatorError
from skelact.pose.blazepose import weights as blazepose
from skelact.pose.weights import weights_folder
from skelact.skeletons import SKELETONS, Skeleton
from skelact.types import ClipSpan, PersonPose, PoseSequence
from skelact.video.cut import CodingOptions, cut
from skelact.video.probe import probe

# two test processes on two cores: one thread each, here and in the programs that tests start
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"

# the same examples in every run, without a time limit for one: the machine may be busy
settings.register_profile("skelact", deadline=None, database=None, derandomize=True)
settings.load_profile("skelact")

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"
MODELS = weights_folder()  # the weights that `make install` downloads


@pytest.fixture(autouse=True)
def _clean_surroundings(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every test in its own folder, without settings of the machine, and with no weights but those
    of blazepose."""
    monkeypatch.chdir(tmp_path)
    for name in ("SKELACT_CACHE", "SKELACT_DATA", "SKELACT_MODELS", "SKELACT_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    models = tmp_path_factory.mktemp("models")
    for file in MODELS.glob("*.tflite"):
        (models / file.name).symlink_to(file)
    monkeypatch.setenv("SKELACT_MODELS", str(models))


@pytest.fixture
def networks() -> None:
    """Skip if LiteRT or a weights file of blazepose is absent."""
    try:
        blazepose.fingerprint(hands=True, face=True)
    except EstimatorError as error:
        pytest.skip(error.message)


def run(
    *arguments: object, cwd: Path | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    """skelact in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "skelact", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **env},
        timeout=540,
        check=False,
    )


def need(path: Path) -> Path:
    """The path, or the test is skipped, saying why."""
    if not path.exists():
        pytest.skip(f"{path.name} is not here (it is no part of the project)")
    return path


def sample(name: str) -> Path:
    """A sample video by its name."""
    folder = "extras" if "_" not in name else name.split("_")[0]
    return shipped("sample_videos") / folder / name


def short_clip(
    source: Path, out: Path, frames: int, start: int = 30, height: int | None = None
) -> Path:
    """Some frames of a video, re-encoded."""
    out.parent.mkdir(parents=True, exist_ok=True)
    cut(probe(source), ClipSpan(start, start + frames), out, CodingOptions(height=height))
    return out


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 frames of a karate kata."""
    return short_clip(sample("Kata_A1_C0.avi"), tmp_path_factory.mktemp("clip") / "clip.mp4", 20)


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that tests may share, so that the same clip is estimated once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def mini_mads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two actions, four takes by two performers, two cameras, 2 s each."""
    root = tmp_path_factory.mktemp("mini") / "mads"
    for action in ("HipHop", "Taichi"):
        for take in ("A1", "A2", "C1", "D1"):
            for camera in (0, 1):
                name = f"{action}_{take}_C{camera}.avi"
                short_clip(sample(name), root / action / name, 30)
    takes = [f"{a}_{t}" for a in ("HipHop", "Taichi") for t in ("A1", "A2", "C1", "D1")]
    performers = json.dumps({take: take.split("_")[1][0] for take in takes})
    (root / "performers.json").write_text(performers)
    return root


def walking(
    frames: int, skeleton: Skeleton = SKELETONS["coco-17"], offset: float = 0.0, seed: int = 0
) -> list[PersonPose]:
    """A made-up person that moves to the right by 4 px a frame, 100 px tall."""
    rng = np.random.default_rng(seed)
    body = rng.uniform(0, 100, (len(skeleton.joints), 2)).astype(np.float32)
    score = np.full(len(skeleton.joints), 0.9, np.float32)
    return [
        PersonPose(body + np.array([offset + 4 * t, 50], np.float32), score.copy())
        for t in range(frames)
    ]


def sequence_of(
    xy: np.ndarray, score: np.ndarray | None = None, name: str = "coco-17"
) -> PoseSequence:
    """xy (M, T, V, 2) as a PoseSequence of a 640x480 video at 10 frames/s."""
    xy = xy.astype(np.float32)
    if score is None:
        score = np.where(np.isnan(xy[..., 0]), 0, 1)
    ids = tuple(range(len(xy)))
    return PoseSequence(
        xy=xy,
        score=score.astype(np.float32),
        skeleton=SKELETONS[name],
        fps=10.0,
        width=640,
        height=480,
        ids=ids,
    )


@pytest.fixture
def openpose(clip: Path, tmp_path: Path) -> Path:
    """OpenPose files of two persons for the clip (20 frames): one in all frames, one in half."""
    folder = tmp_path / "poses" / clip.stem
    folder.mkdir(parents=True)
    skeleton = SKELETONS["body-25"]
    tracks = walking(20, skeleton), walking(20, skeleton, offset=250, seed=1)
    for n in range(20):
        people = [
            {
                "person_id": [m],
                "pose_keypoints_2d": np.hstack([t[n].xy, t[n].score[:, None]]).ravel().tolist(),
            }
            for m, t in enumerate(tracks)
            if m == 0 or 4 <= n < 14
        ]
        name = f"{clip.stem}_{n:012d}_keypoints.json"
        (folder / name).write_text(json.dumps({"version": 1.3, "people": people}))
    return folder.parent
