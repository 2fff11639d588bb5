"""List pose estimators and action networks; fetch an estimator's weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skelact.cli import show
from skelact.cli.options import Json

app = typer.Typer(
    help="Pose estimators and action networks; fetch an estimator's weights.", no_args_is_help=True
)


@app.command("list")
def list_models(json: Json = False) -> None:
    """Every estimator with the state of its weights, and every action network."""
    from skelact.pose import weights

    rows = [{"name": n, "kind": "pose", "state": weights.state(n)} for n in weights.names()]
    rows += [
        {"name": n, "kind": "action", "state": "train it: skelact train --model " + n}
        for n in _networks()
    ]
    if json:
        show.as_json(rows)
    else:
        show.table("", ("name", "kind", "state"), [tuple(r.values()) for r in rows])


def _networks() -> list[str]:
    from skelact.config import shipped

    return sorted(p.stem for p in (shipped("configs") / "models").glob("*.py"))


@app.command("pull")
def pull(
    name: Annotated[
        str,
        typer.Argument(help="rtmo-s, rtmo-m, rtmo-l, rtmpose-t, rtmpose-s, rtmpose-m, rtmpose-l"),
    ],
    from_: Annotated[
        Path | None, typer.Option("--from", help="take this local file instead of downloading")
    ] = None,
) -> None:
    """Fetch the official checkpoint, check its SHA-256, keep it in $SKELACT_MODELS or
    ~/.cache/skelact/models."""
    from skelact.pose import weights

    for line in weights.pull(name, from_):
        show.say(line)
