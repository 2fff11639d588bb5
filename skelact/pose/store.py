"""Write and read the persons of every frame as JSON in the format of OpenPose, one file or one line
per frame.

    {"version": 1.3, "people": [{"person_id": [0], "pose_keypoints_2d": [x, y, score, …],
    "pose_keypoints_3d": [x, y, z, score, …]}]}

Coordinates are in pixels, 3-D ones in metres if the estimator provides them. The joints are in the
order of the estimator's layout, which the manifest names. If that layout has hands or a face, their
joints are stored under OpenPose's keys: hand_left_keypoints_2d, hand_right_keypoints_2d and
face_keypoints_2d, and likewise _3d. A missing joint is written as 0, 0, 0, as OpenPose does, and
read as NaN with score 0. A frame without persons is an empty list.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np

from skelact import limits
from skelact.cache import CacheEntry
from skelact.errors import CacheError, reading
from skelact.schemas import PosesManifest
from skelact.skeletons import Part, Skeleton, parts_of
from skelact.types import Floats, PersonPose

JsonForm = Literal["frames", "lines"]
LINES = "frames.jsonl"
_START = b'{"version":1.3,"people":['
_LARGEST_ID = 2**31 - 1


def frame_json(people: list[PersonPose], skeleton: Skeleton) -> str:
    """The persons of one frame as JSON text."""
    out = []
    for p in people:
        record: dict[str, Any] = {"person_id": [p.person_id]}
        for part, joints in parts_of(skeleton).items():
            record[f"{part}_keypoints_2d"] = _flat(p.xy[joints], p.score[joints], 2)
            if p.xyz is not None and (part == "pose" or np.isfinite(p.xyz[joints]).any()):
                record[f"{part}_keypoints_3d"] = _flat(p.xyz[joints], p.score[joints], 4)
        out.append(record)
    return json.dumps({"version": 1.3, "people": out}, separators=(",", ":"), allow_nan=False)


def _flat(values: Floats, score: Floats, digits: int) -> list[float]:
    table = np.concatenate([values, score[:, None]], axis=1).astype(np.float64)
    table[~np.isfinite(table).all(axis=1)] = 0
    table[:, :-1], table[:, -1] = table[:, :-1].round(digits), table[:, -1].round(4)
    return table.ravel().tolist()  # type: ignore[no-any-return]


def parse_frame(text: str | bytes, skeleton: Skeleton) -> list[PersonPose]:
    """The persons of the JSON of one frame. Hands and face without a key, or with an empty list,
    are missing. Raises ValueError if the JSON has another structure."""
    return [_person(record, skeleton) for record in people_of(text)]


def people_of(text: str | bytes) -> list[dict[str, Any]]:
    """The records of the persons in the JSON of one frame. Raises ValueError if it has another
    structure."""
    content = json.loads(text)
    people = content.get("people") if isinstance(content, dict) else None
    if not isinstance(people, list) or not all(isinstance(p, dict) for p in people):
        raise ValueError("it has no list of people")
    return people


def _person(record: dict[str, Any], skeleton: Skeleton) -> PersonPose:
    parts = parts_of(skeleton)
    flat = np.concatenate([_table(record, part, s, 2) for part, s in parts.items()])
    missing = (flat[:, 2] <= 0) & (flat[:, :2] == 0).all(axis=1) | np.isnan(flat).any(axis=1)
    xy, score = flat[:, :2].copy(), np.clip(flat[:, 2], 0, 1)
    xy[missing], score[missing] = np.nan, 0
    xyz = None
    if record.get("pose_keypoints_3d"):
        spatial = np.concatenate([_table(record, part, s, 3) for part, s in parts.items()])
        xyz = spatial[:, :3].copy()
        xyz[
            missing
            | np.isnan(spatial).any(axis=1)
            | ((spatial[:, 3] <= 0) & (xyz == 0).all(axis=1))
        ] = np.nan
    ids = record.get("person_id", [-1])
    return PersonPose(xy, score, xyz=xyz, person_id=person_id(ids))


def person_id(stated: Any) -> int:
    """The id that a file states for a person: a number or a list of one, -1 for none. Raises
    ValueError for anything else."""
    value = (stated or [-1])[0] if isinstance(stated, list) else stated
    if value is None:
        return -1
    if isinstance(value, bool) or not isinstance(value, int | float) or int(value) != value:
        raise ValueError(f"the person has the id {str(value)[:40]!r}")
    if abs(value) > _LARGEST_ID:
        raise ValueError(f"the person has the id {value:g}")
    return int(value)


def check_points(values: Floats) -> None:
    """Raise ValueError for coordinates that are infinite or larger than any image. NaN is
    allowed."""
    if (np.abs(values) > limits.COORDINATE).any():
        raise ValueError("it holds infinite or damaged coordinates")


def _table(record: dict[str, Any], part: Part, joints: slice, dims: int) -> Floats:
    """Coordinates and scores of a part (V, dims + 1). Only the body must be present."""
    count = joints.stop - joints.start
    flat = np.asarray(record.get(f"{part}_keypoints_{dims}d") or (), np.float32)
    check_points(flat)
    if not flat.size and part != "pose":
        return np.zeros((count, dims + 1), np.float32)
    size = count * (dims + 1)
    if flat.size != size:
        raise ValueError(f"{flat.size} values of {part}, but {count} joints need {size}")
    return flat.reshape(count, dims + 1)


def write_poses(
    folder: Path,
    frames: Iterable[list[PersonPose]],
    skeleton: Skeleton,
    form: JsonForm = "frames",
) -> None:
    """Write the frames to files in `folder`."""
    if form == "lines":
        with (folder / LINES).open("w", encoding="utf-8") as file:
            file.writelines(frame_json(people, skeleton) + "\n" for people in frames)
        return
    for number, people in enumerate(frames):
        text = frame_json(people, skeleton)
        (folder / f"{number:06d}.json").write_text(text, encoding="utf-8")


def holds_poses(folder: Path) -> bool:
    """Whether a folder holds only what `write_poses` writes: files with its names, which begin as
    its JSON. Raises OSError."""
    files = sorted(folder.iterdir())
    names = [file.name for file in files]
    if names != [LINES] and names != [f"{number:06d}.json" for number in range(len(names))]:
        return False
    for file in files:
        if file.is_symlink() or not file.is_file():
            return False
        with file.open("rb") as content:
            if content.read(len(_START)) != _START:
                return False
    return True


def read_poses(entry: CacheEntry[PosesManifest]) -> list[list[PersonPose]]:
    """All frames of a stored video. Raises CacheError if a file is damaged."""
    skeleton = entry.manifest.skeleton
    names = sorted(entry.files)
    with reading(entry.path, CacheError, "Delete that folder and run the command again."):
        if names == [LINES]:
            return [parse_frame(line, skeleton) for line in entry.read(LINES).splitlines()]
        return [parse_frame(entry.read(name), skeleton) for name in names]
