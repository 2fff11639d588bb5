"""Calibrate the probabilities of a run and choose its threshold for unknown actions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skelact.cli import console
from skelact.cli.options import CacheDir, Json, PosesFrom
from skelact.errors import ConfigError, InputError
from skelact.report.confidence import number, score_cells, share

if TYPE_CHECKING:
    from skelact.runs.calibrate import CalibrationResult


TARGET_FPR = 0.1
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
    ] = TARGET_FPR,
    score: Annotated[
        str | None,
        typer.Option(
            help="Score that decides what is unknown: probability, energy, distance, "
            "agreement or combined.",
            show_default="the best one",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder or file of the dataset of the run. All scores but the probability need "
            "its clips.",
            show_default="where it was in training",
        ),
    ] = None,
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
    """Calibrate the probabilities of a run, and choose the score and its threshold below which it
    predicts "unknown". The negative videos must show people who do none of its actions. Half of
    the validation clips of the run and every second video are used to choose, the others to
    measure. Nothing is written without --apply, which stores the result in best.pt, plots it in
    calibration.png and shows it in report.html; --undo restores the state before."""
    from skelact.cache import Cache
    from skelact.runs import calibrate as job  # imports torch
    from skelact.schemas import to_plain

    if undo:
        others = (negatives, score, data, min_confidence, poses_from)
        if apply or target_fpr != TARGET_FPR or any(value is not None for value in others):
            raise ConfigError(
                "--undo goes without videos and without other options", "Leave them out."
            )
        with console.Bars() as on_progress:
            previous = job.undo(run, Cache(cache_dir), on_progress)
        if json:
            console.as_json({"calibration": None if previous is None else to_plain(previous)})
        console.say(
            f"{run} is not calibrated any more"
            if previous is None
            else f"{run} has its earlier calibration again: temperature "
            f"{previous.temperature:.2f}, {previous.score} {number(previous.threshold)}"
        )
        return
    if not negatives:
        raise InputError("No negative videos were given", "skelact calibrate RUN negatives/")

    with console.Bars() as on_progress:
        result = job.calibrate(
            run,
            negatives,
            target_fpr=target_fpr,
            score=score,
            apply=apply,
            cache=Cache(cache_dir),
            data=data,
            poses_from=poses_from,
            min_confidence=min_confidence,
            on_progress=on_progress,
        )
    if not json:
        _table(run, result)
    if result.obstacle:
        console.warning(f"{result.obstacle}; --apply would refuse this.")
    elif not apply:
        console.say("nothing was written; add --apply to store this calibration in best.pt")
    console.finish(sum(result.negatives), result.failed, result.as_dict() if json else None)


def _table(run: Path, result: CalibrationResult) -> None:
    chosen = result.chosen
    console.say(
        f"{result.rejected:.1%} of the known samples become unknown at the chosen threshold, "
        f"{chosen.name} {number(chosen.threshold)}"
    )
    heads = (
        *("score", ">AUROC", ">FPR at 95% TPR", ">AURC", ">threshold"),
        *(">known labelled", ">accuracy of these", ">negatives labelled"),
    )
    rows = [
        (
            s.name + (" (chosen)" if s is chosen else ""),
            *score_cells(s),
        )
        for s in result.calibration.scores
        if not s.obstacle
    ]
    console.table(f"{run}: scores", heads, rows)
    for s in result.calibration.scores:
        if s.obstacle and s.obstacle not in result.notice:
            console.say(f"no score {s.name}: {s.obstacle}")
    first, *curve = result.calibration.curve
    points = [
        (
            f"{p.threshold:.2f}" + (" calibrated" if p is first else ""),
            *(share(v) for v in (p.coverage, p.accuracy, p.negatives)),
        )
        for p in sorted((first, *curve), key=lambda p: p.threshold)
    ]
    console.table("threshold of the probability", (">threshold", *heads[5:]), points)
    _say_how(result)


def _say_how(result: CalibrationResult) -> None:
    """What the score and the thresholds were chosen by, and what the figures were measured on."""
    c, chosen = result.calibration, result.chosen
    samples, negatives = result.samples, result.negatives
    by = {s.name: s.chosen_by for s in c.scores if s.chosen_by is not None}
    others = ", ".join(f"{name} {share:.1%}" for name, share in by.items() if name != chosen.name)
    why = (
        "as --score says"
        if result.forced
        else f"it labels {by[chosen.name]:.1%} of the known samples right where it was chosen"
        + (f" ({others})" if others else "")
    )
    console.say(f"score {chosen.name}: {why}")
    console.say(
        f"temperature {c.temperature:.2f}, score and thresholds from {samples[0]} samples of "
        f"{c.known} and {negatives[0]} windows of every second negative video; measured on "
        + (f"{samples[1]} other samples" if samples[1] else "the same samples, as there are few")
        + " and "
        + (
            f"{negatives[1]} windows of the other videos"
            if negatives[1]
            else "the same windows, as there is only one video"
        )
    )
    if c.before is not None and c.after is not None:
        console.say(
            f"expected calibration error {c.before.error:.1%} before and {c.after.error:.1%} after "
            "the temperature"
        )
    if result.notice:
        console.say(f"note: {result.notice}")
