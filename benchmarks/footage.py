"""What a recogniser says of real footage that it was not trained on: clips of its own classes, and
people who do something else.

    python -m benchmarks footage MODEL DATA [--part dev|test|all] [--only SET,...] [--csv FILE]
        [--threshold P] [--backfill-s S] [--cache-dir FOLDER]

DATA holds clips.csv (columns path, set, label, jhmdb_class, repository) and the videos. It is
divided once into dev, on which settings may be chosen, and test: by source (the repository of a
clip), and surveillance footage by scene (`parts_of`). The label of a clip is that of the person who
is visible longest.

For each set: the clips that show a class of the model, how many of them get a label, how many of
those labels are right, and for how many the most probable class is right; then the clips of other
actions, and the share of the time of all their persons that has a label (and without "walk",
because passers-by walk in many of them)."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from skelact.cache import Cache
from skelact.datasets.grouping import connected, divide
from skelact.files import replacing
from skelact.inference.predictor import Predictor
from skelact.options import PredictOptions
from skelact.types import UNKNOWN, Prediction
from skelact.video.decode import read_frames
from skelact.video.probe import probe

PARTS = ("dev", "test")
SEED = 15
_BY_SCENE = "surveillance-fight"
_SAME_SCENE = 0.8  # correlation of the first frames of two clips of one scene
# labels of clips.csv that are a class under another name
_NAMES = {
    "walk_crowd": "walk",
    "run_crowd": "run",
    "kick": "kick_ball",
    "shoot": "kick_ball",
    "boxing": "punch",
}
# words in the label of a clip that may get this class as well as none
_PARTLY = {
    "jump": "jump",
    "hop": "jump",
    "push_up": "push_up",
    "pushup": "push_up",
    "squat": "squat",
    "high_knees": "run",
    "punch": "punch",
    "kick": "kick_ball",
    "walk": "walk",
    "march": "walk",
    "fall": "lie_down",
    "pedestrians": "walk",
}


@dataclass(frozen=True, kw_only=True)
class FootageClip:
    """One line of clips.csv: `truth` is the class of the model that the clip shows, or empty;
    `allowed` are classes that are not wrong either."""

    path: Path
    set: str
    label: str
    part: str
    truth: str
    allowed: frozenset[str]


def scenes(videos: Sequence[Path]) -> list[str]:
    """A name for the scene of each video: the same for videos whose first frames look alike."""
    import cv2

    rows = []
    for video in videos:
        frame = next(iter(read_frames(probe(video))))
        grey = cv2.cvtColor(np.asarray(frame), cv2.COLOR_BGR2GRAY)
        small = cv2.resize(grey, (32, 18), interpolation=cv2.INTER_AREA).astype(float).ravel()
        rows.append((small - small.mean()) / (small.std() + 1e-6))
    if not rows:
        return []
    alike = np.triu(np.array(rows) @ np.array(rows).T / len(rows[0]) > _SAME_SCENE, 1)
    return connected([v.name for v in videos], [(int(a), int(b)) for a, b in np.argwhere(alike)])


def parts_of(rows: Sequence[dict[str, str]], data: Path) -> list[str]:
    """The part of each line of clips.csv: half of the sources of every set and class."""
    groups = [f"{r['set']}/{r['repository']}" for r in rows]
    scene = [n for n, r in enumerate(rows) if r["set"] == _BY_SCENE]
    for n, name in zip(scene, scenes([data / rows[n]["path"] for n in scene]), strict=True):
        groups[n] = f"{_BY_SCENE}/{name}"
    out = [""] * len(rows)
    for name in dict.fromkeys(r["set"] for r in rows):
        own = [n for n, r in enumerate(rows) if r["set"] == name]
        labels = [rows[n]["jhmdb_class"] or "other" for n in own]
        divided = divide(labels, [groups[n] for n in own], [0.5, 0.5], SEED)
        for n, part in zip(own, divided, strict=True):
            out[n] = PARTS[part]
    return out


def load(data: Path, classes: Sequence[str]) -> list[FootageClip]:
    """All clips of clips.csv, with their truth in terms of the classes of a model."""
    with (data / "clips.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    clips = []
    for row, part in zip(rows, parts_of(rows, data), strict=True):
        names = (row["jhmdb_class"], row["label"], _NAMES.get(row["label"], ""))
        text = f"{row['label']} {Path(row['path']).stem}"
        clips.append(
            FootageClip(
                path=data / row["path"],
                set=row["set"],
                label=row["label"],
                part=part,
                truth=next((n for n in names if n in classes), ""),
                allowed=frozenset(c for word, c in _PARTLY.items() if word in text),
            )
        )
    return clips


def first_guess(prediction: Prediction) -> str:
    """The class that is most probable over the whole time of a person."""
    lengths = [s.end_s - s.start_s for s in prediction.segments]
    mean = np.average([s.probabilities for s in prediction.segments], axis=0, weights=lengths)
    named = np.where(np.array(prediction.classes) == UNKNOWN, 0, mean)
    return prediction.classes[int(named.argmax())]


def time_with_label(
    predictions: Sequence[Prediction], allowed: frozenset[str]
) -> tuple[float, float]:
    """The seconds of all persons, and those with a label that is not allowed."""
    total = labelled = 0.0
    for segment in (s for p in predictions for s in p.segments):
        length = segment.end_s - segment.start_s
        total += length
        labelled += length * (segment.label != UNKNOWN and segment.label not in allowed)
    return total, labelled


def report(clips: Sequence[FootageClip], found: dict[Path, list[Prediction]]) -> None:
    """Print one line for each set, and one for all."""
    print(
        f"{'set':20s} {'clips':>5s} {'nobody':>6s} | {'acting':>6s} {'labelled':>8s} {'right':>5s} "
        f"{'guess':>5s} | {'other':>5s} {'time':>7s} {'with a label':>12s} {'not walk':>8s}"
    )
    names = list(dict.fromkeys(c.set for c in clips))
    for name in (*names, "all"):
        own = [c for c in clips if name in (c.set, "all")]
        seen = [c for c in own if found.get(c.path)]
        acting = [c for c in own if c.truth]
        first = {c.path: found[c.path][0] for c in seen}
        labelled = [c for c in acting if c.path in first and first[c.path].label != UNKNOWN]
        right = sum(first[c.path].label == c.truth for c in labelled)
        guess = sum(first_guess(first[c.path]) == c.truth for c in acting if c.path in first)
        others = [c for c in seen if not c.truth]
        times = np.array([time_with_label(found[c.path], c.allowed) for c in others])
        walk = [time_with_label(found[c.path], c.allowed | {"walk"})[1] for c in others]
        total, wrong = times.reshape(-1, 2).sum(axis=0)
        shares = (wrong / total, sum(walk) / total) if total else (0.0, 0.0)
        print(
            f"{name:20s} {len(own):5d} {len(own) - len(seen):6d} | {len(acting):6d} "
            f"{len(labelled):8d} {right:5d} {guess:5d} | {len(others):5d} {total:6.0f}s "
            f"{shares[0]:12.1%} {shares[1]:8.1%}"
        )


def write_rows(
    path: Path, clips: Sequence[FootageClip], found: dict[Path, list[Prediction]]
) -> None:
    """One line for each person: what was said, and the first guess."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ("set", "part", "path", "clip_label", "truth", "person", "label", "p", "guess", "spans")
        )
        for clip in clips:
            for p in found.get(clip.path, []):
                spans = " ".join(
                    f"{s.start_s:.1f}-{s.end_s:.1f}:{s.label}:{s.probability:.2f}"
                    for s in p.segments
                )
                row = (clip.set, clip.part, clip.path.name, clip.label, clip.truth, p.person_id)
                writer.writerow((*row, p.label, f"{p.probability:.2f}", first_guess(p), spans))


