"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skelact.errors import ConfigError

CacheDir = Annotated[
    Path | None,
    typer.Option(
        "--cache-dir",
        help="the stage store [default: $SKELACT_CACHE or ./.skelact]",
        show_default=False,
    ),
]
PosesFrom = Annotated[
    Path | None,
    typer.Option(help="import OpenPose, AlphaPose or COCO JSON from here instead of estimating"),
]


def person_count(text: str) -> int | None:
    """'all' as None, anything else as a number. ConfigError if it is neither."""
    if text == "all":
        return None
    try:
        return int(text)
    except ValueError:
        raise ConfigError(f"persons must be a number or all, got {text!r}") from None


Json = Annotated[bool, typer.Option("--json", help="machine-readable result on stdout")]
Videos = Annotated[
    list[str],
    typer.Argument(help="video files, folders (searched through) or globs", show_default=False),
]
