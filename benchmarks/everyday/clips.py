"""The training set of `everyday`: poses of footage, and drawn views of motion capture."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.everyday import labels, motion, penn
from benchmarks.footage import parts_of
from skelact.cache import Cache
from skelact.datasets import jhmdb
from skelact.datasets.base import spatial
from skelact.errors import InputError
from skelact.inference.windows import find_tracks
from skelact.pose.base import PoseOptions
from skelact.pose.store import read_poses
from skelact.runs.project import Projector
from skelact.schemas import EstimatorInfo
from skelact.sequence.cameras import CameraOptions
from skelact.sequence.clean import SequenceOptions, clean, fill_gaps
from skelact.sequence.imitate import ImitationOptions
from skelact.sequence.stack import take_frames
from skelact.skeletons import SKELETONS
from skelact.stages.poses import Extracted, poses_of
from skelact.stages.sequences import stack_poses
from skelact.types import UNKNOWN, PoseSequence

SKELETON = SKELETONS["coco-17"]
# of JHMDB, whose persons can be small, dark or partly outside the frame
POSE = PoseOptions(estimator="blazepose", max_persons=1, min_confidence=0.1, backfill_s=3.0)
SEQUENCE = SequenceOptions(persons=1, max_gap_s=0.5)
SEED = 7
_LONGEST_S = 1.7  # of longer views, a random part is used
_WINDOW_S, _STEP_S = 1.6, 0.4  # of surveillance footage

Maker = Callable[[np.random.Generator], PoseSequence | None]


@dataclass(frozen=True, kw_only=True)
class EverydayClip:
    """One clip of one person, of a class of labels.CLASSES; `is_held` says that its subject, style
    or split is one of those that can be held out."""

    dataset: str
    label: str
    is_held: bool
    sequence: PoseSequence
    is_mirrored: bool = False


def load(data: Path, cache: Cache) -> tuple[list[EverydayClip], EstimatorInfo]:
    """All clips, and the estimator of the poses of footage."""
    clips, estimator = _jhmdb(data / "jhmdb", cache)
    for dataset in labels.LABELS:
        clips += list(_drawn(dataset, data))
    clips += list(_fights(data / "more", cache))
    return [
        replace(c, label=UNKNOWN) if c.label in labels.NOT_NAMED else c for c in clips
    ], estimator


def _jhmdb(root: Path, cache: Cache) -> tuple[list[EverydayClip], EstimatorInfo]:
    """Both estimates of each video: of its frames and of these mirrored."""
    collection = jhmdb.find(root)
    subsets = collection.protocols["split1"][0](collection.items)
    clips = []
    for is_mirrored in (False, True):
        pose = replace(POSE, mirrored=is_mirrored)
        batch = poses_of([i.path for i in collection.items], cache, pose)
        found = {e.path: e for e in batch.results}
        for item, subset in zip(collection.items, subsets, strict=True):
            if item.path not in found:
                continue
            sequence = clean(_stacked(found[item.path]), SEQUENCE)
            if sequence.persons:
                clip = EverydayClip(
                    dataset="jhmdb",
                    label=item.label,
                    is_held=subset == "test",
                    sequence=sequence,
                    is_mirrored=is_mirrored,
                )
                clips.append(clip)
        if not is_mirrored:
            m = next(iter(found.values())).poses.manifest
            estimator = EstimatorInfo(name=m.estimator, weights=m.weights, pose=m.pose)
    return clips, estimator


def _stacked(extracted: Extracted) -> PoseSequence:
    return stack_poses(extracted.poses, read_poses(extracted.poses))


def _fights(more: Path, cache: Cache) -> Iterator[EverydayClip]:
    """Windows of the persons in fights of the dev part, as other actions. The rest of this footage
    shows people who walk, so it is left out."""
    with (more / "clips.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    videos = [
        more / row["path"]
        for row, part in zip(rows, parts_of(rows, more), strict=True)
        if row["path"].startswith("surveillance-fight/fight/") and part == "dev"
    ]
    for extracted in poses_of(sorted(videos), cache, PoseOptions()).results:
        sequence = _stacked(extracted)
        for track in find_tracks(sequence, True, 0.5) if sequence.persons else []:
            filled = fill_gaps(track.sequence, SEQUENCE.max_gap_s)
            fps = filled.fps
            for start, end in track.windows(round(_WINDOW_S * fps), max(1, round(_STEP_S * fps))):
                window = take_frames(filled, start, end)
                if not np.isnan(window.xy).all():
                    yield EverydayClip(
                        dataset="surveillance-fight", label=UNKNOWN, is_held=False, sequence=window
                    )


def _drawn(dataset: str, data: Path) -> Iterator[EverydayClip]:
    """Random views of a dataset, at most labels.MOST of each class."""
    makers = list(_makers(dataset, data))
    held = labels.held_out(dataset, [subject for _, subject, _ in makers])
    groups: dict[tuple[bool, str], list[int]] = defaultdict(list)
    for n, (label, _, _) in enumerate(makers):
        if label in labels.LABELS[dataset]:
            groups[held[n], labels.LABELS[dataset][label]].append(n)
    rng = np.random.default_rng(SEED)
    for (is_held, label), rows in sorted(groups.items()):
        most = labels.MOST[dataset][label == UNKNOWN]
        missing = min(len(rows), most) // (3 if is_held else 1)
        for n in map(int, rng.permutation(rows)):
            if not missing:
                break
            own = np.random.default_rng([SEED, n])
            view = makers[n][2](own)
            view = None if view is None else _part(view, own)
            if view is not None:
                missing -= 1
                yield EverydayClip(dataset=dataset, label=label, is_held=is_held, sequence=view)


def _makers(dataset: str, data: Path) -> Iterator[tuple[str, str, Maker]]:
    """The label and the subject of every view that can be drawn, and a function that makes it."""
    if dataset == "penn":
        yield from penn.clips(data / "more" / "penn-action" / "penn_action_2d.npz")
        return
    projector = Projector(
        skeleton=SKELETON,
        axes="x,y,z",
        cameras=CameraOptions(cameras=1),
        imitation=ImitationOptions(),
    )
    for recording in motion.recordings(dataset, data):
        once = dataset == "cmu" and recording.label in motion.FILMED_ONCE
        for start, end in motion.parts(dataset, recording):
            part = spatial(recording.points[None, start:end], recording.skeleton, motion.FPS)
            for _ in range(1 if once else labels.CAMERAS[dataset]):
                yield recording.label, recording.subject, _viewer(projector, part)


def _viewer(projector: Projector, part: PoseSequence) -> Maker:
    def view(rng: np.random.Generator) -> PoseSequence | None:
        try:
            return next(projector.views(part, rng))
        except InputError:  # without hips or shoulders
            return None

    return view


def _part(view: PoseSequence, rng: np.random.Generator) -> PoseSequence | None:
    """A random part of a view, or None if the person is found in less than half of the frames."""
    length = int(_LONGEST_S * view.fps)
    if view.frames > 1.1 * length:
        start = int(rng.integers(0, view.frames - length + 1))
        view = take_frames(view, start, start + length)
    lost = np.isnan(view.xy[0, :, :, 0])
    hips = SKELETON.find("left_hip", "right_hip")
    return None if lost.mean() > 0.5 or lost[:, hips].all() else view
