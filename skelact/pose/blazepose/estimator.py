"""The estimator: frames in, persons with ids out, a bounded number of frames later."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby

import numpy as np

from skelact.errors import EstimatorError
from skelact.pose.base import EstimatorSpec, EstimatorStatus, FrameRef, PoseOptions
from skelact.pose.blazepose.causal import CausalBlazePose
from skelact.pose.blazepose.finder import DetailFinder
from skelact.pose.blazepose.follow import Vision
from skelact.pose.blazepose.landmarks import SKELETON
from skelact.pose.blazepose.timeline import Timeline
from skelact.pose.blazepose.vision import NetworkVision
from skelact.pose.blazepose.weights import check, fingerprint, pull
from skelact.skeletons import with_details
from skelact.types import PersonPose

_OVERLAP_S = 3.0  # shortest overlap of the parts of a long video


class BlazePose:
    """See Estimator. xyz holds the world landmarks: metres, origin between the hips."""

    name = "blazepose"

    def __init__(
        self,
        options: PoseOptions,
        vision: Vision | None = None,
        details: DetailFinder | None = None,
    ) -> None:
        self.options = options
        self.skeleton = with_details(SKELETON, hands=options.hands, face=options.face)
        self.fingerprint = _fingerprint(options) if vision is None else "test"
        self.vision = vision or NetworkVision()
        self.details = details or DetailFinder.load(hands=options.hands, face=options.face)

    def run(self, frames: Iterable[FrameRef]) -> Iterator[tuple[FrameRef, list[PersonPose]]]:
        """See Estimator. The persons have ids, and the frames are returned without pixels."""
        for _, video in groupby(frames, key=lambda f: f.video):
            yield from self._video(video)

    def _video(self, frames: Iterable[FrameRef]) -> Iterator[tuple[FrameRef, list[PersonPose]]]:
        timeline: Timeline | None = None
        waiting: deque[FrameRef] = deque()
        for frame in frames:
            if timeline is None:
                timeline = Timeline(self.vision, self.details, frame, self.options)
            timeline.add(frame.image)
            waiting.append(without_pixels(frame))
            if len(waiting) > timeline.hold:
                yield waiting.popleft(), timeline.release()
        while timeline is not None and waiting:
            yield waiting.popleft(), timeline.release()


def without_pixels(frame: FrameRef) -> FrameRef:
    """The frame with an image of the same shape that takes no memory."""
    return replace(frame, image=np.broadcast_to(np.uint8(0), frame.image.shape))


def _fingerprint(options: PoseOptions) -> str:
    return fingerprint(hands=options.hands, face=options.face)


def overlap_s(options: PoseOptions) -> float:
    """Overlap of the parts of a long video: a person who is found in its second half is tracked
    backwards to its middle."""
    return max(_OVERLAP_S, 2 * options.backfill_s, 2 * options.detect_every_s)


def _status() -> EstimatorStatus:
    try:
        where = check()
    except EstimatorError as error:
        return EstimatorStatus(ready=False, text=error.message, fix=error.hint)
    return EstimatorStatus(ready=True, text=f"ready (weights in {where})")


ESTIMATORS = (
    EstimatorSpec(
        name=BlazePose.name,
        open=BlazePose,
        fingerprint=_fingerprint,
        status=_status,
        pull=pull,
        parallel="processes",
        gives_ids=True,
        options=(
            "tracking_confidence",
            "backfill_s",
            "detect_every_s",
            "small_people",
            "smoothing",
            "hands",
            "face",
        ),
        overlap_s=overlap_s,
        auto_rank=0,
        live=CausalBlazePose,
    ),
)
