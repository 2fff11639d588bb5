"""The clips stage: videos cut into clip files, cached."""

from __future__ import annotations

import filecmp
import re
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from skelact import outputs
from skelact.cache import Cache, CacheEntry, Stage
from skelact.errors import FfmpegError, InputError, OutputError, escaped
from skelact.files import output_names, replacing
from skelact.schemas import Clip, ClipsManifest
from skelact.types import (
    BatchResult,
    ClipSpan,
    Event,
    Failure,
    ProgressCallback,
    VideoInfo,
    no_progress,
)
from skelact.video.cut import ClipOptions, CodingOptions, cut, plan
from skelact.video.probe import find_videos, probe

CLIPS = Stage(name="clips", version=1, manifest=ClipsManifest)


def cut_videos(
    paths: Sequence[Path | str],
    options: ClipOptions,
    coding: CodingOptions,
    cache: Cache,
    *,
    out: Path | None = None,
    overwrite: bool = False,
    on_progress: ProgressCallback = no_progress,
) -> BatchResult[tuple[Path, CacheEntry[ClipsManifest]]]:
    """Cut videos into clips, cached; with `out`, also write them to <out>/<video>_000.mp4 and so
    on. Videos that cannot be used, or whose clips may not be written (see `outputs.check`), are
    listed as failed. Raises OutputError if `out` is no folder."""
    if out is not None:
        outputs.check_folder(out)
    videos = find_videos(paths)
    batch: BatchResult[tuple[Path, CacheEntry[ClipsManifest]]] = BatchResult()
    names = output_names(videos)
    on_progress(Event("cut", "start", 0, len(videos)))
    for video in videos:
        try:
            entry, is_new = cut_video(video, options, coding, cache)
            if out is not None:
                _copy_clips(entry, out / names[video], videos, overwrite)
        except (InputError, FfmpegError) as error:
            batch.failed.append(Failure.from_error(video, error))
        else:
            (batch.done if is_new else batch.cached).append((video, entry))
        on_progress(Event("cut", "advance", 1))
    cache.save_hashes()
    on_progress(Event("cut", "end"))
    return batch


def cut_video(
    video: Path, options: ClipOptions, coding: CodingOptions, cache: Cache
) -> tuple[CacheEntry[ClipsManifest], bool]:
    """The clips of one video, and whether they were cut now. Raises InputError or FfmpegError."""
    info = probe(video)
    content = cache.content_hash(video)
    key = CLIPS.key(video=content, clip_options=asdict(options), coding=asdict(coding))

    def fill(folder: Path) -> ClipsManifest:
        spans = plan(info.frames, info.fps, options)
        manifest = ClipsManifest(
            source=escaped(video),
            content=content,
            fps=info.fps,
            clip_options=asdict(options),
            coding=asdict(coding),
            clips=tuple(
                _cut_clip(info, span, folder / f"{n:03d}.mp4", coding)
                for n, span in enumerate(spans)
            ),
        )
        cache.check_unchanged(video, content)
        return manifest

    with cache.lock(CLIPS, key, wait=True):
        entry = cache.find(CLIPS, key)
        if entry is not None and entry.is_intact():  # a decoder can accept damaged clips
            return entry, False
        return cache.write(CLIPS, key, fill), True


def _cut_clip(info: VideoInfo, span: ClipSpan, path: Path, coding: CodingOptions) -> Clip:
    cut(info, span, path, coding)
    return Clip(
        file=path.name,
        start_frame=span.start,
        end_frame=span.end,
        start_s=round(span.start / info.fps, 4),
        end_s=round(span.end / info.fps, 4),
        frames=probe(path).frames,
    )


def _copy_clips(
    entry: CacheEntry[ClipsManifest], stem: Path, videos: Sequence[Path], overwrite: bool
) -> None:
    """Copy the clips to <stem>_000.mp4 and so on; equal files stay as they are. Raises OutputError
    if a file is one of `videos` or may not be replaced, or if clips of another cut would stay
    beside these, InputError if a clip cannot be written."""
    clips = {
        stem.with_name(f"{stem.name}_{c.file}"): entry.path / c.file for c in entry.manifest.clips
    }
    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
        outputs.check(*clips, inputs=videos, overwrite=True)
        new = {target: source for target, source in clips.items() if not _equal(target, source)}
        outputs.check(*new, overwrite=overwrite)
        pattern = re.compile(re.escape(stem.name) + r"_\d{3,}\.mp4")
        surplus = sorted(
            p.name for p in stem.parent.iterdir() if pattern.fullmatch(p.name) and p not in clips
        )
        if new and surplus:
            raise OutputError(
                f"{stem.parent} holds {len(surplus)} more clips of another cut, from {surplus[0]} "
                "on",
                "Choose another folder with --out, or remove them.",
            )
        for target, source in new.items():
            with replacing(target) as temporary:
                shutil.copyfile(source, temporary)
    except OSError as error:
        raise InputError(
            f"Cannot write to {stem.parent}: {error.strerror}", "Choose another folder with --out."
        ) from error


def _equal(target: Path, source: Path) -> bool:
    return target.is_file() and filecmp.cmp(target, source, shallow=False)
