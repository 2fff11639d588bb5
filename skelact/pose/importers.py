"""Import poses that another program estimated: OpenPose's folders, result files of AlphaPose and
COCO.

    <stem>_000000000000_keypoints.json …   OpenPose, one file per frame (BODY_25, COCO-18, MPI-15,
                                           or a hand's 21), in the folder itself or in <stem>/;
                                           hands and face on request
    <stem>.json, AlphaPose_<stem>.json,    a list of {"image_id", "keypoints", "score",
    <stem>/alphapose-results.json          optional "idx"}
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from skelact import limits
from skelact.errors import CHANGED_HINT, InputError, PathMissing, reading
from skelact.pose.store import check_points, parse_frame, people_of, person_id
from skelact.pose.track import Tracker, TrackOptions
from skelact.skeletons import Skeleton, layout_for, parts_of, with_details
from skelact.types import PersonPose

_SURPLUS = 1.05  # frames of poses relative to those that the header of the video states
_OPENPOSE = re.compile(r"^(?P<stem>.*?)_?(?P<frame>\d+)_keypoints\.json$")


@dataclass(frozen=True)
class PoseFiles:
    """The files with the poses of one video: OpenPose's in frame order, or one result file."""

    name: str
    files: tuple[Path, ...]
    per_frame: bool

    @property
    def content(self) -> str:
        """Hash of the content of the files."""
        digest = hashlib.blake2b(digest_size=16)
        for file in self.files:
            digest.update(limits.read_bytes(file))
        return digest.hexdigest()

    def check_unchanged(self, content: str) -> None:
        """Raises InputError if the content is no longer the one with this hash."""
        if self.content != content:
            raise InputError(
                f"{self.files[0].parent}: the poses of {self.name} changed while they were read",
                CHANGED_HINT,
            )


@dataclass(frozen=True, kw_only=True)
class Imported:
    """The persons of every frame, their layout, and the program that estimated them."""

    frames: list[list[PersonPose]]
    skeleton: Skeleton
    program: str


def sources(folder: Path) -> dict[str, PoseFiles]:
    """The importable poses below `folder`, by the stem of their video. Raises PathMissing if there
    is no such folder, InputError if it holds no poses."""
    if not folder.is_dir():
        raise PathMissing(f"{folder}: no such folder")
    frames: dict[str, list[tuple[int, Path]]] = {}
    by_stem: dict[str, PoseFiles] = {}
    for path in sorted(folder.rglob("*.json")):
        match = _OPENPOSE.match(path.name)
        if match:
            stem = match["stem"] or path.parent.name
            frames.setdefault(stem, []).append((int(match["frame"]), path))
        else:
            stem = path.stem.removeprefix("AlphaPose_")
            stem = path.parent.name if stem == "alphapose-results" else stem
            by_stem[stem] = PoseFiles(stem, (path,), per_frame=False)
    for stem, numbered in frames.items():
        by_stem[stem] = PoseFiles(stem, tuple(p for _, p in sorted(numbered)), per_frame=True)
    if not by_stem:
        raise InputError(
            f"{folder} holds no pose JSON",
            "Expected OpenPose *_keypoints.json, or result files of AlphaPose or COCO.",
        )
    return by_stem


def read(
    source: PoseFiles,
    frames: int | None,
    fps: float,
    track: TrackOptions,
    *,
    hands: bool = False,
    face: bool = False,
) -> Imported:
    """The persons of every frame; `frames` is the length of the video if it is known. Person ids
    are kept if every person has one; otherwise all persons are tracked. With `hands` and `face`,
    these joints are read as well.

    Raises InputError if a file does not have the format of its program, or has no hands or no
    faces although they are requested."""
    if (hands or face) and not source.per_frame:
        raise InputError(
            f"{source.name}: only OpenPose's JSON has hands and faces",
            "Leave out --hands and --face.",
        )
    place = source.files[0].parent if source.per_frame else source.files[0]
    with np.errstate(all="ignore"), reading(f"{place} (pose JSON)", InputError):
        if source.per_frame:
            imported = _openpose(source, frames, hands=hands, face=face)
        else:
            imported = _results(source, frames)
    everyone = [p for people in imported.frames for p in people]
    if all(p.person_id >= 0 for p in everyone):
        return imported
    tracker = Tracker(imported.skeleton, fps, track)
    return replace(imported, frames=[tracker.update(people) for people in imported.frames])


