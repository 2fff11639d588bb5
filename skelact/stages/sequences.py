"""The sequences stage: poses -> clean arrays, clip by clip; and `extract`, all stages up to it."""

from __future__ import annotations

import io
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from skelact.cache import Cache, CacheEntry, key_of
from skelact.errors import CacheError, InputError, NoPersonFound
from skelact.pose.base import PoseOptions
from skelact.pose.store import JsonForm, read_poses
from skelact.sequence.clean import SequenceOptions, clean
from skelact.sequence.stack import stack_frames
from skelact.skeletons import Skeleton
from skelact.stages.poses import poses_of
from skelact.types import (
    BatchResult,
    ClipSpan,
    Failure,
    PersonPose,
    PoseSequence,
    ProgressCallback,
    no_progress,
)
from skelact.video.cut import ClipOptions, CodingOptions, plan

SEQUENCES, SEQUENCES_VERSION = "sequences", 1


def extract(
    videos: Sequence[Path],
    cache: Cache,
    pose: PoseOptions,
    clip_options: ClipOptions,
    sequence: SequenceOptions,
    coding: CodingOptions | None = None,
    form: JsonForm = "frames",
    on_progress: ProgressCallback = no_progress,
) -> BatchResult:
    """Videos -> poses -> sequences. Results are Extracted, those made now and those from the cache;
    a video without a person counts as failed.

    Poses are estimated once over the whole video, so that ids hold across clips and another clip
    length costs nothing; the clips are spans of it."""
    cache.remove_stale()
    poses = poses_of(videos, cache, pose, coding or CodingOptions(), form, on_progress)
    batch = BatchResult(failed=poses.failed)
    for items, kept in ((poses.done, batch.done), (poses.cached, batch.cached)):
        for item in items:
            try:
                kept.append(
                    replace(item, sequences=sequences_of(item.poses, clip_options, sequence, cache))
                )
            except InputError as error:
                batch.failed.append(Failure.from_error(item.path, error))
            except CacheError:  # damaged poses behind a healthy manifest: make them anew, once
                shutil.rmtree(item.poses.path, ignore_errors=True)
                again = poses_of(
                    [item.path], cache, pose, coding or CodingOptions(), form, on_progress
                )
                batch.failed += again.failed
                batch.done += [
                    replace(i, sequences=sequences_of(i.poses, clip_options, sequence, cache))
                    for i in again.results
                ]
    return batch


def stack_poses(
    poses: CacheEntry, frames: list[list[PersonPose]], span: ClipSpan | None = None
) -> PoseSequence:
    """The people of stored poses, all frames or a span of them, as arrays."""
    m = poses.manifest
    part = frames if span is None else frames[span.start : span.end]
    return stack_frames(
        part, Skeleton.from_dict(m["skeleton"]), float(m["fps"]), int(m["width"]), int(m["height"])
    )


def sequences_of(
    poses: CacheEntry, clip_options: ClipOptions, options: SequenceOptions, cache: Cache
) -> CacheEntry:
    """The clips of one video as clean sequences. NoPersonFound if no clip holds anyone; single
    empty clips are marked in the manifest."""
    m = poses.manifest
    if not m["frames_with_people"]:
        raise NoPersonFound(
            f"no person found in any of {m['frames']} frames",
            "is anyone whole in the picture? try --min-confidence 0.3",
        )
    key = key_of(
        version=SEQUENCES_VERSION,
        poses=poses.path.name,
        clip_options=asdict(clip_options),
        sequence=asdict(options),
    )
    found = cache.find(SEQUENCES, key)
    if found is not None:
        return found
    frames = read_poses(poses)
    clips: list[dict[str, Any]] = []
    arrays: dict[str, Any] = {}
    for n, span in enumerate(plan(len(frames), m["fps"], clip_options)):
        sequence = clean(stack_poses(poses, frames, span), options)
        seen = (
            int((~np.isnan(sequence.xy[..., 0]).all(axis=2)).any(axis=0).sum())
            if sequence.persons
            else 0
        )
        clips.append(
            {
                "start": span.start,
                "end": span.end,
                "persons": list(sequence.ids),
                "frames_with_people": seen,
            }
        )
        arrays |= {f"xy_{n}": sequence.xy, f"score_{n}": sequence.score}
        if sequence.xyz is not None:
            arrays[f"xyz_{n}"] = sequence.xyz
    manifest = {
        "poses": poses.path.name,
        "clip_options": asdict(clip_options),
        "sequence": asdict(options),
        "clips": clips,
    }
    manifest |= {k: m[k] for k in ("skeleton", "fps", "width", "height", "estimator", "weights")}
    with cache.write(SEQUENCES, key, manifest) as folder:
        np.savez(folder / "sequences.npz", **arrays)
    return cache.require(SEQUENCES, key)


def load_sequences(entry: CacheEntry) -> list[tuple[ClipSpan, PoseSequence]]:
    """The clips with at least one person. CacheError if the entry is damaged."""
    m = entry.manifest
    skeleton = Skeleton.from_dict(m["skeleton"])
    with np.load(io.BytesIO(entry.read("sequences.npz")), allow_pickle=False) as arrays:
        return [
            (
                ClipSpan(c["start"], c["end"]),
                PoseSequence(
                    xy=arrays[f"xy_{n}"],
                    score=arrays[f"score_{n}"],
                    skeleton=skeleton,
                    fps=m["fps"],
                    width=m["width"],
                    height=m["height"],
                    ids=tuple(c["persons"]),
                    xyz=arrays.get(f"xyz_{n}"),
                ),
            )
            for n, c in enumerate(m["clips"])
            if c["persons"]
        ]
