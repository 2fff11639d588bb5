"""Groups of videos that are in memory at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from skelact.stages.poses import Extracted
from skelact.stages.skeleton_input import SkeletonInput

MAX_VIDEOS = 64
MAX_FRAMES = 20_000  # unless one video has more


def groups(
    videos: Sequence[Extracted | SkeletonInput],
) -> Iterator[list[Extracted | SkeletonInput]]:
    """Successive videos, as many as are in memory at once. The length of a skeleton file is not
    known before it is read, and does not count."""
    group: list[Extracted | SkeletonInput] = []
    frames = 0
    for video in videos:
        length = video.poses.manifest.frames if isinstance(video, Extracted) else 0
        if group and (len(group) == MAX_VIDEOS or frames + length > MAX_FRAMES):
            yield group
            group, frames = [], 0
        group.append(video)
        frames += length
    if group:
        yield group
