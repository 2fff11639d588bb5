"""Cut videos into clips of equal length."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skelact.cli import show
from skelact.cli.options import CacheDir, Json, Videos
from skelact.video.split import CodingOptions, SplitOptions


def command(
    videos: Videos,
    length: Annotated[float, show.option(SplitOptions, "length_s")] = SplitOptions.length_s,
    overlap: Annotated[float, show.option(SplitOptions, "overlap_s")] = SplitOptions.overlap_s,
    height: Annotated[int | None, show.option(CodingOptions, "height")] = CodingOptions.height,
    fps: Annotated[float | None, show.option(CodingOptions, "fps")] = CodingOptions.fps,
    out: Annotated[Path, typer.Option(help="folder for the clips")] = Path("clips"),
    cache_dir: CacheDir = None,
    json: Json = False,
) -> None:
    """Cut videos into clips of equal length (FFmpeg; exact frame counts; a remainder of at least
    half a length is kept)."""
    from skelact.cache import Cache
    from skelact.pipeline.clips import split

    options = SplitOptions(length_s=length, overlap_s=overlap)
    coding = CodingOptions(height=height, fps=fps)
    with show.Bars() as listener:
        outcome = split(videos, options, coding, Cache(cache_dir), out, listener)
    rows = [(video, entry.manifest["clips"]) for video, entry in outcome.results]
    if json:
        show.as_json(
            {
                "videos": [{"path": str(v), "clips": clips} for v, clips in rows],
                "failed": show.failed_json(outcome.failed),
            }
        )
    else:
        total = sum(len(clips) for _, clips in rows)
        table = [
            (v, len(clips), sum(c["frames"] for c in clips), f"{clips[-1]['end_s']:.1f}")
            for v, clips in rows
        ]
        show.table(
            "",
            ("video", ">clips", ">frames", ">seconds"),
            table,
            (f"{len(rows)} videos", total, "", ""),
        )
        show.say(
            f"clips are in {out}/"
            + ("" if outcome.done else " (nothing to do: all were cut before)")
        )
        show.failures(outcome.failed)
    show.exit_code(len(rows), len(outcome.failed))
