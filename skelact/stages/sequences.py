"""The sequences stage: poses -> clean arrays, clip by clip; and `extract`, all stages up to it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skelact.cache import Cache, CacheEntry, Stage
from skelact.errors import CacheError, CacheUnavailable, InputError, NoPersonFound, reading
from skelact.options import ClusterOptions
from skelact.pose.base import PoseOptions
from skelact.pose.store import JsonForm, read_poses
from skelact.schemas import PosesManifest, SequenceClip, SequencesManifest
from skelact.sequence.clean import SequenceOptions, clean
from skelact.sequence.stack import stack_frames, visible_frames
from skelact.stages.extraction import POSES
from skelact.stages.poses import MADE_AGAIN, Extracted, poses_of
from skelact.types import (
    BatchResult,
    ClipSpan,
    Event,
    Failure,
    PersonPose,
    PoseSequence,
    ProgressCallback,
    no_progress,
)
from skelact.video.cut import ClipOptions, CodingOptions, plan

SEQUENCES = Stage(name="sequences", version=1, manifest=SequencesManifest)
_ARRAYS = "sequences.npz"


@dataclass(frozen=True, kw_only=True, slots=True)
class ExtractedSequences(Extracted):
    """One video with its poses and the sequences of its clips."""

    sequences: CacheEntry[SequencesManifest]


def extract(
    videos: Sequence[Path],
    cache: Cache,
    *,
    pose: PoseOptions,
    clips: ClipOptions,
    sequence: SequenceOptions,
    coding: CodingOptions = CodingOptions(),
    form: JsonForm = "frames",
    cluster: ClusterOptions = ClusterOptions(),
    on_progress: ProgressCallback = no_progress,
) -> BatchResult[ExtractedSequences]:
    """Videos -> poses -> sequences, cached; a video without a person counts as failed. Poses are
    estimated on a cluster if it is named.

    Poses are estimated once for the complete video. Clips are spans of it, so person ids are the
    same in all clips, and another clip length needs no new poses."""
    cache.remove_stale()
    batch: BatchResult[ExtractedSequences] = BatchResult()

    def poses(paths: Sequence[Path]) -> BatchResult[Extracted]:
        result = poses_of(
            paths, cache, pose, coding=coding, form=form, cluster=cluster, on_progress=on_progress
        )
        batch.failed += result.failed
        return result

    def add(
        extracted: Extracted,
        results: list[ExtractedSequences],
        entry: CacheEntry[SequencesManifest] | None = None,
    ) -> None:
        try:
            entry = entry or sequences_of(extracted.poses, clips, sequence, cache)
        except InputError as error:
            batch.failed.append(Failure.from_error(extracted.path, error))
        else:
            results.append(
                ExtractedSequences(path=extracted.path, poses=extracted.poses, sequences=entry)
            )

    first = poses(videos)
    for source, results in ((first.done, batch.done), (first.cached, batch.cached)):
        keyed = ((e, _key_of(e.poses, clips, sequence)) for e in source)
        for extracted, entry in cache.find_each(SEQUENCES, keyed):
            try:
                add(extracted, results, entry)
            except CacheUnavailable:
                raise
            except CacheError as error:  # damaged poses: estimate them again, once
                on_progress(Event("extract", "notice", text=f"{error.message}. {MADE_AGAIN}"))
                cache.remove(POSES.name, extracted.poses.path.name)
                for again in poses([extracted.path]).results:
                    add(again, batch.done)
    return batch


def stack_poses(
    poses: CacheEntry[PosesManifest],
    frames: list[list[PersonPose]],
    span: ClipSpan | None = None,
) -> PoseSequence:
    """The persons of stored poses as arrays, in all frames or a span of them."""
    m = poses.manifest
    part = frames if span is None else frames[span.start : span.end]
    return stack_frames(part, m.skeleton, m.fps, m.width, m.height)


def sequences_of(
    poses: CacheEntry[PosesManifest],
    clip_options: ClipOptions,
    options: SequenceOptions,
    cache: Cache,
) -> CacheEntry[SequencesManifest]:
    """The clips of one video as clean sequences. Raises NoPersonFound if no frame has a person; a
    clip without a person is marked in the manifest."""
    m = poses.manifest
    if not m.frames_with_people:
        raise NoPersonFound(
            f"No person was found in any of {m.frames} frames",
            "Check that a person is fully visible, or try --min-confidence 0.3.",
        )
    key = _key_of(poses, clip_options, options)
    entry = cache.find(SEQUENCES, key)
    if entry is not None:
        return entry
    frames = read_poses(poses)

    def fill(folder: Path) -> SequencesManifest:
        clips: list[SequenceClip] = []
        arrays: dict[str, Any] = {}
        for n, span in enumerate(plan(len(frames), m.fps, clip_options)):
            sequence = clean(stack_poses(poses, frames, span), options)
            clips.append(
                SequenceClip(
                    start=span.start,
                    end=span.end,
                    persons=sequence.ids,
                    frames_with_people=int(visible_frames(sequence).any(axis=0).sum()),
                )
            )
            arrays |= {f"xy_{n}": sequence.xy, f"score_{n}": sequence.score}
            if sequence.xyz is not None:
                arrays[f"xyz_{n}"] = sequence.xyz
        np.savez(folder / _ARRAYS, **arrays)
        return SequencesManifest(
            poses=poses.path.name,
            clip_options=asdict(clip_options),
            sequence=asdict(options),
            clips=tuple(clips),
            skeleton=m.skeleton,
            fps=m.fps,
            width=m.width,
            height=m.height,
            estimator=m.estimator,
            weights=m.weights,
        )

    return cache.write(SEQUENCES, key, fill)


def _key_of(
    poses: CacheEntry[PosesManifest], clip_options: ClipOptions, options: SequenceOptions
) -> str:
    return SEQUENCES.key(
        poses=poses.path.name, clip_options=asdict(clip_options), sequence=asdict(options)
    )


def load_sequences(
    entry: CacheEntry[SequencesManifest],
) -> list[tuple[ClipSpan, PoseSequence]]:
    """The clips with at least one person. Raises CacheError if the entry is damaged."""
    m = entry.manifest
    with (
        reading(entry.path, CacheError, m.hint),
        np.load(io.BytesIO(entry.read(_ARRAYS)), allow_pickle=False) as arrays,
    ):
        return [
            (
                ClipSpan(clip.start, clip.end),
                PoseSequence(
                    xy=arrays[f"xy_{n}"],
                    score=arrays[f"score_{n}"],
                    skeleton=m.skeleton,
                    fps=m.fps,
                    width=m.width,
                    height=m.height,
                    ids=clip.persons,
                    xyz=arrays.get(f"xyz_{n}"),
                ),
            )
            for n, clip in enumerate(m.clips)
            if clip.persons
        ]
