"""Training data from motion capture: 3-D skeletons, seen by random cameras and estimated with the
mistakes of a pose estimator, as a 2-D dataset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skelact import config
from skelact.datasets.base import Collection, Item
from skelact.datasets.pose_folder import (
    SUBJECT,
    LabelledPoses,
    check_target,
    write_pose_folder,
)
from skelact.errors import ConfigError, DatasetError, InputError
from skelact.readers.description import parse_axes
from skelact.readers.guess import upright_axes
from skelact.recipe import Recipe
from skelact.sequence.body import to_body
from skelact.sequence.cameras import CameraOptions, film
from skelact.sequence.imitate import ImitationOptions, imitate
from skelact.sequence.occlusion import hidden_joints
from skelact.skeletons import Skeleton
from skelact.stages.resolve import find_collection
from skelact.types import Event, Failure, Floats, PoseSequence, ProgressCallback, no_progress
from skelact.video.cut import ClipOptions, plan

_LOOKED_AT = 12  # files from which the upward axis is found
# the legs relative to the torso, as BlazePose sees them
_LEG_RATIO = (1.25, 1.55)


@dataclass(frozen=True, kw_only=True)
class Projector:
    """How 3-D sequences become 2-D ones in the joints of `skeleton`; `axes` turn them upright."""

    skeleton: Skeleton
    axes: str
    cameras: CameraOptions
    imitation: ImitationOptions

    def views(self, sequence: PoseSequence, rng: np.random.Generator) -> Iterator[PoseSequence]:
        """The views of random cameras of a sequence with xyz (M, T, V, 3) in metres. Raises
        InputError if it lacks shoulders or hips."""
        assert sequence.xyz is not None
        picked = parse_axes(self.axes)
        signs = np.array([sign for _, sign in picked], np.float32)
        points = sequence.xyz[..., [axis for axis, _ in picked]] * signs
        noise = self.imitation.noise
        facing = _facing(to_body(points, sequence.skeleton, self.skeleton), self.skeleton)
        for _ in range(self.cameras.cameras):
            ratio = rng.uniform(*_LEG_RATIO) if noise else None
            body = to_body(points, sequence.skeleton, self.skeleton, ratio)
            view = film(body, facing, sequence.fps, self.cameras, rng)
            torso = _middle(body, "shoulder", self.skeleton) - _middle(body, "hip", self.skeleton)
            length = np.nanmedian(np.linalg.norm(torso, axis=-1), axis=1, keepdims=True)
            distance = np.nanmedian(view.depth, axis=2)
            xy, score = imitate(
                view.xy,
                hidden_joints(view, self.skeleton) if noise else np.zeros(view.depth.shape, bool),
                view.outside,
                np.nan_to_num(length * view.focal / np.maximum(distance, 0.3)).astype(np.float32),
                self.skeleton,
                sequence.fps,
                noise,
                rng,
            )
            yield PoseSequence(
                xy=xy,
                score=score,
                skeleton=self.skeleton,
                fps=sequence.fps,
                width=view.width,
                height=view.height,
                ids=sequence.ids,
            )


def project(
    dataset: str,
    data: Path | None,
    out: Path,
    skeleton: Skeleton,
    *,
    cameras: CameraOptions = CameraOptions(),
    imitation: ImitationOptions = ImitationOptions(),
    clips: ClipOptions = ClipOptions(),
    changes: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    on_progress: ProgressCallback = no_progress,
) -> tuple[int, list[Failure]]:
    """Write views of a dataset of 3-D skeletons to the folder `out` (see `write_pose_folder`).
    Returns the number of views and the files that could not be used. Raises ConfigError if the
    dataset consists of videos, DatasetError if none of its sequences is 3-D."""
    check_target(out, overwrite)
    recipe = Recipe.from_dict(config.merge(config.load(f"datasets/{dataset}"), changes or {}))
    collection = find_collection(recipe, data)
    if collection.read is None:
        raise ConfigError(
            f"{collection.name} consists of videos, which are seen by their own cameras",
            "Give a dataset of 3-D skeletons, or train on the videos themselves.",
        )
    if collection.notice:
        on_progress(Event("project", "notice", text=collection.notice))
    projector = Projector(
        skeleton=skeleton, axes=_axes(collection), cameras=cameras, imitation=imitation
    )
    failed: list[Failure] = []

    def rows() -> Iterator[LabelledPoses]:
        on_progress(Event("project", "start", 0, len(collection.items), "Projecting sequences."))
        for n, item in enumerate(collection.items):
            rng = np.random.default_rng([cameras.seed, n])  # whatever happens to other files
            try:
                yield from _views_of(collection, item, projector, clips, out.resolve().name, rng)
            except InputError as error:
                failed.append(Failure.from_error(item.path, error))
            on_progress(Event("project", "advance", 1))
        on_progress(Event("project", "end"))

    return write_pose_folder(out, rows(), skeleton, overwrite=overwrite), failed


def _views_of(
    collection: Collection,
    item: Item,
    projector: Projector,
    clips: ClipOptions,
    dataset: str,
    rng: np.random.Generator,
) -> Iterator[LabelledPoses]:
    """The views of an item, for a dataset of that name. Raises InputError if it cannot be used."""
    sequence = _read(collection, item)
    assert sequence.xyz is not None
    subject = next((item.groups[k] for k in SUBJECT if k in item.groups), "")
    source = item.groups.get("take", item.name(collection.root))
    groups = {"subject": subject, "source": source, "dataset": dataset}
    first = item.span_s[0] if item.span_s else 0.0
    spans = plan(sequence.frames, sequence.fps, clips)
    for span in spans:
        part = PoseSequence(
            xy=sequence.xy[:, span.start : span.end],
            score=sequence.score[:, span.start : span.end],
            xyz=sequence.xyz[:, span.start : span.end],
            skeleton=sequence.skeleton,
            fps=sequence.fps,
            width=sequence.width,
            height=sequence.height,
            ids=sequence.ids,
        )
        assert part.xyz is not None
        if np.isnan(part.xyz).all():
            continue
        for camera, view in enumerate(projector.views(part, rng)):
            if np.isnan(view.xy).all():
                continue
            start = f"{first + span.start / sequence.fps:g}s" if len(spans) > 1 or first else ""
            parts = (item.path.stem, item.key, start, f"camera{camera}")
            yield LabelledPoses(
                name="-".join(filter(None, parts)),
                label=item.label,
                sequence=view,
                groups=groups | {"camera": str(camera)},
            )


def _read(collection: Collection, item: Item) -> PoseSequence:
    """The sequence of an item. Raises InputError if it is damaged or not 3-D."""
    assert collection.read is not None
    sequence = collection.read(item)
    if sequence.xyz is None or np.isnan(sequence.xyz).all():
        raise InputError(f"{item.path} has no 3-D joints", "Only 3-D skeletons can be projected.")
    return sequence


def _axes(collection: Collection) -> str:
    """The axes that turn the sequences of a dataset upright. Raises DatasetError if none of those
    that are looked at is 3-D."""
    items = collection.items
    parts, reason = [], ""
    for item in items[:: max(1, len(items) // _LOOKED_AT)][:_LOOKED_AT]:
        try:
            sequence = _read(collection, item)
        except InputError as error:
            reason = reason or error.message
            continue
        assert sequence.xyz is not None
        flat = sequence.xyz.reshape(-1, *sequence.xyz.shape[2:])
        parts.append(flat[:: max(1, len(flat) // 50)])
    if not parts:
        raise DatasetError(
            f"No file of {collection.name} that was looked at has 3-D skeletons: {reason}",
            "Only 3-D skeletons can be projected.",
        )
    first = parts[0].shape[1]
    alike = np.concatenate([p for p in parts if p.shape[1] == first])
    return upright_axes(alike, sequence.skeleton)


def _middle(points: Floats, part: str, skeleton: Skeleton) -> Floats:
    """(M, T, 3) the middle of the left and the right joint. Raises InputError if the points (M, T,
    V, 3) or the layout lack them."""
    pair = skeleton.find(f"left_{part}", f"right_{part}")
    middle = points[:, :, pair].mean(axis=2) if len(pair) == 2 else np.array([np.nan])
    if np.isnan(middle).all():
        raise InputError(
            f"The sequences have no {part}s, which the view of a person needs",
            "Name the joints with `layout` in skeletons.toml.",
        )
    return np.asarray(middle)


def _facing(body: Floats, skeleton: Skeleton) -> Floats:
    """(3,) the horizontal direction in which the first person looks at the start."""
    _middle(body, "shoulder", skeleton)
    _middle(body, "hip", skeleton)
    pair = [skeleton.index(f"{side}_shoulder") for side in ("left", "right")]
    across = (body[:, :, pair[0]] - body[:, :, pair[1]]).reshape(-1, 3)
    across = across[~np.isnan(across).any(axis=1)][:5].mean(axis=0)
    return np.asarray(np.cross(across, [0.0, 1.0, 0.0]), np.float32)
