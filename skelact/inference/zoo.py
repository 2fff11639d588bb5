"""The recognisers that travel with skelact, and how a run becomes a file as small as theirs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from skelact.config import shipped
from skelact.errors import CheckpointError, InputError
from skelact.models import checkpoint
from skelact.options import LATEST
from skelact.schemas import BEST, CALIBRATION


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


def latest_run(runs: Path = Path("runs")) -> Path:
    """The run trained last below `runs`. CheckpointError if there is none."""
    found = sorted(runs.glob(f"*/{BEST}"), key=lambda p: p.stat().st_mtime)
    if not found:
        raise CheckpointError(
            f"no trained run in {runs}",
            "train one with `skelact train --dataset mads`, or name one with --model",
        )
    return found[-1].parent


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
    content = checkpoint.read(run / BEST)
    if calibration is not None:
        content["calibration"] = _calibration(calibration / CALIBRATION)
    whole = _light(content)
    whole["members"] = [_light(m) for m in content.get("members", [])]
    if not whole["members"]:
        del whole["members"]
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {out.parent}: {error.strerror}") from error
    checkpoint.save(out, whole)
    return out.stat().st_size


def _light(content: dict[str, Any]) -> dict[str, Any]:
    weights = {
        k: v.to(torch.float16) if v.is_floating_point() else v
        for k, v in content["weights"].items()
    }
    return content | {"weights": weights}


def _calibration(path: Path) -> dict[str, float]:
    try:
        kept = json.loads(path.read_bytes())
        return {k: float(kept[k]) for k in ("temperature", "unknown_threshold")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} cannot be read: {error}", "`skelact calibrate RUN background/` writes it"
        ) from error
