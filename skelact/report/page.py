"""One self-contained HTML page for a run, or for a comparison of several runs, without external
links. All HTML is made by `markup` and `join`, which escape every value that is not
HTML itself."""

from __future__ import annotations

import base64
import json
import platform
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from skelact import __version__
from skelact.errors import counted
from skelact.escaping import Html, join, markup
from skelact.metrics import per_class
from skelact.report import sections, svg
from skelact.report.confidence import confidence_section
from skelact.report.statistics import Groups, TestOutcome
from skelact.report.style import PLAYER, STYLE
from skelact.report.tables import table
from skelact.schemas import (
    CALIBRATION,
    CONFIG,
    LOG,
    PREDICTIONS,
    RESULT,
    SPLIT,
    Calibration,
    EpochLog,
    Predictions,
    RunConfig,
    RunResult,
    Sections,
    SplitDocument,
    load_json,
    load_log,
)

_NAMED = 30  # classes in the text
_NO_RESULT = markup(
    "<p class='warn'>This run was trained on all clips. It has no test result, so nothing is known "
    "about its accuracy on other recordings.</p>"
)


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A test sample with a wrong prediction. `frames` [T][M][V] holds [x, y], or None for a missing
    joint; `edges` connects joints; `step_ms` is the duration of one frame in milliseconds."""

    sample: str
    label: str
    predicted: str
    probability: float
    frames: list[Any]
    edges: list[tuple[int, int]]
    step_ms: int


def run_page(
    run: Path,
    mistakes: Sequence[Mistake] = (),
    examples: Sequence[Mistake] = (),
    groups: Groups | None = None,
) -> str:
    """The page of a finished run. `mistakes` are played; `examples` are mistakes of which one frame
    stands beside the confusions; `groups` are those of the test samples. Raises InputError if a
    file of the run is missing or damaged."""
    result = load_json(run / RESULT, RunResult)
    config = load_json(run / CONFIG, RunConfig)
    split = load_json(run / SPLIT, SplitDocument)
    log = load_log(run / LOG)
    parts = [
        _question(result, config),
        *([_NO_RESULT] if result.scores is None else _test_result(run, result, examples, groups)),
        _mistakes(mistakes),
        _data(split, result, config),
        Html("<h2>Training</h2>"),
        sections.learning_curves(log),
        _training(result, log),
        _reproduction(run, config, result),
    ]
    return page(f"{run.name}: {config.model} on {config.data}", parts)


def _question(result: RunResult, config: RunConfig) -> Html:
    """What was asked, in one paragraph."""
    count = len(result.classes)
    names = ", ".join(result.classes[:_NAMED]) + (" and others" if count > _NAMED else "")
    return markup(
        "<p>Can a program tell from the movement of a person's joints which of {} actions it is? "
        "The actions are {}. The network {} was trained on labelled clips of the dataset {}, and "
        "then asked about clips that it had not been trained on.</p>",
        *(count, names, config.model, config.recipe["dataset"]["name"]),
    )


def _test_result(
    run: Path, result: RunResult, examples: Sequence[Mistake], groups: Groups | None
) -> list[Html]:
    """Everything that the test clips say."""
    outcome = None
    if (run / PREDICTIONS).is_file():
        outcome = TestOutcome(load_json(run / PREDICTIONS, Predictions), result.classes)
    calibration = None
    if (run / CALIBRATION).is_file():
        calibration = load_json(run / CALIBRATION, Calibration)
    pictures = {m.sample: svg.skeleton(middle_frame(m.frames), m.edges) for m in examples}
    scores = result.test_scores
    parts = [
        sections.headline(scores),
        sections.confusions(scores, result, outcome, pictures),
        sections.classes(scores, result),
    ]
    if outcome is not None:
        parts.append(sections.groups(outcome, groups or {}))
    if calibration is not None and calibration.scores:
        parts.append(confidence_section(run))
    elif outcome is not None:
        parts.append(sections.confidence(outcome, calibration))
    return parts


def middle_frame(frames: Sequence[Any]) -> Any:
    """The frame with persons that is nearest to the middle of a clip; an empty one if there is
    none."""
    shown = [t for t, frame in enumerate(frames) if any(p for person in frame for p in person)]
    return frames[min(shown, key=lambda t: abs(t - len(frames) / 2))] if shown else []


def _data(split: SplitDocument, result: RunResult, config: RunConfig) -> Html:
    """The dataset, and how it was divided."""
    place = config.location.path if config.location else "the sample set that comes with skelact"
    others = Html()
    if config.negatives:
        others = markup(" The people who do something else are from {}.", config.negatives.path)
    return markup(
        "<h2>Data</h2><p>Dataset {}, from {}.{}</p>{}",
        *(config.recipe["dataset"]["name"], place, others),
        _split_statement(split, result.clips),
    )


def _reproduction(run: Path, config: RunConfig, result: RunResult) -> Html:
    """The command and the settings that give this run again."""
    recipe = json.dumps(config.recipe, indent=1, ensure_ascii=False)
    content = base64.b64encode(recipe.encode()).decode()
    words = ["skelact", "train", "--config", "recipe.json"]
    if config.location is not None:
        words += ["--data", config.location.path]
    rows = (
        ("seed", config.recipe.get("train", {}).get("seed", "")),
        ("skelact", __version__),
        ("Python", platform.python_version()),
        *((name, version_of(name)) for name in ("torch", "numpy")),
        ("device", result.device),
        ("run folder", run.resolve()),
    )
    return markup(
        "<h2>How to make it again</h2><p>Save the settings as "
        "<a download='recipe.json' href='data:application/json;base64,{}'>recipe.json</a>, then:"
        "</p><pre>{}</pre>{}<h3>Settings</h3>{}",
        *(content, shlex.join(words), table((), rows), _settings(config.recipe)),
    )


def version_of(package: str) -> str:
    """The version of an installed package, or that it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _training(result: RunResult, log: Sequence[EpochLog]) -> Html:
    """One paragraph about epochs, time and memory."""
    cost = f"{result.seconds:.0f} s on {result.device}, peak memory {result.memory_mb:,} MB"
    if not log:
        return markup("<p>Trained in closed form, without epochs; {}.</p>", cost)
    epochs = f"Best epoch {result.best_epoch} of {result.epochs}"
    return markup("<p>{}; {}; last learning rate {}.</p>", epochs, cost, f"{log[-1].lr:.2g}")


