"""Many runs of one recipe: over splits, streams, seeds, or any settings; with their mean."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from skelact import config
from skelact.cache import Cache
from skelact.datasets import registry
from skelact.recipe import Recipe
from skelact.runs.test import test
from skelact.runs.train import Run, Start, train
from skelact.types import ProgressCallback, no_progress


@dataclass(frozen=True)
class Variant:
    """One run of a series: what it is called, and what it changes."""

    label: str
    changes: dict[str, Any]


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation (of a sample) of several runs' scores."""

    top1: float
    top1_sd: float
    mean_class: float
    mean_class_sd: float
    runs: int

    @classmethod
    def of(cls, runs: Sequence[Run]) -> Spread:
        """Of at least one run."""
        top1 = np.array([r.scores.top1 for r in runs])
        mean = np.array([r.scores.mean_class for r in runs])
        ddof = int(len(runs) > 1)
        return cls(
            float(top1.mean()),
            float(top1.std(ddof=ddof)),
            float(mean.mean()),
            float(mean.std(ddof=ddof)),
            len(runs),
        )


def variants(
    recipe: Recipe, data: Path | None, streams: Sequence[str], seeds: int, all_splits: bool
) -> list[Variant]:
    """The product of splits, streams and seeds; one variant without a label if there is one of
    each."""
    protocols: list[str] = [recipe.dataset.protocol]
    if all_splits:
        found = registry.find(recipe.dataset.name, data, recipe.dataset.classes)
        protocols = found.official
    out = []
    for protocol, stream, n in product(protocols, streams or [""], range(seeds)):
        seed = recipe.train.seed + n
        parts = (
            [protocol] * all_splits + [stream] * (len(streams) > 1) + [f"seed{seed}"] * (seeds > 1)
        )
        changes: dict[str, Any] = {"dataset": {"protocol": protocol}, "train": {"seed": seed}}
        if stream:
            changes["sampling"] = {"streams": stream}
        out.append(Variant("_".join(parts), changes))
    return out


def train_all(
    recipe: Recipe,
    chosen: Sequence[Variant],
    cache: Cache,
    data: Path | None,
    runs: Path,
    name: str | None,
    resume: bool,
    on_progress: ProgressCallback = no_progress,
    start: Start | None = None,
) -> Iterator[tuple[Variant, Run]]:
    """Every variant, one after the other. Where there are several, the run folders are called
    <name>_<label>."""
    for variant in chosen:
        changed = Recipe.from_dict(config.merge(recipe.as_dict(), variant.changes))
        base = name
        if variant.label:
            base = f"{name or changed.model['name'] + '_' + changed.dataset.name}_{variant.label}"
        yield variant, train(changed, cache, data, runs, base, resume, on_progress, start)


def grid(assignments: Sequence[str]) -> list[Variant]:
    """['train.lr=0.1,0.05', …] -> the product of all values, as variants. Commas within brackets
    belong to a value."""
    axes = []
    for text in assignments:
        key, _, values = text.partition("=")
        axes.append([f"{key}={value}" for value in re.split(r",(?![^\[(]*[\])])", values)])
    return [Variant(",".join(choice), config.overrides(choice)) for choice in product(*axes)]


@dataclass(frozen=True)
class Row:
    """One line of a sweep: a trained variant, tested as it is or otherwise."""

    trained: str
    tested: str
    top1: float
    mean_class: float
    run: Path


def sweep(
    recipe: Recipe,
    over: Sequence[Variant],
    tests: Sequence[Variant],
    cache: Cache,
    data: Path | None,
    runs: Path,
    name: str,
    on_progress: ProgressCallback = no_progress,
    note: Callable[[Row], None] = lambda row: None,
) -> list[Row]:
    """Train every variant of `over`; test each as it is, and with every change of `tests`."""
    rows = []
    for n, variant in enumerate(over):
        changed = Recipe.from_dict(config.merge(recipe.as_dict(), variant.changes))
        run = train(changed, cache, data, runs, f"{name}_{n}", False, on_progress)
        rows.append(Row(variant.label, "", run.scores.top1, run.scores.mean_class, run.folder))
        note(rows[-1])
        for k, other in enumerate(tests):
            found = test(run.folder, cache, data, other.changes, f"test_{k}", on_progress)
            s = found.scores
            rows.append(Row(variant.label, other.label, s.top1, s.mean_class, run.folder))
            note(rows[-1])
    return rows


def write_table(rows: Sequence[Row], path: Path) -> None:
    """As CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(("trained", "tested", "top1", "mean_class", "run"))
        for r in rows:
            table.writerow((r.trained, r.tested, f"{r.top1:.4f}", f"{r.mean_class:.4f}", r.run))
