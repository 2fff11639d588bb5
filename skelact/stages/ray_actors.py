"""The actors of a Ray cluster: one for each core, or for a fraction of a GPU, which keeps its
estimator."""

from __future__ import annotations

import contextlib
import math
import pickle
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from skelact.cache import Cache
from skelact.errors import ClusterError, ConfigError, SkelactError, reason
from skelact.options import ClusterOptions
from skelact.pose.base import get_spec
from skelact.stages.extraction import POSES, Job, Work
from skelact.stages.node import Setup
from skelact.stages.tasks import Result, Task, TaskQueue
from skelact.types import BatchResult, Event, Failure, ProgressCallback

_RETRIES = 2  # of a task whose actor or node is lost, beside others
_FAILED_STARTS = 5  # of actors, one after the other
_POLL_S = 0.5  # between two questions for the number of frames
_LOOK_S = 5.0  # between two looks at the nodes of the cluster
_PATIENCE_S = 60.0  # without any node; also until a shared folder shows what another node wrote


def run_on_actors(
    ray: Any, work: list[Work], options: ClusterOptions, on_progress: ProgressCallback
) -> BatchResult[Path]:
    """Run all jobs on actors of the cluster that this process has joined. A task whose actor or
    node is lost is done elsewhere. Raises ClusterError, ConfigError, CacheError and EstimatorError,
    with the name of the node."""
    with _setup(work) as setup:
        queue = TaskQueue(work, retries=_RETRIES)
        actors = _Actors(ray, queue, setup, options, on_progress)
        try:
            batch = queue.run(actors)
        finally:
            actors.close()
        actors.wait_until_visible()
    return batch


@contextlib.contextmanager
def _setup(work: list[Work]) -> Iterator[Setup]:
    """What the nodes must agree with, while this process holds a lock of the cache."""
    jobs = [w.job for w in work]
    root = jobs[0].cache_root
    is_url = "://" in str(root)
    paths = [job.path for job in jobs] + ([] if is_url else [Path(root)])
    folder = None if all(path.is_absolute() for path in paths) else str(Path.cwd())
    if is_url:
        yield Setup(job=jobs[0], folder=folder, locked=None)
        return
    key = f"cluster-{uuid.uuid4().hex}"
    with Cache(root).lock(POSES, key, wait=False):
        yield Setup(job=jobs[0], folder=folder, locked=key)


def _actor_class() -> type:
    """The class of the actors. Ray sends its code to the nodes, because it is defined in a
    function; so a node without skelact, or with another version, can say so."""

    class EstimatorActor:
        """A NodeWorker and the name of its node."""

        def start(self, version: str, setup: bytes) -> tuple[str, Any]:
            """The name of the node, and the error that keeps it from working, if any."""
            import importlib
            import pickle
            import socket

            host = socket.gethostname()
            try:
                found = importlib.import_module("skelact").__version__
                if found != version:
                    return host, f"skelact is {found} there, and {version} here"
                from skelact.errors import SkelactError
                from skelact.stages.node import NodeWorker
            except ImportError as error:
                return host, f"skelact cannot be imported there: {error}"
            try:
                self.worker = NodeWorker(pickle.loads(setup))
            except SkelactError as error:
                return host, error
            return host, None

        def run(self, task: Any) -> tuple[Any, int]:
            """The result of a task, and the frames that were processed so far."""
            return self.worker.run(task), self.worker.frames

        def frames(self) -> int:
            return self.worker.frames

    return EstimatorActor


@dataclass(kw_only=True, eq=False)
class _Actor:
    """An actor as the driver sees it: the call that is running, and its task (None: it starts)."""

    handle: Any
    call: Any = None
    task: Task | None = None
    node: str = ""
    question: Any = None  # a call for the number of frames
    frames: int = 0  # that were reported


