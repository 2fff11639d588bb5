"""The poses of one video: estimated, tracked, counted and written to the cache."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from skelact.cache import Cache, Stage
from skelact.pose.base import Estimator, FrameRef, PoseOptions, get_spec
from skelact.pose.store import JsonForm, write_poses
from skelact.pose.track import Tracker, TrackOptions
from skelact.schemas import PosesManifest
from skelact.skeletons import Skeleton
from skelact.types import PersonPose, VideoInfo
from skelact.video.decode import read_frames
from skelact.video.probe import probe

POSES = Stage(name="poses", version=2, manifest=PosesManifest)
State = Literal["done", "cached", "busy"]
TRACK = TrackOptions()
_PROGRESS_INTERVAL = 15  # frames between two progress messages


@dataclass(frozen=True, kw_only=True)
class Job:
    """One video whose poses are to be estimated; it can be sent to another process. `content` is
    the hash of the video, `fingerprint` that of the estimator's weights; with `wait`, the job waits
    for another process that works on the same video."""

    path: Path
    content: str
    cache_root: Path
    options: PoseOptions
    fingerprint: str
    form: JsonForm = "frames"
    wait: bool = False

    @property
    def key(self) -> str:
        """The cache key. The form of the JSON files is not part of it."""
        return POSES.key(
            video=self.content,
            pose=self.options.key_part(),
            weights=self.fingerprint,
            track=asdict(TRACK),
        )


def frame_refs(info: VideoInfo, video: int) -> Iterator[FrameRef]:
    """The frames of a video for an estimator; `video` is its running number."""
    for n, image in enumerate(read_frames(info)):
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
        source=str(job.path),
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


def extract_video(job: Job, estimator: Estimator, on_frames: Callable[[int], None]) -> State:
    """Estimate, track and store the poses of one video. Returns "done", "cached" if another process
    has just stored them, or "busy" if another process is working on them."""
    cache = Cache(job.cache_root)
    with cache.lock(POSES, job.key, job.wait) as acquired:
        if not acquired:
            return "busy"
        if cache.find(POSES, job.key) is not None:
            return "cached"
        info = probe(job.path)

        def fill(folder: Path) -> PosesManifest:
            frames = (people for _, people in estimator.run(frame_refs(info, 0)))
            return write_estimated(
                folder, job, info, frames, estimator=estimator, on_frames=on_frames
            )

        cache.write(POSES, job.key, fill)
    return "done"
