"""Export poses to the formats of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skelact.cli import console, examples
from skelact.cli.options import OUTPUT, CacheDir, Json, Overwrite, Videos, is_listing, with_options
from skelact.interop.poses.base import Dims
from skelact.pose.base import PoseOptions

app = typer.Typer(help=__doc__, epilog=examples(["skelact poses"]), invoke_without_command=True)


@app.callback(invoke_without_command=True)
def formats(context: typer.Context, json: Json = False) -> None:
    """List the formats of poses."""
    if not is_listing(context, json):
        return
    from skelact.interop.poses import load_formats

    found = load_formats().values()
    if json:
        keys = ("name", "suffix", "content")
        console.as_json([dict(zip(keys, (f.name, f.suffix, f.title), strict=True)) for f in found])
    else:
        console.table(
            "", ("name", "suffix", "content"), [(f.name, f.suffix, f.title) for f in found]
        )


@app.command(
    "export",
    epilog=examples(
        [
            "skelact poses export videos/ --format trc --out markers/",
            "skelact poses export clip.mp4 --format angles --out angles/ --dims 2",
        ]
    ),
)
@with_options
def export(
    videos: Videos,
    *,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help="Format of the files, listed by `skelact poses`.",
            show_default=False,
            rich_help_panel=OUTPUT,
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the files.", rich_help_panel=OUTPUT)] = Path(
        "poses"
    ),
    dims: Annotated[
        Dims,
        typer.Option(
            help="Dimensions of trc, c3d, nwb and angles: auto takes 3-D joints where there are "
            "some.",
            rich_help_panel=OUTPUT,
        ),
    ] = "auto",
    pose: PoseOptions,
    overwrite: Overwrite = False,
    cache_dir: CacheDir = None,
    json: Json = False,
) -> None:
    """Write the poses of videos and skeleton files for other programs: OpenSim, motion capture,
    COCO, Label Studio, SLEAP, NWB, or joint angles as a table. Poses of videos come from the cache
    or are estimated."""
    from skelact.cache import Cache
    from skelact.runs.poses import export_recordings

    with console.Bars() as on_progress:
        batch = export_recordings(
            videos,
            form,
            out,
            pose=pose,
            dims=dims,
            overwrite=overwrite,
            cache=Cache(cache_dir),
            on_progress=on_progress,
        )
    content = {"files": list(batch.done)} if json else None
    if not json:
        for path in batch.done:
            console.say(f"{form}: {path}")
    console.finish(len(batch.done), batch.failed, content)
