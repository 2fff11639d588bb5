"""Long videos in parts: the division, and the extraction by several processes.

The estimator is a toy that finds coloured shapes. As it processes every frame on its own, its poses
must be the same with and without a division."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from skelact.cache import Cache
from skelact.pose.base import PoseOptions
from skelact.stages.extraction import PARTS, POSES
from skelact.stages.parts import Division, Part, division, parts_of
from skelact.types import VideoInfo
from skelact.video.probe import probe
from tests.helpers import add_module, encode

FRAMES, FPS, PART_S = 150, 20, 2.0  # 4 parts, of 40, 40, 40 and 30 frames

TOY = """
import os, time
from pathlib import Path
import numpy as np
from skelact.pose.base import EstimatorSpec, EstimatorStatus
from skelact.skeletons import SKELETONS
from skelact.types import PersonPose

BODY = np.random.default_rng(0).uniform(-15, 15, (17, 2))
LOG = Path(os.environ["TOY_LOG"])
DIES_ONCE, DIES = LOG / "dies-once", LOG / "dies"


class Toy:
    name, fingerprint, skeleton = "toy", "1", SKELETONS["coco-17"]

    def __init__(self, options):
        (LOG / f"opened-{os.getpid()}").touch()

    def run(self, frames):
        for n, frame in enumerate(frames):
            if n == 0:
                (LOG / f"{frame.frame}-{time.time_ns()}").touch()
            if DIES.exists() and frame.frame == 60:
                if DIES_ONCE.exists():
                    DIES.unlink()
                os._exit(139)
            time.sleep(float(os.environ.get("TOY_SLEEP", 0)))
            people = []
            for own, other in ((2, 0), (0, 2)):
                rows, columns = np.nonzero(frame.image[..., own] > 100 + frame.image[..., other])
                if len(rows) > 50:
                    xy = (BODY + [columns.mean(), rows.mean()]).astype(np.float32)
                    people.append(PersonPose(xy, np.full(17, 0.9, np.float32)))
            yield frame, people


ESTIMATORS = (
    EstimatorSpec(
        name="toy",
        open=Toy,
        fingerprint=lambda options: "1",
        status=lambda: EstimatorStatus(ready=True, text="ready"),
        parallel="processes",
        overlap_s=lambda options: 0.5,
    ),
)
"""

SCRIPT = """
import json, os, sys
from pathlib import Path
from skelact.cache import Cache
from skelact.pose.base import PoseOptions
from skelact.stages.poses import poses_of
from skelact.video.cut import CodingOptions

if __name__ == "__main__":
    run = json.loads(sys.argv[1])
    os.sched_getaffinity = lambda pid: set(range(run["processes"]))
    cache, events = Cache(run["cache"]), []
    cache.remove_stale()
    batch = poses_of(
        [Path(v) for v in run["videos"]],
        cache,
        PoseOptions(estimator="toy", mirrored=run["mirrored"]),
        coding=CodingOptions(height=run["height"]),
        form="lines",
        part_s=run["part_s"],
        on_progress=events.append,
    )
    print(json.dumps({
        "failed": [f"{f.path.name}: {f.reason}" for f in batch.failed],
        "poses": {e.path.name: str(e.poses.path) for e in batch.results},
        "total": sum(e.total for e in events if (e.stage, e.kind) == ("extract", "start")),
        "advanced": sum(e.done for e in events if (e.stage, e.kind) == ("extract", "advance")),
    }))
"""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a run of the script printed."""

    failed: list[str]
    poses: dict[str, str]
    total: int
    advanced: int

    def text(self, name: str = "long.avi") -> bytes:
        """The poses of a video as they were written."""
        return (Path(self.poses[name]) / "frames.jsonl").read_bytes()

    def ids(self, name: str = "long.avi") -> list[list[int]]:
        frames = [json.loads(line)["people"] for line in self.text(name).splitlines()]
        return [[p["person_id"][0] for p in people] for people in frames]