class _Actors:
    """The actors of a cluster, as an executor of a queue."""

    def __init__(
        self,
        ray: Any,
        queue: TaskQueue,
        setup: Setup,
        options: ClusterOptions,
        on_progress: ProgressCallback,
    ) -> None:
        self.ray, self.queue, self.setup, self.on_progress = ray, queue, setup, on_progress
        self.gpus = self._gpus_of_actor(options)
        self.version = import_module("skelact").__version__  # `import` would be a cycle
        self.actors: list[_Actor] = []
        self.failed_starts = 0
        self.capacity, self.has_looked = 0, -math.inf
        self.started = self.had_nodes = self.has_polled = time.monotonic()
        self.is_waiting_reported = False
        self.stored: list[tuple[float, Job]] = []  # videos, with the time
        remote = ray.remote(_actor_class())
        # the second thread answers questions for the number of frames
        self.new_actor = remote.options(
            num_cpus=1, num_gpus=self.gpus, max_concurrency=2, scheduling_strategy="SPREAD"
        ).remote

    def close(self) -> None:
        """End all actors now. Their unfinished cache entries have temporary names."""
        for actor in self.actors:
            self._kill(actor)

    def _kill(self, actor: _Actor) -> None:
        with contextlib.suppress(self.ray.exceptions.RayError):
            self.ray.kill(actor.handle)

    # --- the number of actors ---

    def _nodes(self) -> list[dict[str, float]]:
        """The resources of the nodes that are running."""
        try:
            return [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        except Exception as error:
            raise ClusterError(
                f"The connection to the Ray cluster is lost: {reason(error)}",
                "Start the cluster again, then run the same command. It continues with what is "
                "missing.",
            ) from error

    def _gpus_of_actor(self, options: ClusterOptions) -> float:
        """The fraction of a GPU that each actor uses. Raises ConfigError if none can use one."""
        estimator = self.setup.job.options.estimator
        uses_gpu = get_spec(estimator).parallel == "batches"
        has_gpu = any(node.get("GPU") for node in self._nodes())
        if options.ray_gpus is not None and not (uses_gpu and has_gpu):
            why = "no node has a GPU" if uses_gpu else f"{estimator} does not use a GPU"
            raise ConfigError(f"--ray-gpus {options.ray_gpus:g}: {why}", "Leave out --ray-gpus.")
        return (1 if options.ray_gpus is None else options.ray_gpus) if uses_gpu and has_gpu else 0

    def _look(self) -> None:
        """Count the actors for which the cluster has cores and GPUs. Raises ClusterError if it has
        had none for a while."""
        now = time.monotonic()
        if now - self.has_looked < _LOOK_S:
            return
        self.has_looked, self.capacity = now, 0
        for resources in self._nodes():
            count = int(resources.get("CPU", 0))
            if self.gpus:
                count = min(count, int(resources.get("GPU", 0) / self.gpus))
            self.capacity += count
        if self.capacity:
            self.had_nodes = now
        elif now - self.had_nodes > _PATIENCE_S:
            kind = "GPU" if self.gpus else "core"
            raise ClusterError(
                f"The Ray cluster has had no node with a {kind} for {_PATIENCE_S:.0f} s",
                "Start nodes with `ray start --address HOST:PORT`, then run the same command "
                "again. It continues with what is missing.",
            )

    def _grow(self) -> None:
        """Start actors, as many as there are tasks and cores."""
        while len(self.actors) < min(self.capacity, self.queue.left):
            actor = _Actor(handle=self.new_actor())
            actor.call = actor.handle.start.remote(self.version, pickle.dumps(self.setup))
            self.actors.append(actor)

    # --- tasks ---

    def submit(self, task: Task) -> bool:
        self._look()
        self._grow()
        for actor in self.actors:
            if actor.call is None:
                actor.task, actor.call = task, actor.handle.run.remote(task)
                return True
        return False

    def wait(self) -> list[tuple[Task, Result]]:
        self._look()
        running = {actor.call: actor for actor in self.actors if actor.call is not None}
        if not running:  # no node
            time.sleep(_POLL_S)
            return []
        ready, _ = self.ray.wait(list(running), timeout=_POLL_S)
        self._ask_for_frames()
        self._report_waiting()
        ended = [self._result(running[call]) for call in ready]
        return [(task, result) for task, result in ended if task is not None]

    def _result(self, actor: _Actor) -> tuple[Task | None, Result]:
        """The task of an actor whose call has ended, and its result. Raises ClusterError,
        CacheError and EstimatorError."""
        task, call = actor.task, actor.call
        actor.task = actor.call = None
        try:
            answer = self.ray.get(call)
        except self.ray.exceptions.RayTaskError as error:  # of code outside of `run_task`
            raise ClusterError(f"Node {actor.node or '?'}: {error.cause!r}") from error
        except self.ray.exceptions.RayError as error:
            self._remove(actor, error)
            return task, None
        if task is None:
            actor.node, problem = answer
            if problem is not None:
                raise self._problem(actor, problem)
            self.failed_starts = 0
            return None, None
        result, frames = answer
        self._count(actor, frames)
        if isinstance(result, SkelactError):
            raise self._problem(actor, result)
        if result == "unseen":
            if task.job.path.is_file():
                raise ClusterError(
                    f"Node {actor.node} cannot see {task.job.path}",
                    "Mount the folder of the videos on all machines under the same path.",
                )
            result = Failure.from_error(task.job.path, FileNotFoundError())
        elif task.part is None and result in ("done", "cached"):
            self.stored.append((time.monotonic(), task.job))
        return task, cast(Result, result)

    def _remove(self, actor: _Actor, error: Exception) -> None:
        """Forget an actor that died. Raises ClusterError if actors die while they start."""
        self._kill(actor)
        self.actors.remove(actor)
        self.has_looked = -math.inf
        if actor.node:
            return
        self.failed_starts += 1
        if self.failed_starts >= _FAILED_STARTS:
            raise ClusterError(
                f"{self.failed_starts} actors of the Ray cluster died while they started: "
                f"{reason(error)}",
                "Set the same RAY_AUTH_MODE (token or disabled) as for `ray start`, or look at the "
                "logs of Ray on the nodes, in /tmp/ray/session_latest/logs.",
            )

    def _problem(self, actor: _Actor, problem: str | SkelactError) -> SkelactError:
        if isinstance(problem, str):
            return ClusterError(
                f"Node {actor.node}: {problem}",
                "Install the same version on all machines, in the environment of `ray start`.",
            )
        return type(problem)(f"Node {actor.node}: {problem.message}", problem.hint)

    # --- progress ---

    def _ask_for_frames(self) -> None:
        """Report the frames that busy actors have processed, from time to time."""
        now = time.monotonic()
        if now - self.has_polled < _POLL_S:
            return
        self.has_polled = now
        for actor in self.actors:
            if actor.question is not None:
                if not self.ray.wait([actor.question], timeout=0)[0]:
                    continue
                with contextlib.suppress(self.ray.exceptions.RayError):
                    self._count(actor, self.ray.get(actor.question))
            actor.question = actor.handle.frames.remote() if actor.task is not None else None

    def _count(self, actor: _Actor, frames: int) -> None:
        if frames > actor.frames:
            self.on_progress(Event("extract", "advance", frames - actor.frames))
            actor.frames = frames

    def _report_waiting(self) -> None:
        """Tell the user once if no actor has started for a while."""
        if self.is_waiting_reported or any(actor.node for actor in self.actors):
            return
        if time.monotonic() - self.started > _PATIENCE_S / 3:
            self.is_waiting_reported = True
            text = "Waiting for free cores of the Ray cluster."
            self.on_progress(Event("extract", "notice", text=text))

    # --- after the last task ---

    def wait_until_visible(self) -> None:
        """Wait until this machine sees the newest entries of the cache. Network file systems
        remember for up to a minute that a name did not exist."""
        for at, job in self.stored:
            cache = Cache(job.cache_root)
            while time.monotonic() - at < _PATIENCE_S and cache.find(POSES, job.key) is None:
                time.sleep(_POLL_S)
