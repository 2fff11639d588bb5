"""Import and export labels of annotation programs: Label Studio, ELAN, VIA."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skelact.cli import console, examples
from skelact.cli.options import Json, Overwrite, is_listing
from skelact.errors import counted

FORMATS = ("label-studio", "elan", "elan-text", "via", "csv")

app = typer.Typer(
    help=__doc__,
    epilog=examples(["skelact labels import project.json --videos my_project/"]),
    invoke_without_command=True,
)


@app.callback(invoke_without_command=True)
def list_formats(context: typer.Context, json: Json = False) -> None:
    """List the formats of annotation programs."""
    if not is_listing(context, json):
        return
    from skelact.interop.annotation_files import formats

    rows = [(f.name, f.title, f.suffix) for f in formats().values()]
    if json:
        console.as_json([dict(zip(("name", "program", "suffix"), r, strict=True)) for r in rows])
    else:
        console.table("", ("name", "program", "suffix"), rows)


@app.command("import", epilog=examples(["skelact labels import project.json --videos my_project/"]))
def import_labels(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Files of Label Studio (JSON), ELAN (.eaf or tab-delimited text), VIA 3 (CSV), or "
            "tables with the columns path, label, start and end.",
            show_default=False,
        ),
    ],
    videos: Annotated[
        list[Path],
        typer.Option(help="Folder with the videos, which are found by name. Can be repeated."),
    ],
    out: Annotated[
        Path, typer.Option(help="The table to which the labels are added; it may exist.")
    ] = Path("labels.csv"),
    form: Annotated[
        str | None,
        typer.Option(
            "--format", help=f"Format: {', '.join(FORMATS)}.", show_default="from the content"
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Add the labels in files of annotation programs to a labels.csv, on which `skelact train`
    trains. Label Studio counts frames; the frame rates are those of the videos."""
    from skelact import limits, outputs
    from skelact.app.labels import LabelTable
    from skelact.errors import InputError, reading
    from skelact.interop.annotation_files import import_spans
    from skelact.video.probe import find_videos

    outputs.check(out, inputs=files, overwrite=True, suffixes=(".csv",))
    found = find_videos(videos)
    spans = []
    for file in files:
        with reading(file, InputError):
            text = limits.read_text(file, limits.TABLE_BYTES)
        spans += import_spans(text, file.name, found, form)
    table = LabelTable(out)
    table.add(spans)
    if json:
        console.as_json({"file": out, "labels": len(spans)})
    else:
        console.say(f"Added {counted(len(spans), 'label')} to {out}.")


@app.command(
    "export", epilog=examples(["skelact labels export labels.csv --format elan --out clip.eaf"])
)
def export_labels(
    table: Annotated[Path, typer.Argument(help="A labels.csv of videos.", show_default=False)],
    form: Annotated[str, typer.Option("--format", help=f"Format: {', '.join(FORMATS)}.")],
    out: Annotated[Path, typer.Option(help="The file to write.")],
    video: Annotated[
        str | None,
        typer.Option(
            help="Only the labels of this video, by its file name, or the end of its path."
        ),
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Write the labels of a labels.csv as a file of an annotation program. An .eaf document of ELAN
    is about one video."""
    from skelact import outputs
    from skelact.app.labels import LabelTable
    from skelact.errors import InputError, PathMissing, lookup
    from skelact.files import write_bytes
    from skelact.interop.annotation_files import distinct_names, export_spans, formats

    suffix = lookup("format", form, formats()).suffix
    outputs.check(out, inputs=[table], overwrite=overwrite, suffixes=(suffix,))
    if not table.is_file():
        raise PathMissing(f"{table}: no such file", "skelact labels export labels.csv ...")
    rows = list(LabelTable(table).rows())
    names = distinct_names([r.path for r in rows])
    rows = [r for r in rows if video in (None, r.path.name, names[str(r.path)])]
    if not rows:
        raise InputError(f"{table} has no labels" + (f" of {video}" if video else ""))
    text, _ = export_spans([r.span for r in rows], form, names)
    try:
        write_bytes(out, text.encode())
    except OSError as error:
        raise InputError(f"Cannot write {out}: {error.strerror or error}") from error
    if json:
        console.as_json({"file": out, "labels": len(rows)})
    else:
        console.say(f"Wrote {counted(len(rows), 'label')} to {out}.")
