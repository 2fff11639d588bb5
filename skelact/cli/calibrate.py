"""Teach a run to say that it does not know."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from skelact.cli import console
from skelact.cli.options import CacheDir, Json, Videos


def command(
    run: Annotated[Path, typer.Argument(help="the run folder", show_default=False)],
    negatives: Videos,
    target_fpr: Annotated[
        float, typer.Option(help="share of the negatives's windows that may get a label")
    ] = 0.1,
    cache_dir: CacheDir = None,
    json: Json = False,
) -> None:
    """Choose the probability below which a run says "unknown", on videos of people who do none of
    its actions (every second one; the others tell what it is worth), and make its probabilities
    mean what they say. Kept in the run's best.pt; shown as a curve in its calibration.png."""
    from skelact.cache import Cache
    from skelact.runs.calibrate import calibrate  # torch is imported here
    from skelact.schemas import to_plain

    with console.Bars() as on_progress:
        found = calibrate(run, negatives, target_fpr, Cache(cache_dir), on_progress)
    if json:
        console.as_json(to_plain(found) | {"failed": console.failed_json(found.failed)})
    else:
        _table(run, found)
        console.failures(found.failed)
    console.exit_code(sum(found.negatives), len(found.failed))


def _table(run: Path, found: Any) -> None:
    rows = [
        (
            f"{p.threshold:.2f}" + (" chosen" if p is found.chosen else ""),
            f"{p.coverage:.1%}",
            "" if p.accuracy is None else f"{p.accuracy:.1%}",
            f"{p.negatives:.1%}",
        )
        for p in sorted((found.chosen, *found.curve), key=lambda p: p.threshold)
    ]
    heads = (">unknown below", ">known labelled", ">of those right", ">negatives labelled")
    console.table(str(run), heads, rows)
    chosen_on, measured_on = found.negatives
    where = f"{measured_on} windows of the others" if measured_on else "the same (one video only)"
    console.say(
        f"temperature {found.temperature:.2f} from {found.known}; chosen on {chosen_on} windows of "
        f"every second negatives video, negatives measured on {where}"
    )
