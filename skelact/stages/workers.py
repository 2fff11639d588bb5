"""The poses of many videos: over a pool of processes, or through one estimator in this process. A
video that cannot be used, or that kills its process, does not affect the others."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import groupby
from pathlib import Path
from typing import Any

from skelact import sandbox
from skelact.cache import Cache
from skelact.errors import InputError
from skelact.pose.base import Estimator, FrameRef, PoseOptions
from skelact.processes import die_with_parent
from skelact.schemas import PosesManifest
from skelact.stages.extraction import POSES, Job, State, Work, frame_refs, write_estimated
from skelact.stages.tasks import Result, Task, TaskQueue, run_task
from skelact.types import BatchResult, Event, Failure, ProgressCallback, VideoInfo
from skelact.video.probe import probe

DEBUG_VARIABLE = "SKELACT_DEBUG"

# --- a pool of processes --------------------------------------------------------------------------

# of a worker process
_estimator: Estimator | None = None
_frame_counts: Any = None


def _start_worker(options: PoseOptions, frame_counts: Any) -> None:
    global _estimator, _frame_counts
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid is not None:
        die_with_parent(parent.pid)
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    silence(2)
    prepare_worker()
    from skelact.pose.registry import open_estimator

    _estimator, _frame_counts = open_estimator(options), frame_counts


def silence(*streams: int) -> None:
    """Drop what native libraries write to stdout (1) or stderr (2), unless --debug is given; errors
    are returned as exceptions."""
    if not os.environ.get(DEBUG_VARIABLE):
        for stream in streams:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)


def prepare_worker() -> None:
    """Settings of a process that only estimates poses: one thread, and no children of its own."""
    sandbox.expendable = True  # a crash of this process costs one video
    os.environ["OMP_NUM_THREADS"] = "1"
    import cv2

    cv2.setNumThreads(1)


def _exit_with_parent() -> None:
    """End this process when its parent has died, instead of waiting for tasks forever. It has no
    effect while a native library holds the interpreter, other than `die_with_parent`."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run_task(task: Task) -> State | Failure:
    assert _estimator is not None
    return run_task(task, _estimator, _frame_counts.send)


