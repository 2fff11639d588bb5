"""Read and write annotation pickles of PYSKL and mmaction2: a dict of `split` (name -> names of
samples) and `annotations` (frame_dir, total_frames, img_shape, label, keypoint (M, T, V, C),
keypoint_score).

They are read by an unpickler that accepts arrays and plain values only."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from skelact.datasets.base import Collection, DatasetSpec, Item, Protocol, SplitRule, spatial
from skelact.datasets.ntu_names import item_of
from skelact.errors import DatasetError, InputError, MissingDataset, reading
from skelact.files import load_pickle, replacing
from skelact.schemas.foreign import PysklAnnotation, PysklSize, PysklSplit, plain
from skelact.skeletons import Guess, Skeleton, guess_layout, layout_for
from skelact.types import Floats, PoseSequence

FPS = 30.0
_LARGEST_SCORE = 10.0  # the peaks of heat maps exceed 1 a little
_LOOKED_AT = 20  # samples whose coordinates are compared with the layouts
SUFFIXES = (".pkl", ".pickle")


def load(path: Path) -> dict[str, Any]:
    """The content of an annotation pickle: `split` and `annotations`. Raises InputError if it is
    damaged, has another structure, or holds objects other than arrays and plain values."""
    content = load_pickle(path)
    if isinstance(content, list):
        content = {"annotations": content}
    annotations = content.get("annotations") if isinstance(content, dict) else None
    if not isinstance(annotations, list) or not all(isinstance(a, dict) for a in annotations):
        raise InputError(
            f"{path} is not an annotation file", "Expected a dict of split and annotations."
        )
    with reading(f"The splits of {path}", InputError):
        named = {k: plain(v) for k, v in (content.get("split") or {}).items()}
        split = msgspec.convert(named, PysklSplit)
    return {"split": split, "annotations": annotations}


def sequence_of(
    annotation: dict[str, Any], where: str = "", layouts: Mapping[int, Skeleton] = {}
) -> PoseSequence:
    """The sequence of one annotation. Joints whose coordinates are all zero are missing. `layouts`
    are those of the numbers of joints, by default the usual ones.

    Raises InputError if a field is missing, has the wrong shape, or is not finite."""
    with reading(where, InputError):
        keypoints = _numbers(annotation["keypoint"], "keypoint")
        if keypoints.ndim != 4 or keypoints.shape[3] not in (2, 3):
            raise InputError(
                f"{where}: no keypoint array of shape (persons, frames, joints, values)"
            )
        m, t, v, c = keypoints.shape
        skeleton = layouts.get(v) or layout_for(v, "pyskl")
        size = plain(annotation.get("img_shape", (1080, 1920)))
        height, width = msgspec.convert({"img_shape": size}, PysklSize).img_shape
        if t == 0 or m == 0:
            raise InputError(f"{where}: no frames")
        known = keypoints.any(axis=-1)
        points = np.where(known[..., None], keypoints, np.float32(np.nan))
        if c == 3 and "keypoint_score" not in annotation:
            return spatial(points, skeleton, FPS)
        score = _numbers(annotation.get("keypoint_score", known.astype(np.float32)), "scores")
        if score.shape != (m, t, v):
            raise InputError(
                f"{where}: scores of shape {score.shape}, keypoints of {keypoints.shape}"
            )
        if np.abs(score).max() > _LARGEST_SCORE:
            raise InputError(f"{where}: a score of {np.abs(score).max():g}, which is damaged")
        return PoseSequence(
            xy=points[..., :2],
            score=np.where(known, score, np.float32(0)),
            skeleton=skeleton,
            fps=FPS,
            width=width,
            height=height,
            ids=tuple(range(m)),
        )


def _numbers(value: Any, name: str) -> Floats:
    """An array of real numbers as float32. Raises ValueError for anything else and for values that
    are not finite."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{name} of the type {array.dtype}")
    with np.errstate(over="ignore"):
        numbers = array.astype(np.float32)
    if not np.isfinite(numbers).all():
        raise ValueError(f"{name} that are not finite")
    return numbers


