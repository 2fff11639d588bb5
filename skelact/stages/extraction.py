"""One video -> its poses in the cache, and many videos over a pool of processes. A file that fails,
or kills its process, fails alone."""

from __future__ import annotations

import multiprocessing
import os
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from skelact.cache import Cache, key_of
from skelact.errors import InputError, SkelactError
from skelact.pose.base import Estimator, FrameRef, PoseOptions
from skelact.pose.store import JsonForm, write_poses
from skelact.pose.track import Tracker, TrackOptions
from skelact.skeletons import Skeleton
from skelact.types import BatchResult, Event, Failure, PersonPose, ProgressCallback, VideoInfo
from skelact.video.decode import read_frames
from skelact.video.probe import probe

STAGE, VERSION = "poses", 2
DEBUG_VARIABLE = "SKELACT_DEBUG"
_TOLD_EVERY = 15  # frames between two progress messages


@dataclass(frozen=True)
class Job:
    """What one video needs to become poses; crosses process borders."""

    path: Path
    content: str
    cache_root: Path
    options: PoseOptions
    fingerprint: str
    track: TrackOptions = field(default_factory=TrackOptions)
    form: JsonForm = "frames"
    wait: bool = False

    @property
    def key(self) -> str:
        return poses_key(self.content, self.options, self.fingerprint, self.track)


def poses_key(content: str, options: PoseOptions, fingerprint: str, track: TrackOptions) -> str:
    """The cache key of a video's poses. How they are written (frames or lines) is no part of what
    they are."""
    return key_of(
        version=VERSION,
        video=content,
        pose=options.key_part(),
        weights=fingerprint,
        track=asdict(track),
    )


def manifest_of(
    job: Job, info: VideoInfo, estimator: str, weights: str, skeleton: Skeleton
) -> dict[str, Any]:
    """What the stored poses say of themselves; counts are added when they are known."""
    return {
        "source": str(job.path),
        "content": job.content,
        "estimator": estimator,
        "weights": weights,
        "skeleton": skeleton.as_dict(),
        "width": info.width,
        "height": info.height,
        "fps": info.fps,
        "pose": asdict(job.options),
        "track": asdict(job.track),
    }


def _numbered(info: VideoInfo, video: int) -> Iterator[FrameRef]:
    for n, image in enumerate(read_frames(info)):
        yield FrameRef(video=video, frame=n, fps=info.fps, image=image)


class _Following:
    """Gives ids to frames as they come, counts them, and tells how many there were now and then."""

    def __init__(
        self, frames: Iterator[list[PersonPose]], tracker: Tracker, tell: Callable[[int], None]
    ) -> None:
        self.frames, self.tracker, self.tell = frames, tracker, tell
        self.counts = count_people([])
        self.ids: set[int] = set()

    def __iter__(self) -> Iterator[list[PersonPose]]:
        c = self.counts
        for people in self.frames:
            people = self.tracker.update(people)
            c["frames"] += 1
            c["frames_with_people"] += bool(people)
            c["people_found"] += len(people)
            self.ids.update(p.person_id for p in people)
            if c["frames"] % _TOLD_EVERY == 0:
                self.tell(_TOLD_EVERY)
            yield people
        c["persons"] = len(self.ids)
        self.tell(c["frames"] % _TOLD_EVERY)


def count_people(frames: list[list[PersonPose]]) -> dict[str, int]:
    """The counts of a manifest."""
    return {
        "frames": len(frames),
        "frames_with_people": sum(bool(people) for people in frames),
        "people_found": sum(len(people) for people in frames),
        "persons": len({p.person_id for people in frames for p in people}),
    }


def extract_video(job: Job, estimator: Estimator, tell: Callable[[int], None]) -> str:
    """Estimate, track and store one video: 'done', 'cached' if someone else just did it, or 'busy'
    if someone is doing it now."""
    cache = Cache(job.cache_root)
    with cache.lock(STAGE, job.key, job.wait) as mine:
        if not mine:
            return "busy"
        if cache.find(STAGE, job.key) is not None:
            return "cached"
        info = probe(job.path)
        manifest = manifest_of(job, info, estimator.name, estimator.fingerprint, estimator.skeleton)
        found = (people for _, people in estimator.run(_numbered(info, 0)))
        following = _Following(found, Tracker(estimator.skeleton, info.fps, job.track), tell)
        with cache.write(STAGE, job.key, manifest) as folder:
            write_poses(folder, following, job.form)
            manifest.update(following.counts)
    return "done"


# --- the pool -------------------------------------------------------------------------------------
# ------------------------------------

_estimator: Estimator | None = None
_progress: Any = None


def _start_worker(options: PoseOptions, progress: Any) -> None:
    global _estimator, _progress
    os.environ["OMP_NUM_THREADS"] = "1"
    if not os.environ.get(DEBUG_VARIABLE):
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), 2
        )  # native libraries chatter there; errors come back as exceptions
    import cv2

    cv2.setNumThreads(1)
    from skelact.pose.registry import open_estimator

    _estimator, _progress = open_estimator(options), progress


