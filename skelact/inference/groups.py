"""What is in memory at once: a group of videos, and of a video the arrays of its tracks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from skelact.cache import CacheEntry
from skelact.errors import InputError
from skelact.inference.windows import PersonTrack, find_tracks, person_tracks
from skelact.pose.store import read_poses
from skelact.schemas import PosesManifest
from skelact.skeletons import Skeleton
from skelact.stages.poses import Extracted
from skelact.stages.sequences import stack_poses
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


def stored_tracks(
    poses: CacheEntry[PosesManifest], per_person: bool, min_seen_s: float
) -> tuple[list[PersonTrack], int]:
    """The tracks of a video with stored poses, as `find_tracks`, and its number of frames."""
    frames, stack = read_poses(poses), partial(stack_poses, poses)
    if per_person:
        return person_tracks(frames, stack, poses.manifest.fps, min_seen_s), len(frames)
    return find_tracks(stack(frames), per_person, min_seen_s), len(frames)


def layout_of(source: Extracted | SkeletonInput) -> Skeleton | None:
    """The layout of the poses; None if a skeleton file cannot be read."""
    if isinstance(source, Extracted):
        return source.poses.manifest.skeleton
    try:
        return source.load().skeleton
    except InputError:
        return None  # listed as failed later