def _openpose(source: PoseFiles, length: int | None, *, hands: bool, face: bool) -> Imported:
    texts = [limits.read_bytes(path) for path in source.files]
    people = [person for text in texts for person in people_of(text)]
    lists = [person.get("pose_keypoints_2d") for person in people]
    sizes = {len(values) // 3 for values in lists if values}
    if len(sizes) > 1:
        raise ValueError(f"frames with different numbers of joints: {sorted(sizes)}")
    body = layout_for(sizes.pop() if sizes else 25, "openpose")
    skeleton = with_details(body, hands=hands, face=face)
    for part in parts_of(skeleton):
        if (
            part != "pose"
            and people
            and not any(person.get(f"{part}_keypoints_2d") for person in people)
        ):
            raise InputError(
                f"{source.name}: no person has {part}_keypoints_2d",
                "Leave out --hands and --face, or run OpenPose with --hand and --face.",
            )
    numbers = [int(_OPENPOSE.match(p.name)["frame"]) for p in source.files]  # type: ignore[index]
    count = numbers[-1] - numbers[0] + 1
    if length is not None and count > _SURPLUS * length + 10:
        raise ValueError(f"its frames are numbered up to {numbers[-1]}, the video has {length}")
    limits.check_frames(count)
    frames: list[list[PersonPose]] = [[] for _ in range(count)]
    for number, text in zip(numbers, texts, strict=True):
        frames[number - numbers[0]] = parse_frame(text, skeleton)
    return Imported(frames=frames, skeleton=skeleton, program="openpose")


def _results(source: PoseFiles, length: int | None) -> Imported:
    records: Any = json.loads(limits.read_bytes(source.files[0]))
    if isinstance(records, dict):
        records = records.get("annotations")
    if not isinstance(records, list) or not all(
        isinstance(r, dict) and "keypoints" in r and "image_id" in r for r in records
    ):
        raise ValueError("expected a list of records with image_id and keypoints")
    program = "alphapose" if any(isinstance(r["image_id"], str) for r in records) else "coco"
    skeleton = layout_for(len(records[0]["keypoints"]) // 3 if records else 17, "openpose")
    numbers = [_frame_number(r["image_id"]) for r in records]
    last, first = max(numbers, default=0), min(numbers, default=0)
    shift = 1 if first > 0 and length is not None and last >= length else 0  # numbered from 1
    count = length or last - shift + 1
    limits.check_frames(count)
    if last - shift >= count:
        raise ValueError(f"frame {last}, but the video has {count}")
    frames: list[list[PersonPose]] = [[] for _ in range(count)]
    for number, record in zip(numbers, records, strict=True):
        frames[number - shift].append(_record(record, len(skeleton.joints)))
    return Imported(frames=frames, skeleton=skeleton, program=program)


def _frame_number(image_id: Any) -> int:
    digits = re.findall(r"\d+", Path(str(image_id)).stem)
    if not digits:
        raise ValueError(f"image_id {image_id!r} has no frame number")
    return int(digits[-1])


def _record(record: dict[str, Any], joints: int) -> PersonPose:
    flat = np.asarray(record["keypoints"], np.float32)
    if flat.size != joints * 3:
        raise ValueError(f"{flat.size} values, but {joints} joints need {joints * 3}")
    values = flat.reshape(joints, 3)
    check_points(values[:, :2])
    missing = ~(values[:, 2] > 0) | np.isnan(values).any(axis=1)
    xy = np.where(missing[:, None], np.float32(np.nan), values[:, :2])
    identity = person_id(record.get("idx", record.get("track_id", -1)))
    return PersonPose(xy, np.where(missing, 0, values[:, 2].clip(0, 1)), person_id=identity)