class Toy:
    """Runs the script in a copy of the package that has the toy estimator."""

    def __init__(self, root: Path) -> None:
        (root / "log").mkdir()
        self.root, self.log = root, root / "log"
        (root / "script.py").write_text(SCRIPT)
        self.env = {**os.environ, **add_module(root, "pose/toy.py", TOY)}
        self.env["TOY_LOG"] = str(self.log)

    def start(
        self, *videos: Path, cache: str, sleep: float = 0, **options: Any
    ) -> subprocess.Popen[str]:
        run = {"processes": 2, "part_s": PART_S, "mirrored": False, "height": None, **options}
        run |= {"cache": str(self.root / cache), "videos": [str(v) for v in videos]}
        return subprocess.Popen(
            [sys.executable, str(self.root / "script.py"), json.dumps(run)],
            env={**self.env, "TOY_SLEEP": str(sleep)},
            cwd=self.root,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def run(self, *videos: Path, **options: Any) -> Result:
        process = self.start(*videos, **options)
        out, complaints = process.communicate(timeout=500)
        assert process.returncode == 0, complaints
        return Result(**json.loads(out))

    def starts(self) -> list[int]:
        """The first frames of all that was estimated since the last call."""
        files = [f for f in self.log.iterdir() if f.name[0].isdigit()]
        numbers = sorted(int(f.name.split("-")[0]) for f in files)
        for file in files:
            file.unlink()
        return numbers


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return Toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A red disc and a blue square that pass each other at the border in frame 80. The disc is away
    in frames 34 to 58, around the border in frame 40, the square for good from frame 130 on."""
    path = tmp_path_factory.mktemp("video") / "long.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, (320, 240))
    for n in range(FRAMES):
        image = np.zeros((240, 320, 3), np.uint8)
        if not 34 <= n <= 58:
            cv2.circle(image, (150 + (n - 80), 100), 20, (0, 0, 255), -1)
        if n < 130:
            cv2.rectangle(image, (130 - (n - 80), 105), (170 - (n - 80), 145), (255, 0, 0), -1)
        writer.write(image)
    writer.release()
    return path


@pytest.fixture(scope="module")
def undivided(toy: Toy, video: Path) -> Result:
    result = toy.run(video, part_s=1000, cache="undivided")
    assert toy.starts() == [0]
    return result


def info(frames: int, path: Path = Path("none.avi"), fps: float = FPS) -> VideoInfo:
    return VideoInfo(path=path, width=320, height=240, fps=fps, frames=frames)


def test_the_division_of_a_video(video: Path) -> None:
    options = Division(length_s=2, overlap_s=0.5)
    starts_of = {59: [0], 60: [0, 40], 99: [0, 40], 100: [0, 40, 80], 150: [0, 40, 80, 120]}
    for frames, starts in starts_of.items():
        parts = parts_of(info(frames, video), options)
        assert [p.start for p in parts] == starts
        stops = [p.stop for p in parts]
        assert stops == [*(start + 50 for start in starts[:-1]), None]
    assert parts_of(info(10_000, video), None) == [Part()]
    assert Part(start=40, stop=90).frames(info(60)) == 20 and Part(start=40).frames(info(60)) == 20


def test_a_video_without_time_stamps_is_not_divided(video: Path, tmp_path: Path) -> None:
    raw = encode(tmp_path / "raw.h264", "-i", str(video), "-c:v", "libx264")
    assert parts_of(probe(raw), Division(length_s=2, overlap_s=0.5)) == [Part()]


def test_the_division_for_an_estimator() -> None:
    """It depends on the options, and is part of the cache key of those that support it alone."""
    assert division(PoseOptions(estimator="rtmo-s"), 60) is None
    parts = [
        division(PoseOptions(estimator="blazepose", **options), 60)  # type: ignore[arg-type]
        for options in ({}, {"backfill_s": 3.0}, {"detect_every_s": 10.0}, {"backfill_s": 60.0})
    ]
    assert parts == [
        Division(length_s=60, overlap_s=3),
        Division(length_s=60, overlap_s=6),
        Division(length_s=80, overlap_s=20),
        Division(length_s=480, overlap_s=120),
    ]


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_the_result_does_not_depend_on_the_processes(
    processes: int, toy: Toy, video: Path, undivided: Result
) -> None:
    """It is also that of an undivided video. The shapes keep their ids over the borders."""
    result = toy.run(video, processes=processes, cache=f"processes-{processes}")
    assert result.text() == undivided.text() and not result.failed
    assert toy.starts() == [0, 40, 80, 120]
    assert result.total == result.advanced == 50 + 50 + 50 + 30
    assert result.poses != undivided.poses
    assert result.ids()[33] == [0, 1] and result.ids()[40] == [1]
    assert result.ids()[59:130] == [[0, 1]] * 71 and result.ids()[-1] == [0]
    cache = Cache(toy.root / f"processes-{processes}")
    assert [stage for stage, _ in cache.entries()] == [POSES.name]  # no parts are left
    again = toy.run(video, processes=processes, cache=f"processes-{processes}")
    assert again.poses == result.poses and toy.starts() == []


def test_mirrored_and_resized_frames(toy: Toy, video: Path) -> None:
    for options in ({"mirrored": True}, {"height": 120}):
        parts, one = (
            toy.run(video, cache=f"changed-{part_s}", part_s=part_s, **options)
            for part_s in (PART_S, 1000.0)
        )
        assert toy.starts() == [0, 0, 40, 80, 120]
        assert parts.text() == one.text()
        assert len(parts.ids()) == FRAMES and parts.ids()[33] == [0, 1]


def test_long_videos_among_others(toy: Toy, video: Path, undivided: Result, tmp_path: Path) -> None:
    """A short one, one that is cut off and a text file: the long one is complete."""
    short = tmp_path / "short.avi"
    encode(short, "-i", str(video), "-frames:v", "30", "-c:v", "ffv1")
    broken = tmp_path / "broken.avi"
    broken.write_bytes(video.read_bytes()[: int(video.stat().st_size * 0.6)])
    (tmp_path / "text.avi").write_text("not a video")
    result = toy.run(short, broken, video, tmp_path / "text.avi", cache="several")
    assert result.text() == undivided.text()
    assert len(result.ids("short.avi")) == 30
    reasons = sorted(result.failed)
    assert len(reasons) == 2 and reasons[1].startswith("text.avi")
    assert "broken.avi is truncated" in reasons[0]
    toy.starts()


def test_a_killed_run_continues_with_the_missing_parts(
    toy: Toy, video: Path, undivided: Result
) -> None:
    process = toy.start(video, sleep=0.05, cache="killed")
    cache = Cache(toy.root / "killed")
    deadline = time.monotonic() + 300

    def stored() -> dict[str, int]:
        entries = {f.name: f for stage, f in cache.entries() if stage == PARTS.name}
        found = {name: cache.find(PARTS, name) for name in entries}
        return {
            name: (entries[name] / "manifest.json").stat().st_mtime_ns
            for name, entry in found.items()
            if entry is not None
        }

    while len(stored()) < 2 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()  # not its workers, which have to notice and end, or the pipe stays open
    process.communicate(timeout=60)
    kept = stored()
    assert 2 <= len(kept) < 4
    before = toy.starts()
    result = toy.run(video, cache="killed")
    again = toy.starts()
    assert len(again) == 4 - len(kept) and {*before, *again} == {0, 40, 80, 120}
    assert result.text() == undivided.text()
    assert result.total == result.advanced < 180
    assert [stage for stage, _ in cache.entries()] == [POSES.name] and cache.verify() == []
    assert not list(cache.root.glob("*/tmp-*"))


def test_two_runs_at_once_share_the_parts(toy: Toy, video: Path, undivided: Result) -> None:
    runs = [toy.start(video, sleep=0.02, cache="shared") for _ in range(2)]
    results = []
    for process in runs:
        out, complaints = process.communicate(timeout=500)
        assert process.returncode == 0, complaints
        results.append(Result(**json.loads(out)))
    assert [r.text() for r in results] == [undivided.text()] * 2
    assert toy.starts() == [0, 40, 80, 120]  # none twice
    assert [stage for stage, _ in Cache(toy.root / "shared").entries()] == [POSES.name]


def test_a_process_that_dies_in_a_part(toy: Toy, video: Path, undivided: Result) -> None:
    """Once: the part is estimated again. Always: the video fails, and its other parts are kept."""
    (toy.log / "dies").touch()
    (toy.log / "dies-once").touch()
    result = toy.run(video, cache="once")
    assert result.text() == undivided.text() and not (toy.log / "dies").exists()
    (toy.log / "dies").touch()
    (toy.log / "dies-once").unlink()
    result = toy.run(video, cache="always")
    (toy.log / "dies").unlink()
    (reason,) = result.failed
    assert "process of the estimator died" in reason and not result.poses
    toy.starts()


def test_damage_in_the_middle(toy: Toy, tmp_path: Path, video: Path) -> None:
    """Poses and errors are those of an undivided video."""
    content = encode(tmp_path / "v.mp4", "-i", str(video), "-g", "20", "-qp", "1").read_bytes()
    middle = len(content) // 2
    for name, length in (("few", 20), ("many", len(content) // 4)):
        damaged = tmp_path / f"{name}.mp4"
        damaged.write_bytes(content[:middle] + b"\x55" * length + content[middle + length :])
        one, divided = (toy.run(damaged, cache=f"{name}-{s}", part_s=s) for s in (1000, PART_S))
        assert one.failed == divided.failed
        assert bool(one.failed) == (name == "many")
        if not one.failed:
            assert one.text("few.mp4") == divided.text("few.mp4")
            assert len(divided.ids("few.mp4")) == FRAMES
    toy.starts()


def test_a_process_that_dies_does_not_slow_down_many_other_videos(
    toy: Toy, video: Path, tmp_path: Path
) -> None:
    """The videos that were not started yet get a new pool, not a pool for each of them."""
    others = [tmp_path / f"{n}.avi" for n in range(20)]
    for n, path in enumerate(others):
        encode(path, "-ss", str(n / 10), "-i", str(video), "-frames:v", "8", "-c:v", "ffv1")
    for file in toy.log.glob("opened-*"):
        file.unlink()
    (toy.log / "dies").touch()
    result = toy.run(video, *others, cache="many", part_s=1000)
    (toy.log / "dies").unlink()
    assert result.failed == ["long.avi: The process of the estimator died on this file"]
    assert set(result.poses) == {path.name for path in others}
    # two processes, the suspects one by one, which are at most four, and two processes again
    assert len(list(toy.log.glob("opened-*"))) <= 8
    toy.starts()
