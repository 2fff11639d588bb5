"""List joint layouts, or print and draw one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skelact.cli import console
from skelact.cli.options import Json, Overwrite

EXAMPLES = (
    "skelact skeletons coco-17",
    "skelact skeletons my_layout.toml --picture joints.png",
)


def command(
    layout: Annotated[
        str | None,
        typer.Argument(
            help="A layout by name, or a .toml file that declares one.", show_default="all layouts"
        ),
    ] = None,
    *,
    picture: Annotated[
        Path | None,
        typer.Option("--picture", "--svg", help="Draw the layout: a .png, .svg or .pdf file."),
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """List all joint layouts that come with skelact, or print the joints of one: number, name,
    parent, and the joint that takes its place in a mirror image."""
    from skelact.errors import ConfigError
    from skelact.skeletons import load_skeleton, tables

    if layout is None:
        if picture is not None:
            raise ConfigError("--picture needs a layout", "skelact skeletons NAME --picture x.png")
        rows = tables.overview()
        if json:
            console.as_json(rows)
            return
        heads = ("layout", ">joints", "centre", "used by")
        console.table("", heads, [tuple(row.values()) for row in rows])
        return
    skeleton = load_skeleton(layout)
    if picture is not None:
        from skelact.report import plots

        plots.layout(skeleton, picture, overwrite=overwrite)
    if json:
        console.as_json(skeleton.as_dict())
    else:
        title = f"{skeleton.name}: {len(skeleton.joints)} joints, centre {skeleton.centre}"
        heads = (">number", *tables.HEADS[1:])
        console.table(title, heads, tables.joint_rows(skeleton))
    if picture is not None:
        console.say(f"drawn: {picture}")
