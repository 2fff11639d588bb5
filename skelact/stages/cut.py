"""The clips stage: videos cut into files, cached; and names for what is made from a video."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from skelact.cache import Cache, CacheEntry, key_of
from skelact.errors import FfmpegError, InputError
from skelact.types import BatchResult, Event, Failure, ProgressCallback, no_progress
from skelact.video.cut import ClipOptions, CodingOptions, cut, plan
from skelact.video.probe import find_videos, probe

CLIPS, CLIPS_VERSION = "clips", 1


def cut_videos(
    paths: Sequence[Path | str],
    options: ClipOptions,
    coding: CodingOptions,
    cache: Cache,
    out: Path | None = None,
    on_progress: ProgressCallback = no_progress,
) -> BatchResult:
    """Cut videos into clips, cached; with `out`, also as files <video>_000.mp4 … below it. Results
    are (video, CacheEntry)."""
    videos = find_videos(paths)
    batch = BatchResult()
    names = output_names(videos)
    on_progress(Event("cut", "start", 0, len(videos)))
    for video in videos:
        try:
            entry, fresh = cut_video(video, options, coding, cache)
        except (InputError, FfmpegError) as error:
            batch.failed.append(Failure.from_error(video, error))
        else:
            (batch.done if fresh else batch.cached).append((video, entry))
            if out is not None:
                _place(entry, out / names[video])
        on_progress(Event("cut", "advance", 1))
    cache.save_hashes()
    on_progress(Event("cut", "end"))
    return batch


def cut_video(
    video: Path, options: ClipOptions, coding: CodingOptions, cache: Cache
) -> tuple[CacheEntry, bool]:
    """The clips of one video, and whether they were cut now."""
    info = probe(video)
    content = cache.content_hash(video)
    key = key_of(
        version=CLIPS_VERSION, video=content, clip_options=asdict(options), coding=asdict(coding)
    )
    with cache.lock(CLIPS, key, wait=True):
        found = cache.find(CLIPS, key)
        if found is not None:
            return found, False
        spans = plan(info.frames, info.fps, options)
        clips: list[dict[str, Any]] = []
        manifest = {
            "source": str(video),
            "content": content,
            "fps": info.fps,
            "clip_options": asdict(options),
            "coding": asdict(coding),
            "clips": clips,
        }
        with cache.write(CLIPS, key, manifest) as folder:
            for n, span in enumerate(spans):
                name = f"{n:03d}.mp4"
                cut(info, span, folder / name, coding)
                times = {
                    "start_s": round(span.start / info.fps, 4),
                    "end_s": round(span.end / info.fps, 4),
                }
                clips.append(
                    {
                        "file": name,
                        "start_frame": span.start,
                        "end_frame": span.end,
                        **times,
                        "frames": probe(folder / name).frames,
                    }
                )
    return cache.require(CLIPS, key), True


def output_names(videos: Sequence[Path]) -> dict[Path, Path]:
    """A name without suffix for everything made from a video: its own, with as many of its folders
    as tell it from the others."""
    full = {v: v.resolve() for v in videos}
    common = Path(os.path.commonpath([p.parent for p in full.values()])) if full else Path()
    names: dict[Path, Path] = {}
    taken: set[Path] = set()
    for video, path in full.items():
        name = path.relative_to(common).with_suffix("")
        if name in taken:  # a.mp4 beside a.avi
            name = path.relative_to(common)
        taken.add(name)
        names[video] = name
    return names


def _place(entry: CacheEntry, stem: Path) -> None:
    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
        for clip in entry.manifest["clips"]:
            shutil.copyfile(
                entry.path / clip["file"], stem.with_name(f"{stem.name}_{clip['file']}")
            )
    except OSError as error:
        raise InputError(
            f"cannot write to {stem.parent}: {error.strerror}", "choose another --out"
        ) from error
