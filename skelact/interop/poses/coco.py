"""COCO keypoints: one image for each frame, one annotation for each person in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from skelact import __version__
from skelact.errors import escaped
from skelact.interop.poses.base import Dims, PoseFormat, Recording

_VISIBLE = 0.5  # score from which a joint counts as visible (2); others are hidden (1)


def write(recording: Recording, path: Path, dims: Dims) -> None:
    """All persons, in pixels of the upright frames; `track_id` is the id of the person. An image is
    named <video>/<frame number>.jpg."""
    sequence = recording.sequence
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for t in range(sequence.frames):
        size = {"width": sequence.width, "height": sequence.height}
        images.append({"id": t + 1, "file_name": image_name(recording, t), **size})
        for m, person in enumerate(sequence.ids):
            known = np.isfinite(sequence.xy[m, t]).all(axis=1)
            if known.any():
                found = _annotation(sequence.xy[m, t], sequence.score[m, t], known)
                own = {"id": len(annotations) + 1, "image_id": t + 1, "track_id": person}
                annotations.append(own | found)
    joints = list(sequence.skeleton.joints)
    edges = [[a + 1, b + 1] for a, b in sequence.skeleton.edge_indices]
    category = {"id": 1, "name": "person", "supercategory": "person"}
    content = {
        "info": {"description": f"skelact {__version__}", "fps": sequence.fps},
        "licenses": [],
        "images": images,
        "annotations": annotations,
        "categories": [category | {"keypoints": joints, "skeleton": edges}],
    }
    path.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")


def image_name(recording: Recording, t: int) -> str:
    """The name of the picture of a frame."""
    return f"{escaped(recording.path.stem)}/{t:06d}.jpg"


def _annotation(xy: Any, score: Any, known: Any) -> dict[str, Any]:
    """Keypoints and box of one person in one frame."""
    keypoints: list[float] = []
    for (x, y), s, is_known in zip(xy, score, known, strict=True):
        flag = (2 if s >= _VISIBLE else 1) if is_known else 0
        keypoints += [round(float(x), 2), round(float(y), 2), flag] if is_known else [0, 0, 0]
    low, high = xy[known].min(axis=0), xy[known].max(axis=0)
    box = [round(float(v), 2) for v in (*low, *(high - low))]
    return {
        "category_id": 1,
        "iscrowd": 0,
        "keypoints": keypoints,
        "num_keypoints": int(known.sum()),
        "bbox": box,
        "area": round(box[2] * box[3], 2),
        "score": round(float(score[known].mean()), 4),
    }


def write_label_studio(recording: Recording, path: Path, dims: Dims) -> None:
    """Tasks of Label Studio, one for each frame with a person, whose joints are predictions that a
    person can correct."""
    sequence = recording.sequence
    size = (max(sequence.width, 1), max(sequence.height, 1))
    tasks = []
    for t in range(sequence.frames):
        result = []
        for m, person in enumerate(sequence.ids):
            for v in np.flatnonzero(np.isfinite(sequence.xy[m, t]).all(axis=1)):
                x, y = (100 * float(p) / s for p, s in zip(sequence.xy[m, t, v], size, strict=True))
                joint = sequence.skeleton.joints[v]
                result.append(
                    {
                        "id": f"{person}-{joint}",
                        "type": "keypointlabels",
                        "from_name": "joint",
                        "to_name": "image",
                        "original_width": size[0],
                        "original_height": size[1],
                        "score": round(float(sequence.score[m, t, v]), 4),
                        "value": {
                            "x": round(x, 4),
                            "y": round(y, 4),
                            "width": 0.5,
                            "keypointlabels": [joint],
                        },
                        "meta": {"text": [f"person {person}"]},
                    }
                )
        if result:
            prediction = {"model_version": f"skelact {__version__}", "result": result}
            data = {"image": image_name(recording, t)}
            tasks.append({"data": data, "predictions": [prediction]})
    path.write_text(json.dumps(tasks, allow_nan=False), encoding="utf-8")


FORMATS = (
    PoseFormat(name="coco", suffix="json", title="COCO keypoints", write=write),
    PoseFormat(
        name="label-studio", suffix="json", title="tasks of Label Studio", write=write_label_studio
    ),
)
