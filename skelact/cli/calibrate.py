"""Calibrate the probabilities of a run and choose its threshold for unknown actions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skelact.cli import console
from skelact.cli.options import CacheDir, Json, PosesFrom, Videos

if TYPE_CHECKING:
    from skelact.runs.calibrate import CalibrationResult


EXAMPLES = ("skelact calibrate runs/mine negatives/",)


def command(
    run: Annotated[Path, typer.Argument(help="Run folder.", show_default=False)],
    negatives: Videos,
    target_fpr: Annotated[
        float,
        typer.Option(
            help="Fraction of the windows of negative videos that may get a label.", min=0, max=1
        ),
    ] = 0.1,
    min_confidence: Annotated[
        float | None,
        typer.Option(
            help="Minimum confidence of a person detection in the negative videos.",
            show_default="as in training",
        ),
    ] = None,
    poses_from: PosesFrom = None,
    cache_dir: CacheDir = None,
    json: Json = False,
) -> None:
    """Calibrate the probabilities of a run and choose the threshold below which it predicts
    "unknown". The negative videos must show people who do none of its actions: every second video
    is used to choose the threshold, the others to measure it. The result is stored in best.pt and
    plotted in calibration.png."""
    from skelact.cache import Cache
    from skelact.runs.calibrate import calibrate  # imports torch
    from skelact.schemas import to_plain

    with console.Bars() as on_progress:
        result = calibrate(
            run,
            negatives,
            target_fpr=target_fpr,
            cache=Cache(cache_dir),
            poses_from=poses_from,
            min_confidence=min_confidence,
            on_progress=on_progress,
        )
    if not json:
        _table(run, result)
    console.finish(sum(result.negatives), result.failed, to_plain(result) if json else None)


def _table(run: Path, result: CalibrationResult) -> None:
    rows = [
        (
            f"{p.threshold:.2f}" + (" chosen" if p is result.chosen else ""),
            f"{p.coverage:.1%}",
            "" if p.accuracy is None else f"{p.accuracy:.1%}",
            f"{p.negatives:.1%}",
        )
        for p in sorted((result.chosen, *result.curve), key=lambda p: p.threshold)
    ]
    heads = (">threshold", ">known labelled", ">accuracy of these", ">negatives labelled")
    console.table(str(run), heads, rows)
    chosen_on, measured_on = result.negatives
    measured = "measured on the same windows, as there is only one video"
    if measured_on:
        measured = f"measured on {measured_on} windows of the other videos"
    console.say(
        f"temperature {result.temperature:.2f} from {result.known}; threshold chosen on "
        f"{chosen_on} windows of every second negative video, {measured}"
    )
