"""Files of a forecast: JSON, a picture or a video."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from skelact.cache import check_unchanged
from skelact.errors import InputError
from skelact.files import replacing
from skelact.inference.windows import PersonTrack
from skelact.report.forecast import (
    SUFFIXES,
    DrawnPerson,
    canvas_of,
    draw,
    frame_of,
    write_picture,
    write_video,
)
from skelact.runs.forecast import VideoForecast
from skelact.schemas import save_json
from skelact.stages.poses import Extracted
from skelact.types import Floats, VideoInfo
from skelact.video.decode import Frame
from skelact.video.probe import probe

OVERLAYS = SUFFIXES
_TRAIL_S = (0.3, 0.2, 0.1, 0.0)  # past poses of a picture


def write_forecast(result: VideoForecast, out: Path) -> None:
    """Write the document. Raises InputError if it cannot be written."""
    out.parent.mkdir(parents=True, exist_ok=True)
    save_json(out, result.document)


def displacements(result: VideoForecast) -> list[float]:
    """The mean distance of each person's joints from the last pose to the end of the forecast."""
    out = []
    for person, track in zip(result.document.persons, result.tracks, strict=True):
        end = round(person.last_seen_s * result.fps) + 1 - track.start
        now, future = result.ahead(track, [end])
        distance = np.linalg.norm(future[0, -1] - now[0], axis=-1)
        out.append(float(np.nanmean(distance)) if not np.isnan(distance).all() else 0.0)
    return out


def write_overlay(result: VideoForecast, out: Path) -> None:
    """Write a picture (.png) of the time of the forecast, or a video (.mp4) with a forecast from
    every frame. Poses in metres, and those of skeleton files, are drawn on a blank canvas.

    Raises InputError or FfmpegError if the file cannot be written, or the video was changed."""
    is_video = out.suffix.lower() == ".mp4"
    poses = [_poses(result, track, is_video) for track in result.tracks]
    info, image, poses = _background(result, poses, is_video)
    skeleton = result.spec.skeleton
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with replacing(out) as temporary:
            if not is_video:
                assert image is not None
                persons = [_drawn(t, *p, 0) for t, p in zip(result.tracks, poses, strict=True)]
                write_picture(draw(image, persons, skeleton), temporary)
            else:
                frames = _frames(result, poses, info.frames)
                images = None if image is None else (image for _ in range(info.frames))
                write_video(info, frames, skeleton, temporary, images)
    except OSError as error:
        raise InputError(f"Cannot write {out}: {error.strerror or error}") from error
    if isinstance(result.source, Extracted):
        check_unchanged(result.source.path, result.source.poses.manifest.content)


Poses = tuple[Floats, Floats]  # past (N, P, V, D) and future (N, H, V, D) of N times


def _poses(result: VideoForecast, track: PersonTrack, is_video: bool) -> Poses:
    """Of a video, at every frame of the track; of a picture, at its last frame, with a trail."""
    if is_video:
        now, future = result.ahead(track, range(1, track.sequence.frames + 1))
        return now[:, None], future
    end = min(result.frame + 1 - track.start, track.sequence.frames)
    ends = [max(1, end - round(s * result.fps)) for s in _TRAIL_S]
    now, future = result.ahead(track, ends)
    return now[None], future[-1:]


def _background(
    result: VideoForecast, poses: list[Poses], is_video: bool
) -> tuple[VideoInfo, Frame | None, list[Poses]]:
    """The size and rate of the result, the image to draw on (None for the frames of the video), and
    the poses in its pixels."""
    if result.document.unit == "px" and isinstance(result.source, Extracted):
        info = probe(result.source.path)
        return info, None if is_video else frame_of(info, result.frame), poses
    flat = [part for pair in poses for part in pair]
    info, placed, image = canvas_of(flat, result.spec.skeleton, result.source.path, result.fps)
    frames = max(t.start + t.sequence.frames for t in result.tracks)
    info = VideoInfo(
        path=info.path, width=info.width, height=info.height, fps=result.fps, frames=frames
    )
    return info, image, list(zip(placed[::2], placed[1::2], strict=True))


def _drawn(track: PersonTrack, past: Floats, future: Floats, row: int) -> DrawnPerson:
    return DrawnPerson(person_id=track.person_id, past=past[row], future=future[row])


def _frames(result: VideoForecast, poses: list[Poses], count: int) -> list[list[DrawnPerson]]:
    """The persons who are visible in each frame."""
    frames: list[list[DrawnPerson]] = [[] for _ in range(count)]
    for track, (past, future) in zip(result.tracks, poses, strict=True):
        seen = track.sequence.known[0].any(axis=1)
        for row in np.flatnonzero(seen):
            if track.start + row < count:
                frames[track.start + row].append(_drawn(track, past, future, int(row)))
    return frames