class _Backfill(Predictor):
    """A predictor with another `backfill_s` for the poses than in training."""

    backfill_s: float | None = None

    def pose(self, poses_from: Path | None = None):  # type: ignore[no-untyped-def]
        options = super().pose(poses_from)
        return options if self.backfill_s is None else replace(options, backfill_s=self.backfill_s)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks footage")
    parser.add_argument("model", help="a run, a checkpoint file, or the name of a shipped model")
    parser.add_argument("data", nargs="?", type=Path, default=Path("data/more"))
    parser.add_argument("--part", default="all", choices=(*PARTS, "all"))
    parser.add_argument("--only", default="", help="sets, separated by commas")
    parser.add_argument("--threshold", type=float)
    parser.add_argument("--backfill-s", type=float)
    parser.add_argument("--cache-dir", type=Path)
    parser.add_argument("--csv", type=Path)
    given = parser.parse_args(sys.argv[2:] if arguments is None else arguments)
    predictor = _Backfill.load(given.model, PredictOptions(unknown_threshold=given.threshold))
    assert isinstance(predictor, _Backfill)
    predictor.backfill_s = given.backfill_s
    clips = [
        c
        for c in load(given.data, predictor.classes)
        if given.part in (c.part, "all") and (not given.only or c.set in given.only.split(","))
    ]
    batch = predictor.predict_many([c.path for c in clips], Cache(given.cache_dir))
    found = {r.path: list(r.predictions) for r in batch.results}
    report(clips, found)
    if given.csv is not None:
        write_rows(given.csv, clips, found)
