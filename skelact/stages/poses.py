"""The poses stage: for every video the people in its frames, estimated or imported, cached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from skelact.cache import Cache, CacheEntry
from skelact.errors import ConfigError, FfmpegError, InputError, PathMissing
from skelact.pose import importers
from skelact.pose.base import IMPORT, PoseOptions, get_spec
from skelact.pose.registry import fingerprint_of, open_estimator, resolve
from skelact.pose.store import JsonForm, read_poses, write_poses
from skelact.pose.track import TrackOptions
from skelact.stages.cut import cut_video
from skelact.stages.extraction import STAGE as POSES
from skelact.stages.extraction import (
    Job,
    count_people,
    extract_all,
    extract_with,
    manifest_of,
    poses_key,
)
from skelact.types import BatchResult, Event, Failure, ProgressCallback, no_progress
from skelact.video.cut import ClipOptions, CodingOptions
from skelact.video.probe import probe


@dataclass(frozen=True)
class Extracted:
    """One video with its poses, and after the sequence stage its clips."""

    path: Path
    poses: CacheEntry
    sequences: CacheEntry | None = None

    @property
    def counts(self) -> dict[str, int]:
        return {
            k: int(self.poses.manifest[k])
            for k in ("frames", "frames_with_people", "people_found", "persons")
        }


def poses_of(
    videos: Sequence[Path],
    cache: Cache,
    pose: PoseOptions,
    coding: CodingOptions,
    form: JsonForm = "frames",
    on_progress: ProgressCallback = no_progress,
) -> BatchResult:
    """The poses of every video: from the cache where they are, estimated now where they are not.
    Results are Extracted without sequences."""
    if pose.poses_from is not None:
        if coding.changes:
            raise ConfigError(
                "imported poses belong to the video as it is", "leave out --height and --fps"
            )
        if pose.mirrored:
            raise ConfigError(
                "imported poses cannot be looked for again in mirrored pictures",
                "leave out --mirrored, and dataset.mirrored_poses",
            )
        return _imported(videos, cache, Path(pose.poses_from), form)
    pose = resolve(pose)
    weights, track = fingerprint_of(pose), TrackOptions()
    batch = BatchResult()
    source: dict[Path, Path] = {}  # what the estimator reads -> the video it stands for
    keys: dict[Path, str] = {}
    jobs: list[Job] = []
    queued: set[str] = set()
    for video in videos:
        try:
            read_from = _recoded(video, coding, cache) if coding.changes else video
            content = cache.content_hash(read_from)
        except (InputError, FfmpegError, OSError) as error:
            batch.failed.append(Failure.from_error(video, error))
            continue
        source[video] = read_from
        keys[video] = key = poses_key(content, pose, weights, track)
        entry = cache.find(POSES, key)
        if entry is not None:
            batch.cached.append(Extracted(video, entry))
        elif key not in queued:
            queued.add(key)
            jobs.append(Job(read_from, content, cache.root, pose, weights, track, form))
    cache.save_hashes()
    if jobs:
        on_progress(
            Event(
                "extract",
                "start",
                0,
                _frames_ahead(jobs),
                f"estimating poses with {pose.estimator}",
            )
        )
        made = (
            extract_all(jobs, on_progress)
            if get_spec(pose.estimator).parallel == "processes"
            else extract_with(jobs, open_estimator(pose), on_progress)
        )
        on_progress(Event("extract", "end"))
        reasons = {f.path: f for f in made.failed}
        cached = {e.path for e in batch.cached}
        for video in videos:
            if video in cached or video not in source:
                continue
            entry = cache.find(POSES, keys[video])
            if entry is not None:
                batch.done.append(Extracted(video, entry))
            else:
                twin = next((j.path for j in jobs if j.key == keys[video]), source[video])
                failure = reasons.get(twin, Failure(video, "its poses could not be stored"))
                batch.failed.append(replace(failure, path=video))
    return batch


def _imported(videos: Sequence[Path], cache: Cache, folder: Path, form: JsonForm) -> BatchResult:
    """Poses that another program made, matched to the videos by name."""
    available = importers.sources(folder)
    track, batch = TrackOptions(), BatchResult()
    for video in videos:
        try:
            source = available.get(video.stem)
            if source is None:
                raise PathMissing(
                    f"{video}: no poses of that name in {folder}",
                    f"found there: {', '.join(sorted(available)[:5])}",
                )
            info = probe(video)
            pose = PoseOptions(estimator=IMPORT)
            key = poses_key(cache.content_hash(video), pose, source.content, track)
            entry = cache.find(POSES, key)
            if entry is not None:
                batch.cached.append(Extracted(video, entry))
                continue
            made = importers.read(source, info.frames, info.fps, track)
            job = Job(
                video, cache.content_hash(video), cache.root, pose, source.content, track, form
            )
            manifest = manifest_of(job, info, made.program, IMPORT, made.skeleton) | count_people(
                made.frames
            )
            with cache.write(POSES, key, manifest) as target:
                write_poses(target, made.frames, form)
            batch.done.append(Extracted(video, cache.require(POSES, key)))
        except InputError as error:
            batch.failed.append(Failure.from_error(video, error))
    cache.save_hashes()
    return batch


def export_poses(poses: CacheEntry, folder: Path, form: JsonForm) -> None:
    """Write the JSON of stored poses into `folder`, in either form, however they are stored."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_poses(folder, read_poses(poses), form)
    except OSError as error:
        raise InputError(
            f"cannot write to {folder}: {error.strerror}", "choose another --out"
        ) from error


def _recoded(video: Path, coding: CodingOptions, cache: Cache) -> Path:
    """The whole video at another size or rate, as one clip of the split stage."""
    entry, _ = cut_video(video, ClipOptions(length_s=0, overlap_s=0), coding, cache)
    return entry.path / str(entry.manifest["clips"][0]["file"])


def _frames_ahead(jobs: list[Job]) -> int:
    total = 0
    for job in jobs:
        try:
            total += probe(job.path).frames
        except InputError:
            continue
    return total
