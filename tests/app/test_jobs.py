"""Jobs: one at a time, with progress, cancel and errors; the worker process dies alone."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from skelact.app.jobs import JobQueue
from skelact.app.worker import Worker
from skelact.cli import main
from skelact.errors import InputError
from skelact.types import Event
from tests.app.client import IdleWorker

ME, OTHER = "me", "other"


@pytest.fixture
def queue() -> Iterator[JobQueue]:
    jobs = JobQueue(IdleWorker())
    yield jobs
    jobs.close()


def ended(queue: JobQueue, count: int = 1) -> list[dict[str, Any]]:
    """The jobs when so many have ended."""
    for _ in range(500):
        rows = queue.of(ME)
        if sum(r["state"] not in ("queued", "running") for r in rows) >= count:
            return rows
        threading.Event().wait(0.01)
    raise TimeoutError


def test_progress_errors_and_results(queue: JobQueue) -> None:
    worker: Any = queue.worker
    seen, go_on = threading.Event(), threading.Event()

    def work(on_progress: Any) -> str:
        on_progress(Event("extract", "start", 0, 100, "Estimating poses."))
        on_progress(Event("extract", "advance", 40))
        seen.set()
        go_on.wait(10)
        return "result"

    worker.answers = [work, InputError("broken.mp4 is empty", "Copy it again."), "third"]
    results: list[Any] = []

    def keep(job: Any, result: Any) -> None:
        results.append(result)

    queue.submit("predict", "Analyse a", ME, ("predict", {}), keep)
    queue.submit("predict", "Analyse b", ME, ("predict", {}), keep)
    seen.wait(10)
    running, waiting = queue.of(ME)
    assert (running["stage"], running["done"], running["total"]) == ("Estimating poses", 40, 100)
    assert running["notices"] == ["Estimating poses."] and waiting["state"] == "queued"
    hidden = queue.of(OTHER)
    assert [r["title"] for r in hidden] == ["work of another session"] * 2
    assert "notices" not in hidden[0]
    go_on.set()
    rows = ended(queue, 2)
    assert [r["state"] for r in rows] == ["done", "failed"] and results == ["result"]
    assert (rows[1]["error"], rows[1]["hint"]) == ("broken.mp4 is empty", "Copy it again.")
    queue.submit("predict", "Analyse c", ME, ("predict", {}), keep)
    ended(queue, 3)
    assert results == ["result", "third"] and queue.of(OTHER) == []


def test_cancel(queue: JobQueue) -> None:
    worker: Any = queue.worker
    started = threading.Event()

    def work(on_progress: Any) -> str:
        started.set()
        assert worker.stopped.wait(10)
        raise InputError("The process that did the work ended")

    worker.answers = [work, "second"]
    first = queue.submit("predict", "a", ME, ("predict", {}))
    second = queue.submit("predict", "b", ME, ("predict", {}))
    third = queue.submit("predict", "c", ME, ("predict", {}))
    started.wait(10)
    with pytest.raises(InputError, match="no such job"):
        queue.cancel(first.id, OTHER)
    queue.cancel(third.id, ME)
    queue.cancel(first.id, ME)
    rows = ended(queue, 3)
    assert [r["state"] for r in rows] == ["cancelled", "done", "cancelled"]
    assert len(worker.tasks) == 2 and second.state == "done"


def test_a_queue_has_an_end(queue: JobQueue) -> None:
    worker: Any = queue.worker
    worker.answers = [lambda on_progress: worker.stopped.wait(10)] * 30
    with pytest.raises(InputError, match="20 jobs are waiting"):
        for _ in range(30):
            queue.submit("predict", "a", ME, ("predict", {}))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="signals of Linux")
def test_the_worker_process_survives_errors_and_is_replaced(tmp_path: Path) -> None:
    worker = Worker()
    task = ("predict", {"videos": [], "model": str(tmp_path / "no.pt"), "cache": tmp_path})
    try:
        with pytest.raises(InputError, match=r"no\.pt"):
            worker.run(task, print)
        before = worker.process.pid
        with pytest.raises(InputError, match="TypeError"):
            worker.run(("predict", {"wrong": 1}), print)
        assert worker.process.pid == before  # it lives

        def crash() -> bool:  # after the process was found alive, as a library would in a task
            os.kill(before, signal.SIGKILL)
            return True

        with pytest.raises(InputError, match="signal 9"):
            worker.run(task, print, crash)
        with pytest.raises(InputError, match=r"no\.pt"):  # of a new process
            worker.run(task, print)
        assert worker.process.pid != before and worker.process.is_alive()
    finally:
        worker.stop()
        worker.stop()


def test_without_the_packages_the_command_says_how_to_install_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "starlette", None)
    assert main(["app", str(tmp_path), "--no-browser"]) == 2
    error = capsys.readouterr().err
    assert "starlette" in error and 'pip install "skelact[app]"' in error


def test_a_task_that_is_cancelled_before_the_process_is_there_is_not_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worker, (ours, theirs) = Worker(), multiprocessing.Pipe()
    monkeypatch.setattr(worker, "start", lambda: (ours, None))
    assert worker.run(("predict", {}), print, lambda: False) is None
    assert not theirs.poll()
