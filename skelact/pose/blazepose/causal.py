"""Poses as they arrive, for cameras: nothing waits for later frames.

The same detector, landmarks and association as for files. What a file gets from later frames is
different: a person is shown once the evidence suffices, new persons are not tracked backwards, and
the pose of the newest frame is smoothed by a filter that looks back only. Older poses are kept for
a while: those of a person who was accepted late, and those whose identities were exchanged, are
right when `recent` returns them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from skelact.pose.base import FrameRef, PoseOptions
from skelact.pose.blazepose.finder import DetailFinder
from skelact.pose.blazepose.follow import Vision
from skelact.pose.blazepose.landmarks import SKELETON
from skelact.pose.blazepose.smooth import radius
from skelact.pose.blazepose.timeline import LOST_S, Timeline
from skelact.pose.blazepose.track import Track
from skelact.pose.blazepose.vision import NetworkVision
from skelact.skeletons import with_details
from skelact.types import PersonPose
from skelact.video.decode import Frame

# Without later frames, a line is fitted to twice as many earlier ones. This was nearer to the poses
# of files, and calmer, than one-euro filters: 0.0096 and at best 0.0110 torso lengths away on the
# clips of `python -m benchmarks live causal`.
_SPREAD = 2.0


class CausalTimeline(Timeline):
    """The poses of one scene so far, those of the last `keep_s` seconds. The numbers of frames grow
    with their times at the rate `first.fps`, by 1 at least; numbers without a frame are normal."""

    def __init__(
        self,
        vision: Vision,
        details: DetailFinder,
        first: FrameRef,
        options: PoseOptions,
        keep_s: float,
    ) -> None:
        super().__init__(vision, details, first, options, backwards=False)
        self.shape = first.image.shape
        self.keep_s = keep_s
        self.last_s: float | None = None
        self.rest = 0.0  # of the time since the last frame, in frames, after rounding
        self.times: dict[int, float] = {}  # by frame
        self.reach_back = radius(_SPREAD * options.smoothing, self.fps)

    def add_at(self, image: Frame, time_s: float) -> list[PersonPose]:
        """The persons of a frame at a time in seconds, which must be later than the last one."""
        follower = self.follower
        passed = 1.0 if self.last_s is None else (time_s - self.last_s) * self.fps + self.rest
        steps = max(1, round(passed))
        # a source that is faster than it says must not hide a gap that follows
        self.last_s, self.rest = time_s, max(-0.5, passed - steps)
        follower.add(image, steps)
        number = follower.frame
        self.details.add(follower.tracks, number, image, follower.past)
        self.times[number] = time_s
        people = [self._newest(t, number) for t in self.select(number)]
        self._forget(time_s - self.keep_s)
        return people

    def recent(self, since_s: float) -> tuple[list[float], list[list[PersonPose]]]:
        """See LiveEstimator."""
        tracks = [t for t in self.follower.tracks if t.person_id >= 0]
        tracks.sort(key=lambda t: t.person_id)
        numbers = [n for n, time_s in self.times.items() if time_s >= since_s]
        return [self.times[n] for n in numbers], [
            [self._pose(t, n) for t in tracks if n in t.fits] for n in numbers
        ]

    def _may_appear(self, track: Track, number: int) -> bool:
        if number in track.fits:
            return True
        return track in self.selected and track.missed <= LOST_S * self.fps

    def _newest(self, track: Track, number: int) -> PersonPose:
        """The pose of the newest frame, smoothed by the frames before it."""
        near = [n for n in range(number - self.reach_back, number + 1) if n in track.fits]
        return self._smoothed(track, number, near, _SPREAD)

    def _offsets(self, near: Sequence[int], number: int) -> npt.NDArray[np.float64]:
        """By the true times of the frames, which may be irregular."""
        return np.array([self.times[n] - self.times[number] for n in near]) * self.fps

    def _forget(self, before_s: float) -> None:
        for n in [n for n, time_s in self.times.items() if time_s < before_s]:
            del self.times[n]
        oldest = min(self.times)
        for track in self.follower.tracks:
            for n in [n for n in track.fits if n < oldest]:
                del track.fits[n]
        self.follower.tracks = [
            t for t in self.follower.tracks if not t.ended or (t.person_id >= 0 and t.fits)
        ]


class CausalBlazePose:
    """See LiveEstimator. A frame of another size starts a scene with new persons."""

    name = "blazepose"

    def __init__(
        self,
        options: PoseOptions,
        fps: float,
        keep_s: float,
        vision: Vision | None = None,
        details: DetailFinder | None = None,
    ) -> None:
        self.options, self.fps, self.keep_s = options, fps, keep_s
        self.skeleton = with_details(SKELETON, hands=options.hands, face=options.face)
        self.vision = vision or NetworkVision()
        self.details = details or DetailFinder.load(hands=options.hands, face=options.face)
        self.timeline: CausalTimeline | None = None

    def add(self, image: Frame, time_s: float) -> list[PersonPose]:
        """See LiveEstimator."""
        if self.timeline is None or self.timeline.shape != image.shape:
            ids = 0 if self.timeline is None else self.timeline.ids
            first = FrameRef(video=0, frame=0, fps=self.fps, image=image)
            self.timeline = CausalTimeline(
                self.vision, self.details, first, self.options, self.keep_s
            )
            self.timeline.ids = ids
        return self.timeline.add_at(image, time_s)

    def recent(self, since_s: float) -> tuple[list[float], list[list[PersonPose]]]:
        """See LiveEstimator."""
        return ([], []) if self.timeline is None else self.timeline.recent(since_s)