def find(path: Path, name: str = "pyskl") -> Collection:
    """The annotations of a pickle. Its splits become protocols: xsub_train and xsub_val are xsub,
    train1 and test1 are 1, train and val are official. Raises MissingDataset if there is no such
    file, InputError if it is damaged, DatasetError if two samples have the same name."""
    if not path.is_file():
        raise MissingDataset(f"{path}: no such file", "Expected a pickle of PYSKL or mmaction2.")
    content = load(path)
    by_name: dict[str, dict[str, Any]] = {}
    items = []
    for number, a in enumerate(content["annotations"]):
        with reading(f"Sample {number} of {path}", InputError):
            named = {k: plain(a[k]) for k in PysklAnnotation.__struct_fields__ if k in a}
            sample = msgspec.convert(named, PysklAnnotation)
        key = sample.name
        if key in by_name:
            raise DatasetError(
                f"{path} holds two samples called {key!r}", "Give every sample its own name."
            )
        by_name[key] = a
        known = item_of(path, key, key)
        label = known.label if known else f"{sample.label:03d}"
        groups = known.groups if known else {"take": key}
        items.append(Item(path, label, groups=groups, key=key))

    with reading(path, InputError):
        guesses = _layouts(content["annotations"])
    layouts = {count: guess.skeleton for count, guess in guesses.items()}

    def read(item: Item) -> PoseSequence:
        return sequence_of(by_name[item.key], f"{path.name}:{item.key}", layouts)

    return Collection(
        name=name,
        root=path.parent,
        items=tuple(items),
        protocols=_protocols(content["split"]),
        read=read,
        layout_notice="; ".join(f"{g.skeleton.name}: {g.reason}" for g in guesses.values()),
        mode_2d="image",
    )


def _layouts(annotations: Sequence[dict[str, Any]]) -> dict[int, Guess]:
    """Number of joints -> layout. That of 2-D poses is the usual one where there is one; the others
    are chosen by the coordinates of some samples."""
    samples: dict[int, list[Any]] = {}
    for a in annotations:
        points = a.get("keypoint")
        if (
            isinstance(points, np.ndarray)
            and points.dtype.kind in "fiu"
            and points.ndim == 4
            and points.shape[-1] in (2, 3)
        ):
            samples.setdefault(points.shape[2], []).append((a, points))
    out = {}
    for count, found in samples.items():
        a, first = found[0]
        parts = []
        for _, points in found[:: max(1, len(found) // _LOOKED_AT)][:_LOOKED_AT]:
            if points.shape[-1] == first.shape[-1] and points.size and np.isfinite(points).all():
                with np.errstate(over="ignore"):
                    frames = points[:1].reshape(-1, *points.shape[2:]).astype(np.float32)
                known = frames.any(axis=-1, keepdims=True)
                parts.append(np.where(known, frames, np.float32(np.nan)))
        if not parts:
            continue
        guess = guess_layout(np.concatenate(parts))
        if first.shape[-1] == 2 or "keypoint_score" in a:
            try:
                usual = layout_for(count, "pyskl")
                guess = Guess(skeleton=usual, reason=f"{count} joints in 2-D", is_shipped=True)
            except ValueError:
                pass
        out[count] = guess
    return out


def _protocols(split: PysklSplit) -> dict[str, Protocol]:
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


def _listed(train: frozenset[str], test: frozenset[str]) -> SplitRule:
    both = train & test

    def subsets(items: Sequence[Item]) -> list[str]:
        if both:
            first = ", ".join(sorted(both)[:3])
            raise DatasetError(f"{len(both)} samples are in both subsets of the split: {first}")
        return ["test" if i.key in test else "train" if i.key in train else "none" for i in items]

    return subsets


def export(
    path: Path,
    samples: Iterable[tuple[str, int, PoseSequence]],
    split: dict[str, list[str]],
) -> int:
    """Write (name, label, sequence) samples as an annotation pickle, in half precision as the
    released files. Sequences without pixels are written in 3-D. Returns the number of samples."""
    annotations = []
    for name, label, s in samples:
        has_pixels = not np.isnan(s.xy).all() or s.xyz is None
        points = s.xy if has_pixels else s.xyz
        assert points is not None
        a: dict[str, Any] = {
            "frame_dir": name,
            "total_frames": s.frames,
            "label": label,
            "keypoint": np.nan_to_num(points).astype(np.float16),
        }
        if has_pixels:
            a |= {"img_shape": (s.height, s.width), "original_shape": (s.height, s.width)}
            a["keypoint_score"] = s.score.astype(np.float16)
        annotations.append(a)
    with replacing(path) as temporary, temporary.open("wb") as file:
        pickle.dump({"split": split, "annotations": annotations}, file, protocol=4)
    return len(annotations)


DATASETS = (
    DatasetSpec(
        name="pyskl",
        title="an annotation pickle of PYSKL or mmaction2",
        origin="https://github.com/kennymckormick/pyskl",
        layout="one .pkl file",
        find=find,
    ),
)
