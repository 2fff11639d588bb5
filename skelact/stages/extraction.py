"""The poses of one video or of a part of it: estimated, tracked, counted and written to the cache.

The parts of a long video are entries of a stage of their own, so that a run that was interrupted
continues with the parts that are missing. They are removed once they are joined."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from skelact.cache import Cache, CacheEntry, Stage
from skelact.errors import CacheError, CacheUnavailable, InputError, escaped
from skelact.pose.base import Estimator, FrameRef, PoseOptions, get_spec
from skelact.pose.join import PosePart, join_parts
from skelact.pose.store import JsonForm, read_poses, write_poses
from skelact.pose.track import Tracker, TrackOptions
from skelact.schemas import PosesManifest
from skelact.skeletons import Skeleton
from skelact.stages.parts import Division, Part, parts_of
from skelact.types import PersonPose, VideoInfo
from skelact.video.decode import read_frames
from skelact.video.probe import probe

POSES = Stage(name="poses", version=2, manifest=PosesManifest)
PARTS = Stage(name="parts", version=1, manifest=PosesManifest)
State = Literal["done", "cached", "busy"]
TRACK = TrackOptions()
_PROGRESS_INTERVAL = 15  # frames between two progress messages


@dataclass(frozen=True, kw_only=True)
class Job:
    """One video whose poses are to be estimated; it can be sent to another process. `content` is
    the hash of the video, `fingerprint` that of the estimator's weights. `division` is None if a
    long video is not divided. With `wait`, the job waits for another process that works on the same
    video."""

    path: Path
    content: str
    cache_root: str
    options: PoseOptions
    fingerprint: str
    form: JsonForm = "frames"
    division: Division | None = None
    wait: bool = False

    @cached_property
    def key(self) -> str:
        """The cache key. The form of the JSON files is not part of it."""
        divided = {"division": asdict(self.division)} if self.division is not None else {}
        return POSES.key(
            video=self.content,
            pose=self.options.key_part(),
            weights=self.fingerprint,
            track=asdict(TRACK),
            **divided,
        )

    def part_key(self, part: Part) -> str:
        """The cache key of a part."""
        return PARTS.key(poses=self.key, **asdict(part))


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is left to do for a job: parts to estimate before the video can be stored (none if it is
    not divided), and the number of frames to estimate."""

    job: Job
    parts: tuple[Part, ...] = ()
    frames: int = 0


def plan_work(job: Job) -> Work:
    """The parts and frames of a job that are not stored yet. A video that cannot be opened has
    none; the job will fail with the reason."""
    cache = Cache(job.cache_root)
    try:
        info = probe(job.path)
        parts = parts_of(info, job.division)
    except InputError:
        return Work(job=job)
    if len(parts) == 1:
        return Work(job=job, frames=info.frames)
    missing = [part for part in parts if cache.find(PARTS, job.part_key(part)) is None]
    frames = sum(part.frames(info) for part in missing)
    return Work(job=job, parts=tuple(missing), frames=frames)


def frame_refs(info: VideoInfo, video: int, part: Part = Part()) -> Iterator[FrameRef]:
    """The frames of a video or a part for an estimator; `video` is its running number."""
    for n, image in enumerate(read_frames(info, part.start, part.stop), part.start):
        yield FrameRef(video=video, frame=n, fps=info.fps, image=image)


class _CountedFrames:
    """Iterates over the persons of successive frames and counts them; calls `on_frames` with the
    number of new frames from time to time."""

    def __init__(
        self, source: Iterable[list[PersonPose]], on_frames: Callable[[int], None]
    ) -> None:
        self.source, self.on_frames = source, on_frames
        self.frames = self.frames_with_people = self.people_found = 0
        self.ids: set[int] = set()

    def __iter__(self) -> Iterator[list[PersonPose]]:
        for people in self.source:
            self.frames += 1
            self.frames_with_people += bool(people)
            self.people_found += len(people)
            self.ids.update(p.person_id for p in people)
            if self.frames % _PROGRESS_INTERVAL == 0:
                self.on_frames(_PROGRESS_INTERVAL)
            yield people
        self.on_frames(self.frames % _PROGRESS_INTERVAL)


