"""What a video says of itself, and finding videos in folders."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path

from skelact.errors import InputError, NotAVideo, PathMissing
from skelact.types import VideoInfo
from skelact.video.decode import colour, open_video

VIDEO_SUFFIXES = frozenset(
    [
        ".avi",
        ".mp4",
        ".m4v",
        ".mov",
        ".mkv",
        ".webm",
        ".mpg",
        ".mpeg",
        ".wmv",
        ".flv",
        ".ogv",
        ".ts",
        ".mts",
        ".m2ts",
        ".3gp",
        ".gif",
    ]
)


def probe(path: Path) -> VideoInfo:
    """Size, rate and length, checked by decoding the first frame. NotAVideo, TruncatedVideo or
    PathMissing otherwise."""
    import cv2

    capture = open_video(path)
    try:
        ok, picture = capture.read()
        if not ok:
            raise NotAVideo(f"{path} holds no picture (audio only?)", "a video stream is needed")
        height, width = colour(picture).shape[:2]  # as decoded: upright, whatever the metadata say
        fps, frames = capture.get(cv2.CAP_PROP_FPS), round(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        if frames <= 0 or not 0.5 <= fps <= 480:
            fps, frames = _measure(capture, cv2)
    finally:
        capture.release()
    return VideoInfo(path=path, width=width, height=height, fps=float(fps), frames=frames)


def _measure(capture, cv2) -> tuple[float, int]:  # type: ignore[no-untyped-def]
    """Rate and frame count by decoding all of it, for containers that do not know (raw streams,
    some recordings). One frame is read already."""
    count, first, last = 1, capture.get(cv2.CAP_PROP_POS_MSEC), 0.0
    while capture.grab():
        count += 1
        last = capture.get(cv2.CAP_PROP_POS_MSEC)
    span = (last - first) / 1000
    fps = (count - 1) / span if span > 0 and count > 1 else 25.0
    return fps, count


def find_videos(
    paths: Iterable[Path | str], suffixes: frozenset[str] = VIDEO_SUFFIXES
) -> list[Path]:
    """Videos named by `paths`: a file is taken as it is, a folder is searched through, a glob is
    expanded. In order, each once.

    PathMissing if a path is not there; InputError if nothing is found at all."""
    found: dict[Path, None] = {}
    given = list(paths)
    for item in given:
        path = Path(item)
        if path.is_dir():
            inside = (p for p in path.rglob("*") if p.suffix.lower() in suffixes and p.is_file())
            hidden = (
                p
                for p in inside
                if not any(part.startswith(".") for part in p.relative_to(path).parts)
            )
            found.update(dict.fromkeys(sorted(hidden)))
        elif path.exists():
            found[path] = None
        else:
            matches = sorted(glob.glob(str(item), recursive=True))  # noqa: PTH207  # may be absolute
            if not matches:
                raise PathMissing(f"{item}: no such file or folder")
            for match in matches:
                if Path(match).is_dir() or Path(match).suffix.lower() in suffixes:
                    found.update(dict.fromkeys(find_videos([match], suffixes)))
    if not found:
        raise InputError(
            f"no video in {', '.join(map(str, given))}", f"looked for {' '.join(sorted(suffixes))}"
        )
    return list(found)
