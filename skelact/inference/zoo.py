"""Models that are shipped with skelact, finding a model by name, and exporting one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from msgspec import structs

from skelact import outputs
from skelact.config import shipped
from skelact.errors import CheckpointError, InputError
from skelact.models.checkpoint import load_model
from skelact.options import LATEST, PredictOptions
from skelact.schemas import (
    BEST,
    CALIBRATION,
    Calibration,
    Checkpoint,
    Ensemble,
    load_json,
    save_tensors,
)


@dataclass(frozen=True, kw_only=True)
class ShippedModel:
    """A model that is shipped with skelact, and its model card. `title` is the first line of the
    card."""

    name: str
    path: Path
    card: Path

    @property
    def title(self) -> str:
        return self.card.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")


def shipped_models() -> list[ShippedModel]:
    """All shipped models, by name: the files <name>.pt with cards <name>.md."""
    return [
        ShippedModel(name=path.stem, path=path, card=path.with_suffix(".md"))
        for path in sorted(shipped("zoo").glob("*.pt"))
    ]


def trained_runs(runs: Path) -> list[Path]:
    """The folders in `runs` that contain a checkpoint, the latest one last."""
    return [p.parent for p in sorted(runs.glob(f"*/{BEST}"), key=lambda p: p.stat().st_mtime)]


def latest_run(runs: Path = Path("runs")) -> Path:
    """The latest trained run in `runs`. Raises CheckpointError if there is none."""
    trained = trained_runs(runs)
    if not trained:
        raise CheckpointError(
            f"There is no trained run in {runs}",
            "Train one with `skelact train --dataset mads`, or select a model with --model.",
        )
    return trained[-1]


def find(model: Path | str) -> Path:
    """The checkpoint of a run folder, a file, the name of a shipped model, or "latest" for the
    latest run in ./runs. Raises CheckpointError for any other name."""
    path = Path(model)
    if path.exists() or path.suffix:
        return path / BEST if path.is_dir() else path
    if str(model) == LATEST:
        return latest_run() / BEST
    known = {m.name: m.path for m in shipped_models()}
    if str(model) not in known:
        raise CheckpointError(
            f"{model} is not a run folder, a file or a shipped model",
            f"Use a run folder, a checkpoint file, or one of {', '.join((*known, LATEST))}.",
        )
    return known[str(model)]


def export_checkpoint(
    run: Path,
    out: Path,
    calibration: Path | None = None,
    min_confidence: float | None = None,
    *,
    overwrite: bool = False,
) -> int:
    """Write the best checkpoint of a run in half precision for distribution, and return its size in
    bytes. `calibration` is another run whose calibration is used, for a run that was trained on all
    data. `min_confidence` replaces that of the training when the file is used for prediction: a
    dataset may need a lower one than footage in which nobody may be.

    Raises ConfigError if `min_confidence` is outside (0, 1), OutputError as `outputs.check`,
    CheckpointError or InputError if a file cannot be read or written."""
    PredictOptions(min_confidence=min_confidence)  # checks the range
    sources = [run / BEST, *([calibration / CALIBRATION] if calibration is not None else [])]
    outputs.check(out, inputs=sources, overwrite=overwrite, suffixes=(".pt", ".pth"))
    model = load_model(run / BEST)
    if calibration is not None:
        values = load_json(calibration / CALIBRATION, Calibration)
        model = structs.replace(model, calibration=values)
    if isinstance(model, Ensemble):
        members = [
            structs.replace(m, checkpoint=_compact(m.checkpoint, min_confidence))
            for m in model.members
        ]
        model = structs.replace(model, members=tuple(members))
    else:
        model = _compact(model, min_confidence)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"Cannot create the folder {out.parent}: {error.strerror}") from error
    save_tensors(out, model)
    return out.stat().st_size


def _compact(checkpoint: Checkpoint, min_confidence: float | None) -> Checkpoint:
    """The checkpoint with weights in half precision, without the folders of the machine that it was
    trained on, and with another `min_confidence` if given."""
    weights = {k: _half(v) if v.is_floating_point() else v for k, v in checkpoint.weights.items()}
    estimator = checkpoint.estimator
    pose = _without_folders(estimator.pose)
    if min_confidence is not None:
        pose["min_confidence"] = min_confidence
    recipe = dict(checkpoint.recipe)
    if "pose" in recipe:
        recipe["pose"] = _without_folders(recipe["pose"])
    estimator = structs.replace(estimator, pose=pose)
    enrolment = checkpoint.enrolment
    if enrolment is not None:
        classes = [structs.replace(c, embeddings=_half(c.embeddings)) for c in enrolment.classes]
        enrolment = structs.replace(enrolment, classes=tuple(classes))
    return structs.replace(
        checkpoint, weights=weights, estimator=estimator, recipe=recipe, enrolment=enrolment
    )


def _half(value: torch.Tensor) -> torch.Tensor:
    """In half precision, unless a value is above its limit of 65504, such as a variance of pixels
    in a batch norm."""
    half = value.to(torch.float16)
    return half if bool(half.isfinite().all()) else value


def _without_folders(pose: dict[str, Any]) -> dict[str, Any]:
    """The options of pose estimation with file names in place of paths."""
    paths = ("poses_from", "config", "checkpoint")
    return {k: Path(v).name if k in paths and v else v for k, v in pose.items()}
