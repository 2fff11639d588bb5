"""Say who does what, and when, in one video or a thousand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from skelact.cli import console
from skelact.cli.options import CacheDir, Json, PosesFrom, Videos
from skelact.options import DEFAULT, LATEST, PredictOptions
from skelact.types import UNKNOWN


def command(
    videos: Videos,
    model: Annotated[
        str,
        typer.Option(
            help="a run folder, a checkpoint (PYSKL's and mmaction2's too), newest (the last run "
            "in ./runs), or a recogniser that came with skelact"
        ),
    ] = DEFAULT,
    csv: Annotated[Path | None, typer.Option(help="write the segments as CSV")] = None,
    srt: Annotated[
        Path | None,
        typer.Option(help="write subtitles: a file for one video, a folder for several"),
    ] = None,
    overlay: Annotated[
        Path | None,
        typer.Option(
            help=(
                "write the video with skeletons, labels, timeline: a file for one video, a "
                "folder for several"
            )
        ),
    ] = None,
    step: Annotated[float, console.option(PredictOptions, "step")] = PredictOptions.step,
    min_segment: Annotated[
        float, console.option(PredictOptions, "min_segment_s")
    ] = PredictOptions.min_segment_s,
    min_seen: Annotated[
        float, console.option(PredictOptions, "min_seen_s")
    ] = PredictOptions.min_seen_s,
    max_persons: Annotated[int | None, console.option(PredictOptions, "max_persons")] = None,
    unknown_threshold: Annotated[
        float | None, console.option(PredictOptions, "unknown_threshold")
    ] = None,
    batch_size: Annotated[
        int, console.option(PredictOptions, "batch_size")
    ] = PredictOptions.batch_size,
    device: Annotated[str, console.option(PredictOptions, "device")] = PredictOptions.device,
    labels: Annotated[
        Path | None,
        typer.Option(help="class names, one a line, for a checkpoint of PYSKL or mmaction2"),
    ] = None,
    skeleton: Annotated[
        str | None,
        typer.Option(help="joint layout of such a checkpoint, where its shapes do not tell"),
    ] = None,
    persons: Annotated[
        int | None,
        typer.Option(help="people such a checkpoint looks at [default: 2]", show_default=False),
    ] = None,
    poses_from: PosesFrom = None,
    cache_dir: CacheDir = None,
    json: Json = False,
) -> None:
    """Say who does what, and when, in one video or a thousand."""
    from skelact.cache import Cache
    from skelact.files import output_names
    from skelact.inference import zoo
    from skelact.inference.predictor import Predictor
    from skelact.interop.checkpoints import ForeignOptions
    from skelact.report import writers

    options = PredictOptions(
        step=step,
        min_segment_s=min_segment,
        min_seen_s=min_seen,
        batch_size=batch_size,
        device=device,
        max_persons=max_persons,
        unknown_threshold=unknown_threshold,
    )
    given = labels or skeleton or persons is not None
    foreign = ForeignOptions(labels=labels, skeleton=skeleton, persons=persons) if given else None
    predictor = Predictor.load(model, options, foreign)
    if model == DEFAULT:
        console.say(_about(predictor.classes))
    elif model == LATEST:
        console.say(f"using the newest run, {zoo.latest_run()}")
    with console.Bars() as on_progress:
        batch = predictor.predict_many(videos, Cache(cache_dir), on_progress, poses_from)
        names = output_names([r.path for r in batch.results])
        for form, target, write in (
            ("srt", srt, writers.write_srt),
            ("mp4", overlay, _write_overlay),
        ):
            if target is not None:
                for result, path in writers.targets(batch.results, names, target, form):
                    write(result, path)
        if csv is not None:
            writers.write_csv(batch.results, csv)
    if json:
        console.as_json(
            {
                "predictions": [p.as_dict() for r in batch.results for p in r.predictions],
                "failed": console.failed_json(batch.failed),
            }
        )
    else:
        _table(batch.results)
        for what, target in (("segments", csv), ("subtitles", srt), ("overlay", overlay)):
            if target is not None:
                console.say(f"{what}: {target}")
        console.failures(batch.failed)
    console.exit_code(len(batch.results), len(batch.failed))


def _write_overlay(result: Any, path: Path) -> None:
    from skelact.pose.store import read_poses
    from skelact.report.overlay import write_overlay
    from skelact.skeletons import Skeleton
    from skelact.video.probe import probe

    poses = result.extracted.poses
    skeleton = Skeleton.from_dict(poses.manifest["skeleton"])
    write_overlay(probe(result.path), read_poses(poses), skeleton, result.predictions, path)


def _about(classes: tuple[str, ...]) -> str:
    """What is used where nothing was asked for, and how to use one's own."""
    own = any(Path("runs").glob("*/best.pt"))
    return (
        f"using the recogniser that came with skelact, {len(classes)} actions: "
        f"{', '.join(classes)}" + (f"; your own: --model {LATEST}" if own else "")
    )


def _action(prediction: Any, segment: Any) -> str:
    """The label; of an unknown one also the best guesses."""
    if segment.label != UNKNOWN:
        return str(segment.label)
    guesses = prediction.guesses(segment)
    return f"{UNKNOWN} ({', '.join(f'{name} {p:.0%}' for name, p in guesses)})"


def _table(results: list[Any]) -> None:
    rows = []
    for result in results:
        for p in result.predictions:
            who = "all" if p.person_id < 0 else f"#{p.person_id}"
            for n, s in enumerate(p.segments):
                first = n == 0
                rows.append(
                    (
                        console.short(p.path) if first else "",
                        who if first else "",
                        f"{s.start_s:.1f}",
                        f"{s.end_s:.1f}",
                        _action(p, s),
                        f"{s.probability:.0%}",
                    )
                )
    if rows:
        console.table("", ("video", "person", ">from [s]", ">to [s]", "action", ">"), rows)
