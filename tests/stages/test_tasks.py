"""The order of the tasks, and what happens to those whose worker died or that are busy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from skelact.pose.base import PoseOptions
from skelact.stages.extraction import Job, Work
from skelact.stages.parts import Part
from skelact.stages.tasks import Result, Task, TaskQueue
from skelact.types import Failure

LONG = tuple(Part(start=start, stop=start + 50) for start in (0, 40, 80))


def work(name: str, frames: int, parts: tuple[Part, ...] = ()) -> Work:
    job = Job(
        path=Path(name),
        content=name,
        cache_root=Path("cache"),
        options=PoseOptions(estimator="blazepose"),
        fingerprint="",
    )
    return Work(job=job, parts=parts, frames=frames)


def name_of(task: Task) -> str:
    return f"{task.job.path}" + (f"@{task.part.start}" if task.part is not None else "")


class Executor:
    """Runs up to `workers` tasks, and ends the first of them at every `wait`."""

    def __init__(self, result: Callable[[Task], Result], workers: int = 2) -> None:
        self.result, self.workers = result, workers
        self.running: list[Task] = []
        self.log: list[tuple[str, int]] = []  # tasks, and how many others ran

    def submit(self, task: Task) -> bool:
        if len(self.running) == self.workers:
            return False
        self.log.append((name_of(task), len(self.running)))
        self.running.append(task)
        return True

    def wait(self) -> list[tuple[Task, Result]]:
        task = self.running.pop(0)
        return [(task, self.result(task))]


def done(task: Task) -> Result:
    return "done"


def test_the_longest_task_is_first() -> None:
    """The parts of a long video count one by one, and the video is joined after them."""
    videos = [work("short", 10), work("long", 150, LONG), work("middle", 60), work("bad", 0)]
    executor = Executor(done)
    batch = TaskQueue(videos, retries=0).run(executor)
    names = [name for name, _ in executor.log]
    assert names == ["middle", "long@0", "long@40", "long@80", "short", "long", "bad"]
    assert sorted(map(str, batch.done)) == ["bad", "long", "middle", "short"]


def test_a_video_whose_parts_are_stored_is_joined() -> None:
    executor = Executor(done)
    TaskQueue([work("long", 0)], retries=0).run(executor)
    assert executor.log == [("long", 0)]


def test_failures_are_those_of_their_video() -> None:
    """One for each video, and its other parts are dropped."""

    def result(task: Task) -> Result:
        return Failure(task.job.path, "it is damaged") if task.job.path == Path("long") else "done"

    executor = Executor(result)
    batch = TaskQueue([work("long", 150, LONG), work("short", 10)], retries=0).run(executor)
    assert [name for name, _ in executor.log] == ["long@0", "long@40", "short"]
    assert batch.failed == [Failure(Path("long"), "it is damaged")]
    assert batch.done == [Path("short")]


@pytest.mark.parametrize("retries", [0, 2])
@pytest.mark.parametrize("deaths", [1, 2, 3, 9])
def test_workers_that_die(retries: int, deaths: int) -> None:
    """A task is repeated beside others, then alone, then its video fails."""
    left = [deaths]

    def result(task: Task) -> Result:
        if task.job.path != Path("deadly") or not left[0]:
            return "done"
        left[0] -= 1
        return None

    videos = [work("deadly", 100), *(work(f"{n}", 10) for n in range(6))]
    executor = Executor(result)
    batch = TaskQueue(videos, retries=retries).run(executor)
    tries = [others for name, others in executor.log if name == "deadly"]
    survives = deaths <= retries + 1
    assert len(tries) == min(deaths, retries + 1) + 1
    assert (Path("deadly") in batch.done) == survives
    assert len(batch.done) == 6 + survives and len(batch.failed) == 1 - survives
    if deaths > retries:
        assert tries[-1] == 0 and executor.log[-1][0] == "deadly"  # the last one, alone


def test_videos_of_another_process_wait_until_the_end() -> None:
    """Then for the lock, one by one, a part at a time; the rest of the video is done before."""

    def result(task: Task) -> Result:
        is_other = name_of(task) in ("long@40", "other")
        return ("cached" if task.job.wait else "busy") if is_other else "done"

    executor = Executor(result)
    videos = [work("other", 200), work("long", 150, LONG), work("short", 10)]
    batch = TaskQueue(videos, retries=2).run(executor)
    assert executor.log[-3:] == [("other", 0), ("long@40", 0), ("long", 0)]
    assert batch.cached == [Path("other")] and set(batch.done) == {Path("long"), Path("short")}
