"""Live recognition: accuracy of the causal poses, latency, and memory.

    python -m benchmarks live causal|recognition|speed|memory [DATA] [--run RUN] [--seconds 20]
        [--frames 108000] [--clips 2]

DATA is a folder with clips/ (test videos) and jhmdb/ (the videos and splits of JHMDB).

- causal: poses as they arrive, compared with those of the same frames in a file. The smoothing of
  the causal poses was chosen on these clips.
- recognition: the last decision on clips of the test side of JHMDB, live and as files, with a run
  trained on the first split (--run). Nothing was chosen by it.
- speed: a file as a camera, with drawing: frames per second, dropped frames, latency from the
  arrival of a frame to its poses, its drawing and the decision, CPU time of the thread.
- memory: a person without end, as fast as possible, with networks that take no time: resident
  memory over so many frames (an hour at 30 per second by default).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from skelact.cache import Cache
from skelact.inference.predictor import Predictor
from skelact.live.capture import VideoSource
from skelact.live.draw import LivePainter
from skelact.live.options import LiveOptions
from skelact.live.session import LiveSession
from skelact.options import PredictOptions
from skelact.pose.base import FrameRef, PoseOptions
from skelact.pose.blazepose import BlazePose
from skelact.pose.blazepose.causal import CausalBlazePose
from skelact.pose.blazepose.detector import Detection, Tile
from skelact.pose.blazepose.landmarks import JOINTS, SKELETON, Fit, Region
from skelact.types import Floats, PersonPose
from skelact.video.decode import Frame, read_frames
from skelact.video.probe import probe

# clip and persons
CLIPS = (
    ("karate.mp4", 1),
    ("tai_chi.mp4", 1),
    ("two_people_1080p.mp4", 2),
    ("ntu_two_people.avi", 2),
    ("exercise_three_people.avi", 3),
)
SPEED = ("tai_chi.mp4", "karate.mp4", "exercise_three_people.avi")
_FRAMES = 180
_TORSO = [SKELETON.index(f"{s}_{j}") for j in ("shoulder", "hip") for s in ("left", "right")]


def torso(xy: Floats) -> float:
    """Length of the torso of a person (33, 2)."""
    corners = xy[_TORSO]
    return float(np.linalg.norm(corners[:2].mean(0) - corners[2:].mean(0)))


def jitter(frames: Sequence[Sequence[PersonPose]]) -> float:
    """Mean distance of a joint to the middle of its places before and after, in torso lengths."""
    paths: dict[int, dict[int, Floats]] = {}
    for n, people in enumerate(frames):
        for person in people:
            paths.setdefault(person.person_id, {})[n] = person.xy
    values = [
        np.linalg.norm(path[n] - (path[n - 1] + path[n + 1]) / 2, axis=1).mean() / torso(path[n])
        for path in paths.values()
        for n in path
        if n - 1 in path and n + 1 in path
    ]
    return float(np.mean(values)) if values else 0.0


def causal(clips: Path) -> None:
    """The poses of the newest frame, against those of the same frame in a file."""
    print("clip, persons | found | ids file/live | mean | PCK@0.1 | PCK@0.2 | jitter file/live")
    for name, count in CLIPS:
        info = probe(clips / name)
        images = [image for image, _ in zip(read_frames(info), range(_FRAMES), strict=False)]
        options = PoseOptions(estimator="blazepose")
        refs = (FrameRef(video=0, frame=n, fps=info.fps, image=i) for n, i in enumerate(images))
        offline = [people for _, people in BlazePose(options).run(refs)]
        estimator = CausalBlazePose(options, info.fps, 2.0)
        live = [estimator.add(image, n / info.fps) for n, image in enumerate(images)]
        gaps, total = [], 0
        for ours, theirs in zip(live, offline, strict=True):
            for person in theirs:
                total += 1
                away = [np.linalg.norm(p.xy - person.xy, axis=1) for p in ours]
                if away:
                    best = min(away, key=lambda a: float(np.median(a))) / torso(person.xy)
                    gaps += [best] if np.median(best) < 0.5 else []
        values = np.array(gaps)
        ids = [
            len({p.person_id for people in frames for p in people}) for frames in (offline, live)
        ]
        print(
            f"{name}, {count} | {len(gaps) / total:.1%} | {ids[0]}/{ids[1]} | "
            f"{values.mean():.4f} | {(values < 0.1).mean():.1%} | {(values < 0.2).mean():.1%} | "
            f"{jitter(offline):.4f}/{jitter(live):.4f}",
            flush=True,
        )


def recognition(jhmdb: Path, run: Path, per_action: int) -> None:
    """The person who is visible longest: the last decision, and the label of the file."""
    predictor = Predictor.load(run, PredictOptions(unknown_threshold=0.0, min_seen_s=0.2))
    videos: dict[Path, str] = {}  # and its action
    for split in sorted((jhmdb / "splits").glob("*_test_split1.txt")):
        lines = [line.split() for line in split.read_text().splitlines()]
        action = split.name.removesuffix("_test_split1.txt")
        tests = [name for name, subset in lines if subset == "2"][:per_action]
        videos |= {jhmdb / "videos" / action / f"{Path(n).stem}.mp4": action for n in tests}
    files = predictor.predict_many(list(videos), Cache()).results
    found = {result.path: result.predictions[0].label for result in files}
    rows = []
    for video, action in videos.items():
        last: dict[int, str] = {}
        counts: dict[int, int] = {}
        options = LiveOptions(every_s=0.1)
        with LiveSession(str(video), predictor, options, paced=False) as session:
            for decision in session.decisions():
                last[decision.person_id] = decision.label
                counts[decision.person_id] = counts.get(decision.person_id, 0) + 1
        live = last[max(counts, key=lambda i: counts[i])] if counts else ""
        rows.append((action, found.get(video, ""), live))
    table = np.array(rows)
    if not len(table):
        return
    true, offline_labels, live_labels = table.T
    print(
        f"{len(table)} clips: correct as files {np.mean(offline_labels == true):.1%}, live "
        f"{np.mean(live_labels == true):.1%}, equal labels "
        f"{np.mean(live_labels == offline_labels):.1%}, without a person as files "
        f"{np.mean(offline_labels == ''):.1%}, live {np.mean(live_labels == ''):.1%}"
    )


def speed(clips: Path, seconds: float) -> None:
    """A file as a camera, again and again."""
    for name in SPEED:
        predictor = Predictor.load("everyday")
        options = LiveOptions(every_s=0.5, duration_s=seconds)
        painter = None
        drawn, persons = [], []
        with LiveSession(str(clips / name), predictor, options, loop=True) as session:
            assert session.estimator is not None
            started = time.thread_time()
            for step in session.steps():
                painter = painter or LivePainter(session.estimator.skeleton, predictor.classes)
                painter.paint(step, session.statistics)
                drawn.append(time.monotonic() - step.frame.arrived)
                persons.append(len(step.persons))
            spent = time.thread_time() - started
            rate = session.grabber.fps
        s = session.statistics
        times = (("poses", s.pose_s), ("drawn", drawn), ("decision", s.decision_s))
        latency = ", ".join(
            f"{what} {1000 * np.median(list(t)):.0f} ({1000 * np.quantile(list(t), 0.95):.0f})"
            for what, t in times
            if t
        )
        print(
            f"{name}: source {rate:.0f} fps, {s.fps:.1f} processed per second, {s.dropped} of "
            f"{s.captured} dropped, {np.mean(persons):.1f} persons; latency in ms, median (95 %): "
            f"{latency}; {1000 * spent / max(1, s.processed):.0f} ms of CPU time per frame "
            "without decoding",
            flush=True,
        )


class _Person:
    """See Vision. One person who moves a little, out of sight for 3 of every 20 seconds."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.body = rng.uniform(-35, 35, (JOINTS, 2)).astype(np.float32)
        self.xyz = rng.uniform(-1, 1, (JOINTS, 3)).astype(np.float32)

    def _centre(self, image: Frame) -> Floats | None:
        number = int(image[0, 0, 0]) + 256 * int(image[0, 0, 1])
        if number % 600 >= 510:
            return None
        return np.array([160 + 60 * np.sin(number / 40), 120], np.float32)

    def detect(self, image: Frame, tile: Tile, min_score: float) -> list[Detection]:
        at = self._centre(image)
        if at is None:
            return []
        return [Detection(score=0.9, region=Region(x=float(at[0]), y=float(at[1]), size=100))]

    def fit(self, image: Frame, region: Region, mirrored: bool = False) -> Fit:
        at = self._centre(image)
        centre = np.zeros(2, np.float32) if at is None else at
        return Fit(
            xy=self.body + centre,
            score=np.full(JOINTS, 0.9, np.float32),
            xyz=self.xyz,
            presence=0.0 if at is None else 0.99,
            peak=0.8,
            torso_peak=0.8,
            region=Region(x=float(centre[0]), y=float(centre[1]), size=100),
        )


