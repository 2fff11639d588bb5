"""Cut videos into clips of equal length."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skelact.cli import console
from skelact.cli.options import CacheDir, Json, OnlyVideos, Overwrite, with_options
from skelact.errors import counted
from skelact.video.cut import ClipOptions, CodingOptions

EXAMPLES = ("skelact cut videos/ --length 5 --out clips/",)


@with_options
def command(
    videos: OnlyVideos,
    *,
    clips: ClipOptions,
    coding: CodingOptions,
    out: Annotated[Path, typer.Option(help="Folder for the clips.")] = Path("clips"),
    overwrite: Overwrite = False,
    cache_dir: CacheDir = None,
    json: Json = False,
) -> None:
    """Cut videos into clips of equal length with FFmpeg. Frame counts are exact. The last clip can
    be shorter, down to half the length."""
    from skelact.cache import Cache
    from skelact.files import unused_folders
    from skelact.schemas import to_plain
    from skelact.stages.cut import cut_videos

    with console.Bars() as on_progress:
        batch = cut_videos(
            videos,
            clips,
            coding,
            Cache(cache_dir),
            out=out,
            overwrite=overwrite,
            on_progress=on_progress,
        )
    results = [(video, entry.manifest.clips) for video, entry in batch.results]
    for folder in unused_folders(videos, [v for v, _ in results] + [f.path for f in batch.failed]):
        console.say(f"{folder} contains no video")
    content = None
    if json:
        content = {"videos": [{"path": v, "clips": to_plain(spans)} for v, spans in results]}
    else:
        rows = [
            (video, len(spans), sum(s.frames for s in spans), f"{spans[-1].end_s:.1f}")
            for video, spans in results
        ]
        footer = (counted(len(rows), "video"), sum(row[1] for row in rows), "", "")
        console.table("", ("video", ">clips", ">frames", ">seconds"), rows, footer)
        done = "" if batch.done else " (nothing to do: all videos were cut before)"
        console.say(f"clips are in {out}/{done}")
    console.finish(len(results), batch.failed, content)
