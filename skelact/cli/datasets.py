"""List, check and export datasets."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from skelact.cli import console, examples
from skelact.cli.options import CacheDir, Data, Json, Overwrite, Settings

app = typer.Typer(help=__doc__, epilog=examples(["skelact datasets"]), invoke_without_command=True)


@app.callback(invoke_without_command=True)
def table(context: typer.Context, json: Json = False) -> None:
    """List all datasets: content, source, expected layout, and where each is found."""
    if context.invoked_subcommand is not None:
        return
    from skelact.datasets.registry import dataset_specs, places

    rows = []
    for spec in dataset_specs().values():
        found = next((str(p) for p in places(spec.name, None) if p.exists()), "")
        rows.append((spec.name, spec.title, spec.origin, spec.layout, found))
    if json:
        keys = ("name", "content", "source", "layout", "path")
        console.as_json([dict(zip(keys, row, strict=True)) for row in rows])
    else:
        heads = ("name", "content", "source", "expected layout", "found in")
        console.table("", heads, rows)
        console.say("searched in $SKELACT_DATA/<name> and ./data/<name>")


@app.command("check", epilog=examples(["skelact datasets check my_videos/"]))
def check(
    path: Annotated[
        Path, typer.Argument(help="A folder, labels.csv or .pkl file.", show_default=False)
    ],
    dataset: Annotated[
        str | None, typer.Option(help="Name of the dataset.", show_default="detected from the path")
    ] = None,
    json: Json = False,
) -> None:
    """Check a dataset before training: classes, counts, lengths, class imbalance, duplicates,
    missing and unreadable files, and possible leaks. The exit code is 1 if there are warnings."""
    from skelact.datasets.check import inspect
    from skelact.datasets.registry import kind_of

    findings = inspect(dataset or kind_of(path), path)
    if json:
        console.as_json(asdict(findings))
    else:
        rows = [
            (c.label, c.items, f"{c.seconds:.0f}", f"{c.shortest_s:.1f}", f"{c.longest_s:.1f}")
            for c in findings.classes
        ]
        heads = ("class", ">items", ">seconds", ">shortest [s]", ">longest [s]")
        console.table(f"{path}: {findings.items} items", heads, rows)
        for text in findings.notes:
            console.say(text)
        for text in findings.warnings:
            console.error(text)
    if findings.warnings:
        raise typer.Exit(1)


@app.command("init", epilog=examples(["skelact datasets init my_arrays/"]))
def init(
    folder: Annotated[
        Path, typer.Argument(help="A folder with skeleton files.", show_default=False)
    ],
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Look at skeleton files and write skeletons.toml, which describes them: frame rate, joint
    layout, axes, unit and more. Joints of an unknown layout also get a layout.toml to correct."""
    from skelact.datasets.describe import write_description

    found = write_description(folder, overwrite=overwrite)
    form = found.form
    if json:
        content = asdict(found) | {"form": form.as_dict()}
        console.as_json(content)
        return
    ranges = ", ".join(
        f"{axis} {a:.4g} to {b:.4g}"
        for axis, a, b in zip("xyz", found.low, found.high, strict=False)
    )
    rows = [
        *(("files", f"{count} x {kind}") for kind, count in found.files.items()),
        *(("shape", f"{shape}, {count} sequences") for shape, count in found.shapes.items()),
        ("layout", f"{form.skeleton.name}, {len(form.skeleton.joints)} joints"),
        ("dimensions", f"{form.dims}" + (" and a score" if form.score else "")),
        ("frames per second", f"{form.fps:g}"),
        ("missing joints", f"{found.missing:.1%}"),
        ("values", ranges),
        ("unit, axes", f"{form.unit}, {form.axes}"),
    ]
    console.table(f"{folder} (persons, frames, joints, numbers)", ("", ""), rows)
    for text in (*found.guesses, *found.failed):
        console.say(text)
    console.say(f"written: {', '.join(map(str, found.written))}; please check")


@app.command(
    "export", epilog=examples(["skelact datasets export --dataset my_videos/ --out mine.pkl"])
)
def export(
    dataset: Annotated[
        str,
        typer.Option(help="A dataset by name, a folder of videos or skeleton files, or a file."),
    ],
    out: Annotated[Path, typer.Option(help="The file to write: a .pkl file.")],
    form: Annotated[
        Literal["pyskl"], typer.Option("--format", help="Format, which mmaction2 reads too.")
    ] = "pyskl",
    data: Data = None,
    set_: Settings = None,
    overwrite: Overwrite = False,
    cache_dir: CacheDir = None,
    json: Json = False,
) -> None:
    """Write the poses and splits of a dataset as an annotation pickle of PYSKL and mmaction2.
    Missing poses are extracted first."""
    from skelact.cache import Cache
    from skelact.config import overrides
    from skelact.datasets.registry import locate
    from skelact.runs.export import export_pyskl

    dataset, data = locate(dataset, data)
    with console.Bars() as on_progress:
        count, failed = export_pyskl(
            dataset,
            data,
            out,
            Cache(cache_dir),
            on_progress,
            overrides(set_ or []),
            overwrite=overwrite,
        )
    if not json:
        console.say(f"Wrote {count} samples to {out}.")
    console.finish(count, failed, {"file": out, "samples": count} if json else None)
