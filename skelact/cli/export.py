"""Write a recogniser as one file for other machines and programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skelact.cli import console
from skelact.cli.options import Json, Overwrite
from skelact.errors import ConfigError

EXAMPLES = (
    "skelact export runs/mine --out mine.onnx",
    "skelact export runs/mine --out mine.pt",
)
SUFFIXES = {".pt": "torch", ".pth": "torch", ".onnx": "onnx", ".xml": "openvino"}


def command(
    run: Annotated[
        str,
        typer.Argument(
            help="Run folder, also of a fused run; a checkpoint, or the name of a shipped model.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(help="The file to write: .pt, .onnx, or .xml (OpenVINO, with a .bin file)."),
    ],
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="torch (a checkpoint in half precision), onnx or openvino (graphs in single "
            "precision, which predict runs without torch).",
            show_default="by the suffix of --out",
        ),
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="Store the weights of an ONNX file as 8-bit integers.")
    ] = False,
    calibration: Annotated[
        Path | None, typer.Option(help="Take the calibration from this calibrated run.")
    ] = None,
    min_confidence: Annotated[
        float | None,
        typer.Option(
            help="Minimum confidence of a person detection in predictions with this file.",
            show_default="as in training",
        ),
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Write a run as one file for predict --model on other machines, or for other programs. A graph
    is read again and compared with torch."""
    if form is None:
        form = SUFFIXES.get(out.suffix.lower())
    if form is None:
        raise ConfigError(
            f"The name of {out} does not tell the format",
            f"Use one of the suffixes {', '.join(SUFFIXES)}.",
        )
    from skelact.runs.export_model import export_model

    result = export_model(
        run,
        out,
        form,
        calibration=calibration,
        min_confidence=min_confidence,
        int8=int8,
        overwrite=overwrite,
    )
    if json:
        console.as_json(
            {
                "file": out,
                "format": form,
                "bytes": result.size,
                "difference": result.difference,
            }
        )
        return
    console.say(f"Wrote {out}, {result.size / 1e6:.2f} MB.")
    if form != "torch":
        console.say(
            f"The largest difference of a probability to torch on random clips is "
            f"{result.difference:.1e}."
        )
