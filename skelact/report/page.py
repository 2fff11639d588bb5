"""One self-contained HTML page for a run, or for a comparison of several: no outside edges, the
pictures inside."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skelact.errors import InputError
from skelact.metrics import per_class
from skelact.schemas import CONFIG, LOG, PREDICTIONS, RESULT, SPLIT

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 62em; padding: 0 1em;
  color: #222; background: #fff }
h1 { font-size: 1.5em } h2 { font-size: 1.15em; margin-top: 2em }
table { border-collapse: collapse; margin: .5em 0 } td, th { padding: .2em .8em; text-align: right;
  border-bottom: 1px solid #ddd } td:first-child, th:first-child { text-align: left }
.big { display: flex; flex-wrap: wrap; gap: 2em } .big div { font-size: 1.8em }
.big small { display: block; font-size: .5em; color: #666 }
img { max-width: 100% } figure { display: inline-block; margin: .5em; width: 13em }
figcaption { font-size: .85em } canvas { background: #f4f4f4; width: 100% }
.warn { background: #fff3d6; padding: .4em .8em }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #181818 }
  td, th { border-color: #444 } canvas { background: #262626 } .warn { background: #463a14 } }
"""
_PLAYER = """
for (const c of document.querySelectorAll('canvas[data-poses]')) {
  const d = JSON.parse(c.dataset.poses), g = c.getContext('2d'); let t = 0;
  const flat = d.frames.flat(2).filter(v => v !== null);
  const xs = flat.map(p => p[0]), ys = flat.map(p => p[1]);
  const x0 = Math.min(...xs), y0 = Math.min(...ys);
  const s = 180 / Math.max(Math.max(...xs) - x0, Math.max(...ys) - y0, 1e-6);
  const at = p => [10 + (p[0] - x0) * s, 10 + (p[1] - y0) * s];
  setInterval(() => {
    g.clearRect(0, 0, 200, 200); g.lineWidth = 3;
    d.frames[t].forEach((person, k) => {
      g.strokeStyle = ['#2a78d6', '#d6662a', '#3a9a4a'][k % 3];
      for (const [a, b] of d.edges) if (person[a] && person[b]) {
        g.beginPath(); g.moveTo(...at(person[a])); g.lineTo(...at(person[b])); g.stroke();
      }
    });
    t = (t + 1) % d.frames.length;
  }, d.step);
}
"""


@dataclass(frozen=True)
class Mistake:
    """A test clip with a wrong label: frames [T][M][V] of [x, y] or None, edges of joints, and the
    milliseconds of a frame."""

    sample: str
    truth: str
    guess: str
    probability: float
    frames: list[Any]
    edges: list[tuple[int, int]]
    step: int


def run_page(run: Path, mistakes: Sequence[Mistake] = ()) -> str:
    """The page of a finished run. InputError if it is none."""
    result, settings, split = (_json(run / f) for f in (RESULT, CONFIG, SPLIT))
    log = [json.loads(line) for line in (run / LOG).read_text().splitlines()]
    counts = result["clips"]
    parts = [
        _numbers(
            ("top-1", f"{result['top1']:.1%}"),
            ("mean class accuracy", f"{result['mean_class']:.1%}"),
            ("always the commonest class", f"{result['majority']:.1%}"),
            *([("top-5", f"{result['top5']:.1%}")] if result.get("top5") is not None else []),
        ),
        _split_statement(split, counts),
        "<h2>Training</h2>",
        _picture(run / "curves.png"),
        f"<p>Best epoch {result['best_epoch']} of {result['epochs']}; "
        f"{result.get('seconds', 0):.0f} s on {_text(result.get('device', '?'))}, at most "
        f"{result.get('memory_mb', 0):,} MB of memory; last learning rate {log[-1]['lr']:.2g}.</p>"
        if log
        else "",
        "<h2>Classes</h2>",
        _classes(result),
        _picture(run / "confusion.png"),
        _mistakes(mistakes),
        "<h2>Settings</h2>",
        _settings(settings),
    ]
    return _page(f"{run.name}: {settings['model']['name']} on {result_name(settings)}", parts)


def result_name(settings: dict[str, Any]) -> str:
    """The dataset and streams of a run's settings."""
    streams = settings.get("sampling", {}).get("streams", "joint")
    return f"{settings['dataset']['name']}, {streams}"


def comparison(runs: Sequence[Path]) -> list[dict[str, Any]]:
    """One row a run, best first; `same_split` says whether its test clips are those of the first.
    InputError for a folder that is no finished run."""
    rows = []
    for run in runs:
        result = _json(run / RESULT)
        settings = _json(run / CONFIG) if (run / CONFIG).is_file() else None
        split = _json(run / SPLIT) if (run / SPLIT).is_file() else {}
        rows.append(
            {
                "run": str(run),
                "model": settings["model"]["name"] if settings else "fusion",
                "data": result_name(settings) if settings else "",
                "split": split.get("protocol", ""),
                "top1": result["top1"],
                "mean_class": result["mean_class"],
                "majority": result["majority"],
                "samples": result["samples"],
                "seconds": result.get("seconds"),
                "memory_mb": result.get("memory_mb"),
                "tested_on": _tested_on(run),
            }
        )
    rows.sort(key=lambda r: -r["top1"])
    for row in rows:
        row["same_split"] = row["tested_on"] == rows[0]["tested_on"]
    return rows


