"""Many runs of one recipe, over splits, streams, seeds or any settings, and their mean scores."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from skelact import config
from skelact.cache import Cache
from skelact.datasets import registry
from skelact.files import replacing
from skelact.recipe import Recipe
from skelact.runs.test import test
from skelact.runs.train import Run, Start, train
from skelact.schemas import Sections
from skelact.types import ProgressCallback, no_progress


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A label, and changes of a recipe."""

    label: str
    changes: Sections

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
    def of(cls, runs: Sequence[Run]) -> Spread:
        """The spread of one or more runs."""
        top1 = np.array([r.scores.top1 for r in runs])
        mean = np.array([r.scores.mean_class for r in runs])
        ddof = int(len(runs) > 1)
        return cls(
            top1=float(top1.mean()),
            top1_sd=float(top1.std(ddof=ddof)),
            mean_class=float(mean.mean()),
            mean_class_sd=float(mean.std(ddof=ddof)),
            runs=len(runs),
        )


def variants(
    recipe: Recipe, data: Path | None, streams: Sequence[str], seeds: int, all_splits: bool
) -> list[Variant]:
    """The product of splits, streams and seeds. With one of each, the only variant has no label."""
    protocols = [recipe.dataset.protocol]
    if all_splits:
        collection = registry.find(recipe.dataset.name, data, recipe.dataset.classes)
        protocols = collection.official
    out = []
    for protocol, stream, n in product(protocols, streams or [""], range(seeds)):
        seed = recipe.train.seed + n
        parts = (
            [protocol] * all_splits + [stream] * (len(streams) > 1) + [f"seed{seed}"] * (seeds > 1)
        )
        changes: Sections = {"dataset": {"protocol": protocol}, "train": {"seed": seed}}
        if stream:
            changes["sampling"] = {"streams": stream}
        out.append(Variant(label="_".join(parts), changes=changes))
    return out


def train_all(
    recipe: Recipe,
    variants: Sequence[Variant],
    cache: Cache,
    *,
    data: Path | None,
    runs: Path,
    name: str | None,
    resume: bool,
    start: Start | None = None,
    on_progress: ProgressCallback = no_progress,
) -> Iterator[tuple[Variant, Run]]:
    """Train the variants one after another. The run folder of a variant with a label is
    <name>_<label>."""
    for variant in variants:
        full_name = name
        if variant.label:
            full_name = f"{name or f'{recipe.network}_{recipe.dataset.name}'}_{variant.label}"
        yield (
            variant,
            train(
                variant.of(recipe),
                cache,
                data=data,
                runs=runs,
                name=full_name,
                resume=resume,
                start=start,
                on_progress=on_progress,
            ),
        )


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
    top1: float
    mean_class: float
    run: Path


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
        scores = {"": run.scores}
        for k, other in enumerate(tests):
            tested = test(
                run.folder,
                cache,
                data=data,
                changes=other.changes,
                name=f"test_{k}",
                on_progress=on_progress,
            )
            scores[other.label] = tested.scores
        rows += [
            Row(
                trained=variant.label,
                tested=label,
                top1=s.top1,
                mean_class=s.mean_class,
                run=run.folder,
            )
            for label, s in scores.items()
        ]
    return rows


def write_table(rows: Sequence[Row], path: Path) -> None:
    """Write the rows as CSV."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(("trained", "tested", "top1", "mean_class", "run"))
        for r in rows:
            table.writerow((r.trained, r.tested, f"{r.top1:.4f}", f"{r.mean_class:.4f}", r.run))
