"""The estimator: frames in, persons with ids out, a bounded number of frames later."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby

import numpy as np

from skelact.errors import EstimatorError
from skelact.pose.base import EstimatorSpec, EstimatorStatus, FrameRef, PoseOptions
from skelact.pose.blazepose import detector, landmarks
from skelact.pose.blazepose.detector import Detection, Tile
from skelact.pose.blazepose.finder import DetailFinder
from skelact.pose.blazepose.follow import Follower, FollowOptions, Vision
from skelact.pose.blazepose.landmarks import SKELETON, Fit, Region
from skelact.pose.blazepose.network import Networks
from skelact.pose.blazepose.schedule import Schedule
from skelact.pose.blazepose.smooth import radius, sigma_frames, smooth
from skelact.pose.blazepose.track import Track
from skelact.pose.blazepose.weights import check, fingerprint, pull
from skelact.pose.track import TrackOptions
from skelact.skeletons import with_details
from skelact.types import PersonPose
from skelact.video.decode import Frame

_VERIFY_S = 1.5  # evidence that is collected before the first pose of a track is released
_MIN_S, _LOST_S = 0.5, 0.3  # shorter tracks are dropped, once their person is lost for this time
_OVERLAP_S = 3.0  # shortest overlap of the parts of a long video
# if there are too many persons: the advantage of those of the previous frame, and the length of a
# track from which its quality counts fully
_SELECTED, _FULL_WEIGHT_S = 0.4, 0.5


class NetworkVision:
    """See Vision."""

    def __init__(self) -> None:
        self.networks = Networks()

    def detect(self, image: Frame, tile: Tile, min_score: float) -> list[Detection]:
        return detector.detect(self.networks, image, tile, min_score)

    def fit(self, image: Frame, region: Region, mirrored: bool = False) -> Fit:
        return landmarks.fit(self.networks, image, region, mirrored)


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


class Timeline:
    """Holds the poses of a video back until it is known which tracks are persons and which frames
    follow, which smoothing needs. `hold` is the number of frames that wait."""

    def __init__(
        self, vision: Vision, details: DetailFinder, first: FrameRef, options: PoseOptions
    ) -> None:
        height, width = first.image.shape[:2]
        fps = first.fps
        self.options, self.details, self.fps = options, details, fps
        schedule = Schedule(
            width=width,
            height=height,
            fps=fps,
            every_s=options.detect_every_s,
            small_people=options.small_people,
        )
        backwards = max(schedule.every, round(options.backfill_s * fps))
        self.reach = radius(options.smoothing, fps)
        self.hold = backwards + round(_VERIFY_S * fps) + self.reach
        self.follower = Follower(
            vision,
            schedule,
            FollowOptions(
                min_confidence=options.min_confidence,
                tracking_confidence=options.tracking_confidence or options.min_confidence,
                max_persons=options.max_persons,
                max_age=max(1, round(TrackOptions().max_age_s * fps)),
                backwards=backwards,
                fps=fps,
            ),
        )
        self.next = 0  # the frame that is released next
        self.ids = 0
        self.selected: list[Track] = []  # in the frame that was released last

    def add(self, image: Frame) -> None:
        """Process the next frame."""
        follower = self.follower
        follower.add(image)
        self.details.add(follower.tracks, follower.frame, image, follower.past)

    def release(self) -> list[PersonPose]:
        """The persons of the next frame, the most certain ones if there are too many."""
        number, self.next = self.next, self.next + 1
        tracks = self.follower.tracks
        candidates = [t for t in tracks if self._may_appear(t, number) and self._is_person(t)]
        candidates.sort(key=self._rank, reverse=True)
        self.selected = candidates[: self.options.max_persons]
        chosen = [t for t in self.selected if number in t.fits]
        for track in chosen:
            if track.person_id < 0:
                track.person_id, self.ids = self.ids, self.ids + 1
        people = [self._pose(t, number) for t in sorted(chosen, key=lambda t: t.person_id)]
        for track in tracks:
            track.fits.pop(number - self.reach, None)
        self.follower.tracks = [t for t in tracks if not t.ended or any(n > number for n in t.fits)]
        return people

    def _may_appear(self, track: Track, number: int) -> bool:
        """Whether a track has a pose in a frame. A selected one that is only missing for a moment
        keeps its place, so that nobody else is shown in between."""
        if number in track.fits:
            return True
        return track in self.selected and any(n > number for n in track.fits)

    def _rank(self, track: Track) -> float:
        evidence = track.evidence
        weight = min(1.0, evidence.frames / (_FULL_WEIGHT_S * self.fps))
        return evidence.quality * weight + (_SELECTED if track in self.selected else 0)

    def _is_person(self, track: Track) -> bool:
        lost = track.ended or track.missed > _LOST_S * self.fps
        evidence = track.evidence
        if lost and evidence.frames < min(_MIN_S * self.fps, self.follower.frame):
            return False
        track.accepted = evidence.is_person(track.accepted, self.options.min_confidence)
        return track.accepted

    def _pose(self, track: Track, number: int) -> PersonPose:
        pose = self.details.joints(track.fits[number])
        xy, xyz = pose.xy, pose.xyz
        if self.reach:
            near = [
                n for n in range(number - self.reach, number + self.reach + 1) if n in track.fits
            ]
            if len(near) > 1:
                poses = [self.details.joints(track.fits[n]) for n in near]
                offsets = np.array(near) - number
                score = np.stack([p.score for p in poses])
                sigma = sigma_frames(self.options.smoothing, self.fps)
                xy = smooth(np.stack([p.xy for p in poses]), score, offsets, sigma)
                xyz = smooth(np.stack([p.xyz for p in poses]), score, offsets, sigma)
        return PersonPose(xy, pose.score, xyz=xyz, person_id=track.person_id)


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
    ),
)
