"""Cut videos into clips of equal length."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from msgspec.structs import asdict

from skelact.cli import console
from skelact.cli.options import CacheDir, Json, Videos
from skelact.video.cut import ClipOptions, CodingOptions


def command(
    videos: Videos,
    length: Annotated[float, console.option(ClipOptions, "length_s")] = ClipOptions.length_s,
    overlap: Annotated[float, console.option(ClipOptions, "overlap_s")] = ClipOptions.overlap_s,
    height: Annotated[int | None, console.option(CodingOptions, "height")] = CodingOptions.height,
    fps: Annotated[float | None, console.option(CodingOptions, "fps")] = CodingOptions.fps,
    out: Annotated[Path, typer.Option(help="folder for the clips")] = Path("clips"),
    cache_dir: CacheDir = None,
    json: Json = False,
) -> None:
    """Cut videos into clips of equal length (FFmpeg; exact frame counts; a remainder of at least
    half a length is kept)."""
    from skelact.cache import Cache
    from skelact.stages.cut import cut_videos

    options = ClipOptions(length_s=length, overlap_s=overlap)
    coding = CodingOptions(height=height, fps=fps)
    with console.Bars() as on_progress:
        batch = cut_videos(videos, options, coding, Cache(cache_dir), out, on_progress)
    rows = [(video, entry.manifest.clips) for video, entry in batch.results]
    if json:
        console.as_json(
            {
                "videos": [
                    {"path": str(v), "clips": [asdict(c) for c in clips]} for v, clips in rows
                ],
                "failed": console.failed_json(batch.failed),
            }
        )
    else:
        total = sum(len(clips) for _, clips in rows)
        table = [
            (v, len(clips), sum(c.frames for c in clips), f"{clips[-1].end_s:.1f}")
            for v, clips in rows
        ]
        console.table(
            "",
            ("video", ">clips", ">frames", ">seconds"),
            table,
            (f"{len(rows)} videos", total, "", ""),
        )
        console.say(
            f"clips are in {out}/" + ("" if batch.done else " (nothing to do: all were cut before)")
        )
        console.failures(batch.failed)
    console.exit_code(len(rows), len(batch.failed))
