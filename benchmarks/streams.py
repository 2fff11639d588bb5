"""The temporal segmentation of long streams that are put together from clips that a run was not
trained on: one action after the other, with people doing something else in between.

    python -m benchmarks streams [--jhmdb RUN DATA BACKGROUND] [--nw-ucla RUN DATA] [--mads RUN]
        [--subset test] [--streams 20] [--seed 0] [--keep FOLDER] [--set NAME=VALUE,...]...

--jhmdb     RUN was trained on a split of JHMDB in the folder DATA; BACKGROUND is a folder with
            videos of people. An action is 1 to 3 clips of one class (of one take where possible).
--nw-ucla   RUN was trained on NW-UCLA without the classes of UCLA_BACKGROUND, of which the people
            in between are; of these, negatives may only have performers 1 to 6 and cameras 1 and 2.
            An action is one clip, and the skeleton moves from clip to clip within BLEND_S.
--mads      RUN was trained on the 3-D poses of the sample set (--dataset mads-3d). An action is a
            part of 3 to 8 s of one take, with such transitions to the next performer; in between
            are the people of crossing.avi. The last rows are the poses of untrimmed.avi.

A stream has 12 actions, and half of the actions have 2 to 6 s of background before them. The
streams depend on the seed and the subset only. --set changes options of prediction (`;` for the
commas inside of a value), and each one gives a row of its own; --keep writes the streams as
skeleton files with their labels.csv."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skelact.cache import Cache
from skelact.config import build, shipped
from skelact.datasets import jhmdb, mads_truth, nw_ucla
from skelact.datasets.base import Item
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
BLEND_S = 0.4
UCLA_BACKGROUND = ("carry", "walk around", "doffing")
SIZE = (320, 240)  # of JHMDB's videos
COLUMNS = (
    *("frames", "action", "edit", "F1@10", "F1@25", "F1@50", "mAP50", "found", "delay"),
    "false/min",
)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What streams are made of: for each label and take its clips (T, V, C) at FPS, and background
    (T, V, C). An action is 1 to `clips` clips of a take, or with `part_s` a part of one clip of so
    many seconds. Between clips, the joints move for `blend_s` seconds."""

    takes: dict[tuple[str, str], list[Floats]]
    background: list[Floats]
    clips: int = 1
    part_s: tuple[float, float] | None = None
    blend_s: float = BLEND_S


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks streams")
    parser.add_argument("--jhmdb", nargs=3, type=Path)
    parser.add_argument("--nw-ucla", nargs=2, type=Path)
    parser.add_argument("--mads", nargs=1, type=Path)
    parser.add_argument("--subset", choices=("val", "test"), default="test")
    parser.add_argument("--streams", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--set", action="append", default=[])
    given = parser.parse_args(sys.argv[2:] if arguments is None else arguments)
    print(f"{'':44s}", *(f"{name:>6s}" for name in COLUMNS))
    with tempfile.TemporaryDirectory() as folder:
        for name in PARTS:
            paths = getattr(given, name.replace("-", "_"))
            if paths is None:
                continue
            place = (given.keep or Path(folder)) / name
            place.mkdir(parents=True, exist_ok=True)
            predictor = Predictor.load(paths[0])
            parts = PARTS[name](predictor, given.subset, *paths)
            sources = {
                f"{name} {given.subset}": write_streams(place, predictor, name, parts, given)
            }
            if name == "mads":
                sources["untrimmed.avi"] = write_untrimmed(place)
            for title, source in sources.items():
                for change in given.set or [""]:
                    row(title, predictor, source, change)


def row(title: str, predictor: Predictor, source: Path, change: str) -> None:
    """Print the scores of one recording or of all streams of a table."""
    values = {k: _value(v) for k, v in (part.split("=", 1) for part in change.split(",") if part)}
    options = build(PredictOptions, values)
    s = test_untrimmed(Predictor(predictor.model, options), source, Cache()).scores
    delay = "-" if s.delay_s is None else f"{s.delay_s:.2f}"
    parts = (s.frame_accuracy, s.action_accuracy, s.edit, *s.f1, s.map50, s.found)
    print(
        f"{title + ' ' + (change or 'defaults'):44s}",
        *(f"{100 * p:6.1f}" for p in parts),
        f"{delay:>6s} {s.false_per_minute or 0:6.2f}",
        flush=True,
    )


def _value(text: str) -> Any:
    if ";" in text:
        return [float(part) for part in text.split(";") if part]
    try:
        return float(text)
    except ValueError:
        return text


def write_streams(
    place: Path, predictor: Predictor, name: str, parts: Parts, given: argparse.Namespace
) -> Path:
    """Write the streams; returns their labels.csv."""
    draw = random.Random(given.seed)
    rows, frames = ["path,label,start,end"], 0
    for n in range(given.streams):
        stream, actions = compose(parts, draw)
        np.save(place / f"{n:03d}.npy", stream)
        frames += len(stream)
        rows += [f"{n:03d}.npy,{label},{a / FPS:g},{b / FPS:g}" for label, a, b in actions]
    (place / "labels.csv").write_text("\n".join(rows) + "\n")
    skeleton = predictor.members[0].spec.skeleton.name
    spatial = name != "jhmdb"
    dims, score, unit = (3, "false", "m") if spatial else (2, "true", "px")
    (place / "skeletons.toml").write_text(
        f'fps = {FPS}\nlayout = "{skeleton}"\ndims = {dims}\nscore = {score}\nunit = "{unit}"\n'
        'order = "TVC"\nmissing = "nan"\n' + ("" if spatial else f"size = [{SIZE[0]}, {SIZE[1]}]\n")
    )
    print(f"{name}: {given.streams} streams, {frames / FPS / 60:.1f} min", flush=True)
    return place / "labels.csv"


def write_untrimmed(place: Path) -> Path:
    """Write the poses of the untrimmed video of the sample set; returns their labels."""
    extras = shipped("sample_videos") / "extras"
    true = Item(extras / "untrimmed_GT.mat", "", groups={})
    np.save(place / "untrimmed.npy", _at_rate(_metres(true), mads_truth.FPS))
    rows = (extras / "untrimmed.csv").read_text(encoding="utf-8").split()[1:]
    labels = place / "untrimmed.csv"
    lines = ["path,label,start,end", *(f"untrimmed.npy,{row}" for row in rows)]
    labels.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return labels


def compose(parts: Parts, draw: random.Random) -> tuple[Floats, list[tuple[str, int, int]]]:
    """One stream (T, V, C), and its actions as label, first frame and frame after the last."""
    pieces: list[Floats] = []
    actions = []
    for label, take in draw.sample(sorted(parts.takes), min(ACTIONS, len(parts.takes))):
        if draw.random() < 0.5:
            pieces += _blend(pieces, part_of(parts.background, (2, 6), draw), parts)
        clips = parts.takes[label, take]
        if parts.part_s is None:
            clips = clips[: draw.randint(1, parts.clips)]
        else:
            clips = [part_of(clips, parts.part_s, draw)]
        first = _blend(pieces, clips[0], parts)
        start = sum(map(len, pieces)) + sum(map(len, first[:-1]))
        pieces += [*first, *clips[1:]]
        actions.append((label, start, sum(map(len, pieces))))
    return np.concatenate(pieces), actions


def _blend(pieces: Sequence[Floats], following: Floats, parts: Parts) -> list[Floats]:
    """A clip, after the motion that leads to it from the clip before."""
    count = round(parts.blend_s * FPS)
    if not pieces or not count:
        return [following]
    weights = (np.arange(1, count + 1) / (count + 1))[:, None, None].astype(np.float32)
    return [pieces[-1][-1] * (1 - weights) + following[0] * weights, following]


def part_of(clips: Sequence[Floats], length_s: tuple[float, float], draw: random.Random) -> Floats:
    """A part of one of the clips, or all of it if it is shorter."""
    length = round(draw.uniform(*length_s) * FPS)
    clip = draw.choice(clips)
    start = draw.randint(0, max(0, len(clip) - length))
    return clip[start : start + length]


def jhmdb_parts(
    predictor: Predictor, subset: str, run: Path, data: Path, background: Path
) -> Parts:
    items = _held_out(jhmdb.find(data).items, data, run, subset)
    trained = Predictor(predictor.model, PredictOptions(max_persons=1)).pose()
    poses = _poses(predictor, [i.path for i in items], trained)
    others = _poses(predictor, find_videos([background]), PoseOptions())
    return Parts(takes=_by_take(items, poses), background=list(others.values()), clips=3, blend_s=0)


def ucla_parts(predictor: Predictor, subset: str, run: Path, data: Path) -> Parts:
    collection = nw_ucla.find(data)
    items = _held_out(collection.items, data, run, subset)
    cameras, performers = (("03",), range(11)) if subset == "test" else (("01", "02"), range(7, 11))
    others = [
        i
        for i in collection.items
        if i.label in UCLA_BACKGROUND
        and i.groups["camera"] in cameras
        and int(i.groups["performer"]) in performers
    ]
    sequences = {i.path: nw_ucla.read(i) for i in (*items, *others)}
    xyz = {
        path: _at_rate(s.xyz[0], s.fps)
        for path, s in sequences.items()
        if s.xyz is not None and s.frames > 5
    }
    takes: dict[tuple[str, str], list[Floats]] = {}
    for n, item in enumerate(items):
        if item.path in xyz:
            takes[item.label, f"{item.groups['take']} {n}"] = [xyz[item.path]]
    return Parts(takes=takes, background=[xyz[i.path] for i in others if i.path in xyz])


def mads_parts(predictor: Predictor, subset: str, run: Path) -> Parts:
    root = shipped("sample_videos")
    takes: dict[tuple[str, str], list[Floats]] = {}
    for item in _held_out(mads_truth.find(root, False).items, root, run, subset):
        takes[item.label, item.path.stem] = [_at_rate(_metres(item), mads_truth.FPS)]
    others = Item(root / "extras" / "crossing_GT.mat", "", groups={})
    background = [_at_rate(_metres(others), mads_truth.FPS)]
    return Parts(takes=takes, background=background, part_s=(3, 8))


def _metres(item: Item) -> Floats:
    """(T, V, 3)"""
    xyz = mads_truth.read(item).xyz
    assert xyz is not None
    return xyz[0]


PARTS: dict[str, Any] = {"jhmdb": jhmdb_parts, "nw-ucla": ucla_parts, "mads": mads_parts}


def _held_out(items: Sequence[Item], root: Path, run: Path, subset: str) -> list[Item]:
    wanted = set(getattr(load_json(run / SPLIT, SplitDocument).videos, subset))
    return [i for i in items if i.name(root) in wanted]


def _by_take(
    items: Sequence[Item], poses: dict[Path, Floats]
) -> dict[tuple[str, str], list[Floats]]:
    takes: dict[tuple[str, str], list[Floats]] = {}
    for item in items:
        if item.path in poses:
            takes.setdefault((item.label, item.groups["take"]), []).append(poses[item.path])
    return takes


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
        out[extracted.path] = _at_rate(convert(values, one.skeleton, target), one.fps)
    if not out:
        raise InputError("No person was found in any of the videos")
    return out


def _at_rate(values: Floats, fps: float) -> Floats:
    """Frames (T, V, C) at FPS instead of `fps`."""
    count = max(1, round(len(values) * FPS / fps))
    chosen = np.minimum(np.arange(count) * fps / FPS, len(values) - 1).round().astype(int)
    return values[chosen].astype(np.float32)