def process_count(tasks: int) -> int:
    """One process per core, but no more than tasks."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    return max(1, min(cores, tasks))


class _ProgressThread:
    """Passes the frame counts that the workers send through a pipe to `on_progress`. A pipe needs
    no lock for messages this short; a process that dies while it holds the lock of a queue would
    stop all others."""

    def __init__(self, frame_counts: Any, on_progress: ProgressCallback) -> None:
        self.frame_counts, self.on_progress = frame_counts, on_progress
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while True:
            try:
                if not self.frame_counts.poll(0.1):
                    if self.stop.is_set():
                        return
                    continue
                count = self.frame_counts.recv()
            except (EOFError, OSError):  # closed, because this process was interrupted
                return
            with contextlib.suppress(OSError):  # a closed stderr must not stop the workers
                self.on_progress(Event("extract", "advance", count))

    def close(self) -> None:
        self.stop.set()
        self.thread.join()


def extract_in_processes(work: list[Work], on_progress: ProgressCallback) -> BatchResult[Path]:
    """Run all jobs in a pool of processes, each with its own estimator; the parts of a long video
    are tasks of their own. Tasks whose pool broke, or whose video another process was working on,
    are run again one at a time. Raises CacheError and EstimatorError."""
    context = multiprocessing.get_context("spawn")
    received, frame_counts = context.Pipe(duplex=False)
    progress = _ProgressThread(received, on_progress)
    try:
        with _Pool(work, context, frame_counts) as pool:
            return TaskQueue(work, retries=0).run(pool)
    finally:
        progress.close()
        received.close()
        frame_counts.close()


@contextlib.contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Processes that are started in this block ignore the SIGINT that a terminal sends to all: this
    process ends them. One that arrives in the meantime interrupts this process afterwards."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Pool:
    """A pool of processes, which is replaced when it breaks. Few tasks are submitted ahead: the
    executor looks at all of them for each result, and if a process dies, all of them are
    suspected."""

    def __init__(self, work: list[Work], context: Any, frame_counts: Any) -> None:
        self.processes = process_count(sum(max(1, len(w.parts)) for w in work))
        self.options, self.context, self.frame_counts = work[0].job.options, context, frame_counts
        self.pool = self._new_pool()
        self.is_broken = False
        self.pending: dict[Future[State | Failure], Task] = {}

    def _new_pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self.processes,
            mp_context=self.context,
            initializer=_start_worker,
            initargs=(self.options, self.frame_counts),
        )

    def __enter__(self) -> _Pool:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        """End the processes, at once after an interrupt. Their unfinished cache entries have
        temporary names."""
        if kind is KeyboardInterrupt:
            for process in list((self.pool._processes or {}).values()):
                process.kill()
        self.pool.shutdown(wait=True, cancel_futures=True)

    def submit(self, task: Task) -> bool:
        if len(self.pending) >= 2 * self.processes or (self.is_broken and self.pending):
            return False
        try:
            if self.is_broken:
                self.pool.shutdown(wait=True)
                self.pool, self.is_broken = self._new_pool(), False
            with interrupts_blocked():  # it may start a process
                self.pending[self.pool.submit(_run_task, task)] = task
        except BrokenProcessPool:
            self.is_broken = True
            return False
        return True

    def wait(self) -> Iterator[tuple[Task, Result]]:
        finished, _ = wait(self.pending, return_when=FIRST_COMPLETED)
        for future in finished:
            task = self.pending.pop(future)
            try:
                yield task, future.result()
            except BrokenProcessPool:
                self.is_broken = True
                yield task, None


# --- one estimator in this process ----------------------------------------------------------------


def extract_in_batches(
    jobs: list[Job], estimator: Estimator, on_progress: ProgressCallback
) -> BatchResult[Path]:
    """Run all jobs through one estimator, with the frames of all videos in one stream, so that its
    batches can contain frames of several videos."""
    batch: BatchResult[Path] = BatchResult()
    errors: dict[int, InputError] = {}
    infos: dict[int, VideoInfo] = {}

    def stream() -> Iterator[FrameRef]:
        for n, job in enumerate(jobs):
            try:
                infos[n] = probe(job.path)
                yield from frame_refs(infos[n], n)
            except InputError as error:
                errors[n] = error

    for n, group in groupby(estimator.run(_prefetch(stream())), key=lambda item: item[0].video):
        job, frames = jobs[n], (people for _, people in group)

        def fill(
            folder: Path, n: int = n, job: Job = job, frames: Iterator[Any] = frames
        ) -> PosesManifest:
            manifest = write_estimated(
                folder,
                job,
                infos[n],
                frames,
                estimator=estimator,
                on_frames=lambda count: on_progress(Event("extract", "advance", count)),
            )
            if n in errors:  # the video ended early: its poses are incomplete
                raise errors[n]
            Cache(job.cache_root).check_unchanged(job.path, job.content)
            return manifest

        try:
            Cache(job.cache_root).write(POSES, job.key, fill)
        except InputError as error:
            errors[n] = error
            continue
        batch.done.append(job.path)
    batch.failed += [Failure.from_error(jobs[n].path, error) for n, error in errors.items()]
    return batch


def _prefetch(frames: Iterator[FrameRef], depth: int = 256) -> Iterator[FrameRef]:
    """The same frames, decoded by a thread while the estimator works on earlier ones."""
    buffer: queue.Queue[FrameRef | Exception | None] = queue.Queue(depth)
    closed = threading.Event()

    def fill() -> None:
        end: Exception | None = None
        try:
            for frame in frames:
                while not closed.is_set():
                    try:
                        buffer.put(frame, timeout=0.2)
                        break
                    except queue.Full:
                        continue
                if closed.is_set():
                    return
        except Exception as error:
            end = error
        if not closed.is_set():
            buffer.put(end)

    threading.Thread(target=fill, daemon=True).start()
    try:
        while True:
            item = buffer.get()
            if isinstance(item, Exception):
                raise item
            if item is None:
                return
            yield item
    finally:
        closed.set()