def comparison_page(runs: Sequence[Path]) -> str:
    """The page of a comparison: a table, a bar for each run, and the accuracy of every class."""
    rows = comparison(runs)
    bars = "".join(
        f"<tr><td>{_text(r['run'])}</td><td>{_text(r['model'])}</td><td>{_text(r['data'])}</td>"
        f"<td>{_text(r['split'])}</td><td>{r['top1']:.1%}</td><td>{r['mean_class']:.1%}</td>"
        f"<td>{r['majority']:.1%}</td><td>{r['samples']}</td>"
        "<td style='text-align:left'><svg width='160' height='12'>"
        f"<rect width='{160 * r['top1']:.0f}' height='12' fill='#2a78d6'/></svg></td></tr>"
        for r in rows
    )
    head = "".join(
        f"<th>{h}</th>"
        for h in ("run", "network", "data", "split", "top-1", "mean class", "majority", "clips", "")
    )
    warning = ""
    if not all(r["same_split"] for r in rows):
        warning = (
            "<p class='warn'>These runs were not all tested on the same clips: their numbers "
            "cannot be compared clip for clip.</p>"
        )
    parts = [warning, f"<table><tr>{head}</tr>{bars}</table>", _classes_of(rows)]
    return _page(f"{len(rows)} runs compared", parts)


def _tested_on(run: Path) -> list[str]:
    return sorted(_json(run / PREDICTIONS)) if (run / PREDICTIONS).is_file() else []


def _classes_of(rows: list[dict[str, Any]]) -> str:
    results = [_json(Path(r["run"]) / RESULT) for r in rows]
    if any(r["classes"] != results[0]["classes"] for r in results):
        return ""
    tables = [per_class(r["confusion"]) for r in results]
    head = "".join(f"<th>{_text(Path(r['run']).name)}</th>" for r in rows)
    body = "".join(
        f"<tr><td>{_text(name)}</td>"
        + "".join(f"<td>{t[k].recall:.1%}</td>" for t in tables)
        + "</tr>"
        for k, name in enumerate(results[0]["classes"])
    )
    return f"<h2>Recall of every class</h2><table><tr><th>class</th>{head}</tr>{body}</table>"


def _page(title: str, parts: Sequence[str]) -> str:
    body = "\n".join(p for p in parts if p)
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width'>"
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body><h1>{_text(title)}</h1>\n{body}\n<script>{_PLAYER}</script></body></html>\n"
    )


def _numbers(*pairs: tuple[str, str]) -> str:
    cells = "".join(f"<div>{value}<small>{_text(name)}</small></div>" for name, value in pairs)
    return f"<div class='big'>{cells}</div>"


def _split_statement(split: dict[str, Any], counts: dict[str, int]) -> str:
    disjoint_groups = " and no ".join(split.get("disjoint_groups", [])) or "item"
    return (
        f"<p>Split {_text(split['protocol'])}: trained on {counts['train']} clips, validated on "
        f"{counts['val']}, tested on {counts['test']}. Checked: no "
        f"{_text(disjoint_groups)} is in two subsets "
        f"(fingerprint {_text(split['fingerprint'])}).</p>"
    )


def _classes(result: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{_text(name)}</td><td>{c.precision:.1%}</td><td>{c.recall:.1%}</td>"
        f"<td>{c.f1:.1%}</td><td>{c.samples}</td></tr>"
        for name, c in zip(result["classes"], per_class(result["confusion"]), strict=True)
    )
    head = "<tr><th>class</th><th>precision</th><th>recall</th><th>F1</th><th>clips</th></tr>"
    return f"<table>{head}{rows}</table>"


def _mistakes(mistakes: Sequence[Mistake]) -> str:
    figures = []
    for m in mistakes:
        data = json.dumps({"frames": m.frames, "edges": m.edges, "step": m.step})
        figures.append(
            f"<figure><canvas width='200' height='200' data-poses='{_text(data)}'></canvas>"
            f"<figcaption>{_text(m.sample)}<br>{_text(m.truth)}, taken for {_text(m.guess)} "
            f"({m.probability:.0%})</figcaption></figure>"
        )
    return "<h2>Most confident mistakes</h2>" + "".join(figures) if figures else ""


def _settings(settings: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{_text(section)}.{_text(key)}</td><td>{_text(json.dumps(value))}</td></tr>"
        for section, values in settings.items()
        for key, value in values.items()
    )
    return f"<details><summary>all of them</summary><table>{rows}</table></details>"


def _picture(path: Path) -> str:
    if not path.is_file():
        return ""
    content = base64.b64encode(path.read_bytes()).decode()
    return f"<img alt='{_text(path.stem)}' src='data:image/png;base64,{content}'>"


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read: {error}", "is it the folder of a finished run?"
        ) from error


def _text(value: object) -> str:
    return html.escape(str(value), quote=True)
