"""Jobs: tasks that take long, one at a time, with progress, time left, and cancel."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from skelact.app.worker import Task, Worker
from skelact.errors import InputError, SkelactError
from skelact.pace import Pace
from skelact.types import Event

State = Literal["queued", "running", "done", "failed", "cancelled"]
_KEPT = 50  # finished jobs that are remembered
_WAITING = 20  # jobs that may wait
_NOTICES = 20
_LEAST_S = 3.0  # before a time left is stated
STAGES = {  # what the page calls the stages of progress
    "hash": "Reading files",
    "extract": "Estimating poses",
    "predict": "Recognising actions",
    "train": "Training",
    "test": "Testing",
    "overlay": "Drawing",
    "explain": "Explaining",
}


@dataclass(eq=False)
class AppJob:
    """A task, its progress and its result. `session` is that of the user who started it; only that
    session sees its texts, which name files."""

    id: int
    kind: str
    title: str
    session: str
    task: Task
    on_done: Callable[[AppJob, Any], None]
    state: State = "queued"
    stage: str = ""
    done: float = 0.0
    total: float = 0.0
    pace: Pace | None = None
    notices: list[str] = field(default_factory=list)
    error: str = ""
    hint: str = ""
    summary: dict[str, Any] = field(default_factory=dict)

    def as_dict(self, session: str) -> dict[str, Any]:
        """The job for the page of a session."""
        out = {"id": self.id, "kind": self.kind, "state": self.state, "own": True}
        if session != self.session:
            return out | {"own": False, "title": "work of another session"}
        left = ""
        if self.pace is not None and self.pace.last - self.pace.started > _LEAST_S:
            left = self.pace.left(max(0.0, self.total - self.done))
        return out | {
            "title": self.title,
            "stage": STAGES.get(self.stage, self.stage),
            "done": self.done,
            "total": self.total,
            "left": left,
            "notices": self.notices,
            "error": self.error,
            "hint": self.hint,
            "summary": self.summary,
        }


class JobQueue:
    """Runs jobs in the order in which they came. Its thread lives as long as the queue, because the
    worker process ends with the thread that started it."""

    def __init__(self, worker: Worker | None = None) -> None:
        self.worker = worker or Worker()
        self.jobs: list[AppJob] = []
        self.changed = threading.Condition()
        self.closed = False
        self.warm_up = threading.Event()
        self._ids = itertools.count(1)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def submit(
        self,
        kind: str,
        title: str,
        session: str,
        task: Task,
        on_done: Callable[[AppJob, Any], None] = lambda job, result: None,
    ) -> AppJob:
        """Add a job. `on_done` gets it and its result, in the thread of the queue. Raises
        InputError if too many wait."""
        with self.changed:
            if sum(job.state == "queued" for job in self.jobs) >= _WAITING:
                raise InputError(f"{_WAITING} jobs are waiting", "Wait, or cancel some of them.")
            job = AppJob(next(self._ids), kind, title, session, task, on_done)
            self.jobs.append(job)
            finished = [j for j in self.jobs if j.state not in ("queued", "running")]
            for old in finished[:-_KEPT]:
                self.jobs.remove(old)
            self.changed.notify_all()
        return job

    def cancel(self, job_id: int, session: str) -> None:
        """Cancel a job of a session, also if it is running. Raises InputError if there is none."""
        with self.changed:
            job = next((j for j in self.jobs if j.id == job_id and j.session == session), None)
            if job is None:
                raise InputError("There is no such job", "Load the page again.")
            was_running = job.state == "running"
            if job.state in ("queued", "running"):
                job.state = "cancelled"
            if was_running:  # with the lock, so that no other job has started
                self.worker.stop()
                self.warm_up.set()

    def of(self, session: str) -> list[dict[str, Any]]:
        """The jobs for the page of a session: its own ones, and those of others that wait or
        run."""
        with self.changed:
            return [
                job.as_dict(session)
                for job in self.jobs
                if job.session == session or job.state in ("queued", "running")
            ]

    def close(self) -> None:
        """End the work."""
        with self.changed:
            self.closed = True
            for job in self.jobs:
                if job.state in ("queued", "running"):
                    job.state = "cancelled"
            self.changed.notify_all()
        self.worker.stop()
        self.thread.join(timeout=10)
        self.worker.stop()  # it may just have been started

    def _run(self) -> None:
        self.worker.start()
        while True:
            with self.changed:
                job = next((j for j in self.jobs if j.state == "queued"), None)
                if self.closed:
                    return
                if job is None:
                    self.changed.wait(timeout=1.0)
            if job is None:
                if self.warm_up.is_set():
                    self.warm_up.clear()
                    self.worker.start()
                continue
            with self.changed:
                if job.state != "queued":
                    continue
                job.state = "running"
            self._work(job)

    def _work(self, job: AppJob) -> None:
        try:
            result = self.worker.run(
                job.task,
                lambda event: self._progress(job, event),
                lambda: job.state == "running",
            )
            if job.state == "running":
                job.on_done(job, result)
        except SkelactError as error:
            self._finish(job, "failed", error.message, error.hint)
        except Exception as error:  # of on_done: the queue must go on
            self._finish(job, "failed", f"Unexpected {type(error).__name__}: {error}", "")
        else:
            self._finish(job, "done")

    def _finish(self, job: AppJob, state: State, error: str = "", hint: str = "") -> None:
        with self.changed:
            if job.state == "running":  # not cancelled
                job.state, job.error, job.hint = state, error, hint

    def _progress(self, job: AppJob, event: Event) -> None:
        with self.changed:
            now = time.monotonic()
            if event.text:
                job.notices = [*job.notices, event.text][-_NOTICES:]
            if event.kind == "start":
                job.stage, job.done, job.total = event.stage, event.done, event.total
                job.pace = Pace(now)
            elif event.kind == "advance" and event.stage == job.stage:
                job.done += event.done
                if job.pace is not None:
                    job.pace.add(event.done, now)
