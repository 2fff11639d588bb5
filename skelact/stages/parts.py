"""Division of long videos into parts that are estimated independently, in any order and by any
number of processes, and then joined. The parts depend on the video and the options only, so that
the result does not depend on the number of processes."""

from __future__ import annotations

from dataclasses import dataclass

from skelact.pose.base import PoseOptions, get_spec
from skelact.types import VideoInfo
from skelact.video.decode import has_usable_times

PART_S = 60.0
_MIN_OVERLAPS = 4  # length of a part in overlaps


@dataclass(frozen=True, kw_only=True)
class Division:
    """Length of the parts of a long video, and the time for which a part continues into the
    following one, in seconds."""

    length_s: float
    overlap_s: float


@dataclass(frozen=True, kw_only=True)
class Part:
    """Frames [start, stop) of a video; None is the end of the video."""

    start: int = 0
    stop: int | None = None

    def frames(self, info: VideoInfo) -> int:
        """The number of frames, as the file announces it."""
        return (info.frames if self.stop is None else min(self.stop, info.frames)) - self.start


def division(options: PoseOptions, part_s: float) -> Division | None:
    """The division of long videos for an estimator into parts of `part_s`, or longer ones if the
    overlap would be a large fraction of them. None if the estimator does not support parts."""
    overlap = get_spec(options.estimator).overlap_s
    if overlap is None:
        return None
    overlap_s = overlap(options)
    return Division(length_s=max(part_s, _MIN_OVERLAPS * overlap_s), overlap_s=overlap_s)


def parts_of(info: VideoInfo, division: Division | None) -> list[Part]:
    """The parts of a video, which overlap. The last one has 0.5 to 1.5 of the length. A video whose
    frames cannot be found by their time stamps is one part."""
    if division is None:
        return [Part()]
    length = max(1, round(division.length_s * info.fps))
    overlap = max(1, round(division.overlap_s * info.fps))
    starts = range(0, info.frames - (length - 1) // 2, length)
    if len(starts) < 2 or not has_usable_times(info.path):
        return [Part()]
    return [
        *(Part(start=start, stop=start + length + overlap) for start in starts[:-1]),
        Part(start=starts[-1]),
    ]
