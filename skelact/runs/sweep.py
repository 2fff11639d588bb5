"""Many runs of one recipe, over splits, streams, seeds or any settings, and their mean scores."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np

from skelact import config
from skelact.cache import Cache
from skelact.datasets import registry, splits
from skelact.errors import ConfigError
from skelact.escaping import for_csv
from skelact.files import replacing
from skelact.metrics import Scores
from skelact.recipe import Recipe
from skelact.runs.test import test
from skelact.runs.train import train
from skelact.schemas import Sections
from skelact.types import ProgressCallback, no_progress


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A label, and changes of a recipe."""

    label: str
    changes: Sections

    def run_name(self, recipe: Recipe, name: str | None) -> str | None:
        """The name of the run folder, <name>_<label>; None for the default name."""
        if not self.label:
            return name
        return f"{name or f'{recipe.network}_{recipe.dataset.name}'}_{self.label}"

    def of(self, recipe: Recipe) -> Recipe:
        """The changed recipe. Raises ConfigError if an option or value is not allowed."""
        return Recipe.from_dict(config.merge(recipe.as_dict(), self.changes))


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Mean and sample standard deviation of the scores of several runs."""

    top1: float
    top1_sd: float
    mean_class: float
    mean_class_sd: float
    runs: int

    @classmethod
    def of(cls, scores: Sequence[Scores]) -> Spread:
        """The spread of one or more scores."""
        values = np.array([(s.top1, s.mean_class) for s in scores])
        top1, mean_class = values.mean(axis=0).tolist()
        top1_sd, mean_class_sd = values.std(axis=0, ddof=int(len(values) > 1)).tolist()
        return cls(
            top1=top1,
            top1_sd=top1_sd,
            mean_class=mean_class,
            mean_class_sd=mean_class_sd,
            runs=len(values),
        )


def variants(
    recipe: Recipe, data: Path | None, streams: Sequence[str], seeds: int, all_splits: bool
) -> list[Variant]:
    """The product of splits, streams and seeds. With one of each, the only variant has no label."""
    protocols = [recipe.dataset.protocol]
    if all_splits:
        collection = registry.find(recipe.dataset.name, data, recipe.dataset.classes)
        protocols = collection.official
    else:
        protocols = splits.folds(recipe.dataset.protocol) or protocols
    out = []
    for protocol, stream, n in product(protocols, streams or [""], range(seeds)):
        seed = recipe.train.seed + n
        parts = (
            [Path(protocol).stem] * (len(protocols) > 1 or all_splits)
            + [stream] * (len(streams) > 1)
            + [f"seed{seed}"] * (seeds > 1)
        )
        changes: Sections = {"dataset": {"protocol": protocol}, "train": {"seed": seed}}
        if stream:
            changes["sampling"] = {"streams": stream}
        out.append(Variant(label="_".join(parts), changes=changes))
    return out


def grid(assignments: Sequence[str]) -> list[Variant]:
    """Variants for all combinations of values; an assignment is "train.lr=0.1,0.05". Commas in
    brackets are part of a value."""
    axes = []
    for text in assignments:
        key, _, values = text.partition("=")
        axes.append([f"{key}={value}" for value in re.split(r",(?![^\[(]*[\])])", values)])
    return [
        Variant(label=",".join(choice), changes=config.overrides(choice))
        for choice in product(*axes)
    ]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One result of a sweep: the label of the trained variant and that of the test, which is empty
    for a test without changes."""

    trained: str
    tested: str
    scores: Scores
    run: Path

    def as_dict(self) -> dict[str, str | float]:
        """Plain values for JSON."""
        return {
            "trained": self.trained,
            "tested": self.tested,
            "top1": self.scores.top1,
            "mean_class": self.scores.mean_class,
            "run": str(self.run),
        }


def sweep(
    recipe: Recipe,
    over: Sequence[Variant],
    tests: Sequence[Variant],
    cache: Cache,
    *,
    data: Path | None,
    runs: Path,
    name: str,
    on_progress: ProgressCallback = no_progress,
) -> list[Row]:
    """Train every variant of `over`, and test it without changes and with those of `tests`."""
    rows = []
    for n, variant in enumerate(over):
        run = train(
            variant.of(recipe),
            cache,
            data=data,
            runs=runs,
            name=f"{name}_{n}",
            on_progress=on_progress,
        )
        if run.scores is None:
            raise ConfigError("A sweep compares test results", "Leave out the split no-test.")
        rows.append(Row(trained=variant.label, tested="", scores=run.scores, run=run.folder))
        for k, other in enumerate(tests):
            tested = test(
                run.folder,
                cache,
                data=data,
                changes=other.changes,
                name=f"test_{k}",
                on_progress=on_progress,
            )
            rows.append(replace(rows[-1], tested=other.label, scores=tested.scores))
    return rows


def write_table(rows: Sequence[Row], path: Path) -> None:
    """Write the rows as CSV."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, rows[0].as_dict())
        table.writeheader()
        for row in rows:
            scores = {k: f"{v:.4f}" for k, v in row.as_dict().items() if isinstance(v, float)}
            cells = {k: for_csv(v) for k, v in row.as_dict().items()}
            table.writerow(cells | scores)
