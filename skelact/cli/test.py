"""Test a trained run again: other splits, clip lengths or numbers of draws."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skelact.cli import console
from skelact.cli.options import (
    INPUT,
    CacheDir,
    Changes,
    Data,
    Json,
    PosesFrom,
    RecipeOptions,
    Settings,
    with_options,
)
from skelact.errors import ConfigError
from skelact.options import PredictOptions
from skelact.segment_metrics import F1_OVERLAPS, SegmentScores

if TYPE_CHECKING:
    from skelact.cache import Cache
    from skelact.schemas import ForecastResult

EXAMPLES = (
    "skelact test runs/mine",
    "skelact test runs/mine --data moved/videos",
    "skelact test runs/mine --untrimmed long_videos/labels.csv",
    "skelact test runs/mine --forecast",
)


@with_options
def command(
    run: Annotated[
        Path,
        typer.Argument(
            help="Run folder; with --untrimmed also a checkpoint or a shipped model.",
            show_default=False,
        ),
    ],
    *,
    changes: Annotated[
        Changes, RecipeOptions("sampling.test_clips", "dataset.protocol", "clips.length_s")
    ],
    set_: Settings = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="Name of the files written to the run folder.",
            show_default="test, or untrimmed with --untrimmed",
        ),
    ] = None,
    data: Data = None,
    untrimmed: Annotated[
        Path | None,
        typer.Option(
            help="Test the temporal segmentation on long videos instead: a labels.csv with the "
            "columns path, label, start and end, or a folder with a CSV file (label, start, end) "
            "beside each video.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    forecast: Annotated[
        bool,
        typer.Option(
            "--forecast",
            help="Measure forecasts of poses instead: the network's, if it has a forecast head, a "
            "linear one that is fitted on the training clips, constant and zero velocity. Writes "
            "forecast.json and forecast.pt for `skelact forecast`.",
        ),
    ] = False,
    options: PredictOptions,
    poses_from: PosesFrom = None,
    cache_dir: CacheDir = None,
    json: Json = False,
) -> None:
    """Test the best checkpoint of a run on its test subset, on another split or on untrimmed
    videos. A split whose test subset contains training clips of the run is refused. Writes
    <name>.json and <name>_predictions.json into the run folder."""
    from skelact import config
    from skelact.cache import Cache

    if forecast:
        if changes or set_ or name or untrimmed or poses_from or options != PredictOptions():
            raise ConfigError(
                "--forecast uses the dataset and the split of the run",
                "Only --data, --cache-dir and --json go with it.",
            )
        _forecast(run, data, Cache(cache_dir), json)
        return
    if untrimmed is not None:
        if changes or set_ or data is not None:
            raise ConfigError(
                "--untrimmed does not use the dataset of the run",
                "Leave out --data, --set and the options of the recipe.",
            )
        _untrimmed(run, untrimmed, options, name, Cache(cache_dir), poses_from, json)
        return
    if options != PredictOptions() or poses_from is not None:
        raise ConfigError("The options of prediction are for --untrimmed", "Leave them out.")
    changes = config.merge(changes, config.overrides(set_ or []))
    from skelact.runs.test import test  # imports torch

    with console.Bars() as on_progress:
        result = test(
            run,
            Cache(cache_dir),
            data=data,
            changes=changes,
            name=name or "test",
            on_progress=on_progress,
        )
    files = list(map(str, result.files))
    split = result.dataset.protocol
    if json:
        content = {"run": run, "split": split, "files": files}
        console.as_json(content | result.scores.as_dict())
        return
    title = f"{run}, split {split}, {result.scores.samples} clips"
    console.table(title, ("", ">"), console.score_rows(result.scores))
    console.say(f"written: {', '.join(files)}")


def _untrimmed(
    model: Path,
    source: Path,
    options: PredictOptions,
    name: str | None,
    cache: Cache,
    poses_from: Path | None,
    json: bool,
) -> None:
    from skelact.inference.predictor import Predictor
    from skelact.runs.untrimmed import test_untrimmed

    run = model if model.is_dir() else None
    if run is None and name is not None:
        raise ConfigError(f"{model} is not a run folder", "Leave out --name: no file is written.")
    predictor = Predictor.load(str(model), options)
    with console.Bars() as on_progress:
        result = test_untrimmed(
            predictor,
            source,
            cache,
            run=run,
            name=name or "untrimmed",
            poses_from=poses_from,
            on_progress=on_progress,
        )
    if result.other_labels:
        console.say(
            f"The model does not know {', '.join(result.other_labels)}; these count as background."
        )
    content = None
    if json:
        content = {"model": model, "file": result.file} | result.scores.as_dict()
    else:
        title = f"{model} on {source}, {result.scores.videos} videos"
        console.table(title, ("", ">"), _rows(result.scores))
        if result.file:
            console.say(f"written: {result.file}")
    console.finish(result.scores.videos, result.failed, content)


def _forecast(run: Path, data: Path | None, cache: Cache, json: bool) -> None:
    from skelact.runs.forecast_test import losses, test_forecast
    from skelact.schemas import to_plain

    with console.Bars() as on_progress:
        tested = test_forecast(run, cache, data=data, on_progress=on_progress)
    result = tested.result
    if json:
        console.as_json(to_plain(result))
        return
    title = (
        f"{run}, split {result.protocol}: mean error per joint [{result.unit}] of "
        f"{result.windows['test']} forecasts in {result.clips['test']} test clips"
    )
    heads = ("method", *(f">{round(t * 1000)} ms" for t in result.times_s))
    rows = [(row.method, *(f"{e:.4g}" for e in row.test)) for row in result.errors]
    console.table(title, heads, rows)
    for row in result.errors:
        if worse := losses(result, row.method):
            times = ", ".join(f"{round(t * 1000)}" for t in worse)
            console.say(f"{row.method} is not better than zero velocity at {times} ms.")
    console.say(f"`skelact forecast` uses {result.method}, the best one on the {_chosen(result)}.")
    console.say(f"written: {', '.join(map(str, tested.files))}")


def _chosen(result: ForecastResult) -> str:
    return "validation clips" if result.held_out == "val" else "training takes held out for this"


def _rows(scores: SegmentScores) -> list[tuple[str, str]]:
    def number(value: float | None, unit: str) -> str:
        return "-" if value is None else f"{value:.2f}{unit}"

    overlaps = zip(F1_OVERLAPS, scores.f1, strict=True)
    return [
        ("length", f"{scores.minutes:.1f} min, {scores.actions} actions"),
        ("correct frames", f"{scores.frame_accuracy:.1%}"),
        ("correct frames of the actions", f"{scores.action_accuracy:.1%}"),
        ("edit score", f"{scores.edit:.1%}"),
        *((f"F1 at an overlap of {o:.0%}", f"{f1:.1%}") for o, f1 in overlaps),
        ("mean average precision at IoU 0.5", f"{scores.map50:.1%}"),
        ("actions found", f"{scores.found:.1%}"),
        ("median delay", number(scores.delay_s, " s")),
        ("false actions per minute of background", number(scores.false_per_minute, "")),
    ]
