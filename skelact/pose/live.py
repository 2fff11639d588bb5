"""Pose estimators for frames that arrive one by one."""

from __future__ import annotations

from collections import deque

import numpy as np

from skelact.errors import ConfigError
from skelact.pose.base import Estimator, FrameRef, LiveEstimator, PoseOptions, get_spec
from skelact.pose.mirrored import flip_pose
from skelact.pose.registry import resolve
from skelact.pose.track import Tracker
from skelact.types import PersonPose
from skelact.video.decode import Frame


def open_live(options: PoseOptions, fps: float, keep_s: float) -> LiveEstimator:
    """The estimator of the options for a camera of so many frames per second; it keeps the poses of
    the last `keep_s` seconds. Raises EstimatorError if it cannot run, ConfigError if it needs later
    frames."""
    options = resolve(options)
    spec = get_spec(options.estimator)
    if spec.live is not None:
        estimator: LiveEstimator = spec.live(options, fps, keep_s)
    elif spec.gives_ids:
        raise ConfigError(
            f"{spec.name} needs later frames and does not work on a camera", "Use --pose blazepose."
        )
    else:
        estimator = FrameByFrame(spec.open(options), fps, keep_s)
    return MirroredLive(estimator) if options.mirrored else estimator


class FrameByFrame:
    """See LiveEstimator. An estimator that treats every frame by itself, and the tracker that is
    used for files."""

    def __init__(self, estimator: Estimator, fps: float, keep_s: float) -> None:
        self.estimator, self.fps, self.keep_s = estimator, fps, keep_s
        self.name, self.skeleton = estimator.name, estimator.skeleton
        self.tracker = Tracker(estimator.skeleton, fps)
        self.frames: deque[tuple[float, list[PersonPose]]] = deque()

    def add(self, image: Frame, time_s: float) -> list[PersonPose]:
        """See LiveEstimator."""
        frame = FrameRef(video=0, frame=0, fps=self.fps, image=image)
        ((_, found),) = self.estimator.run([frame])
        last_s = self.frames[-1][0] if self.frames else time_s
        steps = max(1, round((time_s - last_s) * self.fps))
        people = self.tracker.update(found, steps)
        self.frames.append((time_s, people))
        while self.frames[0][0] < time_s - self.keep_s:
            self.frames.popleft()
        return people

    def recent(self, since_s: float) -> tuple[list[float], list[list[PersonPose]]]:
        """See LiveEstimator."""
        frames = [(time_s, people) for time_s, people in self.frames if time_s >= since_s]
        return [time_s for time_s, _ in frames], [people for _, people in frames]


class MirroredLive:
    """See LiveEstimator. Another one that runs on mirrored frames; its poses are flipped back."""

    def __init__(self, estimator: LiveEstimator) -> None:
        self.estimator, self.width = estimator, 0
        self.name, self.skeleton = estimator.name, estimator.skeleton

    def add(self, image: Frame, time_s: float) -> list[PersonPose]:
        """See LiveEstimator."""
        self.width = image.shape[1]
        return self._flipped(self.estimator.add(np.ascontiguousarray(image[:, ::-1]), time_s))

    def recent(self, since_s: float) -> tuple[list[float], list[list[PersonPose]]]:
        """See LiveEstimator."""
        times, frames = self.estimator.recent(since_s)
        return times, [self._flipped(people) for people in frames]

    def _flipped(self, people: list[PersonPose]) -> list[PersonPose]:
        return [flip_pose(p, self.skeleton, self.width) for p in people]
