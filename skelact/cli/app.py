"""Open the application: look at videos, label parts of them, train, correct."""

from __future__ import annotations

import contextlib
import os
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from skelact.cli import console
from skelact.cli.options import ADVANCED, CACHE_HELP, FOLDER_OR_URL, INPUT, Json

EXAMPLES = (
    "skelact app my_project/",
    "skelact app my_project/ --videos recordings/ --no-browser",
)
_NETWORK = "Network"
_PASSWORD = "SKELACT_PASSWORD"


def command(
    folder: Annotated[
        Path,
        typer.Argument(
            help="The project: a folder with videos, in which labels.csv and runs/ are written.",
            show_default="the current folder",
        ),
    ] = Path(),
    videos: Annotated[
        list[Path] | None,
        typer.Option(
            help="Another folder of videos, which is only read. Can be repeated.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="A run folder, a checkpoint or an exported file, which is used first.",
            show_default="the latest run of the project, otherwise everyday",
            rich_help_panel=INPUT,
        ),
    ] = None,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")
    ] = True,
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen at. Any but this machine's own needs a password.",
            rich_help_panel=_NETWORK,
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(help="Port; 0 is any free one.", min=0, max=65535, rich_help_panel=_NETWORK),
    ] = 7860,
    password: Annotated[
        str | None,
        typer.Option(
            help="Password of the page. Other users of this machine can see options; better set "
            f"the variable {_PASSWORD}.",
            show_default=f"${_PASSWORD}",
            rich_help_panel=_NETWORK,
        ),
    ] = None,
    max_upload: Annotated[
        int,
        typer.Option(help="Largest upload in MB.", min=1, max=1_000_000, rich_help_panel=_NETWORK),
    ] = 2000,
    cache_dir: Annotated[
        str | None,
        typer.Option(
            help=CACHE_HELP,
            metavar=FOLDER_OR_URL,
            show_default="$SKELACT_CACHE or .skelact in the project",
            rich_help_panel=ADVANCED,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Open the application in the browser: look at the actions in videos, label parts of them,
    train on the labels in seconds, and correct what is uncertain. It works without internet."""
    from skelact.app.server import AppSettings, serve
    from skelact.cache import CACHE_VARIABLE

    settings = AppSettings(
        folder=folder,
        videos=videos or (),
        cache=cache_dir if cache_dir is not None else os.environ.get(CACHE_VARIABLE) or None,
        model=model or "",
        host=host,
        port=port,
        password=password if password is not None else os.environ.get(_PASSWORD, ""),
        max_upload_mb=max_upload,
        debug=bool(os.environ.get("SKELACT_DEBUG")),
    )

    def ready(url: str) -> None:
        if json:
            console.as_json({"url": url})
        else:
            typer.echo(url)
        console.say("Press Ctrl+C to end the application.")
        if browser:
            webbrowser.open(url)

    with contextlib.suppress(KeyboardInterrupt):  # the usual end
        serve(settings, ready)
    console.say("The application has ended.")
