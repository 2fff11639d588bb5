"""The temporal segmentation of long streams that are put together from clips: the poses of clips of
JHMDB that a run was not trained on, one action after the other, with people doing something else
in between.

    python -m benchmarks streams RUN JHMDB BACKGROUND [--subset test] [--streams 20] [--keep FOLDER]
        [--set NAME=VALUE]...

RUN was trained on a split of JHMDB; JHMDB is the folder with its videos and splits; BACKGROUND is a
folder with videos of people. An action is 1 to 3 clips of one class (of one take where possible), a
stream 12 actions, and half of the actions have 2 to 6 s of background before them. The streams
depend on the seed and the subset only. --set changes an option of prediction, and each one gives a
line of its own; --keep writes the streams as skeleton files with their labels.csv."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from skelact.cache import Cache
from skelact.config import build
from skelact.datasets.jhmdb import find
from skelact.errors import InputError
from skelact.inference.predictor import Predictor
from skelact.inference.windows import find_tracks
from skelact.options import PredictOptions
from skelact.pose.base import PoseOptions
from skelact.pose.store import read_poses
from skelact.runs.untrimmed import test_untrimmed
from skelact.schemas import SPLIT, SplitDocument, load_json
from skelact.skeletons import convert
from skelact.stages.poses import poses_of
from skelact.stages.sequences import stack_poses
from skelact.types import Floats
from skelact.video.probe import find_videos

FPS, ACTIONS = 25, 12
SIZE = (320, 240)
_COLUMNS = (
    *("frames", "action", "edit", "F1@10", "F1@25", "F1@50", "mAP50", "found", "delay"),
    "false/min",
)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks streams")
    for name in ("run", "jhmdb", "background"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--subset", choices=("val", "test"), default="test")
    parser.add_argument("--streams", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--set", action="append", default=[])
    given = parser.parse_args(sys.argv[2:] if arguments is None else arguments)
    predictor = Predictor.load(given.run)
    with tempfile.TemporaryDirectory() as folder:
        place = given.keep or Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        minutes = write_streams(place, predictor, given)
        print(f"{given.streams} streams, {minutes:.1f} min, subset {given.subset}", flush=True)
        names = [
            "frames",
            "action",
            "edit",
            "F1@10",
            "F1@25",
            "F1@50",
            "mAP50",
            "found",
            "delay",
            "false/min",
        ]
        print(f"{'':32s}", *(f"{name:>6s}" for name in names))
        for changes in [[], *([c] for c in given.set)]:
            values = dict(part.split("=", 1) for c in changes for part in c.split(","))
            options = build(PredictOptions, {k: float(v) for k, v in values.items()})
            s = test_untrimmed(
                Predictor(predictor.model, options), place / "labels.csv", Cache()
            ).scores
            delay = "-" if s.delay_s is None else f"{s.delay_s:.2f}"
            parts = (s.frame_accuracy, s.action_accuracy, s.edit, *s.f1, s.map50, s.found)
            print(
                f"{' '.join(changes) or 'defaults':32s}",
                *(f"{100 * p:6.1f}" for p in parts),
                f"{delay:>6s} {s.false_per_minute or 0:6.2f}",
                flush=True,
            )


def write_streams(place: Path, predictor: Predictor, given: argparse.Namespace) -> float:
    """Write the streams and labels.csv; the length of all of them in minutes."""
    collection = find(given.jhmdb)
    videos = load_json(given.run / SPLIT, SplitDocument).videos
    wanted = set(getattr(videos, given.subset))
    items = [
        i for i in collection.items if i.path.relative_to(collection.root).as_posix() in wanted
    ]
    trained = Predictor(predictor.model, PredictOptions(max_persons=1)).pose()
    poses = _poses(predictor, [i.path for i in items], trained)
    others = list(_poses(predictor, find_videos([given.background]), PoseOptions()).values())
    takes: dict[tuple[str, str], list[Floats]] = {}
    for item in items:
        if item.path in poses:
            takes.setdefault((item.label, item.groups["take"]), []).append(poses[item.path])
    draw = random.Random(given.seed)
    rows, frames = ["path,label,start,end"], 0
    for n in range(given.streams):
        parts: list[Floats] = []
        for label, take in draw.sample(sorted(takes), min(ACTIONS, len(takes))):
            if draw.random() < 0.5:
                parts.append(_background(others, draw))
            clips = takes[label, take][: draw.randint(1, 3)]
            start = sum(map(len, parts)) / FPS
            parts += clips
            rows.append(f"{n:03d}.npy,{label},{start:g},{sum(map(len, parts)) / FPS:g}")
        stream = np.concatenate(parts)
        np.save(place / f"{n:03d}.npy", stream)
        frames += len(stream)
    (place / "labels.csv").write_text("\n".join(rows) + "\n")
    skeleton = predictor.members[0].spec.skeleton.name
    (place / "skeletons.toml").write_text(
        f'fps = {FPS}\nlayout = "{skeleton}"\ndims = 2\nscore = true\nunit = "px"\n'
        f'order = "TVC"\nmissing = "nan"\nsize = [{SIZE[0]}, {SIZE[1]}]\n'
    )
    return frames / FPS / 60


def _poses(predictor: Predictor, paths: Sequence[Path], pose: PoseOptions) -> dict[Path, Floats]:
    """(T, V, 3) x, y [px] and score at FPS of the person who is visible longest in each video."""
    target = predictor.members[0].spec.skeleton
    out: dict[Path, Floats] = {}
    for extracted in poses_of(list(paths), Cache(), pose).results:
        sequence = stack_poses(extracted.poses, read_poses(extracted.poses))
        tracks = find_tracks(sequence, True, 0.5)
        if not tracks:
            continue
        one = tracks[0].sequence
        values = np.concatenate([one.xy[0], one.score[0][..., None]], axis=-1)
        values = convert(values, one.skeleton, target)
        count = max(1, round(one.frames * FPS / one.fps))
        chosen = np.minimum(np.arange(count) * one.fps / FPS, one.frames - 1).round().astype(int)
        out[extracted.path] = values[chosen].astype(np.float32)
    if not out:
        raise InputError("No person was found in any of the videos")
    return out


def _background(others: Sequence[Floats], draw: random.Random) -> Floats:
    """2 to 6 s of one video, or all of it if it is shorter."""
    length = round(draw.uniform(2, 6) * FPS)
    video = draw.choice(others)
    start = draw.randint(0, max(0, len(video) - length))
    return video[start : start + length]
