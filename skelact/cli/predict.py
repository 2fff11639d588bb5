"""Predict the actions of each person in videos."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skelact.cli import console
from skelact.cli.options import (
    CacheDir,
    Json,
    OptionGroup,
    Overwrite,
    PosesFrom,
    Videos,
    with_options,
)
from skelact.errors import ConfigError
from skelact.options import DEFAULT, LATEST, ClusterOptions, ForeignOptions, PredictOptions
from skelact.report import writers
from skelact.report.options import OverlayOptions
from skelact.skeletons import SKELETONS, Skeleton, missing_joints, with_details
from skelact.types import UNKNOWN, Prediction, Segment

if TYPE_CHECKING:
    from skelact.report.writers import Result

EXAMPLES = (
    "skelact predict video.mp4",
    "skelact predict videos/ --model latest --csv actions.csv --overlay out/",
)
Outputs = dict[str, Path]  # output format -> file or folder


class _OutputOptions(OptionGroup):
    """One option for each output format."""

    def parameters(self) -> dict[str, inspect.Parameter]:
        return {
            writer.name: inspect.Parameter(
                writer.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=Annotated[
                    Path | None, typer.Option(f"--{writer.name}", help=writer.help)
                ],
            )
            for writer in writers.load_writers().values()
        }

    def value(self, values: Mapping[str, Any]) -> Outputs:
        return {name: target for name, target in values.items() if target is not None}


@with_options
def command(
    videos: Videos,
    *,
    model: Annotated[
        str,
        typer.Option(
            help="A run folder, a checkpoint (also of PYSKL or mmaction2), the name of a shipped "
            "model, or latest for the latest run in ./runs."
        ),
    ] = DEFAULT,
    outputs: Annotated[Outputs, _OutputOptions()],
    drawing: OverlayOptions,
    options: PredictOptions,
    foreign: ForeignOptions,
    cluster: ClusterOptions,
    poses_from: PosesFrom = None,
    overwrite: Overwrite = False,
    cache_dir: CacheDir = None,
    json: Json = False,
) -> None:
    """Predict who does what and when in videos, with segments for each person."""
    from skelact.cache import Cache
    from skelact.files import output_names, unused_folders
    from skelact.inference import zoo
    from skelact.inference.predictor import Predictor

    if drawing != OverlayOptions() and "overlay" not in outputs:
        raise ConfigError("--panel, --blur-faces and --no-audio need --overlay")
    predictor = Predictor.load(model, options, None if foreign == ForeignOptions() else foreign)
    if "overlay" not in outputs:
        check_details(options, [member.spec.skeleton for member in predictor.members])
    if model == DEFAULT:
        console.say(_notice(predictor.classes))
    elif model == LATEST:
        console.say(f"using the latest run, {zoo.latest_run()}")
    for note in predictor.notes:
        console.say(note)
    formats = writers.load_writers()
    names: dict[Path, Path] = {}
    inputs = [Path(p) for p in (model, foreign.labels, foreign.skeleton) if p is not None]

    def check_outputs(found: Sequence[Path]) -> None:
        """Before poses are estimated."""
        names.update(output_names(found))
        for name, target in outputs.items():
            writers.plan(formats[name], found, names, target, inputs=inputs, overwrite=overwrite)

    with console.Bars() as on_progress:
        batch = predictor.predict_many(
            videos, Cache(cache_dir), on_progress, poses_from, check_outputs, cluster
        )
        written = outputs if batch.results else {}
        for name, target in written.items():
            writers.write(
                formats[name],
                batch.results,
                names,
                target,
                inputs=inputs,
                overwrite=overwrite,
                options=drawing if formats[name].options is OverlayOptions else None,
            )
    for folder in unused_folders(videos, names):
        console.say(f"{folder} contains no video and no skeleton file that can be used")
    content = None
    if json:
        predictions = [p.as_dict() for result in batch.results for p in result.predictions]
        content = {"predictions": predictions}
    else:
        _table(batch.results)
        for name, target in written.items():
            console.say(f"{name}: {target}")
    console.finish(len(batch.results), batch.failed, content)


def check_details(options: PredictOptions, skeletons: Sequence[Skeleton]) -> None:
    """Raise ConfigError if hands or faces shall be estimated that no network uses, without an
    overlay that shows them."""
    body = SKELETONS["blazepose-33"]
    for name in ("hands", "face"):
        if getattr(options, name):
            whole = with_details(body, **{name: True})
            if all(missing_joints(s, whole) == missing_joints(s, body) for s in skeletons):
                raise ConfigError(
                    f"--{name} needs --overlay, because the model does not use the {name}",
                    f"Add --overlay, or leave out --{name}.",
                )


def _notice(classes: tuple[str, ...]) -> str:
    """What the default model is, and how to use a model of the user's own."""
    own = any(Path("runs").glob("*/best.pt"))
    count = len([name for name in classes if name != UNKNOWN])
    return (
        f"using {DEFAULT}, the model that comes with skelact, for {count} actions (skelact "
        f"enroll {DEFAULT} --list shows them)"
        + (f"; for your own model use --model {LATEST}" if own else "")
    )


def _action(prediction: Prediction, segment: Segment) -> str:
    """The label, with the most probable classes if it is unknown."""
    if segment.label != UNKNOWN:
        return segment.label
    guesses = prediction.guesses(segment)
    return f"{UNKNOWN} ({', '.join(f'{name} {p:.0%}' for name, p in guesses)})"


def _table(results: Sequence[Result]) -> None:
    rows = []
    for result in results:
        for p in result.predictions:
            heads = (console.short(p.path), "all" if p.person_id < 0 else f"#{p.person_id}")
            for s in p.segments:
                times = (f"{s.start_s:.1f}", f"{s.end_s:.1f}")
                rows.append((*heads, *times, _action(p, s), f"{s.probability:.0%}"))
                heads = ("", "")
    if rows:
        console.table("", ("video", "person", ">from [s]", ">to [s]", "action", ">"), rows)
