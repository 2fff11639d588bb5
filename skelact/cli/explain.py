"""Explain predictions: which joints speak for a class, and when; draw learned graphs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from skelact.analysis_options import ExplainOptions
from skelact.cli import console
from skelact.cli.options import (
    INPUT,
    OUTPUT,
    CacheDir,
    Changes,
    Data,
    Json,
    Overwrite,
    PosesFrom,
    RecipeOptions,
    Settings,
    with_options,
)
from skelact.errors import ConfigError, counted
from skelact.options import PredictOptions

if TYPE_CHECKING:
    from skelact.runs.explain import ExplainResult
    from skelact.schemas import ExplainedLabel

EXAMPLES = (
    "skelact explain runs/mine clip.mp4 --out explained",
    "skelact explain runs/mine clip.mp4 --label Kata --method occlusion --out why_kata",
    "skelact explain runs/mine --per-class --out classes",
    "skelact explain runs/mine --graph --out graph",
)
Subset = Literal["train", "val", "test"]


@with_options
def command(
    model: Annotated[
        str,
        typer.Argument(
            help="Run folder; for a video also a checkpoint or a shipped model.", show_default=False
        ),
    ],
    video: Annotated[
        str | None, typer.Argument(help="A video or a skeleton file.", show_default=False)
    ] = None,
    *,
    out: Annotated[Path, typer.Option(help="New folder for the result.", rich_help_panel=OUTPUT)],
    label: Annotated[
        str | None, typer.Option(help="Class to explain.", show_default="the predicted one")
    ] = None,
    person: Annotated[
        int | None,
        typer.Option(help="Explain this person only.", min=0, max=1_000_000, show_default="all"),
    ] = None,
    explaining: ExplainOptions,
    per_class: Annotated[
        bool,
        typer.Option("--per-class", help="Explain the clips of a dataset, as a page of classes."),
    ] = False,
    graph: Annotated[
        bool, typer.Option("--graph", help="Draw the links of joints that the network has learned.")
    ] = False,
    dataset: Annotated[
        str | None,
        typer.Option(
            help="Another dataset with the same classes, for --per-class and --graph.",
            show_default="that of the run",
            rich_help_panel=INPUT,
        ),
    ] = None,
    data: Data = None,
    changes: Annotated[Changes, RecipeOptions("dataset.protocol")],
    set_: Settings = None,
    subset: Annotated[
        Subset, typer.Option(help="Clips of --per-class and --graph.", rich_help_panel=INPUT)
    ] = "test",
    most: Annotated[
        int | None,
        typer.Option(
            help="Clips of each class for --per-class and --graph.",
            min=1,
            max=1_000_000,
            show_default="all; 8 for --graph",
            rich_help_panel=INPUT,
        ),
    ] = None,
    options: PredictOptions,
    poses_from: PosesFrom = None,
    overwrite: Overwrite = False,
    cache_dir: CacheDir = None,
    json: Json = False,
) -> None:
    """Explain which joints made a model predict a class, and when: a video with coloured joints, a
    neutral body, and a matrix of joints and time, for each person. With --per-class, the same for
    every class of a dataset; with --graph, the learned links between joints."""
    from skelact import config
    from skelact.cache import Cache
    from skelact.datasets.registry import locate

    if sum((video is not None, per_class, graph)) != 1:
        raise ConfigError(
            "Name a video, or add either --per-class or --graph", "See skelact explain --help."
        )
    changes = config.merge(changes, config.overrides(set_ or []))
    if dataset is not None:
        name, data = locate(dataset, data)
        changes = config.merge({"dataset": {"name": name, "protocol": ""}}, changes)
    if video is not None:
        given = (data, most, *changes)
        if any(g is not None for g in given) or subset != "test":
            raise ConfigError(
                "The options of a dataset are for --per-class and --graph", "Leave them out."
            )
    elif person is not None or poses_from is not None or options != PredictOptions():
        raise ConfigError("The options of prediction are for a video", "Leave them out.")
    if video is None and not Path(model).is_dir():
        raise ConfigError(
            f"{model} is not a run folder, which --per-class and --graph need",
            "Name a folder that `skelact train` wrote.",
        )
    if per_class and label is not None:
        raise ConfigError("--per-class explains all classes", "Leave out --label.")
    if graph and (explaining.method, explaining.steps) != ("auto", ExplainOptions.steps):
        raise ConfigError("--graph has no method", "Leave out --method and --steps.")
    from skelact.runs import explain  # imports torch
    from skelact.runs.explain_graph import explain_graph

    cache = Cache(cache_dir)
    with console.Bars() as on_progress:
        if video is not None:
            from skelact.inference.predictor import Predictor

            result = explain.explain_video(
                model,
                video,
                out,
                label=label,
                person=person,
                options=explaining,
                predictor=Predictor.load(model, options),
                cache=cache,
                poses_from=poses_from,
                overwrite=overwrite,
                on_progress=on_progress,
            )
        elif per_class:
            result = explain.explain_classes(
                Path(model),
                out,
                cache,
                options=explaining,
                data=data,
                changes=changes,
                subset=subset,
                most=most,
                overwrite=overwrite,
                on_progress=on_progress,
            )
        else:
            result = explain_graph(
                Path(model),
                out,
                cache,
                label=label,
                stage=explaining.stage,
                data=data,
                changes=changes,
                subset=subset,
                most=most or 8,
                overwrite=overwrite,
                on_progress=on_progress,
            )
    _report(result, json)


def _report(result: ExplainResult, json: bool) -> None:
    from skelact.schemas import to_plain

    document = result.document
    if json:
        console.as_json({"folder": str(result.folder), **to_plain(document)})
        return
    rows = [_cells(e) for e in document.explained]
    if rows:
        console.table("", ("who", "label", ">", "method", "joints that speak for it"), rows)
    console.say(f"written: {result.folder} ({', '.join(document.files)})")


def _cells(e: ExplainedLabel) -> tuple[object, ...]:
    who = counted(e.clips, "clip")
    if e.persons:
        who = f"#{e.persons[0]}" if len(e.persons) == 1 else f"{len(e.persons)} persons"
    probability = "" if e.probability is None else f"{e.probability:.0%}"
    best = [f"{j.joint} {j.share:.0%}" for j in e.joints[:4] if j.share > 0]
    joints = ", ".join(best) or "no joint"
    return (who, e.label, probability, e.method, joints)
