"""PYSKL's and mmaction2's annotation pickles, both ways: a dict of `split` (name -> names of
samples) and `annotations` (frame_dir, total_frames, img_shape, label, keypoint (M, T, V, C),
keypoint_score).

Read by an unpickler that knows arrays and plain values only: nothing in the file is run."""

from __future__ import annotations

import io
import pickle
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skelact.datasets.base import Collection, Item, Protocol, spatial
from skelact.datasets.ntu import item_of
from skelact.errors import DatasetError, InputError, MissingDataset
from skelact.skeletons import SKELETONS
from skelact.types import PoseSequence

FPS = 30.0
LAYOUTS = {17: "coco-17", 18: "openpose-18", 20: "kinect-20", 21: "hand-21", 25: "ntu-25"}
_ALLOWED = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy.core.numeric", "_frombuffer"),
    ("numpy._core.numeric", "_frombuffer"),
    ("collections", "OrderedDict"),
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"an object of type {module}.{name}")
        return super().find_class(module.replace("numpy._core", "numpy.core"), name)


def load(path: Path) -> dict[str, Any]:
    """The content of such a pickle. InputError if it is damaged, something else, or holds anything
    but arrays and plain values, which is named and not run."""
    try:
        content = _Unpickler(io.BytesIO(path.read_bytes())).load()
    except pickle.UnpicklingError as error:
        hint = "it could run code of its own; only arrays and plain values are read"
        raise InputError(f"{path} was not opened: it holds {error}", hint) from error
    except Exception as error:  # a damaged pickle can raise anything
        raise InputError(f"{path} is damaged or no pickle", "fetch it again") from error
    if isinstance(content, list):
        content = {"split": {}, "annotations": content}
    if not isinstance(content, dict) or not isinstance(content.get("annotations"), list):
        raise InputError(f"{path} is no annotation file", "a dict of split and annotations")
    return content


def sequence_of(annotation: dict[str, Any], where: str = "", layout: str = "") -> PoseSequence:
    """One annotation. Joints that are all zero are missing. InputError if a field is missing, has
    the wrong shape, or is not finite."""
    try:
        keypoints = np.asarray(annotation["keypoint"], np.float32)
        m, t, v, c = keypoints.shape
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{where}: no keypoint array of persons, frames, joints, values"
        ) from error
    name = layout or LAYOUTS.get(v, "")
    if not name or len(SKELETONS[name].joints) != v:
        raise InputError(f"{where}: {v} joints, which is no layout known here")
    if t == 0 or m == 0:
        raise InputError(f"{where}: no frame")
    if not np.isfinite(keypoints).all():
        raise InputError(f"{where}: keypoints that are not numbers")
    there = keypoints.any(axis=-1)
    points = np.where(there[..., None], keypoints, np.float32(np.nan))
    if c == 3 and "keypoint_score" not in annotation:
        return spatial(points, SKELETONS[name], FPS)
    score = np.asarray(annotation.get("keypoint_score", there), np.float32)
    if score.shape != (m, t, v):
        raise InputError(f"{where}: scores of shape {score.shape}, keypoints of {keypoints.shape}")
    height, width = annotation.get("img_shape", (1080, 1920))
    score = np.where(there, score, np.float32(0))
    return PoseSequence(
        xy=points[..., :2],
        score=score,
        skeleton=SKELETONS[name],
        fps=FPS,
        width=int(width),
        height=int(height),
        ids=tuple(range(m)),
    )


def find(path: Path, name: str = "pyskl") -> Collection:
    """The annotations of a pickle; its splits are the protocols (xsub_train and xsub_val are xsub;
    train1 and test1 are 1; train and val are official). MissingDataset if there is no such file,
    DatasetError for two samples of one name."""
    if not path.is_file():
        raise MissingDataset(f"{path}: no such file", "a pickle of PYSKL or mmaction2")
    content = load(path)
    by_name: dict[str, dict[str, Any]] = {}
    for a in content["annotations"]:
        key = str(a.get("frame_dir", a.get("filename", "")))
        if key in by_name:
            raise DatasetError(f"{path} holds two samples called {key!r}", "names must differ")
        by_name[key] = a
    items = []
    for key, a in by_name.items():
        text = f"{int(a.get('label', -1)):03d}"
        known = item_of(path, key, key)
        groups = known.groups if known else {"take": key}
        items.append(Item(path, known.label if known else text, groups, key))

    def read(item: Item) -> PoseSequence:
        return sequence_of(by_name[item.key], f"{path.name}:{item.key}")

    return Collection(
        name=name,
        root=path.parent,
        items=tuple(items),
        protocols=_protocols(content["split"]),
        read=read,
    )


def _protocols(split: dict[str, Sequence[str]]) -> dict[str, Protocol]:
    out: dict[str, Protocol] = {}
    for key, names in split.items():
        match = re.fullmatch(r"(.*?)_?train_?(\d*)", str(key))
        if match is None:
            continue
        prefix, number = match[1], match[2]
        ends = [f"{prefix}{'_' if prefix else ''}{w}{number}" for w in ("test", "val")]
        other = next((split[e] for e in ends if e in split), None)
        if other is not None:
            rule = _listed(frozenset(map(str, names)), frozenset(map(str, other)))
            out[prefix or number or "official"] = (rule, ())
    return out


def _listed(train: frozenset[str], test: frozenset[str]) -> Callable[[Sequence[Item]], list[str]]:
    both = train & test

    def subsets(items: Sequence[Item]) -> list[str]:
        if both:
            some = ", ".join(sorted(both)[:3])
            raise DatasetError(f"{len(both)} samples are on both subsets of the split: {some}")
        return ["test" if i.key in test else "train" if i.key in train else "none" for i in items]

    return subsets


def export(
    path: Path,
    samples: Iterable[tuple[str, int, PoseSequence]],
    split: dict[str, list[str]],
) -> int:
    """Write (name, label, sequence) as such a pickle, halves as in the released files; how many.
    3-D sequences without pixels are written as 3-D."""
    annotations = []
    for name, label, s in samples:
        flat = not np.isnan(s.xy).all() or s.xyz is None
        points = s.xy if flat else s.xyz
        assert points is not None
        a: dict[str, Any] = {
            "frame_dir": name,
            "total_frames": s.frames,
            "label": label,
            "keypoint": np.nan_to_num(points).astype(np.float16),
        }
        if flat:
            a |= {"img_shape": (s.height, s.width), "original_shape": (s.height, s.width)}
            a["keypoint_score"] = s.score.astype(np.float16)
        annotations.append(a)
    temporary = path.with_suffix(".part")
    with temporary.open("wb") as file:
        pickle.dump({"split": split, "annotations": annotations}, file, protocol=4)
    temporary.replace(path)
    return len(annotations)
