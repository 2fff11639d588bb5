"""List action networks and pose estimators; fetch an estimator's weights."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated, Any

import typer

from skelact.cli import console
from skelact.cli.options import Json
from skelact.errors import InputError

app = typer.Typer(help="Action networks and pose estimators; fetch an estimator's weights.")

_Joints = Annotated[str, typer.Option(help="joint layout to count parameters and GMACs for")]
_Classes = Annotated[int, typer.Option(help="classes to count parameters for")]
_Runs = Annotated[Path, typer.Option(help="folder of the runs, searched for checkpoints")]


@app.callback(invoke_without_command=True)
def table(
    context: typer.Context,
    skeleton: _Joints = "coco-17",
    classes: _Classes = 60,
    runs: _Runs = Path("runs"),
    json: Json = False,
) -> None:
    """Every action network: size, cost of one clip, what was published, the newest run of it; and
    every pose estimator with the state of its weights."""
    if context.invoked_subcommand is not None:
        return
    from skelact.inference import zoo
    from skelact.pose.base import estimator_specs
    from skelact.sequence.streams import STREAMS

    networks = _networks(skeleton, classes, _trained(runs))
    shipped: list[dict[str, Any]] = [
        {"name": r.name, "bytes": r.path.stat().st_size, "what": r.title, "card": str(r.card)}
        for r in zoo.shipped_models()
    ]
    estimators = [{"name": s.name, "state": s.status().text} for s in estimator_specs().values()]
    if json:
        console.as_json(
            {
                "recognisers": shipped,
                "networks": networks,
                "streams": list(STREAMS),
                "estimators": estimators,
            }
        )
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
        "clip: persons×frames×channels. GMACs: multiply-adds of convolutions and matrix products, "
        "and batch norm, as fvcore counts them.\n"
        f"streams (--streams), of every network: {', '.join(STREAMS)}, joint+bone"
    )
    console.table("", ("estimator", "weights"), [tuple(e.values()) for e in estimators])
    files = [(r["name"], f"{r['bytes'] / 1e6:.1f} MB", r["what"], r["card"]) for r in shipped]
    console.table("", ("recogniser (predict --model)", ">size", "what", "card"), files)


def _networks(skeleton: str, classes: int, trained: dict[str, str]) -> list[dict[str, Any]]:
    from skelact.models import SPECS, build
    from skelact.models.profile import multiply_adds, parameters
    from skelact.skeletons import load_skeleton

    layout = load_skeleton(skeleton)
    out = []
    for spec in SPECS.values():
        persons, frames, channels = spec.clip_shape
        net = build(spec.name, classes, layout, channels, persons)
        size = parameters(net)
        cost = multiply_adds(net, (1, persons, frames, len(layout.joints), channels))
        row = {
            "name": spec.name,
            "summary": spec.summary,
            "paper": spec.paper,
            "accuracy": spec.accuracy,
            "source": spec.source,
            "shape": spec.clip_shape,
            "parameters": size,
            "gmacs": round(cost / 1e9, 3),
            "checkpoint": trained.get(spec.name),
        }
        out.append(row)
    return out


def _trained(runs: Path) -> dict[str, str]:
    """Network -> newest run folder that holds a checkpoint of it."""
    from skelact.inference.zoo import trained_runs
    from skelact.schemas import BEST, CONFIG, RunConfig, load_json

    found = {}
    for run in trained_runs(runs):
        with contextlib.suppress(InputError):  # the folder of a fusion has no config.json
            recipe = load_json(run / CONFIG, RunConfig).recipe
            found[str(recipe["model"]["name"])] = str(run / BEST)
    return found


@app.command("export")
def export(
    run: Annotated[Path, typer.Argument(help="a run folder, fused ones too", show_default=False)],
    out: Annotated[Path, typer.Option(help="the file to write")],
    calibration: Annotated[
        Path | None, typer.Option(help="take `unknown` from this calibrated run")
    ] = None,
) -> None:
    """Write a run as one small file (half precision) that `skelact predict --model` takes."""
    from skelact.inference import zoo

    size = zoo.export_checkpoint(run, out, calibration)
    console.say(f"{out}: {size / 1e6:.2f} MB")


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
        console.say(line)
