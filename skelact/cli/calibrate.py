"""Calibrate the probabilities of a run and choose its threshold for unknown actions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skelact.cli import console
from skelact.cli.options import CacheDir, Json, PosesFrom
from skelact.errors import ConfigError, InputError

if TYPE_CHECKING:
    from skelact.runs.calibrate import CalibrationResult


EXAMPLES = ("skelact calibrate runs/mine negatives/",)


def command(
    run: Annotated[Path, typer.Argument(help="Run folder.", show_default=False)],
    negatives: Annotated[
        list[str] | None,
        typer.Argument(
            help="Videos of people who do none of the actions: files, folders (searched "
            "recursively) or glob patterns.",
            show_default=False,
        ),
    ] = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Store the result in best.pt of the run.")
    ] = False,
    undo: Annotated[
        bool,
        typer.Option("--undo", help="Restore the calibration before the last one was applied."),
    ] = False,
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
    is used to choose the threshold, the others to measure it. Nothing is written without --apply,
    which stores the result in best.pt and plots it in calibration.png; --undo restores the state
    before."""
    from skelact.cache import Cache
    from skelact.runs import calibrate as job  # imports torch
    from skelact.schemas import to_plain

    if undo:
        if apply or negatives:
            raise ConfigError("--undo goes without --apply and without videos")
        previous = job.undo(run)
        if json:
            console.as_json({"calibration": None if previous is None else to_plain(previous)})
        console.say(
            f"{run} is not calibrated any more"
            if previous is None
            else f"{run} has its earlier calibration again: "
            f"temperature {previous.temperature:.2f}, threshold {previous.unknown_threshold:.2f}"
        )
        return
    if not negatives:
        raise InputError("No negative videos were given", "skelact calibrate RUN negatives/")

    with console.Bars() as on_progress:
        result = job.calibrate(
            run,
            negatives,
            target_fpr=target_fpr,
            apply=apply,
            cache=Cache(cache_dir),
            poses_from=poses_from,
            min_confidence=min_confidence,
            on_progress=on_progress,
        )
    if not json:
        _table(run, result)
    if result.obstacle:
        console.say(f"warning: {result.obstacle}; --apply would refuse this.")
    elif not apply:
        console.say("nothing was written; add --apply to store this calibration in best.pt")
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
    console.say(
        f"{result.rejected:.1%} of the known samples become unknown at the chosen threshold, "
        f"{result.chosen.threshold:.2f}"
    )
    console.table(str(run), heads, rows)
    chosen_on, measured_on = result.negatives
    measured = "measured on the same windows, as there is only one video"
    if measured_on:
        measured = f"measured on {measured_on} windows of the other videos"
    console.say(
        f"temperature {result.temperature:.2f} from {result.known}; threshold chosen on "
        f"{chosen_on} windows of every second negative video, {measured}"
    )
