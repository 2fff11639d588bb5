"""Add an action to a model from a few examples, without training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skelact.cli import console
from skelact.cli.options import OUTPUT, PEOPLE, CacheDir, Json, PosesFrom
from skelact.errors import ConfigError, InputError
from skelact.schemas import EnrolMethod

if TYPE_CHECKING:
    from skelact.runs.enroll import EnrolledModel

EXAMPLES = (
    'skelact enroll runs/mine --label "plank" clip1.mp4 clip2.mp4:3.0-5.5',
    "skelact enroll everyday --label plank clip1.mp4 --others videos/ --out mine.pt",
    "skelact enroll runs/mine --remove plank",
)


def command(
    model: Annotated[
        str,
        typer.Argument(
            help="A run folder, a checkpoint, the name of a shipped model, or latest.",
            show_default=False,
        ),
    ],
    examples: Annotated[
        list[str] | None,
        typer.Argument(
            help="1 to 20 examples: video or skeleton files, or parts of them in seconds as "
            "FILE:START-END.",
            show_default=False,
        ),
    ] = None,
    label: Annotated[str | None, typer.Option(help="Name of the new class.")] = None,
    list_: Annotated[
        bool, typer.Option("--list", help="List the classes of the model and their examples.")
    ] = False,
    remove: Annotated[
        str | None, typer.Option(help="Remove an added class.", metavar="LABEL")
    ] = None,
    method: Annotated[
        EnrolMethod | None,
        typer.Option(
            help="ridge: solve the head of a closed-form network again; cosine, jsd: compare "
            "embeddings with those of the examples.",
            show_default="ridge if the network has such a head, otherwise cosine",
        ),
    ] = None,
    person: Annotated[
        list[int] | None,
        typer.Option(
            help="Id of the person, where an example shows several; once for all examples, or once "
            "for each.",
            min=0,
            rich_help_panel=PEOPLE,
        ),
    ] = None,
    shots: Annotated[
        int | None,
        typer.Option(
            help="Number of examples to use; fewer are an error.",
            min=1,
            max=20,
            show_default="all",
        ),
    ] = None,
    others: Annotated[
        Path | None,
        typer.Option(
            help="Folder of videos of other actions, for a model without statistics of its "
            "training clips.",
        ),
    ] = None,
    min_confidence: Annotated[
        float | None,
        typer.Option(
            help="Minimum confidence of a person detection.",
            show_default="as in training",
            rich_help_panel=PEOPLE,
        ),
    ] = None,
    poses_from: PosesFrom = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="File for the result (.pt).",
            show_default="the checkpoint of the model",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Replace an added class of that name, and the file of --out.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    cache_dir: CacheDir = None,
    json: Json = False,
) -> None:
    """Add a class to a model from 1 to 20 examples, in seconds and without training. The result is
    an ordinary model for predict, test, fuse, calibrate and export."""
    jobs = (label is not None, list_, remove is not None)
    if sum(jobs) != 1:
        raise ConfigError(
            "Name one of --label, --list and --remove",
            'skelact enroll RUN --label "plank" clip1.mp4 clip2.mp4:3.0-5.5',
        )
    if label is None and examples:
        raise ConfigError("--list and --remove go without examples", "Leave the files out.")
    for_examples = (method, person, shots, others, min_confidence, poses_from)
    if label is None and any(value is not None for value in for_examples):
        raise ConfigError(
            "--list and --remove go without the options of examples",
            "Leave out --method, --person, --shots, --others, --min-confidence and --poses-from.",
        )
    if list_ and (out is not None or overwrite):
        raise ConfigError("--list writes nothing", "Leave out --out and --overwrite.")
    from skelact.cache import Cache
    from skelact.runs import enroll as job  # imports torch

    if list_:
        _show(job.enrolled(model), json)
        return
    if remove is not None:
        result = job.remove(model, remove, out=out, overwrite=overwrite)
        if json:
            _show(result, json)
        else:
            console.say(f"removed {remove}; written: {result.file}")
        return
    if not examples:
        raise InputError(
            "No examples were given", f"skelact enroll {model} --label {label} clip.mp4"
        )
    assert label is not None
    with console.Bars() as on_progress:
        result = job.enroll(
            model,
            label,
            examples,
            method=method,
            persons=person or (),
            shots=shots,
            out=out,
            overwrite=overwrite,
            others=others,
            min_confidence=min_confidence,
            cache=Cache(cache_dir),
            poses_from=poses_from,
            on_progress=on_progress,
        )
    _show(result, json)
    console.say(f"written: {result.file}; skelact predict VIDEO --model {result.file}")


def _show(result: EnrolledModel, json: bool) -> None:
    if json:
        console.as_json(
            {
                "file": result.file,
                "trained": list(result.trained),
                "method": result.method,
                "enrolled": {c.label: c.examples for c in result.enrolled},
            }
        )
        return
    rows = [(name, "trained", "") for name in result.trained]
    rows += [(c.label, f"added ({result.method})", str(c.examples)) for c in result.enrolled]
    console.table(str(result.file), ("class", "", ">examples"), rows)
