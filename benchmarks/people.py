"""Persons, ids, accuracy and speed of the blazepose estimator. What is absent is skipped.

    python -m benchmarks people [DATA] [--min-confidence 0.5] [--backfill-s 0] [--only PART,...]

DATA is a folder with clips/ (test videos), more/no-person/ (clips/ and pictures/ without people)
and jhmdb/ (the videos and splits of JHMDB). The thresholds of the estimator were chosen on the
videos of clips/ and more/no-person/clips/. The parts are people, false_tracks, pictures, pairs,
accuracy and speed; the last two compare with MediaPipe and always use the default options.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import reference
from skelact.config import shipped
from skelact.errors import InputError
from skelact.pose.base import FrameRef, PoseOptions, get_spec
from skelact.pose.blazepose import BlazePose
from skelact.types import PersonPose
from skelact.video.decode import read_frames
from skelact.video.probe import probe

# clip, persons who are visible in every frame
PEOPLE = (
    ("exercise_three_people.avi", 3),
    ("two_people_1080p.mp4", 2),
    ("ntu_two_people.avi", 2),
    ("karate.mp4", 1),
    ("tai_chi.mp4", 1),
    ("S001C001P001R001A001_rgb.avi", 1),
)
ACCURACY = ("karate.mp4", "tai_chi.mp4", "S001C001P001R001A001_rgb.avi")
SPEED = (("karate.mp4", 1), ("tai_chi.mp4", 1), ("exercise_three_people.avi", 4))
CHILD = "damo-nlp-sg_sample-demo-3.mp4"  # listed as without people, but shows a sitting child
_EVERY = 10  # frames between two that are compared
_SPEED_FRAMES = 120
_STILL_FPS = 30
_CLIPS_PER_ACTION = 2


def run(
    estimator: BlazePose, video: Path, count: int | None = None
) -> tuple[list[list[PersonPose]], float]:
    """The persons of the first `count` frames, and the frame rate."""
    info = probe(video)
    numbered = (
        FrameRef(video=0, frame=n, fps=info.fps, image=image)
        for n, image in zip(range(count or info.frames + 1), read_frames(info), strict=False)
    )
    return [people for _, people in estimator.run(numbered)], info.fps


def people(estimator: BlazePose, clips: Path) -> None:
    """Frames with all persons, and ids."""
    videos = [(clips / name, count) for name, count in PEOPLE]
    videos.append((shipped("sample_videos") / "extras" / "crossing.avi", 2))
    print(f"{'clip':30s} persons  frames with all   with more   ids")
    for video, count in videos:
        if not video.exists():
            continue
        found, _ = run(estimator, video)
        exact = np.mean([len(p) >= count for p in found])
        more = np.mean([len(p) > count for p in found])
        ids = Counter(q.person_id for p in found for q in p)
        print(f"{video.name:30s} {count:7d} {exact:15.1%} {more:12.1%}   {len(ids)} {dict(ids)}")


def false_tracks(estimator: BlazePose, videos: Sequence[Path]) -> None:
    """Tracks in videos without people."""
    seconds, tracks = 0.0, 0
    for video in videos:
        try:
            found, fps = run(estimator, video)
        except InputError as error:
            print(f"  {error.message}")
            continue
        ids = {q.person_id for p in found for q in p}
        seconds, tracks = seconds + len(found) / fps, tracks + len(ids)
        if ids:
            frames = sum(bool(p) for p in found)
            print(f"  {video.name}: {len(ids)} tracks, {frames} of {len(found)} frames")
    if seconds:
        rate = tracks / seconds * 60
        print(
            f"{len(videos)} videos without people, {seconds:.0f} s: {tracks} tracks, {rate:.2f}/min"
        )


def pictures(estimator: BlazePose, folder: Path) -> None:
    """Pictures without people, each as a still video of one second."""
    import cv2

    counts = []
    for picture in sorted(folder.glob("*.jpg")):
        image = np.asarray(cv2.imread(str(picture)), np.uint8)
        still = (FrameRef(video=0, frame=n, fps=_STILL_FPS, image=image) for n in range(_STILL_FPS))
        counts.append(len({q.person_id for _, people in estimator.run(still) for q in people}))
    if counts:
        print(
            f"{len(counts)} pictures without people: {sum(counts)} tracks in "
            f"{sum(map(bool, counts))} of them"
        )


def pairs(estimator: BlazePose, jhmdb: Path) -> None:
    """Two test clips of each action of JHMDB, each beside one of the next action: both persons are
    found if there is one in each half of the frame in half of the frames."""
    videos = []
    for split in sorted((jhmdb / "splits").glob("*_test_split1.txt")):
        lines = [line.split() for line in split.read_text().splitlines()]
        action = split.name.removesuffix("_test_split1.txt")
        tests = [name for name, subset in lines if subset == "2"][:_CLIPS_PER_ACTION]
        videos += [jhmdb / "videos" / action / f"{Path(name).stem}.mp4" for name in tests]
    if not videos:
        return
    both = 0
    for number, video in enumerate(videos):
        other = videos[(number + _CLIPS_PER_ACTION) % len(videos)]
        info = probe(video)
        frames = [
            np.hstack(pair)
            for pair in zip(read_frames(info), read_frames(probe(other)), strict=False)
        ]
        middle = frames[0].shape[1] / 2
        numbered = (
            FrameRef(video=0, frame=n, fps=info.fps, image=image) for n, image in enumerate(frames)
        )
        halves = [
            {bool(np.nanmean(q.xy[:, 0]) > middle) for q in people}
            for _, people in estimator.run(numbered)
        ]
        both += np.mean([len(h) == 2 for h in halves]) >= 0.5
    print(f"{len(videos)} pairs of JHMDB clips side by side: both persons found in {both}")


def accuracy(clips: Path) -> None:
    """Distance to the landmarks of the PoseLandmarker in IMAGE mode, over the torso length."""
    import cv2
    import mediapipe as mp

    raw = BlazePose(PoseOptions(estimator="blazepose", smoothing=0.0))
    for video in (clips / name for name in ACCURACY):
        if not video.exists():
            continue
        found, _ = run(raw, video)
        ratios = []
        with reference.landmarker("IMAGE", 1) as pose:
            for n, frame in enumerate(reference.frames(video)):
                if n % _EVERY or n >= len(found) or not found[n]:
                    continue
                rgb = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
                result = pose.detect(mp.Image(image_format=mp.ImageFormat.SRGB, data=rgb))
                if not result.pose_landmarks:
                    continue
                size = [frame.shape[1], frame.shape[0]]
                theirs = np.array([(p.x, p.y) for p in result.pose_landmarks[0]]) * size
                torso = np.linalg.norm(theirs[[11, 12]].mean(0) - theirs[[23, 24]].mean(0))
                gaps = min((np.linalg.norm(q.xy - theirs, axis=1) for q in found[n]), key=np.median)
                ratios.append(gaps / torso)
        values = np.concatenate(ratios)
        print(
            f"{video.name:30s} {len(ratios):3d} frames: median {np.median(values):.4f}, "
            f"90 % {np.quantile(values, 0.9):.3f} of the torso length"
        )


def speed(estimator: BlazePose, clips: Path) -> None:
    """CPU time against the PoseLandmarker in VIDEO mode, both with decoding."""
    for name, persons in SPEED:
        video = clips / name
        if not video.exists():
            continue
        fps = probe(video).fps
        started = time.process_time()
        theirs = reference.loop(video, fps, persons, _SPEED_FRAMES)
        middle = time.process_time()
        ours, _ = run(estimator, video, _SPEED_FRAMES)
        loop, own = middle - started, time.process_time() - middle
        rows = (("PoseLandmarker", loop, theirs), ("skelact", own, [len(p) for p in ours]))
        print(f"{name:30s} num_poses={persons}: ratio {loop / own:.2f}")
        for program, spent, counts in rows:
            per_frame = spent / len(counts) * 1e3
            print(f"  {program:14s} {per_frame:5.1f} ms/frame, {np.mean(counts):.2f} persons")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks people")
    parser.add_argument("data", nargs="?", type=Path, default=Path("data"))
    parser.add_argument("--min-confidence", type=float, default=0.5)
    parser.add_argument("--backfill-s", type=float, default=0.0)
    parser.add_argument("--only", default="people,false_tracks,pictures,pairs,accuracy,speed")
    given = parser.parse_args(sys.argv[2:] if arguments is None else arguments)
    parts = set(given.only.split(","))
    clips, no_person = given.data / "clips", given.data / "more" / "no-person"
    status = get_spec("blazepose").status()
    if not status.ready:
        print(f"{status.text}: {status.fix}")
        return
    estimator = BlazePose(
        PoseOptions(
            estimator="blazepose",
            min_confidence=given.min_confidence,
            backfill_s=given.backfill_s,
        )
    )
    if "people" in parts:
        people(estimator, clips)
    if "false_tracks" in parts:
        videos = sorted((no_person / "clips").glob("*.mp4"))
        false_tracks(estimator, [v for v in videos if v.name != CHILD])
    if "pictures" in parts:
        pictures(estimator, no_person / "pictures")
    if "pairs" in parts:
        pairs(estimator, given.data / "jhmdb")
    if parts & {"accuracy", "speed"} and reference.is_installed():
        if "accuracy" in parts:
            accuracy(clips)
        if "speed" in parts:
            speed(BlazePose(PoseOptions(estimator="blazepose")), clips)
