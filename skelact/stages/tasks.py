"""The order in which the tasks of an extraction are done: longest first, the parts of a long video
as tasks of their own, and tasks whose worker died again. It is the same for a pool of processes and
for a cluster, which are executors."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from skelact.errors import InputError, SkelactError
from skelact.pose.base import Estimator
from skelact.stages.extraction import Job, State, Work, extract_part, extract_video
from skelact.stages.parts import Part
from skelact.types import BatchResult, Failure


@dataclass(frozen=True, kw_only=True)
class Task:
    """A part of a video, or a video (`part` is None), which is joined from its parts if these are
    stored. `frames` is the number of frames to estimate, `losses` the number of workers that died
    while they worked on it."""

    job: Job
    part: Part | None = None
    frames: float = 0
    losses: int = 0


Result = State | Failure | None  # None: the worker died


class Executor(Protocol):
    """Does tasks in other processes."""

    def submit(self, task: Task) -> bool:
        """Start a task. Returns False if no worker can take it now."""

    def wait(self) -> Iterable[tuple[Task, Result]]:
        """Wait until a task has ended, or something else has changed. Returns those that ended."""


class TaskQueue:
    """The tasks that are left, and the results so far. A task whose worker died is repeated up to
    `retries` times beside others. If it has lost more workers, or another process is working on the
    same video, it waits until it is the only task, and then for that process."""

    def __init__(self, work: Iterable[Work], retries: int) -> None:
        self.batch: BatchResult[Path] = BatchResult()
        self.retries = retries
        work = list(work)
        tasks = [
            Task(job=w.job, part=part, frames=w.frames / max(1, len(w.parts)))
            for w in work
            for part in w.parts or (None,)
        ]
        self.waiting = deque(sorted(tasks, key=lambda task: -task.frames))
        self.postponed: deque[Task] = deque()
        self.running = 0
        self._parts_left = {w.job.key: len(w.parts) for w in work}
        self._failed: set[str] = set()  # keys

    @property
    def left(self) -> int:
        """The number of tasks that are not done."""
        return len(self.waiting) + len(self.postponed) + self.running

    def run(self, executor: Executor) -> BatchResult[Path]:
        """Do all tasks."""
        while self.left:
            while (task := self._next()) is not None and executor.submit(task):
                (self.waiting or self.postponed).popleft()
                self.running += 1
            if self.left:
                for task, result in executor.wait():
                    self.running -= 1
                    self._finish(task, result)
        return self.batch

    def _next(self) -> Task | None:
        """The first task that may start now; those of videos that have failed are dropped."""
        for tasks in (self.waiting, self.postponed):
            while tasks and tasks[0].job.key in self._failed:
                tasks.popleft()
        if self.waiting:
            return self.waiting[0]
        return self.postponed[0] if self.postponed and not self.running else None

    def _finish(self, task: Task, result: Result) -> None:
        """Record the result of a task, and queue the last task of a video after its parts."""
        job = task.job
        if result is None:
            self._repeat(replace(task, losses=task.losses + 1))
        elif isinstance(result, Failure):
            self._fail(job, result)
        elif result == "busy":
            self.postponed.append(replace(task, job=replace(job, wait=True)))
        elif task.part is None:
            (self.batch.done if result == "done" else self.batch.cached).append(job.path)
        else:
            self._parts_left[job.key] -= 1
            if not self._parts_left[job.key]:
                self.waiting.appendleft(Task(job=job))

    def _repeat(self, task: Task) -> None:
        if task.losses <= self.retries:
            self.waiting.appendleft(task)
        elif task.job.wait:
            self._fail(
                task.job,
                Failure(
                    task.job.path,
                    "The process of the estimator died on this file",
                    "Re-encode it with ffmpeg, or leave it out.",
                ),
            )
        else:
            self.postponed.append(replace(task, job=replace(task.job, wait=True)))

    def _fail(self, job: Job, failure: Failure) -> None:
        if job.key not in self._failed:
            self.batch.failed.append(failure)
        self._failed.add(job.key)


def run_task(task: Task, estimator: Estimator, on_frames: Callable[[int], None]) -> State | Failure:
    """Do a task in this process. Raises CacheError and EstimatorError."""
    try:
        if task.part is not None:
            return extract_part(task.job, task.part, estimator, on_frames)
        return extract_video(task.job, estimator, on_frames)
    except InputError as error:
        return Failure.from_error(task.job.path, error)
    except SkelactError:
        raise  # a full disk or a broken estimator is not a fault of this video
    except Exception as error:
        return Failure.from_error(task.job.path, error)
