"""Models that are shipped with skelact, and finding a model by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from skelact.config import shipped
from skelact.errors import CheckpointError
from skelact.options import LATEST
from skelact.schemas import BEST


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