def write_tracked(
    folder: Path,
    job: Job,
    info: VideoInfo,
    frames: Iterable[list[PersonPose]],
    *,
    estimator: str,
    weights: str,
    skeleton: Skeleton,
    on_frames: Callable[[int], None] = lambda count: None,
) -> PosesManifest:
    """Write tracked persons as JSON into `folder`. `estimator` and `weights` name their source."""
    counted = _CountedFrames(frames, on_frames)
    write_poses(folder, counted, skeleton, job.form)
    return PosesManifest(
        source=escaped(job.path),
        content=job.content,
        estimator=estimator,
        weights=weights,
        skeleton=skeleton,
        width=info.width,
        height=info.height,
        fps=info.fps,
        pose=asdict(job.options),
        track=asdict(TRACK),
        frames=counted.frames,
        frames_with_people=counted.frames_with_people,
        people_found=counted.people_found,
        persons=len(counted.ids),
    )


def write_estimated(
    folder: Path,
    job: Job,
    info: VideoInfo,
    frames: Iterable[list[PersonPose]],
    *,
    estimator: Estimator,
    on_frames: Callable[[int], None],
) -> PosesManifest:
    """Track the persons that an estimator found, unless it gives ids itself, and write them as JSON
    into `folder`."""
    if not get_spec(job.options.estimator).gives_ids:
        frames = map(Tracker(estimator.skeleton, info.fps, TRACK).update, frames)
    return write_tracked(
        folder,
        job,
        info,
        frames,
        estimator=estimator.name,
        weights=estimator.fingerprint,
        skeleton=estimator.skeleton,
        on_frames=on_frames,
    )


def extract_part(
    job: Job, part: Part, estimator: Estimator, on_frames: Callable[[int], None]
) -> State:
    """Estimate, track and store the poses of a part of a long video. Returns "done", "cached" if
    the poses of the part or of the video are stored already, or "busy" if another process is
    working on them."""
    cache, key = Cache(job.cache_root), job.part_key(part)
    with cache.lock(PARTS, key, job.wait) as acquired:
        if not acquired:
            return "busy"
        if cache.find(POSES, job.key) is not None or cache.find(PARTS, key) is not None:
            return "cached"
        info = probe(job.path)
        lines = replace(job, form="lines")
        cache.write(PARTS, key, _estimation(lines, info, part, estimator, on_frames))
    return "done"


def extract_video(job: Job, estimator: Estimator, on_frames: Callable[[int], None]) -> State:
    """Estimate, track and store the poses of one video; those of a long one are joined from its
    parts, and only missing parts are estimated. Returns "done", "cached" if another process has
    just stored them, or "busy" if another process is working on them."""
    cache = Cache(job.cache_root)
    with cache.lock(POSES, job.key, job.wait) as acquired:
        if not acquired:
            return "busy"
        if cache.find(POSES, job.key) is not None:
            return "cached"
        info = probe(job.path)
        parts = parts_of(info, job.division)
        if len(parts) == 1:
            cache.write(POSES, job.key, _estimation(job, info, parts[0], estimator, on_frames))
            return "done"
        if any(extract_part(job, part, estimator, on_frames) == "busy" for part in parts):
            return "busy"
        cache.write(POSES, job.key, lambda folder: _write_joined(folder, job, info, parts))
        with contextlib.suppress(CacheUnavailable):  # parts that are left do no harm
            for part in parts:
                cache.remove(PARTS.name, job.part_key(part))
    return "done"


def _write_joined(folder: Path, job: Job, info: VideoInfo, parts: list[Part]) -> PosesManifest:
    """Write the poses of a long video from its stored parts. Raises CacheError if a part is missing
    or damaged."""
    entries = [_stored_part(job, part) for part in parts]
    source = entries[0].manifest
    frames = (
        PosePart(start=part.start, frames=read_poses(entry))
        for part, entry in zip(parts, entries, strict=True)
    )
    return write_tracked(
        folder,
        job,
        info,
        join_parts(frames, source.skeleton, info.fps, TRACK),
        estimator=source.estimator,
        weights=source.weights,
        skeleton=source.skeleton,
    )


def _stored_part(job: Job, part: Part) -> CacheEntry[PosesManifest]:
    key = job.part_key(part)
    entry = Cache(job.cache_root).find(PARTS, key)
    if entry is None:
        raise CacheError(f"Part {key} of {job.path} disappeared", PosesManifest.hint)
    return entry


def _estimation(
    job: Job, info: VideoInfo, part: Part, estimator: Estimator, on_frames: Callable[[int], None]
) -> Callable[[Path], PosesManifest]:
    """What writes the poses of a video or a part into a folder."""

    def fill(folder: Path) -> PosesManifest:
        frames = (people for _, people in estimator.run(frame_refs(info, 0, part)))
        manifest = write_estimated(
            folder, job, info, frames, estimator=estimator, on_frames=on_frames
        )
        Cache(job.cache_root).check_unchanged(job.path, job.content)
        return manifest

    return fill
