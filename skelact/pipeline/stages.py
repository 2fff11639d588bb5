"""Videos -> clips, poses, sequences; each stage cached."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from skelact.cache import Cache, Entry, key_of
from skelact.errors import CacheError, InputError, NoPersonFound
from skelact.pose.base import PoseOptions
from skelact.pose.choose import fingerprint_of, open_estimator, resolve
from skelact.pose.extract import Job, extract_all, extract_with, poses_key
from skelact.pose.extract import STAGE as POSES
from skelact.pose.store import JsonForm, read_poses
from skelact.pose.track import TrackOptions
from skelact.sequence.clean import SequenceOptions, clean
from skelact.sequence.merge import merge
from skelact.skeletons import Skeleton
from skelact.types import ClipSpan, Event, Failure, Listener, Outcome, PoseSequence, VideoInfo, silent
from skelact.video.probe import find_videos, probe
from skelact.video.split import CodingOptions, SplitOptions, cut, plan

CLIPS, CLIPS_VERSION = "clips", 1
SEQUENCES, SEQUENCES_VERSION = "sequences", 1


@dataclass(frozen=True)
class Extracted:
    """One video with its poses, and after the sequence stage its clips."""

    path: Path
    poses: Entry
    sequences: Entry | None = None

    @property
    def counts(self) -> dict[str, int]:
        return {k: int(self.poses.manifest[k]) for k in ("frames", "frames_with_people", "people_found", "persons")}


# --- clips ----------------------------------------------------------------------------------------------------------------------------


def split(
    paths: Sequence[Path | str], options: SplitOptions, coding: CodingOptions, cache: Cache, out: Path | None = None, listener: Listener = silent
) -> Outcome:
    """Cut videos into clips, cached; with `out`, also as files <video>_000.mp4 … below it. Results are (video, Entry)."""
    videos = find_videos(paths)
    outcome = Outcome()
    names = output_names(videos)
    listener(Event("split", "start", 0, len(videos)))
    for video in videos:
        try:
            entry, fresh = split_video(video, options, coding, cache)
        except InputError as error:
            outcome.failed.append(Failure.of(video, error))
        else:
            (outcome.done if fresh else outcome.cached).append((video, entry))
            if out is not None:
                _place(entry, out / names[video])
        listener(Event("split", "advance", 1))
    cache.save_hashes()
    listener(Event("split", "end"))
    return outcome


def split_video(video: Path, options: SplitOptions, coding: CodingOptions, cache: Cache) -> tuple[Entry, bool]:
    """The clips of one video, and whether they were cut now."""
    info = probe(video)
    content = cache.content_hash(video)
    key = key_of(version=CLIPS_VERSION, video=content, split=asdict(options), coding=asdict(coding))
    with cache.lock(CLIPS, key, wait=True):
        found = cache.find(CLIPS, key)
        if found is not None:
            return found, False
        spans = plan(info.frames, info.fps, options)
        clips: list[dict[str, Any]] = []
        manifest = {"source": str(video), "content": content, "fps": info.fps, "split": asdict(options), "coding": asdict(coding), "clips": clips}
        with cache.write(CLIPS, key, manifest) as folder:
            for n, span in enumerate(spans):
                name = f"{n:03d}.mp4"
                cut(info, span, folder / name, coding)
                times = {"start_s": round(span.start / info.fps, 4), "end_s": round(span.end / info.fps, 4)}
                clips.append({"file": name, "start_frame": span.start, "end_frame": span.end, **times, "frames": probe(folder / name).frames})
    return _must_find(cache, CLIPS, key), True


def _must_find(cache: Cache, stage: str, key: str) -> Entry:
    entry = cache.find(stage, key)
    if entry is None:
        raise CacheError(f"{cache.root / stage / key} vanished", "is another program cleaning the cache?")
    return entry


def output_names(videos: Sequence[Path]) -> dict[Path, Path]:
    """A name without suffix for everything made from a video: its own, with as many of its folders as tell it from the others."""
    full = {v: v.resolve() for v in videos}
    common = Path(os.path.commonpath([p.parent for p in full.values()])) if full else Path()
    names: dict[Path, Path] = {}
    taken: set[Path] = set()
    for video, path in full.items():
        name = path.relative_to(common).with_suffix("")
        if name in taken:  # a.mp4 beside a.avi
            name = path.relative_to(common)
        taken.add(name)
        names[video] = name
    return names


def _place(entry: Entry, stem: Path) -> None:
    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
        for clip in entry.manifest["clips"]:
            shutil.copyfile(entry.path / clip["file"], stem.with_name(f"{stem.name}_{clip['file']}"))
    except OSError as error:
        raise InputError(f"cannot write to {stem.parent}: {error.strerror}", "choose another --out") from error


# --- poses ----------------------------------------------------------------------------------------------------------------------------


def extract(
    paths: Sequence[Path | str],
    cache: Cache,
    pose: PoseOptions,
    split_options: SplitOptions,
    sequence: SequenceOptions,
    coding: CodingOptions | None = None,
    form: JsonForm = "frames",
    listener: Listener = silent,
) -> Outcome:
    """Videos -> poses -> sequences. Results are Extracted, in the order found; a video without a person counts as failed.

    Poses are estimated once over the whole video, so that ids hold across clips and another clip length costs nothing; the clips are spans of it."""
    videos = find_videos(paths)
    return extract_videos(videos, cache, pose, split_options, sequence, coding, form, listener)


def extract_videos(
    videos: Sequence[Path],
    cache: Cache,
    pose: PoseOptions,
    split_options: SplitOptions,
    sequence: SequenceOptions,
    coding: CodingOptions | None = None,
    form: JsonForm = "frames",
    listener: Listener = silent,
) -> Outcome:
    """`extract` for videos already found."""
    cache.sweep()
    poses = poses_of(videos, cache, pose, coding or CodingOptions(), form, listener)
    outcome = Outcome(failed=poses.failed)
    for items, kept in ((poses.done, outcome.done), (poses.cached, outcome.cached)):
        for item in items:
            try:
                kept.append(replace(item, sequences=sequences_of(item.poses, split_options, sequence, cache)))
            except InputError as error:
                outcome.failed.append(Failure.of(item.path, error))
            except CacheError:  # damaged poses behind a healthy manifest: make them anew, once
                shutil.rmtree(item.poses.path, ignore_errors=True)
                again = poses_of([item.path], cache, pose, coding or CodingOptions(), form, listener)
                outcome.failed += again.failed
                outcome.done += [replace(i, sequences=sequences_of(i.poses, split_options, sequence, cache)) for i in again.results]
    return outcome


def poses_of(
    videos: Sequence[Path], cache: Cache, pose: PoseOptions, coding: CodingOptions, form: JsonForm = "frames", listener: Listener = silent
) -> Outcome:
    """The poses of every video: from the cache where they are, estimated now where they are not. Results are Extracted without sequences."""
    pose = resolve(pose)
    weights, track = fingerprint_of(pose), TrackOptions()
    outcome = Outcome()
    source: dict[Path, Path] = {}  # what the estimator reads -> the video it stands for
    keys: dict[Path, str] = {}
    jobs: list[Job] = []
    queued: set[str] = set()
    for video in videos:
        try:
            read_from = _recoded(video, coding, cache) if coding.changes else video
            content = cache.content_hash(read_from)
        except (InputError, OSError) as error:
            outcome.failed.append(Failure.of(video, error))
            continue
        source[video] = read_from
        keys[video] = key = poses_key(content, pose, weights, track)
        entry = cache.find(POSES, key)
        if entry is not None:
            outcome.cached.append(Extracted(video, entry))
        elif key not in queued:
            queued.add(key)
            jobs.append(Job(read_from, content, cache.root, pose, weights, track, form))
    cache.save_hashes()
    if jobs:
        listener(Event("extract", "start", 0, _frames_ahead(jobs), f"estimating poses with {pose.estimator}"))
        made = extract_all(jobs, listener) if pose.estimator == "blazepose" else extract_with(jobs, open_estimator(pose), listener)
        listener(Event("extract", "end"))
        reasons = {f.path: f for f in made.failed}
        cached = {e.path for e in outcome.cached}
        for video in videos:
            if video in cached or video not in source:
                continue
            entry = cache.find(POSES, keys[video])
            if entry is not None:
                outcome.done.append(Extracted(video, entry))
            else:
                twin = next((j.path for j in jobs if j.key == keys[video]), source[video])
                failure = reasons.get(twin, Failure(video, "its poses could not be stored"))
                outcome.failed.append(replace(failure, path=video))
    return outcome


def _recoded(video: Path, coding: CodingOptions, cache: Cache) -> Path:
    """The whole video at another size or rate, as one clip of the split stage."""
    entry, _ = split_video(video, SplitOptions(length_s=0, overlap_s=0), coding, cache)
    return entry.path / str(entry.manifest["clips"][0]["file"])


def _frames_ahead(jobs: list[Job]) -> int:
    total = 0
    for job in jobs:
        try:
            total += probe(job.path).frames
        except InputError:
            continue
    return total


# --- sequences ------------------------------------------------------------------------------------------------------------------------


def whole_sequence(poses: Entry, frames: list[Any], span: ClipSpan | None = None) -> PoseSequence:
    """The people of stored poses, all frames or a span of them, as arrays."""
    m = poses.manifest
    part = frames if span is None else frames[span.start : span.end]
    return merge(part, Skeleton.from_dict(m["skeleton"]), float(m["fps"]), int(m["width"]), int(m["height"]))


def sequences_of(poses: Entry, split_options: SplitOptions, options: SequenceOptions, cache: Cache) -> Entry:
    """The clips of one video as clean sequences. NoPersonFound if no clip holds anyone; single empty clips are marked in the manifest."""
    m = poses.manifest
    if not m["frames_with_people"]:
        raise NoPersonFound(f"no person found in any of {m['frames']} frames", "is anyone whole in the picture? try --min-confidence 0.3")
    key = key_of(version=SEQUENCES_VERSION, poses=poses.path.name, split=asdict(split_options), sequence=asdict(options))
    found = cache.find(SEQUENCES, key)
    if found is not None:
        return found
    frames = read_poses(poses)
    info = VideoInfo(poses.path, m["width"], m["height"], m["fps"], len(frames))
    clips, arrays = [], {}
    for n, span in enumerate(plan(info.frames, info.fps, split_options)):
        sequence = clean(whole_sequence(poses, frames, span), options)
        seen = int((~np.isnan(sequence.xy[..., 0]).all(axis=2)).any(axis=0).sum()) if sequence.persons else 0
        clips.append({"start": span.start, "end": span.end, "persons": list(sequence.ids), "frames_with_people": seen})
        arrays |= {f"xy_{n}": sequence.xy, f"score_{n}": sequence.score}
        if sequence.xyz is not None:
            arrays[f"xyz_{n}"] = sequence.xyz
    manifest = {"poses": poses.path.name, "split": asdict(split_options), "sequence": asdict(options), "clips": clips}
    manifest |= {k: m[k] for k in ("skeleton", "fps", "width", "height", "estimator", "weights")}
    with cache.write(SEQUENCES, key, manifest) as folder:
        np.savez(folder / "sequences.npz", **arrays)
    return _must_find(cache, SEQUENCES, key)


def load_sequences(entry: Entry) -> list[tuple[ClipSpan, PoseSequence]]:
    """The clips with at least one person. CacheError if the entry is damaged."""
    m = entry.manifest
    skeleton = Skeleton.from_dict(m["skeleton"])
    with np.load(io.BytesIO(entry.read("sequences.npz")), allow_pickle=False) as arrays:
        return [
            (
                ClipSpan(c["start"], c["end"]),
                PoseSequence(
                    arrays[f"xy_{n}"], arrays[f"score_{n}"], skeleton, m["fps"], m["width"], m["height"], tuple(c["persons"]),
                    arrays[f"xyz_{n}"] if f"xyz_{n}" in arrays else None,
                ),
            )
            for n, c in enumerate(m["clips"])
            if c["persons"]
        ]  # fmt: skip
