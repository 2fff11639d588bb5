"""The recognisers that travel with skelact, and how a run becomes a file as small as theirs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from msgspec import structs

from skelact.config import shipped
from skelact.errors import CheckpointError, InputError
from skelact.models.checkpoint import load_model
from skelact.options import LATEST
from skelact.schemas import (
    BEST,
    CALIBRATION,
    Calibration,
    Checkpoint,
    Ensemble,
    load_json,
    save_tensors,
)


@dataclass(frozen=True)
class Shipped:
    """One of them. `title` is the first line of its card."""

    name: str
    path: Path
    card: Path

    @property
    def title(self) -> str:
        return self.card.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")


def recognisers() -> list[Shipped]:
    """All of them, by name. Each is a checkpoint <name>.pt with its card <name>.md."""
    found = sorted(shipped("zoo").glob("*.pt"))
    return [Shipped(p.stem, p, p.with_suffix(".md")) for p in found]


def trained_runs(runs: Path) -> list[Path]:
    """The folders below `runs` that hold a checkpoint, the latest one last."""
    return [p.parent for p in sorted(runs.glob(f"*/{BEST}"), key=lambda p: p.stat().st_mtime)]


def latest_run(runs: Path = Path("runs")) -> Path:
    """The run trained last below `runs`. CheckpointError if there is none."""
    found = trained_runs(runs)
    if not found:
        raise CheckpointError(
            f"no trained run in {runs}",
            "train one with `skelact train --dataset mads`, or name one with --model",
        )
    return found[-1]


def find(model: Path | str) -> Path:
    """The checkpoint of a run folder, a file, a shipped recogniser's name, or "latest": the run
    trained last in ./runs. CheckpointError if there is no such thing."""
    path = Path(model)
    if path.exists() or path.suffix:
        return path / BEST if path.is_dir() else path
    if str(model) == LATEST:
        return latest_run() / BEST
    known = {r.name: r.path for r in recognisers()}
    if str(model) not in known:
        raise CheckpointError(
            f"{model} is no run, no file and no recogniser of skelact's",
            f"a run folder, a checkpoint, {', '.join((*known, LATEST))}",
        )
    return known[str(model)]


def export_checkpoint(run: Path, out: Path, calibration: Path | None = None) -> int:
    """Write the best checkpoint of a run in half precision, for others to predict with; with the
    calibration of another run, if this one has seen everything there is. The size in bytes."""
    model = load_model(run / BEST)
    if calibration is not None:
        values = load_json(calibration / CALIBRATION, Calibration)
        model = structs.replace(model, calibration=values)
    if isinstance(model, Ensemble):
        members = [structs.replace(m, checkpoint=_half(m.checkpoint)) for m in model.members]
        model = structs.replace(model, members=tuple(members))
    else:
        model = _half(model)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {out.parent}: {error.strerror}") from error
    save_tensors(out, model)
    return out.stat().st_size


def _half(checkpoint: Checkpoint) -> Checkpoint:
    """With weights in half precision."""
    weights = {
        k: v.to(torch.float16) if v.is_floating_point() else v
        for k, v in checkpoint.weights.items()
    }
    return structs.replace(checkpoint, weights=weights)
