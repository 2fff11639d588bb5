"""Forecast the poses of the persons in a video."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skelact.analysis_options import ForecastOptions
from skelact.cli import console
from skelact.cli.options import (
    OUTPUT,
    CacheDir,
    Json,
    Overwrite,
    PosesFrom,
    with_options,
)

if TYPE_CHECKING:
    from skelact.runs.forecast import VideoForecast

EXAMPLES = (
    "skelact forecast runs/mine clip.mp4",
    "skelact forecast runs/mine clip.mp4 --at 2 --out future.json --overlay future.png",
)


@with_options
def command(
    run: Annotated[
        str,
        typer.Argument(
            help="Run folder, checkpoint or shipped model.", show_default=False, metavar="RUN"
        ),
    ],
    video: Annotated[Path, typer.Argument(help="A video or a skeleton file.", show_default=False)],
    *,
    options: ForecastOptions,
    out: Annotated[
        Path | None,
        typer.Option(help="Write the future poses to this .json file.", rich_help_panel=OUTPUT),
    ] = None,
    overlay: Annotated[
        Path | None,
        typer.Option(
            help="Draw the last poses solid and the future ones transparent: a .png file of the "
            "time of the forecast, or a .mp4 file with a forecast from every frame.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    poses_from: PosesFrom = None,
    overwrite: Overwrite = False,
    cache_dir: CacheDir = None,
    json: Json = False,
) -> None:
    """Forecast the poses of every person who is visible at the end of a video, or at --at."""
    from skelact import outputs
    from skelact.cache import Cache
    from skelact.runs.forecast import forecast  # imports torch
    from skelact.runs.forecast_output import OVERLAYS, write_forecast, write_overlay
    from skelact.schemas import to_plain

    inputs = [video, *([Path(run)] if Path(run).is_file() else [])]
    for target, suffixes in ((out, (".json",)), (overlay, OVERLAYS)):
        if target is not None:
            outputs.check(target, inputs=inputs, overwrite=overwrite, suffixes=suffixes)
            outputs.check_folder(target.parent)
    with console.Bars() as on_progress:
        result = forecast(
            run, video, Cache(cache_dir), options, poses_from=poses_from, on_progress=on_progress
        )
        if out is not None:
            write_forecast(result, out)
        if overlay is not None:
            write_overlay(result, overlay)
    for note in result.notes:
        console.say(note)
    if json:
        console.as_json(to_plain(result.document))
        return
    _table(result)
    for target in (out, overlay):
        if target is not None:
            console.say(f"written: {target}")


def _table(result: VideoForecast) -> None:
    from skelact.runs.forecast_output import displacements

    rows = []
    for person, moved in zip(result.document.persons, displacements(result), strict=True):
        last, end = person.last_seen_s, person.poses[-1].time_s
        unit = result.document.unit
        rows.append((f"#{person.person_id}", f"{last:.2f}", f"{end:.2f}", f"{moved:.3g} {unit}"))
    title = f"{console.short(result.source.path)}, {result.document.method}"
    heads = ("person", ">last seen [s]", ">forecast until [s]", ">mean motion of the joints")
    console.table(title, heads, rows)
