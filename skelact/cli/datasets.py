"""List, check and export datasets."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from skelact.cli import console, examples
from skelact.cli.options import (
    OUTPUT,
    CacheDir,
    Data,
    Json,
    Overwrite,
    Settings,
    is_listing,
    with_options,
)
from skelact.errors import counted
from skelact.sequence.cameras import CameraOptions
from skelact.sequence.imitate import ImitationOptions
from skelact.video.cut import ClipOptions

app = typer.Typer(help=__doc__, epilog=examples(["skelact datasets"]), invoke_without_command=True)


@app.callback(invoke_without_command=True)
def table(context: typer.Context, json: Json = False) -> None:
    """List all datasets: content, source, expected layout, and where each is found."""
    if not is_listing(context, json):
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
        console.table(f"{path}: {counted(findings.items, 'item')}", heads, rows)
        for text in findings.notes:
            console.say(text)
        for text in findings.warnings:
            console.warning(text)
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
        *(
            ("shape", f"{shape}, {counted(count, 'sequence')}")
            for shape, count in found.shapes.items()
        ),
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
    "project",
    epilog=examples(["skelact datasets project mocap/ --out views/ --cameras 4 --length 2"]),
)
@with_options
def project(
    dataset: Annotated[
        str,
        typer.Argument(
            help="A dataset of 3-D skeletons: by name, a folder of skeleton files with one folder "
            "per class, or a labels.csv.",
            show_default=False,
        ),
    ],
    *,
    out: Annotated[Path, typer.Option(help="The folder to write.", rich_help_panel=OUTPUT)],
    layout: Annotated[
        str,
        typer.Option(
            help="Joint layout of the views, by name or as a .toml file.", rich_help_panel=OUTPUT
        ),
    ] = "coco-17",
    cameras: CameraOptions,
    imitation: ImitationOptions,
    clips: ClipOptions,
    data: Data = None,
    set_: Settings = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Replace a dataset that skelact wrote.", rich_help_panel=OUTPUT
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Make training data from motion capture: film 3-D skeletons with random cameras, imitate the
    mistakes of the pose estimator, and write the views as a 2-D dataset, on which `skelact train
    --dataset <out>/labels.csv` trains. All views of a recording have the same source and subject,
    so that splits keep them together."""
    from skelact.config import overrides
    from skelact.datasets.registry import locate
    from skelact.runs.project import project as project_dataset
    from skelact.skeletons import load_skeleton

    name, data = locate(dataset, data)
    with console.Bars() as on_progress:
        count, failed = project_dataset(
            name,
            data,
            out,
            load_skeleton(layout),
            cameras=cameras,
            imitation=imitation,
            clips=clips,
            changes=overrides(set_ or []),
            overwrite=overwrite,
            on_progress=on_progress,
        )
    if not json:
        console.say(f"Wrote {counted(count, 'view')} to {out}/.")
    console.finish(count, failed, {"folder": out, "views": count} if json else None)


@app.command(
    "export", epilog=examples(["skelact datasets export --dataset my_videos/ --out mine.pkl"])
)
def export(
    dataset: Annotated[
        str,
        typer.Option(help="A dataset by name, a folder of videos or skeleton files, or a file."),
    ],
    out: Annotated[
        Path, typer.Option(help="The .pkl file to write; a folder with --format files.")
    ],
    form: Annotated[
        Literal["pyskl", "files"],
        typer.Option(
            "--format",
            help="pyskl: an annotation pickle with all splits, which mmaction2 reads too; files: a "
            "folder of 2-D poses with labels.csv, which `skelact datasets join` takes.",
        ),
    ] = "pyskl",
    data: Data = None,
    set_: Settings = None,
    overwrite: Overwrite = False,
    cache_dir: CacheDir = None,
    json: Json = False,
) -> None:
    """Write the poses of a dataset as an annotation pickle of PYSKL and mmaction2, or as a folder
    of skeleton files. Missing poses are extracted first. A pickle has all splits; a folder has the
    subsets of the split that --set dataset.protocol names."""
    from skelact.cache import Cache
    from skelact.config import overrides
    from skelact.datasets.registry import locate
    from skelact.runs.export import export_files, export_pyskl

    dataset, data = locate(dataset, data)
    changes = overrides(set_ or [])
    with console.Bars() as on_progress:
        write = export_files if form == "files" else export_pyskl
        cache = Cache(cache_dir)
        count, failed = write(dataset, data, out, cache, on_progress, changes, overwrite=overwrite)
    if not json:
        console.say(f"Wrote {counted(count, 'sample')} to {out}.")
    console.finish(count, failed, {"file": out, "samples": count} if json else None)


@app.command(
    "join",
    epilog=examples(
        ["skelact datasets join views/ clips/ --classes classes.csv --other background --out all/"]
    ),
)
def join(
    folders: Annotated[
        list[Path],
        typer.Argument(
            help="Datasets that `skelact datasets project` or `export --format files` wrote; the "
            "name of the folder is the name of the dataset.",
            show_default=False,
        ),
    ],
    *,
    out: Annotated[Path, typer.Option(help="The folder to write.")],
    classes: Annotated[
        Path | None,
        typer.Option(
            help="CSV file with the columns dataset, label and class. * stands for any other "
            "dataset or label, an empty class leaves the clips out."
        ),
    ] = None,
    other: Annotated[
        str,
        typer.Option(
            help="The class of labels that --classes does not name; keep for the label itself, "
            "drop to leave them out."
        ),
    ] = "keep",
    most: Annotated[
        list[str] | None,
        typer.Option(
            help="DATASET=NUMBER: at most so many clips of each class from this dataset. Can be "
            "repeated."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed of --most.")] = 0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a dataset that skelact wrote.")
    ] = False,
    json: Json = False,
) -> None:
    """Join datasets of 2-D poses to one with common classes: a labels.csv that names the files
    where they are. Train on it with `skelact train --dataset <out>/labels.csv`; --split takes or
    xsub mixes the datasets, --split without-<dataset> tests on one that training never saw."""
    from skelact.errors import ConfigError
    from skelact.runs.join import join as join_datasets

    limits = {}
    for text in most or ():
        name, _, number = text.rpartition("=")
        if not name or not number.isdecimal() or int(number) < 1:
            raise ConfigError(f"--most {text} is not DATASET=NUMBER", "Write --most views=200.")
        limits[name] = int(number)
    joined = join_datasets(
        folders, out, classes=classes, other=other, most=limits, seed=seed, overwrite=overwrite
    )
    if json:
        console.as_json({"folder": out, **asdict(joined)})
        return
    for head, counts in (("dataset", joined.datasets), ("class", joined.classes)):
        console.table("", (head, ">clips"), list(counts.items()))
    for text, count in joined.left_out.items():
        console.say(f"left out: {counted(count, 'clip')} of {text}")
    for text in joined.notices:
        console.say(text)
    console.say(f"Wrote {out / 'labels.csv'}.")