class _Endless:
    """See Capture. Numbered frames at 30 per second."""

    fps = 30.0

    def __init__(self) -> None:
        self.number = -1

    def read(self) -> tuple[Frame, float | None]:
        self.number += 1
        image = np.full((240, 320, 3), 60, np.uint8)
        image[0, 0] = (self.number % 256, self.number // 256 % 256, 0)
        return image, self.number / self.fps

    def release(self) -> None:
        pass


def memory(frames: int) -> None:
    """Everything but the networks of the estimator, with drawing."""
    source = VideoSource(kind="file", name="endless", open=lambda limit_s: _Endless())
    session = LiveSession(source, "everyday", LiveOptions(), paced=False)
    with session:
        session.estimator = CausalBlazePose(
            PoseOptions(estimator="blazepose"), 30.0, session.window_s + 1, vision=_Person()
        )
        painter = LivePainter(session.estimator.skeleton, session.predictor.classes)
        sizes = []
        for number, step in enumerate(session.steps()):
            if number % 30 == 0:
                painter.paint(step, session.statistics)
            if number % max(1, frames // 12) == 0:
                sizes.append(_resident())
            if number >= frames:
                break
    text = ", ".join(f"{size:.0f}" for size in sizes)
    print(f"{frames} frames ({frames / 30 / 60:.0f} minutes at 30 per second): {text} MB")


def _resident() -> float:
    """Resident memory of this process in MB."""
    lines: Iterator[str] = iter(Path("/proc/self/status").read_text().splitlines())
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks live")
    parser.add_argument("part", choices=("causal", "recognition", "speed", "memory"))
    parser.add_argument("data", nargs="?", type=Path, default=Path("data"))
    parser.add_argument("--run", type=Path)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--frames", type=int, default=108_000)
    parser.add_argument("--clips", type=int, default=2)
    given = parser.parse_args(sys.argv[2:] if arguments is None else arguments)
    if given.part == "causal":
        causal(given.data / "clips")
    elif given.part == "recognition":
        recognition(given.data / "jhmdb", given.run, given.clips)
    elif given.part == "speed":
        speed(given.data / "clips", given.seconds)
    else:
        memory(given.frames)