def _work(job: Job) -> tuple[str, Failure | None]:
    assert _estimator is not None
    try:
        return extract_video(job, _estimator, lambda n: _progress.put(n)), None
    except InputError as error:
        return "failed", Failure.from_error(job.path, error)
    except SkelactError:
        raise  # a full disk, a broken estimator: not this video's fault
    except Exception as error:
        return "failed", Failure.from_error(job.path, error)


def processes(videos: int) -> int:
    """One a core, no more than videos."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    return max(1, min(cores, videos))


class _Teller:
    """Passes frame counts from the workers' queue to the on_progress, from a thread."""

    def __init__(self, progress: Any, on_progress: ProgressCallback) -> None:
        self.progress, self.on_progress = progress, on_progress
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while not self.stop.is_set():
            try:
                self.on_progress(Event("extract", "advance", self.progress.get(timeout=0.1)))
            except (queue.Empty, EOFError, OSError):
                continue

    def close(self) -> None:
        self.stop.set()
        self.thread.join()


def extract_all(jobs: list[Job], on_progress: ProgressCallback) -> BatchResult:
    """Every job through a pool of processes with an estimator each: paths done, cached meanwhile by
    others, failed. CacheError and EstimatorError end it."""
    batch = BatchResult()
    context = multiprocessing.get_context("spawn")
    progress = context.Queue()
    teller = _Teller(progress, on_progress)
    try:
        rest = _pass(jobs, processes(len(jobs)), context, progress, batch)
        for (
            job
        ) in rest:  # their pool broke, or another skelact was busy with them: alone, and waiting
            calm = replace(job, wait=True)
            if _pass([calm], 1, context, progress, batch):
                batch.failed.append(
                    Failure(
                        job.path,
                        "the estimator's process died on this file",
                        "re-encode it with ffmpeg, or leave it out",
                    )
                )
    finally:
        teller.close()
        progress.close()
    return batch


def _pass(
    jobs: list[Job], workers: int, context: Any, progress: Any, batch: BatchResult
) -> list[Job]:
    """Run the jobs; those left over because someone else holds them or the pool broke."""
    left: list[Job] = []
    pool = ProcessPoolExecutor(
        workers, mp_context=context, initializer=_start_worker, initargs=(jobs[0].options, progress)
    )
    try:
        waiting: dict[Future[tuple[str, Failure | None]], Job] = {
            pool.submit(_work, job): job for job in jobs
        }
        while waiting:
            finished, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in finished:
                job = waiting.pop(future)
                try:
                    state, failure = future.result()
                except BrokenProcessPool:
                    left.append(job)
                    continue
                if failure is not None:
                    batch.failed.append(failure)
                elif state == "busy":
                    left.append(job)
                else:
                    (batch.done if state == "done" else batch.cached).append(job.path)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return left


def extract_with(
    jobs: list[Job], estimator: Estimator, on_progress: ProgressCallback
) -> BatchResult:
    """Every job through one estimator in this process, frames of all videos in one stream, so that
    it can fill its batches across them."""
    batch = BatchResult()
    failures: dict[int, Exception] = {}
    infos: dict[int, VideoInfo] = {}

    def stream() -> Iterator[FrameRef]:
        for n, job in enumerate(jobs):
            try:
                infos[n] = probe(job.path)
                yield from _numbered(infos[n], n)
            except InputError as error:
                failures[n] = error

    for n, group in groupby(estimator.run(_ahead(stream())), key=lambda item: item[0].video):
        job, info, cache = jobs[n], infos[n], Cache(jobs[n].cache_root)
        tracker = Tracker(estimator.skeleton, info.fps, job.track)
        following = _Following(
            (p for _, p in group), tracker, lambda k: on_progress(Event("extract", "advance", k))
        )
        manifest = manifest_of(job, info, estimator.name, estimator.fingerprint, estimator.skeleton)
        try:
            with cache.write(STAGE, job.key, manifest) as folder:
                write_poses(folder, following, job.form)
                manifest.update(following.counts)
                if n in failures:  # the stream ended early: drop what there is
                    raise failures[n]
        except InputError:
            continue
        batch.done.append(job.path)
    batch.failed += [Failure.from_error(jobs[n].path, error) for n, error in failures.items()]
    return batch


def _ahead(pictures: Iterator[FrameRef], depth: int = 256) -> Iterator[FrameRef]:
    """The same pictures, decoded by a thread while the estimator works on earlier ones."""
    box: queue.Queue[Any] = queue.Queue(depth)
    gone = threading.Event()

    def fill() -> None:
        last: Any = None
        try:
            for picture in pictures:
                while not gone.is_set():
                    try:
                        box.put(picture, timeout=0.2)
                        break
                    except queue.Full:
                        continue
                if gone.is_set():
                    return
        except Exception as error:
            last = error
        if not gone.is_set():
            box.put(last)

    threading.Thread(target=fill, daemon=True).start()
    try:
        while True:
            item = box.get()
            if isinstance(item, Exception):
                raise item
            if item is None:
                return
            yield item
    finally:
        gone.set()
