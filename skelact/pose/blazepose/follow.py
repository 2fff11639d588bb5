"""Follow every person of a video from frame to frame, each by a region of its own.

Persons are found by the detector, then followed by the landmark network alone, one inference per
person and frame. If two tracks end up on one body, that person keeps the track that it fits better;
the other person counts as hidden, is predicted, and gets the track back when found again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Protocol

import numpy as np

from skelact.pose.blazepose.appearance import colours, difference
from skelact.pose.blazepose.detector import Detection, Tile, is_same, merge_detections
from skelact.pose.blazepose.landmarks import Fit, Region
from skelact.pose.blazepose.past import Past
from skelact.pose.blazepose.schedule import SceneCuts, Schedule
from skelact.pose.blazepose.track import Motion, Track
from skelact.pose.blazepose.verify import Check, Evidence, same_pose
from skelact.types import Floats
from skelact.video.decode import Frame

_SAME_BODY = 0.5  # OKS of two poses on one body
_NEAR = 0.22  # distance of a detection to the person it confirms, as a fraction of the region
_KNOWN = 0.35  # OKS of a detection with a person who is followed
_CLOSE = 0.35  # distance of two persons who overlap, as a fraction of a region
_STRICT_SIZE, _LOOSE_SIZE = 1.35, 2.0  # change of size near another person, and alone
_COLOUR_MARGIN = 0.05
_MIN_REGION = 16.0  # side of a region in pixels
_URGENT_S = 1.0  # time for which a lost person is searched often
_WEAK = 0.3  # factor of the threshold for poses that fill short gaps
_RETRY_S = 0.3  # time for which a lost person is searched at the predicted position
_SHIFT = 0.2  # of the region, away from the other person, for the second attempt
_REACH, _REACH_PER_S = 0.6, 0.8  # distance at which a lost person may appear, in body sizes
_COLOURS_EVERY = 3  # frames between two updates of the colours
_COLOURS_DIFFER = 0.25
_CHECKS, _CHECK_S, _DOUBT_CHECK_S = (
    3,
    2.0,
    1.0,
)  # checks at every detection, then in these intervals
_FORGET_S = 1.0  # time for which a region is not searched again that showed nobody


class Vision(Protocol):
    """The two networks, applied to BGR frames."""

    def detect(self, image: Frame, tile: Tile, min_score: float) -> list[Detection]:
        """The persons in a tile."""
        ...

    def fit(self, image: Frame, region: Region, mirrored: bool = False) -> Fit:
        """The person in a region."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowOptions:
    """Thresholds of detector and landmarks, and limits in frames."""

    min_confidence: float
    tracking_confidence: float
    max_persons: int
    max_age: int
    backwards: int
    fps: float


