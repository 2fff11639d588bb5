"""JSON of pose estimators: OpenPose's and skelact's with one file or line per frame, AlphaPose's
and COCO's result files, Kinetics-skeleton's, and plain nested lists."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from skelact import limits
from skelact.pose.importers import PoseFiles
from skelact.pose.importers import read as read_poses
from skelact.pose.store import parse_frame, people_of
from skelact.pose.track import TrackOptions
from skelact.readers.arrays import as_persons
from skelact.readers.base import RawSequence, SkeletonReader
from skelact.readers.description import Description
from skelact.sequence.stack import identity, stack_frames
from skelact.skeletons import SKELETONS, Skeleton, layout_for
from skelact.types import PersonPose

_FPS = 30.0  # for tracking, if nothing states it
_HEAD = 4096
_RESULTS = ('"keypoints"', '"image_id"')
_ARRAYS = ("skeletons", "keypoints", "positions", "joints", "poses", "data", "frames")
FRAME_NAME = re.compile(r"^(?P<stem>.*?)_?(?P<frame>\d+)(_keypoints)?\.json$")


def _head(path: Path) -> str:
    return "".join(limits.head(path, _HEAD).split())


def accepts_frame(path: Path) -> bool:
    """Whether a file holds the people of one frame and is numbered."""
    return FRAME_NAME.match(path.name) is not None and '"people":' in _head(path)


def accepts(path: Path) -> bool:
    """Whether a file holds a whole sequence."""
    head = _head(path)
    if path.suffix.lower() == ".jsonl":
        return '"people":' in head
    return (
        all(key in head for key in _RESULTS)
        or head.startswith("[[")
        or any(f'"{name}":[[' in head for name in _ARRAYS)
        or ('"frame_index"' in head and '"skeleton"' in head)
    )


def read_frames(
    files: tuple[Path, ...], description: Description, joints: int | None
) -> list[RawSequence]:
    """One file per frame."""
    if any(p.name.endswith("_keypoints.json") for p in files):
        return [_imported(PoseFiles(files[0].parent.name, files, True), description)]
    numbers = [int(FRAME_NAME.match(p.name)["frame"]) for p in files]  # type: ignore[index]
    limits.check_frames(numbers[-1] - numbers[0] + 1)
    texts: list[bytes] = [b'{"people": []}'] * (numbers[-1] - numbers[0] + 1)
    for number, path in zip(numbers, files, strict=True):
        texts[number - numbers[0]] = limits.read_bytes(path)
    return [_own(texts, description)]


def _own(texts: list[bytes], description: Description) -> RawSequence:
    """The format of `skelact extract`, whose layout follows from the number of joints."""
    people = [person for text in texts for person in people_of(text)]
    sizes = {len(p.get("pose_keypoints_2d", ())) // 3 for p in people}
    if len(sizes) != 1:
        raise ValueError(f"persons with different numbers of joints: {sorted(sizes)}")
    count = sizes.pop()
    named = [s for s in SKELETONS.values() if len(s.joints) == count]
    skeleton = named[0] if len(named) == 1 else layout_for(count, "openpose")
    frames = [parse_frame(text, skeleton) for text in texts]
    return _stacked(frames, skeleton, description)


def _stacked(
    frames: list[list[PersonPose]], skeleton: Skeleton, description: Description
) -> RawSequence:
    persons = len({identity(p, n) for people in frames for n, p in enumerate(people)})
    limits.check_array((persons, len(frames), len(skeleton.joints), 6))
    s = stack_frames(frames, skeleton, description.fps or _FPS, 1, 1)
    score = s.score[..., None]
    if s.xyz is not None and description.dims == 3:
        values, pixels = np.concatenate([s.xyz, score], axis=-1), s.xy
        return RawSequence(
            values=values, skeleton=skeleton, has_score=True, unit="m", pixels=pixels
        )
    return RawSequence(
        values=np.concatenate([s.xy, score], axis=-1), skeleton=skeleton, has_score=True
    )


def _imported(source: PoseFiles, description: Description) -> RawSequence:
    found = read_poses(source, None, description.fps or _FPS, TrackOptions())
    return _stacked(found.frames, found.skeleton, description)


def read(
    files: tuple[Path, ...], description: Description, joints: int | None
) -> list[RawSequence]:
    """One file per sequence."""
    (path,) = files
    if path.suffix.lower() == ".jsonl":
        lines = limits.read_bytes(path).splitlines()
        return [_own([t for t in lines if t.strip()], description)]
    head = _head(path)
    if all(key in head for key in _RESULTS):
        return [_imported(PoseFiles(path.stem, files, False), description)]
    content = json.loads(limits.read_bytes(path))
    if isinstance(content, dict) and '"frame_index"' in head:
        return [_kinetics(content)]
    if isinstance(content, dict):
        name = description.array or next((n for n in _ARRAYS if n in content), "")
        if name not in content:
            raise ValueError(f'it has the keys {", ".join(content)}; name one: array = "..."')
        content = content[name]
    return [RawSequence(values=as_persons(np.array(content, np.float32), description))]


def _kinetics(content: dict[str, Any]) -> RawSequence:
    """Kinetics-skeleton (Yan et al. 2018): fractions of the frame, all persons of a frame by their
    position in its list."""
    frames = {int(f["frame_index"]): f["skeleton"] for f in content["data"]}
    if not frames:
        raise ValueError("it holds no frames")
    start = min(frames)
    persons = max(map(len, frames.values()))
    joints = next((len(p["score"]) for people in frames.values() for p in people), 18)
    shape = (persons, max(frames) - start + 1, joints, 3)
    limits.check_array(shape)
    values = np.full(shape, np.nan, np.float32)
    for number, people in frames.items():
        for m, person in enumerate(people):
            points = np.asarray(person["pose"], np.float32).reshape(joints, 2)
            scores = np.asarray(person["score"], np.float32)
            values[m, number - start] = np.concatenate([points, scores[:, None]], axis=1)
    values[~(values[..., 2] > 0) | ~np.isfinite(values).all(axis=-1)] = np.nan
    return RawSequence(
        values=values, skeleton=layout_for(joints, "openpose"), has_score=True, unit="normalised",
        fps=_FPS,
    )  # fmt: skip


READERS = (
    SkeletonReader(
        name="frames-json",
        title="JSON of people, one file per frame",
        suffixes=(".json",),
        read=read_frames,
        accepts=accepts_frame,
        certain=False,
        per_frame=True,
    ),
    SkeletonReader(
        name="json",
        title="JSON of a sequence of poses",
        suffixes=(".json", ".jsonl"),
        read=read,
        accepts=accepts,
        certain=False,
    ),
)