@dataclass(frozen=True, kw_only=True)
class ComparedRun:
    """One run of a comparison. `test_samples` are the ids of the samples it was tested on;
    `same_split` tells whether they are those of the best run. `config` is None for a fusion."""

    run: Path
    result: RunResult
    config: RunConfig | None
    protocol: str
    test_samples: tuple[str, ...]
    same_split: bool = True

    @property
    def model(self) -> str:
        return "fusion" if self.config is None else self.config.model

    @property
    def data(self) -> str:
        return "" if self.config is None else self.config.data

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `seconds` and `memory_mb` are None for a fusion."""
        trained = self.config is not None
        return {
            "run": str(self.run),
            "model": self.model,
            "data": self.data,
            "split": self.protocol,
            "top1": self.result.test_scores.top1,
            "mean_class": self.result.test_scores.mean_class,
            "majority": self.result.test_scores.majority,
            "samples": self.result.test_scores.samples,
            "seconds": self.result.seconds if trained else None,
            "memory_mb": self.result.memory_mb if trained else None,
            "same_split": self.same_split,
        }


def comparison(runs: Sequence[Path]) -> list[ComparedRun]:
    """The runs, best first. Raises InputError if a folder is not a finished run."""
    rows = [_compared(run) for run in runs]
    rows.sort(key=lambda row: -row.result.test_scores.top1)
    return [replace(r, same_split=r.test_samples == rows[0].test_samples) for r in rows]


def _compared(run: Path) -> ComparedRun:
    result = load_json(run / RESULT, RunResult)
    fusion = bool(result.runs)
    predictions = run / PREDICTIONS
    samples = load_json(predictions, Predictions).samples if predictions.is_file() else {}
    return ComparedRun(
        run=run,
        result=result,
        config=None if fusion else load_json(run / CONFIG, RunConfig),
        protocol="" if fusion else load_json(run / SPLIT, SplitDocument).protocol,
        test_samples=tuple(sorted(samples)),
    )


def comparison_page(rows: Sequence[ComparedRun]) -> str:
    """The page of a comparison: a table, a bar for each run, and the recall of every class."""
    heads = ("run", "network", "data", "split", "top-1", "mean class", "majority", "clips", "")
    warning = Html()
    if not all(row.same_split for row in rows):
        warning = markup(
            "<p class='warn'>Not all runs were tested on the same clips. Their scores cannot be "
            "compared directly.</p>"
        )
    parts = [warning, table(heads, map(_comparison_cells, rows)), _recall_table(rows)]
    return page(f"{counted(len(rows), 'run')} compared", parts)


def _comparison_cells(row: ComparedRun) -> tuple[object, ...]:
    scores = row.result.test_scores
    accuracy = (f"{value:.1%}" for value in (scores.top1, scores.mean_class, scores.majority))
    svg = markup(
        "<svg width='160' height='12'><rect width='{}' height='12' class='bar'/></svg>",
        f"{160 * scores.top1:.0f}",
    )
    return (row.run, row.model, row.data, row.protocol, *accuracy, scores.samples, svg)


def _recall_table(rows: Sequence[ComparedRun]) -> Html:
    """Recall of every class in every run; empty if the runs have different classes."""
    if any(row.result.classes != rows[0].result.classes for row in rows):
        return Html()
    tables = [per_class(row.result.test_scores.confusion) for row in rows]
    heads = ("class", *(row.run.name for row in rows))
    cells = (
        (name, *(f"{table[k].recall:.1%}" for table in tables))
        for k, name in enumerate(rows[0].result.classes)
    )
    return markup("<h2>Recall of every class</h2>{}", table(heads, cells))


def page(title: str, parts: Sequence[Html]) -> Html:
    """A complete page of these parts."""
    return markup(
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width'>"
        "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; img-src data:; "
        "style-src 'unsafe-inline'; script-src 'unsafe-inline'\">"
        "<title>{}</title><style>{}</style></head>\n"
        "<body><h1>{}</h1>\n{}\n<script>{}</script></body></html>\n",
        title,
        Html(STYLE),
        title,
        join((part for part in parts if part), "\n"),
        Html(PLAYER),
    )


def _split_statement(split: SplitDocument, counts: dict[str, int]) -> Html:
    train, val, test = (counts.get(subset, 0) for subset in ("train", "val", "test"))
    groups = " and no ".join(split.disjoint_groups) or "item"
    return markup(
        "<p>Split {}: trained on {} clips, validated on {}, tested on {}. Checked: no {} is in two "
        "subsets (fingerprint {}).</p>",
        *(split.protocol, train, val, test, groups, split.fingerprint),
    )


def _mistakes(mistakes: Sequence[Mistake]) -> Html:
    figures = []
    for m in mistakes:
        content = {"frames": m.frames, "edges": m.edges, "step": m.step_ms}
        data = json.dumps(content, allow_nan=False)
        figures.append(
            markup(
                "<figure><canvas width='200' height='200' data-poses='{}'></canvas>"
                "<figcaption>{}<br>{}, predicted {} ({})</figcaption></figure>",
                *(data, m.sample, m.label, m.predicted, f"{m.probability:.0%}"),
            )
        )
    return markup("<h2>Most confident mistakes</h2>{}", join(figures)) if figures else Html()


def _settings(recipe: Sections) -> Html:
    rows = (
        (f"{section}.{key}", json.dumps(value))
        for section, values in recipe.items()
        for key, value in values.items()
    )
    return markup("<details><summary>show all</summary>{}</details>", table((), rows))
