"""Join the poses of the parts of a long video, which were estimated independently.

Every part continues for some time into the following one. In the frames that both have, the persons
of the two parts are matched by their Object Keypoint Similarity, so that ids continue. A person who
is missing there but returns soon is matched by the Tracker.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from skelact.pose.track import Tracker, TrackOptions, area, similarity, tolerances
from skelact.skeletons import Skeleton
from skelact.types import PersonPose

_SAME = 0.5  # mean OKS of one person in two parts


@dataclass(frozen=True, kw_only=True)
class PosePart:
    """The persons of successive frames, with ids; `start` is the number of the first frame."""

    start: int
    frames: list[list[PersonPose]]

    @property
    def end(self) -> int:
        """The number of the frame after the last one."""
        return self.start + len(self.frames)

    @property
    def ids(self) -> set[int]:
        return {p.person_id for people in self.frames for p in people}

    def at(self, frame: int) -> list[PersonPose]:
        """The persons of a frame of the video; none outside the part."""
        return self.frames[frame - self.start] if self.start <= frame < self.end else []

    def since(self, frame: int) -> PosePart:
        """The part without the frames before `frame`."""
        return PosePart(start=frame, frames=self.frames[frame - self.start :])

    def with_ids(self, ids: dict[int, int]) -> PosePart:
        """The part with every id replaced by its value in `ids`."""
        frames = [[replace(p, person_id=ids[p.person_id]) for p in f] for f in self.frames]
        return PosePart(start=self.start, frames=frames)


def join_parts(
    parts: Iterable[PosePart], skeleton: Skeleton, fps: float, options: TrackOptions
) -> Iterator[list[PersonPose]]:
    """The persons of all frames of a video, with ids that count from 0. Two successive parts are
    held in memory. A part that ends before the following one starts is the last, because its video
    cannot be decoded further."""
    final: dict[int, int] = {}  # ids in the order in which they appear in the result
    remaining = iter(parts)
    part = next(remaining, None)
    next_id = 0
    while part is not None:
        next_id = max((next_id, *(n + 1 for n in part.ids)))
        following = next(remaining, None)
        end = part.end
        if following is not None and (not following.frames or part.end <= following.start):
            following = None
        if following is not None:
            shared = SharedFrames(part, following, skeleton)
            pairs = shared.pairs()
            pairs |= _returning(part, following, pairs, Tracker(skeleton, fps, options))
            new = sorted(following.ids - set(pairs))
            end = shared.switch(pairs)
            following = following.with_ids(pairs | {n: next_id + i for i, n in enumerate(new)})
            next_id += len(new)
        for number in range(part.start, end):
            people = part.at(number)
            ids = [final.setdefault(p.person_id, len(final)) for p in people]
            named = [replace(p, person_id=n) for p, n in zip(people, ids, strict=True)]
            yield sorted(named, key=lambda p: p.person_id)
        part = following.since(end) if following is not None else None


class SharedFrames:
    """The frames that two successive parts have in common, and the OKS of their persons: `values`
    (T, A, B), NaN where one of the two persons is missing. `ids` are the A and the B ids."""

    def __init__(self, part: PosePart, following: PosePart, skeleton: Skeleton) -> None:
        self.numbers = range(following.start, min(part.end, following.end))
        self.people = [(part.at(n), following.at(n)) for n in self.numbers]
        self.ids = tuple(
            sorted({p.person_id for frame in self.people for p in frame[side]}) for side in (0, 1)
        )
        shape = (len(self.numbers), len(self.ids[0]), len(self.ids[1]))
        self.values: npt.NDArray[np.float64] = np.full(shape, np.nan)
        k = tolerances(skeleton)
        for t, (earlier, later) in enumerate(self.people):
            for a in earlier:
                for b in later:
                    at = (t, self.ids[0].index(a.person_id), self.ids[1].index(b.person_id))
                    self.values[at] = similarity(a.xy, b.xy, max(area(a.xy), area(b.xy)), k)

    def pairs(self) -> dict[int, int]:
        """The earlier id of every later id that belongs to the same person: the assignment that
        maximises the total similarity over the frames."""
        if not self.values.size:
            return {}
        from scipy.optimize import linear_sum_assignment

        total = np.nansum(self.values, axis=0)
        mean = total / np.maximum((~np.isnan(self.values)).sum(axis=0), 1)
        assigned = zip(*linear_sum_assignment(-np.where(mean >= _SAME, total, 0)), strict=True)
        return {self.ids[1][c]: self.ids[0][r] for r, c in assigned if mean[r, c] >= _SAME}

    def switch(self, pairs: dict[int, int]) -> int:
        """The number of the frame in the second quarter in which the two parts agree best, so that
        nobody jumps where the later part replaces the earlier one. By then, the later part follows
        its persons already, and the earlier part still had many frames ahead."""
        count = len(self.numbers)
        candidates = range(count // 4, count // 2 + 1)
        return self.numbers[max(candidates, key=lambda t: (self._agreement(t, pairs), t))]

    def _agreement(self, t: int, pairs: dict[int, int]) -> float:
        """Mean similarity of the persons in a frame, 0 for one who is in one of the parts only."""
        persons = sum(map(len, self.people[t])) / 2
        if not persons:
            return 1.0
        a, b = self.ids
        both = ((a.index(e), b.index(f)) for f, e in pairs.items() if e in a and f in b)
        return float(np.nansum([self.values[t, row, column] for row, column in both])) / persons


def _returning(
    part: PosePart, following: PosePart, pairs: dict[int, int], tracker: Tracker
) -> dict[int, int]:
    """Later and earlier ids of persons whom the two parts did not see at the same time: those whom
    the Tracker recognises on their return, if it sees only the persons who are not in `pairs`."""
    left: dict[int, tuple[int, int]] = {}  # by id of the Tracker: earlier id and its last frame
    returned: dict[int, int] = {}
    seen: set[int] = set()
    border, margin = following.start, tracker.max_age
    for number in range(border - margin, min(part.end, following.end) + margin):
        earlier = [p for p in part.at(number) if p.person_id not in pairs.values()]
        later = [p for p in following.at(number) if p.person_id not in pairs]
        tracks = [p.person_id for p in tracker.update([*earlier, *later])]
        for person, track in zip(later, tracks[len(earlier) :], strict=True):
            earlier_id, last = left.get(track, (-1, number))
            new = person.person_id not in seen and earlier_id not in returned.values()
            if new and last < number:
                returned[person.person_id] = earlier_id
            seen.add(person.person_id)
        left |= {
            track: (person.person_id, number)
            for person, track in zip(earlier, tracks, strict=False)
        }
    return returned
