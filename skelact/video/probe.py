"""Read the properties of videos, and find videos in folders."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from skelact import limits, sandbox
from skelact.errors import InputError, NotAVideo, PathMissing
from skelact.types import VideoInfo
from skelact.video.decode import open_video

if TYPE_CHECKING:
    import cv2

VIDEO_SUFFIXES = frozenset(
    (
        *(".avi", ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv"),
        *(".ogv", ".ts", ".mts", ".m2ts", ".3gp", ".gif"),
    )
)


def probe(path: Path) -> VideoInfo:
    """Size, frame rate and length of a video, checked by decoding its first frame, in a child
    process. Raises PathMissing, NotAVideo, TruncatedVideo or InputError if that fails."""
    width, height, fps, frames = sandbox.call(_properties, path)
    return VideoInfo(path=path, width=width, height=height, fps=fps, frames=frames)


def _properties(path: Path) -> tuple[int, int, float, int]:
    """Width, height, frames per second and number of frames."""
    import cv2

    capture = open_video(path)
    try:
        ok, image = capture.read()
        if not ok:
            raise NotAVideo(f"{path} holds no frames (audio only?)", "A video stream is required.")
        height, width = image.shape[:2]  # as decoded: upright, unlike the metadata
        fps, frames = capture.get(cv2.CAP_PROP_FPS), round(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        if frames <= 0 or not 0.5 <= fps <= 480:
            fps, frames = _measure(capture)
    finally:
        capture.release()
    return width, height, float(fps), frames


def _measure(capture: cv2.VideoCapture) -> tuple[float, int]:
    """Frame rate and count by reading all frames, for containers without them (raw streams, some
    recordings). One frame has been read already."""
    import cv2

    count, first, last = 1, capture.get(cv2.CAP_PROP_POS_MSEC), 0.0
    while capture.grab():
        count += 1
        last = capture.get(cv2.CAP_PROP_POS_MSEC)
    span = (last - first) / 1000
    fps = (count - 1) / span if span > 0 and count > 1 else 25.0
    return fps, count


def find_videos(paths: Iterable[Path | str], beside_others: bool = False) -> list[Path]:
    """The videos that `paths` name, in order and without duplicates: a file is taken as it is, a
    folder is searched, including its subfolders, and a glob pattern is expanded. A path that does
    not exist is among them, so that it fails alone when it is used.

    Raises PathMissing if no path exists, and InputError if there is no video, unless these are
    `beside_others`, inputs of other kinds."""
    requested = list(paths)
    videos = list(dict.fromkeys(video for item in requested for video in _expand(str(item))))
    if videos and not beside_others and not any(map(Path.exists, videos)):
        raise PathMissing(f"{', '.join(map(str, videos))}: no such file or folder")
    if not videos and not beside_others:
        raise InputError(
            f"No video in {', '.join(map(str, requested))}",
            f"Expected files with the suffix {' '.join(sorted(VIDEO_SUFFIXES))}.",
        )
    return videos


def _expand(item: str) -> list[Path]:
    path = Path(item)
    if path.is_dir():
        return _videos_below(path)
    if path.exists():
        return [path]
    matches = limits.expand(item)
    if not matches:
        return [path]
    return [v for m in matches for v in (_videos_below(m) if m.is_dir() else [m] * _is_video(m))]


def _videos_below(folder: Path) -> list[Path]:
    """The videos in a folder that is searched recursively, without hidden files and folders."""
    visible = (
        p
        for p in folder.rglob("*")
        if not any(part.startswith(".") for part in p.relative_to(folder).parts)
    )
    return sorted(p for p in visible if _is_video(p))


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES and path.is_file()
