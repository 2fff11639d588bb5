"""The poses of one video over time: which tracks are persons, who is shown, and smoothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from skelact.pose.base import FrameRef, PoseOptions
from skelact.pose.blazepose.finder import DetailFinder
from skelact.pose.blazepose.follow import Follower, FollowOptions, Vision
from skelact.pose.blazepose.schedule import Schedule
from skelact.pose.blazepose.smooth import radius, sigma_frames, smooth
from skelact.pose.blazepose.track import Track
from skelact.pose.track import TrackOptions
from skelact.types import PersonPose
from skelact.video.decode import Frame

_VERIFY_S = 1.5  # evidence that is collected before the first pose of a track is released
_MIN_S, LOST_S = 0.5, 0.3  # shorter tracks are dropped, once their person is lost for this time
# if there are too many persons: the advantage of those of the previous frame, and the length of a
# track from which its quality counts fully
_SELECTED, _FULL_WEIGHT_S = 0.4, 0.5


class Timeline:
    """Holds the poses of a video back until it is known which tracks are persons and which frames
    follow, which smoothing needs. `hold` is the number of frames that wait."""

    def __init__(
        self,
        vision: Vision,
        details: DetailFinder,
        first: FrameRef,
        options: PoseOptions,
        *,
        backwards: bool = True,
    ) -> None:
        """With `backwards` False, new persons are not tracked backwards."""
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
        past = max(schedule.every, round(options.backfill_s * fps)) if backwards else 0
        self.reach = radius(options.smoothing, fps)
        self.hold = past + round(_VERIFY_S * fps) + self.reach
        self.follower = Follower(
            vision,
            schedule,
            FollowOptions(
                min_confidence=options.min_confidence,
                tracking_confidence=options.tracking_confidence or options.min_confidence,
                max_persons=options.max_persons,
                max_age=max(1, round(TrackOptions().max_age_s * fps)),
                backwards=past,
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
        people = [self._pose(t, number) for t in self.select(number)]
        tracks = self.follower.tracks
        for track in tracks:
            track.fits.pop(number - self.reach, None)
        self.follower.tracks = [t for t in tracks if not t.ended or any(n > number for n in t.fits)]
        return people

    def select(self, number: int) -> list[Track]:
        """The tracks that are shown in a frame, by their ids; new ones get an id."""
        tracks = self.follower.tracks
        candidates = [t for t in tracks if self._may_appear(t, number) and self._is_person(t)]
        candidates.sort(key=self._rank, reverse=True)
        self.selected = candidates[: self.options.max_persons]
        chosen = [t for t in self.selected if number in t.fits]
        for track in chosen:
            if track.person_id < 0:
                track.person_id, self.ids = self.ids, self.ids + 1
        return sorted(chosen, key=lambda t: t.person_id)

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
        lost = track.ended or track.missed > LOST_S * self.fps
        evidence = track.evidence
        if lost and evidence.frames < min(_MIN_S * self.fps, self.follower.frame):
            return False
        track.accepted = evidence.is_person(track.accepted, self.options.min_confidence)
        return track.accepted

    def _pose(self, track: Track, number: int) -> PersonPose:
        near = [n for n in range(number - self.reach, number + self.reach + 1) if n in track.fits]
        return self._smoothed(track, number, near)

    def _smoothed(
        self, track: Track, number: int, near: Sequence[int], spread: float = 1.0
    ) -> PersonPose:
        """The pose of a frame, smoothed by those of the frames `near`; `spread` is a factor of the
        width of their weights."""
        pose = self.details.joints(track.fits[number])
        xy, xyz = pose.xy, pose.xyz
        if self.reach and len(near) > 1:
            poses = [self.details.joints(track.fits[n]) for n in near]
            offsets = self._offsets(near, number)
            score = np.stack([p.score for p in poses])
            sigma = spread * sigma_frames(self.options.smoothing, self.fps)
            xy = smooth(np.stack([p.xy for p in poses]), score, offsets, sigma)
            xyz = smooth(np.stack([p.xyz for p in poses]), score, offsets, sigma)
        return PersonPose(xy, pose.score, xyz=xyz, person_id=track.person_id)

    def _offsets(self, near: Sequence[int], number: int) -> npt.NDArray[np.float64]:
        """The distances of frames to the frame `number` in time, in frames."""
        return np.array(near, np.float64) - number
