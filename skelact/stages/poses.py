"""The poses stage: the persons in the frames of every video, estimated or imported, cached."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from skelact import outputs
from skelact.cache import Cache, CacheEntry
from skelact.errors import (
    ConfigError,
    DamagedEntry,
    FfmpegError,
    InputError,
    PathMissing,
    counted,
)
from skelact.options import ClusterOptions
from skelact.pose import importers
from skelact.pose.base import IMPORT, PoseOptions, get_spec
from skelact.pose.registry import fingerprint_of, open_estimator, resolve
from skelact.pose.store import JsonForm, holds_poses, read_poses, write_poses
from skelact.schemas import PosesManifest
from skelact.stages.cluster import extract_on_cluster
from skelact.stages.cut import cut_video
from skelact.stages.extraction import POSES, TRACK, Job, plan_work, write_tracked
from skelact.stages.parts import PART_S, division
from skelact.stages.ray_connection import check_form, require_ray
from skelact.stages.workers import extract_in_batches, extract_in_processes
from skelact.types import BatchResult, Event, Failure, ProgressCallback, no_progress
from skelact.video.cut import ClipOptions, CodingOptions
from skelact.video.probe import probe

MADE_AGAIN = "The entry of the cache is made again."


@dataclass(frozen=True, kw_only=True, slots=True)
class Extracted:
    """One video with its poses."""

    path: Path
    poses: CacheEntry[PosesManifest]


def stored_poses(
    videos: Sequence[Path], cache: Cache, pose: PoseOptions, part_s: float = PART_S
) -> list[Extracted]:
    """Those of the videos whose poses with these options are in the cache. Videos that cannot be
    read are left out. Raises EstimatorError."""
    pose = resolve(pose)
    weights = fingerprint_of(pose)
    found = []
    for video in videos:
        try:
            content = cache.content_hash(video)
        except (InputError, OSError):
            continue
        job = _job(video, content, cache, pose, weights, part_s)
        entry = cache.find(POSES, job.key)
        if entry is not None:
            found.append(Extracted(path=video, poses=entry))
    return found


def _job(
    video: Path,
    content: str,
    cache: Cache,
    pose: PoseOptions,
    weights: str,
    part_s: float,
    form: JsonForm = "frames",
) -> Job:
    return Job(
        path=video,
        content=content,
        cache_root=cache.address,
        options=pose,
        fingerprint=weights,
        form=form,
        division=division(pose, part_s),
    )


Again = Callable[[Path, DamagedEntry], Extracted]


def poses_of(
    videos: Sequence[Path],
    cache: Cache,
    pose: PoseOptions,
    *,
    coding: CodingOptions = CodingOptions(),
    form: JsonForm = "frames",
    part_s: float = PART_S,
    cluster: ClusterOptions = ClusterOptions(),
    on_progress: ProgressCallback = no_progress,
) -> BatchResult[Extracted]:
    """The poses of every video, from the cache or estimated now, on a cluster if it is named.
    Videos that cannot be used are listed as failed. A video that is longer than 1.5 `part_s` is
    divided into parts of this length [s], which several processes estimate, if the estimator
    supports it; the poses depend on it, but not on the number of processes. Raises ConfigError,
    EstimatorError, CacheError and ClusterError."""
    if cluster.ray is not None:
        check_form(cluster.ray)
        require_ray()
    if pose.poses_from is not None:
        if cluster.ray is not None:
            raise ConfigError("Imported poses need no cluster", "Leave out --ray.")
        if coding.changes:
            raise ConfigError(
                "Imported poses belong to the original video", "Leave out --height and --fps."
            )
        if pose.mirrored:
            raise ConfigError(
                "Imported poses cannot be estimated again in mirrored frames",
                "Leave out --mirrored and dataset.mirrored_poses.",
            )
        return _import_poses(videos, cache, pose, Path(pose.poses_from), form)
    pose = resolve(pose)
    weights = fingerprint_of(pose)
    batch: BatchResult[Extracted] = BatchResult()
    jobs: dict[Path, Job] = {}  # by video; two videos with the same content have the same key

    def keyed() -> Iterator[tuple[tuple[Path, Job], str]]:
        for video in videos:
            on_progress(Event("hash", "advance", 1))
            try:
                source = _recoded(video, coding, cache) if coding.changes else video
                content = cache.content_hash(source)
            except (InputError, FfmpegError, OSError) as error:
                batch.failed.append(Failure.from_error(video, error))
                continue
            job = _job(source, content, cache, pose, weights, part_s, form)
            yield (video, job), job.key

    on_progress(Event("hash", "start", 0, len(videos)))
    for (video, job), entry in cache.find_each(POSES, keyed()):
        if entry is not None:
            batch.cached.append(Extracted(path=video, poses=entry))
        else:
            jobs[video] = job
    on_progress(Event("hash", "end"))
    cache.save_hashes()
    if jobs:
        cache.check_writable()
        failures = _estimate(jobs, pose, cluster, on_progress)
        new = (((video, job), job.key) for video, job in jobs.items())
        for (video, job), entry in cache.find_each(POSES, new):
            if entry is not None:
                batch.done.append(Extracted(path=video, poses=entry))
            else:
                failure = failures.get(job.key, Failure(video, "The poses could not be stored"))
                batch.failed.append(replace(failure, path=video))
    return batch


def estimate_again(
    cache: Cache, pose: Callable[[], PoseOptions], on_progress: ProgressCallback
) -> Again:
    """A function that returns the poses of a video whose entry of the cache is damaged, which it
    reports. It raises InputError if the video cannot be used any more."""

    def again(video: Path, error: DamagedEntry) -> Extracted:
        on_progress(Event("extract", "notice", text=f"{error.message}. {MADE_AGAIN}"))
        batch = poses_of([video], cache, pose(), on_progress=on_progress)
        for failure in batch.failed:
            raise InputError(failure.reason, failure.hint)
        return batch.results[0]

    return again


def _estimate(
    jobs: dict[Path, Job],
    pose: PoseOptions,
    cluster: ClusterOptions,
    on_progress: ProgressCallback,
) -> dict[str, Failure]:
    """Run jobs, each key once. Returns the failures by key."""
    unique = list({job.key: job for job in jobs.values()}.values())
    work = [plan_work(job) for job in unique]
    frames = sum(w.frames for w in work)
    amount = f"{counted(frames, 'frame')} of {counted(len(work), 'video')}"
    text = f"Estimating poses in {amount} with {pose.estimator}."
    on_progress(Event("extract", "start", 0, frames, text))
    if cluster.ray is not None:
        batch = extract_on_cluster(work, cluster, on_progress)
    elif get_spec(pose.estimator).parallel == "processes":
        batch = extract_in_processes(work, on_progress)
    else:
        batch = extract_in_batches(unique, open_estimator(pose), on_progress)
    on_progress(Event("extract", "end"))
    by_path = {failure.path: failure for failure in batch.failed}
    return {job.key: by_path[job.path] for job in unique if job.path in by_path}


def _import_poses(
    videos: Sequence[Path], cache: Cache, pose: PoseOptions, folder: Path, form: JsonForm
) -> BatchResult[Extracted]:
    """Poses that another program wrote, matched to the videos by name."""
    sources = importers.sources(folder)
    batch: BatchResult[Extracted] = BatchResult()
    for video in videos:
        try:
            source = sources.get(video.stem)
            if source is None:
                raise PathMissing(
                    f"{video}: no poses of that name in {folder}",
                    f"The folder contains {', '.join(sorted(sources)[:5])}.",
                )
            entry, is_new = _import_video(video, source, cache, pose, form)
        except (InputError, OSError) as error:
            batch.failed.append(Failure.from_error(video, error))
        else:
            (batch.done if is_new else batch.cached).append(Extracted(path=video, poses=entry))
    cache.save_hashes()
    return batch


def _import_video(
    video: Path, source: importers.PoseFiles, cache: Cache, pose: PoseOptions, form: JsonForm
) -> tuple[CacheEntry[PosesManifest], bool]:
    """The imported poses of one video, and whether they were imported now."""
    job = Job(
        path=video,
        content=cache.content_hash(video),
        cache_root=cache.address,
        options=PoseOptions(estimator=IMPORT, hands=pose.hands, face=pose.face),
        fingerprint=source.content,
        form=form,
    )
    info = probe(video)
    entry = cache.find(POSES, job.key)
    if entry is not None:
        return entry, False
    imported = importers.read(
        source, info.frames, info.fps, TRACK, hands=pose.hands, face=pose.face
    )

    def fill(target: Path) -> PosesManifest:
        cache.check_unchanged(video, job.content)
        source.check_unchanged(job.fingerprint)
        return write_tracked(
            target,
            job,
            info,
            imported.frames,
            estimator=imported.program,
            weights=IMPORT,
            skeleton=imported.skeleton,
        )

    return cache.write(POSES, job.key, fill), True


def export_poses(
    poses: CacheEntry[PosesManifest], folder: Path, form: JsonForm, *, overwrite: bool = False
) -> None:
    """Write stored poses as JSON into the new folder `folder`, in either form. With `overwrite`,
    it replaces one with other poses as a whole. Raises OutputError if it holds anything else,
    InputError if it cannot be written, DamagedEntry if the poses are damaged."""
    try:
        with outputs.replacing_folder(folder, holds_poses, overwrite=overwrite) as new:
            write_poses(new, read_poses(poses), poses.manifest.skeleton, form)
    except OSError as error:
        raise InputError(
            f"Cannot write to {folder}: {error.strerror}", "Choose another folder with --out."
        ) from error


def _recoded(video: Path, coding: CodingOptions, cache: Cache) -> Path:
    """The video with another size or frame rate, stored as the only clip of the clips stage."""
    entry, _ = cut_video(video, ClipOptions(length_s=0, overlap_s=0), coding, cache)
    return entry.path / entry.manifest.clips[0].file
