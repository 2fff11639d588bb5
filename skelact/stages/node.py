"""What an actor of a Ray cluster does on its node."""

from __future__ import annotations

import os
from dataclasses import dataclass

from skelact.cache import Cache
from skelact.errors import ClusterError, EstimatorError, SkelactError
from skelact.pose.registry import fingerprint_of, open_estimator
from skelact.stages.extraction import POSES, Job
from skelact.stages.tasks import Task, run_task
from skelact.stages.workers import prepare_worker
from skelact.types import Failure


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What a node must agree with. `job` is any job of the batch, `folder` the working folder if
    paths are relative to it, `locked` the key of an entry whose lock the driver holds, if locks of
    the cache hold between machines."""

    job: Job
    folder: str | None
    locked: str | None


class NodeWorker:
    """An estimator and the number of frames that it has processed."""

    def __init__(self, setup: Setup) -> None:
        """Raises ClusterError and EstimatorError if this node cannot work with the driver."""
        self.frames = 0
        if setup.folder is not None:
            try:
                os.chdir(setup.folder)
            except OSError as error:
                raise ClusterError(
                    f"there is no folder {setup.folder}: {error.strerror}",
                    "Run the command in a folder that all machines share under the same path.",
                ) from error
        if setup.locked is not None:
            with Cache(setup.job.cache_root).lock(POSES, setup.locked, wait=False) as acquired:
                if acquired:
                    raise ClusterError(
                        f"the cache {setup.job.cache_root} is another folder there",
                        "Mount the folder of the cache on all machines under the same path, on a "
                        "file system with locks, and name it with --cache-dir.",
                    )
        prepare_worker()
        options = setup.job.options
        if fingerprint_of(options) != setup.job.fingerprint:
            raise EstimatorError(
                f"the weights of {options.estimator} are other files there",
                "Install the same weights on all machines, see `skelact doctor`.",
            )
        self.estimator = open_estimator(options)

    def run(self, task: Task) -> str | Failure | SkelactError:
        """The result of a task, "unseen" if this node does not have its video, or the error that
        ends the batch."""
        if not task.job.path.is_file():
            return "unseen"
        try:
            return run_task(task, self.estimator, self._count)
        except SkelactError as error:
            return error

    def _count(self, frames: int) -> None:
        self.frames += frames