class Follower:
    """Follows the persons of one video. `tracks` are all that may get another pose; those that
    ended are removed by the owner, who needs their poses."""

    def __init__(self, vision: Vision, schedule: Schedule, options: FollowOptions) -> None:
        self.vision, self.schedule, self.options = vision, schedule, options
        self.cuts, self.past = SceneCuts(), Past(options.backwards)
        self.tracks: list[Track] = []
        self.frame = -1
        self._images = -1  # number of this image; differs from `frame` where frames are left out
        self._stride = 1
        self._rejected: list[tuple[int, Region]] = []

    def add(self, image: Frame, steps: int = 1) -> None:
        """Process the next frame, or with `steps` above 1 a later one: those between are missing.
        After a gap that is longer than a track may be lost, a scene starts."""
        self.frame, self._images, self._stride = self.frame + steps, self._images + 1, steps
        cut = self.cuts.is_cut(image) or steps > self.options.max_age
        for track in self.tracks:
            track.evidence.stride = steps
        if cut:
            for track in self.tracks:
                track.ended = True
            self.past.clear()
            self._rejected.clear()
        self._follow(image)
        active = self._active()
        tiles = self.schedule.tiles(
            cut=cut,
            followed=sum(not t.missed for t in active),
            doubtful=any(self._is_doubtful(t) for t in active),
            steps=steps,
        )
        if tiles:
            self._detect(image, tiles)
        self.past.append(self.frame, image)

    def _is_doubtful(self, track: Track) -> bool:
        """Whether the next detections are urgent: for a new person, and for one who was lost."""
        missed = 0 < track.missed <= _URGENT_S * self.options.fps
        evidence = track.evidence
        return evidence.checks < _CHECKS or (
            missed and evidence.may_start(self.options.min_confidence)
        )

    def _active(self) -> list[Track]:
        return [t for t in self.tracks if not t.ended]

    def _seen(self) -> list[Track]:
        """Tracks with a pose in this frame."""
        return [t for t in self._active() if t.motion.frame == self.frame]

    # --- from frame to frame ----------------------------------------------------------------------

    def _follow(self, image: Frame) -> None:
        fits: list[tuple[Track, Fit]] = []
        for track in self._active():
            if track.rival is not None or track.missed <= _RETRY_S * self.options.fps:
                fit = self.vision.fit(image, track.region)
                if self._is_good(fit):
                    fits.append((track, fit))
                elif self._is_good(fit, _WEAK) and self._is_own(image, track, fit):
                    track.weak[self.frame] = fit
        fits = self._separate(image, fits)
        fits = [(t, f) for t, f in fits if self._is_own(image, t, f)]
        for track, fit in fits:
            self._see(image, track, fit, [f for t, f in fits if t is not track])
        for track in self._active():
            if track.motion.frame < self.frame:
                track.miss(self.frame)
                track.ended = track.missed > self.options.max_age

    def _is_good(self, fit: Fit, factor: float = 1.0) -> bool:
        return (
            fit.presence >= factor * self.options.tracking_confidence
            and fit.region.size >= _MIN_REGION
            and bool(np.isfinite(fit.xy).all())
        )

    def _is_own(self, image: Frame, track: Track, fit: Fit) -> bool:
        """Whether a pose near another person is that of the track: its size has not jumped, and its
        colours are not those of the other person."""
        others = [t for t in self._active() if t is not track and _overlap(fit, t.motion.fit)]
        ratio = fit.region.size / track.size
        if not others:
            return 1 / _LOOSE_SIZE < ratio < _LOOSE_SIZE
        if not 1 / _STRICT_SIZE < ratio < _STRICT_SIZE:
            return False
        shades = colours(image, fit.xy)
        mine = difference(shades, track.colours)
        return mine <= min(difference(shades, t.colours) for t in others) + _COLOUR_MARGIN

    def _see(self, image: Frame, track: Track, fit: Fit, others: Sequence[Fit]) -> None:
        alone = not any(_overlap(fit, other) for other in others)
        due = self._images % _COLOURS_EVERY == 0
        track.see(self.frame, fit, colours(image, fit.xy) if alone and due else None)

    def _separate(self, image: Frame, fits: list[tuple[Track, Fit]]) -> list[tuple[Track, Fit]]:
        """The poses without those of tracks that ended up on the body of another track. Such a
        track gets a second attempt beside that body, and counts as hidden if it fails."""
        while True:
            close = [(a, b) for a, b in combinations(fits, 2) if _overlap(a[1], b[1])]
            shared = [(same_pose(a[1], b[1]), a, b) for a, b in close]
            similarity, a, b = max(shared, key=lambda s: s[0], default=(0.0, None, None))
            if similarity <= _SAME_BODY or a is None or b is None:
                return fits
            if a[0].rival is b[0] or b[0].rival is a[0]:  # the visible one keeps the body
                winner, loser = (b, a) if a[0].rival is b[0] else (a, b)
            else:
                costs = [t.cost(self.frame, f, colours(image, f.xy)) for t, f in (a, b)]
                winner, loser = (a, b) if costs[0] <= costs[1] else (b, a)
            fits = [f for f in fits if f[0] is not loser[0]]
            again = self._beside(image, loser[0], winner[1])
            if again is not None and all(same_pose(again, f) <= _SAME_BODY for _, f in fits):
                fits.append((loser[0], again))
            elif loser[0].rival is None:
                loser[0].rival, loser[0].rival_before = winner[0], winner[0].motion

    def _beside(self, image: Frame, track: Track, other: Fit) -> Fit | None:
        """The pose of a track in its predicted region, shifted away from another person."""
        region = track.motion.fit.region
        away = track.predicted(self.frame).mean(axis=0) - other.xy.mean(axis=0)
        length = float(np.linalg.norm(away))
        if length < 1:
            return None
        moved = np.median(track.predicted(self.frame) - track.motion.fit.xy, axis=0)
        shift = moved + away / length * (_SHIFT * region.size)
        fit = self.vision.fit(image, region.moved(shift))
        return fit if self._is_good(fit) else None

    # --- detection --------------------------------------------------------------------------------

    def _detect(self, image: Frame, tiles: Sequence[Tile]) -> None:
        found = merge_detections(
            [
                d
                for tile in tiles
                for d in self.vision.detect(image, tile, self.options.min_confidence)
            ]
        )
        recent = self.frame - _FORGET_S * self.options.fps
        self._rejected = [(n, region) for n, region in self._rejected if n > recent]
        scores: dict[int, float] = {}
        attempts = 2 * self.options.max_persons
        for detection in found:
            owner = self._owner(detection.region)
            if owner is None and attempts and detection.region.size >= _MIN_REGION:
                attempts -= 1
                owner = self._new(image, detection)
            if owner is not None:
                scores[id(owner)] = max(scores.get(id(owner), 0.0), detection.score)
        for track in self._seen():
            score = scores.get(id(track), 0.0)
            if self._needs_check(track, score):
                self._check(image, track, score)
                self._give_up(track)

    def _owner(self, region: Region) -> Track | None:
        """The visible track that a detection belongs to."""
        near = [t for t in self._seen() if is_same(region, t.region, _NEAR)]
        return min(near, key=lambda t: _distance(t.region, region), default=None)

    def _new(self, image: Frame, detection: Detection) -> Track | None:
        """The track of a detection that no visible track explains: a lost one, or a new one."""
        if any(is_same(detection.region, region) for _, region in self._rejected):
            return None
        fit = self.vision.fit(image, detection.region)
        if not self._is_good(fit):
            self._rejected.append((self.frame, detection.region))
            return None
        seen = self._seen()
        known = [(same_pose(fit, t.motion.fit), t) for t in seen]
        best = max(known, key=lambda k: k[0], default=(0.0, None))
        if best[0] > _KNOWN:
            return best[1]
        shades = colours(image, fit.xy)
        track = self._returning(fit, shades)
        if track is not None:
            self._untangle(image, track, fit, shades)
            if track.motion.frame == self.frame:
                return track
            gap = track.motion.frame
            others = [t.motion.fit for t in seen]
            self._see(image, track, fit, others)
            self._backwards(track, gap)
            return track
        if len(self._active()) >= self.options.max_persons + 2 or len(seen) > (
            self.options.max_persons
        ):
            return None
        track = Track(
            born=self.frame,
            motion=Motion(frame=self.frame, fit=fit, velocity=np.zeros(2, np.float32)),
            region=fit.region,
            evidence=Evidence(fps=self.options.fps, stride=self._stride),
            colours=shades,
            size=fit.region.size,
            fps=self.options.fps,
        )
        track.add(self.frame, fit)
        self._check(image, track, detection.score)
        if not track.evidence.may_start(self.options.min_confidence):
            self._rejected.append((self.frame, detection.region))
            return None
        self.tracks.append(track)
        self._backwards(track, self.frame - self.options.backwards - 1)
        return track

    def _returning(self, fit: Fit, shades: Floats) -> Track | None:
        """The lost or hidden track whose person a new pose is."""
        candidates = []
        for track in self._active():
            if track.motion.frame == self.frame:
                continue
            size, other = fit.region.size, track.size
            if not 1 / 1.7 < size / other < 1.7:
                continue
            away = (self.frame - track.motion.frame) / self.options.fps
            gap = np.median(np.linalg.norm(fit.xy - track.predicted(self.frame), axis=1))
            reach = (_REACH + _REACH_PER_S * away) * other / 2
            colour = difference(shades, track.colours)
            if gap < reach and colour < _COLOURS_DIFFER:
                candidates.append((float(gap) / reach + 2 * colour, track))
        return min(candidates, key=lambda c: c[0], default=(0.0, None))[1]

    def _untangle(self, image: Frame, track: Track, fit: Fit, shades: Floats) -> None:
        """A hidden person reappears: exchange the identities with the person in front if that
        explains both poses better."""
        rival, before = track.rival, track.rival_before
        if rival is None or before is None or rival.ended or rival.motion.frame != self.frame:
            return
        front = rival.motion.fit
        front_shades = colours(image, front.xy)
        keep = track.cost(self.frame, fit, shades)
        keep += rival.cost(self.frame, front, front_shades, before)
        swap = track.cost(self.frame, front, front_shades)
        swap += rival.cost(self.frame, fit, shades, before)
        if swap < keep:
            rival.exchange(track, since=track.motion.frame + 1)

    def _backwards(self, track: Track, until: int) -> None:
        """Follow a track backwards from its pose in this frame, to the frame after `until`, as long
        as the person is found and nobody else is there."""
        region = track.motion.fit.region
        for number, image, scale in self.past.backwards():
            if number <= until:
                return
            fit = self.vision.fit(image, scaled_region(region, scale))
            if scale != 1:
                fit = scaled_fit(fit, 1 / scale)
            others = [t.fits[number] for t in self.tracks if t is not track and number in t.fits]
            if not self._is_good(fit) or any(same_pose(fit, o) > _KNOWN for o in others):
                return
            track.add(number, fit)
            region = fit.region

    # --- evidence ---------------------------------------------------------------------------------

    def _needs_check(self, track: Track, score: float) -> bool:
        evidence = track.evidence
        if evidence.checks < _CHECKS:
            return evidence.last_check < self.frame
        interval = _CHECK_S if score else _DOUBT_CHECK_S
        return self.frame - evidence.last_check >= interval * self.options.fps

    def _give_up(self, track: Track) -> None:
        """End a track that is certainly not a person."""
        if track.accepted or track.evidence.checks < _CHECKS:
            return
        if track.evidence.is_hopeless(self.options.min_confidence):
            track.ended = True
            self._rejected.append((self.frame, track.region))

    def _check(self, image: Frame, track: Track, score: float) -> Check:
        fit = track.motion.fit
        again = self.vision.fit(image, fit.region, mirrored=True)
        check = Check(frame=self.frame, mirror=same_pose(fit, again), detector=score)
        track.evidence.add_check(check)
        return check


def _overlap(a: Fit, b: Fit) -> bool:
    """Whether two persons are so close that one may hide parts of the other."""
    return _distance(a.region, b.region) < _CLOSE * max(a.region.size, b.region.size)


def _distance(a: Region, b: Region) -> float:
    return float(np.hypot(a.x - b.x, a.y - b.y))


def scaled_region(region: Region, scale: float) -> Region:
    """A region in a frame that was resized by `scale`."""
    return Region(
        x=region.x * scale, y=region.y * scale, size=region.size * scale, angle=region.angle
    )


def scaled_fit(fit: Fit, scale: float) -> Fit:
    """A pose in a frame that was resized by `scale`."""
    return replace(fit, xy=fit.xy * np.float32(scale), region=scaled_region(fit.region, scale))
