"""One self-contained HTML page for a run, or for a comparison of several runs, with embedded images
and no external links. All HTML is made by `markup` and `join`, which escape every value that is not
HTML itself."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from skelact import __version__, limits
from skelact.escaping import Html, join, markup
from skelact.metrics import per_class
from skelact.schemas import (
    CONFIG,
    LOG,
    PREDICTIONS,
    RESULT,
    SPLIT,
    EpochLog,
    Predictions,
    RunConfig,
    RunResult,
    Sections,
    SplitDocument,
    load_json,
    load_log,
)

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 62em; padding: 0 1em;
  color: #222; background: #fff }
h1 { font-size: 1.5em } h2 { font-size: 1.15em; margin-top: 2em }
table { border-collapse: collapse; margin: .5em 0 } td, th { padding: .2em .8em; text-align: right;
  border-bottom: 1px solid #ddd; overflow-wrap: anywhere }
td:first-child, th:first-child { text-align: left }
.big { display: flex; flex-wrap: wrap; gap: 2em } .big div { font-size: 1.8em }
.big small { display: block; font-size: .5em; color: #666 }
img { max-width: 100% }
figure { display: inline-block; margin: .5em; width: 13em; vertical-align: top }
figcaption { font-size: .85em; overflow-wrap: anywhere } canvas { background: #f4f4f4; width: 100% }
.warn { background: #fff3d6; padding: .4em .8em }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #181818 }
  td, th { border-color: #444 } canvas { background: #262626 } .warn { background: #463a14 } }
"""
_PLAYER = """
for (const c of document.querySelectorAll('canvas[data-poses]')) {
  const d = JSON.parse(c.dataset.poses), g = c.getContext('2d'); let t = 0;
  const flat = d.frames.flat(2).filter(v => v !== null);
  if (!flat.length) continue;
  const xs = flat.map(p => p[0]), ys = flat.map(p => p[1]);
  const x0 = Math.min(...xs), y0 = Math.min(...ys);
  const s = 180 / Math.max(Math.max(...xs) - x0, Math.max(...ys) - y0, 1e-6);
  const at = p => [10 + (p[0] - x0) * s, 10 + (p[1] - y0) * s];
  const draw = () => {
    g.clearRect(0, 0, 200, 200); g.lineWidth = 3;
    d.frames[t].forEach((person, k) => {
      g.strokeStyle = ['#2a78d6', '#d6662a', '#3a9a4a'][k % 3];
      for (const [a, b] of d.edges) if (person[a] && person[b]) {
        g.beginPath(); g.moveTo(...at(person[a])); g.lineTo(...at(person[b])); g.stroke();
      }
    });
    t = (t + 1) % d.frames.length;
  };
  while (t < d.frames.length - 1 && !d.frames[t].flat().some(v => v !== null)) t++;
  draw(); setInterval(draw, d.step);
}
"""


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


def run_page(run: Path, mistakes: Sequence[Mistake] = ()) -> str:
    """The page of a finished run. Raises InputError if a file of the run is missing or damaged."""
    result = load_json(run / RESULT, RunResult)
    config = load_json(run / CONFIG, RunConfig)
    split = load_json(run / SPLIT, SplitDocument)
    scores = result.scores
    parts = [
        _NO_RESULT
        if scores is None
        else _numbers(
            ("top-1", f"{scores.top1:.1%}"),
            ("mean class accuracy", f"{scores.mean_class:.1%}"),
            ("majority class", f"{scores.majority:.1%}"),
            *([("top-5", f"{scores.top5:.1%}")] if scores.top5 is not None else []),
        ),
        _split_statement(split, result.clips),
        _sources(run, config),
        Html("<h2>Training</h2>"),
        _image(run / "curves.png"),
        _training(result, load_log(run / LOG)),
        *([Html("<h2>Classes</h2>"), _classes(result)] if scores is not None else []),
        _image(run / "confusion.png") if scores is not None else Html(),
        _mistakes(mistakes),
        Html("<h2>Settings</h2>"),
        _settings(config.recipe),
    ]
    return page(f"{run.name}: {config.model} on {config.data}", parts)


def _sources(run: Path, config: RunConfig) -> Html:
    """The data, the run and the version of skelact that the page was made from."""
    data = config.location.path if config.location else "the sample set that comes with skelact"
    return _table(
        (),
        (
            ("data", data),
            ("dataset", config.recipe["dataset"]["name"]),
            ("network", config.model),
            ("run folder", run.resolve()),
            ("skelact", __version__),
        ),
    )


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
    parts = [warning, _table(heads, map(_comparison_cells, rows)), _recall_table(rows)]
    return page(f"{len(rows)} runs compared", parts)


def _comparison_cells(row: ComparedRun) -> tuple[object, ...]:
    scores = row.result.test_scores
    accuracy = (f"{value:.1%}" for value in (scores.top1, scores.mean_class, scores.majority))
    svg = markup(
        "<svg width='160' height='12'><rect width='{}' height='12' fill='#2a78d6'/></svg>",
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
    return markup("<h2>Recall of every class</h2>{}", _table(heads, cells))


def page(title: str, parts: Sequence[Html]) -> Html:
    """A complete page of these parts."""
    return markup(
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width'>"
        "<title>{}</title><style>{}</style></head>\n"
        "<body><h1>{}</h1>\n{}\n<script>{}</script></body></html>\n",
        title,
        Html(_STYLE),
        title,
        join((part for part in parts if part), "\n"),
        Html(_PLAYER),
    )


def _numbers(*pairs: tuple[str, str]) -> Html:
    cells = (markup("<div>{}<small>{}</small></div>", value, name) for name, value in pairs)
    return markup("<div class='big'>{}</div>", join(cells))


def _split_statement(split: SplitDocument, counts: dict[str, int]) -> Html:
    train, val, test = (counts.get(subset, 0) for subset in ("train", "val", "test"))
    groups = " and no ".join(split.disjoint_groups) or "item"
    return markup(
        "<p>Split {}: trained on {} clips, validated on {}, tested on {}. Checked: no {} is in two "
        "subsets (fingerprint {}).</p>",
        *(split.protocol, train, val, test, groups, split.fingerprint),
    )


def _classes(result: RunResult) -> Html:
    rows = (
        (name, f"{c.precision:.1%}", f"{c.recall:.1%}", f"{c.f1:.1%}", c.samples)
        for name, c in zip(result.classes, per_class(result.test_scores.confusion), strict=True)
    )
    return _table(("class", "precision", "recall", "F1", "clips"), rows)


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
    return markup("<details><summary>show all</summary>{}</details>", _table((), rows))


def _image(path: Path) -> Html:
    """An embedded PNG, or nothing if the file does not exist."""
    if not path.is_file():
        return Html()
    content = base64.b64encode(limits.read_bytes(path)).decode()
    return markup("<img alt='{}' src='data:image/png;base64,{}'>", path.stem, content)


def _table(heads: Iterable[object], rows: Iterable[Iterable[object]]) -> Html:
    lines = [join(markup("<th>{}</th>", head) for head in heads)]
    lines += [join(markup("<td>{}</td>", cell) for cell in row) for row in rows]
    return markup("<table>{}</table>", join(markup("<tr>{}</tr>", line) for line in lines if line))
