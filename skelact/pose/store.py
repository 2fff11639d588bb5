"""Write and read the persons of every frame as JSON in the format of OpenPose, one file or one line
per frame.

    {"version": 1.3, "people": [{"person_id": [0], "pose_keypoints_2d": [x, y, score, …],
    "pose_keypoints_3d": [x, y, z, score, …]}]}

Coordinates are in pixels, 3-D ones in metres if the estimator provides them. The joints are in the
order of the estimator's layout, which the manifest names. A missing joint is written as 0, 0, 0, as
OpenPose does, and read as NaN with score 0. A frame without persons is an empty list.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np

from skelact.cache import CacheEntry
from skelact.errors import CacheError
from skelact.schemas import PosesManifest
from skelact.types import Floats, PersonPose

JsonForm = Literal["frames", "lines"]
LINES = "frames.jsonl"


def frame_json(people: list[PersonPose]) -> str:
    """The persons of one frame as JSON text."""
    out = []
    for p in people:
        record: dict[str, Any] = {
            "person_id": [p.person_id],
            "pose_keypoints_2d": _flat(p.xy, p.score, 2),
        }
        if p.xyz is not None:
            record["pose_keypoints_3d"] = _flat(p.xyz, p.score, 4)
        out.append(record)
    return json.dumps({"version": 1.3, "people": out}, separators=(",", ":"))


def _flat(values: Floats, score: Floats, digits: int) -> list[float]:
    table = np.concatenate([values, score[:, None]], axis=1).astype(np.float64)
    table[np.isnan(table).any(axis=1)] = 0
    table[:, :-1], table[:, -1] = table[:, :-1].round(digits), table[:, -1].round(4)
    return table.ravel().tolist()  # type: ignore[no-any-return]


def parse_frame(text: str | bytes, joints: int) -> list[PersonPose]:
    """The persons of the JSON of one frame. Raises ValueError if it has another structure."""
    return [_person(record, joints) for record in people_of(text)]


def people_of(text: str | bytes) -> list[dict[str, Any]]:
    """The records of the persons in the JSON of one frame. Raises ValueError if it has another
    structure."""
    content = json.loads(text)
    people = content.get("people") if isinstance(content, dict) else None
    if not isinstance(people, list) or not all(isinstance(p, dict) for p in people):
        raise ValueError("it has no list of people")
    return people


def _person(record: dict[str, Any], joints: int) -> PersonPose:
    flat = np.asarray(record.get("pose_keypoints_2d", ()), np.float32)
    if flat.size != joints * 3:
        raise ValueError(f"{flat.size} values, but {joints} joints need {joints * 3}")
    xys = flat.reshape(joints, 3)
    missing = (xys[:, 2] <= 0) & (xys[:, :2] == 0).all(axis=1)
    xy, score = xys[:, :2].copy(), np.clip(xys[:, 2], 0, 1)
    xy[missing] = np.nan
    xyz = None
    spatial = np.asarray(record.get("pose_keypoints_3d") or (), np.float32)
    if spatial.size == joints * 4:
        xyz = spatial.reshape(joints, 4)[:, :3].copy()
        xyz[missing] = np.nan
    ids = record.get("person_id", [-1])
    return PersonPose(xy, score, xyz=xyz, person_id=int(ids[0]) if ids else -1)


def write_poses(
    folder: Path, frames: Iterable[list[PersonPose]], form: JsonForm = "frames"
) -> None:
    """Write the frames to files in `folder`."""
    if form == "lines":
        with (folder / LINES).open("w", encoding="utf-8") as file:
            file.writelines(frame_json(people) + "\n" for people in frames)
        return
    for number, people in enumerate(frames):
        (folder / f"{number:06d}.json").write_text(frame_json(people), encoding="utf-8")


def read_poses(entry: CacheEntry[PosesManifest]) -> list[list[PersonPose]]:
    """All frames of a stored video. Raises CacheError if a file is damaged."""
    joints = len(entry.manifest.skeleton.joints)
    names = sorted(entry.files)
    try:
        if names == [LINES]:
            return [parse_frame(line, joints) for line in entry.read(LINES).splitlines()]
        return [parse_frame(entry.read(name), joints) for name in names]
    except (ValueError, KeyError, TypeError) as error:
        raise CacheError(
            f"{entry.path} holds no poses: {error}",
            "Delete that folder and run the command again.",
        ) from error
