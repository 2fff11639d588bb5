"""The sequences stage: poses -> clean arrays, clip by clip; and `extract`, all stages up to it."""

from __future__ import annotations

import io
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from skelact.cache import Cache, Entry, key_of
from skelact.errors import CacheError, InputError, NoPersonFound
from skelact.pipeline.poses import poses_of
from skelact.pose.base import PoseOptions
from skelact.pose.store import JsonForm, read_poses
from skelact.sequence.clean import SequenceOptions, clean
from skelact.sequence.merge import merge
from skelact.skeletons import Skeleton
from skelact.types import ClipSpan, Failure, FramePose, Listener, Outcome, PoseSequence, silent
from skelact.video.split import CodingOptions, SplitOptions, plan

SEQUENCES, SEQUENCES_VERSION = "sequences", 1


def extract(
    videos: Sequence[Path],
    cache: Cache,
    pose: PoseOptions,
    split_options: SplitOptions,
    sequence: SequenceOptions,
    coding: CodingOptions | None = None,
    form: JsonForm = "frames",
    listener: Listener = silent,
) -> Outcome:
    """Videos -> poses -> sequences. Results are Extracted, those made now and those from the cache;
    a video without a person counts as failed.

    Poses are estimated once over the whole video, so that ids hold across clips and another clip
    length costs nothing; the clips are spans of it."""
    cache.sweep()
    poses = poses_of(videos, cache, pose, coding or CodingOptions(), form, listener)
    outcome = Outcome(failed=poses.failed)
    for items, kept in ((poses.done, outcome.done), (poses.cached, outcome.cached)):
        for item in items:
            try:
                kept.append(
                    replace(
                        item, sequences=sequences_of(item.poses, split_options, sequence, cache)
                    )
                )
            except InputError as error:
                outcome.failed.append(Failure.of(item.path, error))
            except CacheError:  # damaged poses behind a healthy manifest: make them anew, once
                shutil.rmtree(item.poses.path, ignore_errors=True)
                again = poses_of(
                    [item.path], cache, pose, coding or CodingOptions(), form, listener
                )
                outcome.failed += again.failed
                outcome.done += [
                    replace(i, sequences=sequences_of(i.poses, split_options, sequence, cache))
                    for i in again.results
                ]
    return outcome


def whole_sequence(
    poses: Entry, frames: list[list[FramePose]], span: ClipSpan | None = None
) -> PoseSequence:
    """The people of stored poses, all frames or a span of them, as arrays."""
    m = poses.manifest
    part = frames if span is None else frames[span.start : span.end]
    return merge(
        part, Skeleton.from_dict(m["skeleton"]), float(m["fps"]), int(m["width"]), int(m["height"])
    )


def sequences_of(
    poses: Entry, split_options: SplitOptions, options: SequenceOptions, cache: Cache
) -> Entry:
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
        split=asdict(split_options),
        sequence=asdict(options),
    )
    found = cache.find(SEQUENCES, key)
    if found is not None:
        return found
    frames = read_poses(poses)
    clips: list[dict[str, Any]] = []
    arrays: dict[str, Any] = {}
    for n, span in enumerate(plan(len(frames), m["fps"], split_options)):
        sequence = clean(whole_sequence(poses, frames, span), options)
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
        "split": asdict(split_options),
        "sequence": asdict(options),
        "clips": clips,
    }
    manifest |= {k: m[k] for k in ("skeleton", "fps", "width", "height", "estimator", "weights")}
    with cache.write(SEQUENCES, key, manifest) as folder:
        np.savez(folder / "sequences.npz", **arrays)
    return cache.must_find(SEQUENCES, key)


def load_sequences(entry: Entry) -> list[tuple[ClipSpan, PoseSequence]]:
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
