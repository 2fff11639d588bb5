"""List networks, shipped models and pose estimators; download weights."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated, Any

import typer

from skelact.cli import console, examples
from skelact.cli.options import Json, Runs, is_listing
from skelact.errors import InputError

app = typer.Typer(help=__doc__, epilog=examples(["skelact models"]))


@app.callback(invoke_without_command=True)
def table(
    context: typer.Context,
    skeleton: Annotated[
        str, typer.Option(help="Joint layout for which parameters and GMACs are counted.")
    ] = "coco-17",
    classes: Annotated[
        int, typer.Option(help="Number of classes for which parameters are counted.", min=1)
    ] = 60,
    runs: Runs = Path("runs"),
    json: Json = False,
) -> None:
    """List all networks with size, cost of one clip, published accuracy and latest run; all shipped
    models; and all pose estimators with the state of their weights."""
    if not is_listing(context, json):
        return
    from skelact.inference import zoo
    from skelact.pose.base import estimator_specs
    from skelact.sequence.streams import STREAMS

    networks = _networks(skeleton, classes, _trained(runs))
    shipped: list[dict[str, Any]] = [
        {"name": m.name, "bytes": m.path.stat().st_size, "what": m.title, "card": m.card}
        for m in zoo.shipped_models()
    ]
    estimators = [{"name": s.name, "state": s.status().text} for s in estimator_specs().values()]
    if json:
        content = {"models": shipped, "networks": networks, "streams": STREAMS}
        console.as_json(content | {"estimators": estimators})
        return
    rows = [
        (
            n["name"],
            f"{n['parameters']:,}",
            f"{n['gmacs']:.3f}",
            "×".join(map(str, n["shape"])),
            n["paper"],
            f"{n['accuracy']} ({n['source']})",
            n["checkpoint"] or "",
        )
        for n in networks
    ]
    heads = ("network", ">parameters", ">GMACs", "clip", "paper", "published [%]", "checkpoint")
    console.table(f"{skeleton}, {classes} classes", heads, rows)
    console.say(
        "clip: persons×frames×channels. GMACs: multiply-adds of convolutions, matrix products and "
        "batch norm, as counted by fvcore."
    )
    console.say(f"streams of all networks (--streams): {', '.join(STREAMS)}, joint+bone")
    console.table("", ("estimator", "weights"), [tuple(e.values()) for e in estimators])
    files = [(m["name"], f"{m['bytes'] / 1e6:.1f} MB", m["what"], m["card"]) for m in shipped]
    console.table("", ("shipped model (predict --model)", ">size", "content", "card"), files)


def _networks(skeleton: str, classes: int, trained: dict[str, str]) -> list[dict[str, Any]]:
    from skelact.models import SPECS, build
    from skelact.models.profile import multiply_adds, parameters
    from skelact.skeletons import load_skeleton

    layout = load_skeleton(skeleton)
    rows = []
    for spec in SPECS.values():
        persons, frames, channels = spec.clip_shape
        net = build(spec.name, classes, layout, channels, persons)
        cost = multiply_adds(net, (1, persons, frames, len(layout.joints), channels))
        rows.append(
            {
                "name": spec.name,
                "summary": spec.summary,
                "paper": spec.paper,
                "accuracy": spec.accuracy,
                "source": spec.source,
                "shape": spec.clip_shape,
                "parameters": parameters(net),
                "gmacs": round(cost / 1e9, 3),
                "checkpoint": trained.get(spec.name),
            }
        )
    return rows


def _trained(runs: Path) -> dict[str, str]:
    """Network -> checkpoint of its latest run."""
    from skelact.inference.zoo import trained_runs
    from skelact.schemas import BEST, CONFIG, RunConfig, load_json

    checkpoints = {}
    for run in trained_runs(runs):
        with contextlib.suppress(InputError):  # a fused run has no config.json
            recipe = load_json(run / CONFIG, RunConfig).recipe
            checkpoints[str(recipe["model"]["name"])] = str(run / BEST)
    return checkpoints


@app.command("pull", epilog=examples(["skelact models pull rtmo-s"]))
def pull(
    name: Annotated[
        str,
        typer.Argument(
            help="blazepose, rtmo-s|m|l, rtmpose-t|s|m|l, or rtmdet-nano|m, the person detectors "
            "of rtmpose.",
            show_default=False,
        ),
    ],
    from_: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Use this local file instead of downloading: a checkpoint, or for blazepose the "
            "wheel of mediapipe 0.10.21.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Download the official weights of a pose estimator, check their SHA-256 and store them in
    $SKELACT_MODELS or ~/.cache/skelact/models. Those of blazepose are part of mediapipe's wheel,
    which pip downloads (36 MB) without installing it."""
    from skelact.errors import lookup
    from skelact.pose.registry import pullable

    lines = []
    for line in lookup("downloadable model", name, pullable())(from_):
        console.say(line)
        lines.append(line)
    if json:
        console.as_json({"model": name, "messages": lines})
