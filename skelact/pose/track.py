"""Person tracking: assign ids to the persons of successive frames by Object Keypoint Similarity and
Hungarian assignment.

OKS as in COCO: the mean over the joints of exp(-d² / (2 s² k²)), where d is the distance, s² the
area of the person and k the tolerance of the joint.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from skelact.config import check_ranges, option
from skelact.skeletons import Skeleton
from skelact.types import Floats, PersonPose

# twice the sigmas of COCO, by the last word of a joint's name; other joints get a medium value
_TOLERANCE = {
    "nose": 0.052,
    "eye": 0.05,
    "ear": 0.07,
    "shoulder": 0.158,
    "elbow": 0.144,
    "wrist": 0.124,
    "hip": 0.214,
    "knee": 0.174,
    "ankle": 0.178,
}
_OTHER = 0.13


@dataclass(frozen=True, kw_only=True)
class TrackOptions:
    """Matching the persons of a frame to the persons of earlier frames."""

    min_similarity: float = option(
        0.12, "Minimum OKS between a track and a person in the next frame.", min=0, max=1
    )
    max_age_s: float = option(
        2.0,
        "How long a track is kept while its person is not detected, in seconds.",
        min=0,
        max=3600,
    )

    def __post_init__(self) -> None:
        check_ranges(self)


def tolerances(skeleton: Skeleton) -> Floats:
    """(V,) k of every joint."""
    return np.array(
        [_TOLERANCE.get(j.rsplit("_", 1)[-1], _OTHER) for j in skeleton.joints], np.float32
    )


def area(xy: Floats) -> float:
    """Area of the bounding box of the known joints [px²], at least 1."""
    if np.isnan(xy).all():
        return 1.0
    size = np.nanmax(xy, axis=0) - np.nanmin(xy, axis=0)
    # a person seen from the side still has a width
    return float(max(size[0] * size[1], 0.1 * size.max() ** 2, 1.0))


def similarity(a: Floats, b: Floats, scale: float, k: Floats) -> float:
    """OKS of two persons (V, 2) for the area `scale` [px²], over the joints that both have; 0 if
    they have none in common."""
    squared = ((a - b) ** 2).sum(-1) / (2 * scale * k**2)
    return float(np.nanmean(np.exp(-squared))) if not np.isnan(squared).all() else 0.0


def suppress(people: list[PersonPose], skeleton: Skeleton, same: float = 0.7) -> list[PersonPose]:
    """Drop duplicate detections: of persons with an OKS above `same`, keep the one with the highest
    score."""
    if len(people) < 2:
        return people
    k = tolerances(skeleton)
    kept: list[PersonPose] = []
    for person in sorted(people, key=lambda p: -float(p.score.mean())):
        if all(similarity(person.xy, other.xy, area(other.xy), k) < same for other in kept):
            kept.append(person)
    return kept


@dataclass(kw_only=True)
class _Track:
    person_id: int
    xy: Floats
    velocity: npt.NDArray[np.float32]  # of the body [px/frame]
    last_seen: int


class Tracker:
    """Assigns ids to the persons of successive frames of one video. Ids count from 0 and are not
    reused."""

    def __init__(self, skeleton: Skeleton, fps: float, options: TrackOptions | None = None) -> None:
        self.options = options or TrackOptions()
        self.max_age = max(1, round(self.options.max_age_s * fps))
        self.k = tolerances(skeleton)
        self.tracks: list[_Track] = []
        self.frame = -1
        self.next_id = 0

    def update(self, people: list[PersonPose], steps: int = 1) -> list[PersonPose]:
        """The persons of the next frame, or of a later one (`steps`), in the same order, with
        ids."""
        self.frame += steps
        self.tracks = [t for t in self.tracks if self.frame - t.last_seen <= self.max_age]
        pairs = dict(self._match(people))
        out = []
        for i, person in enumerate(people):
            track = pairs.get(i)
            still = np.zeros(2, np.float32)
            if track is None:
                track = _Track(
                    person_id=self.next_id, xy=person.xy, velocity=still, last_seen=self.frame
                )
                self.next_id += 1
                self.tracks.append(track)
            else:
                moved = person.xy - track.xy
                step = still if np.isnan(moved).all() else np.nanmedian(moved, axis=0)
                track.velocity = 0.6 * track.velocity + 0.4 * step / (self.frame - track.last_seen)
                track.xy, track.last_seen = person.xy, self.frame
            out.append(replace(person, person_id=track.person_id))
        return out

    def _match(self, people: list[PersonPose]) -> list[tuple[int, _Track]]:
        """(person, track) pairs that maximise the total similarity."""
        if not people or not self.tracks:
            return []
        table = np.array([[self._similarity(p, t) for t in self.tracks] for p in people])
        rows, columns = np.array([0]), np.array([0])
        if table.size > 1:
            from scipy.optimize import linear_sum_assignment

            rows, columns = linear_sum_assignment(-table)
        least = self.options.min_similarity
        chosen = [(r, c) for r, c in zip(rows, columns, strict=True) if table[r, c] >= least]
        return [(int(r), self.tracks[c]) for r, c in chosen]

    def _similarity(self, person: PersonPose, track: _Track) -> float:
        """OKS to the predicted position of the track, or to its last one if it stopped suddenly."""
        age = self.frame - track.last_seen
        predicted = track.xy + track.velocity * min(age, self.max_age / 2)
        scale = max(area(track.xy), area(person.xy)) * (1 + 0.1 * (age - 1))
        return max(
            similarity(person.xy, predicted, scale, self.k),
            0.95 * similarity(person.xy, track.xy, scale, self.k),
        )
