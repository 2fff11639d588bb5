"""First guesses of a run for test clips of JHMDB that were changed: mirrored, scaled, darkened,
compressed, or filmed at another frame rate.

    python -m benchmarks changed RUN [JHMDB] [--per-class 2]

RUN is a run, or a fused run, that was trained on split 1 of JHMDB; JHMDB is the folder with its
videos and splits (data/jhmdb). One person per frame is estimated, with the options of the run."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from skelact.cache import Cache
from skelact.datasets.jhmdb import find
from skelact.inference.predictor import Predictor
from skelact.options import PredictOptions
from skelact.video.ffmpeg import run

# name, ffmpeg's video filter, codec options
_H264 = ("-c:v", "libx264", "-crf", "18", "-pix_fmt", "yuv420p")
CHANGES = (
    ("unchanged, encoded again", "null", _H264),
    ("mirrored", "hflip", _H264),
    ("half size", "scale=iw/2:-2", _H264),
    ("double size", "scale=iw*2:-2", _H264),
    ("gamma 0.5 (dark)", "eq=gamma=0.5", _H264),
    ("half the contrast", "eq=contrast=0.5", _H264),
    ("JPEG with strong compression", "null", ("-c:v", "mjpeg", "-q:v", "25")),
    ("noise", "noise=alls=25:allf=t", _H264),
    ("10 frames per second", "fps=10", _H264),
)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks changed")
    parser.add_argument("run", type=Path)
    parser.add_argument("jhmdb", nargs="?", type=Path, default=Path("data/jhmdb"))
    parser.add_argument("--per-class", type=int, default=2)
    given = parser.parse_args(sys.argv[2:] if arguments is None else arguments)
    collection = find(given.jhmdb)
    rule, _ = collection.protocols["split1"]
    by_label: dict[str, list[Path]] = {}
    for item, subset in zip(collection.items, rule(collection.items), strict=True):
        if subset == "test":
            by_label.setdefault(item.label, []).append(item.path)
    clips = [
        (path, label) for label, paths in by_label.items() for path in paths[: given.per_class]
    ]
    predictor = Predictor.load(given.run, PredictOptions(unknown_threshold=0.0, max_persons=1))
    print(f"{len(clips)} clips: first guess correct, clips with a person")
    for name, video_filter, codec in CHANGES:
        with tempfile.TemporaryDirectory() as folder:
            labels = {}
            for path, label in clips:
                target = Path(folder) / f"{path.stem}.avi"
                run(["-i", str(path), "-an", "-vf", video_filter, *codec, str(target)], path)
                labels[target] = label
            batch = predictor.predict_many(list(labels), Cache())
            found = [r for r in batch.results if r.predictions]
            correct = sum(r.predictions[0].label == labels[r.path] for r in found)
        print(f"  {name:30s} {correct:3d} {len(found):3d}", flush=True)
