"""How far the confidence of a run can be trusted: the section of its page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skelact.escaping import Html, join, markup
from skelact.open_set_metrics import risk_coverage
from skelact.report.svg import Line, chart
from skelact.schemas import (
    CALIBRATION,
    PREDICTIONS,
    RESULT,
    VALIDATION,
    Calibration,
    Predictions,
    ReliabilityBins,
    RunResult,
    ScoreResult,
    load_json,
)

THRESHOLD_PLOT = "calibration.png"
Curve = tuple[tuple[float, float], ...]  # points (coverage, risk)


@dataclass(frozen=True, kw_only=True)
class Confidence:
    """Reliability bins and risk-coverage curves, by the names of the legend, and the calibration of
    the run if it has one; `file` holds the samples."""

    file: str
    bins: dict[str, ReliabilityBins]
    curves: dict[str, Curve]
    calibration: Calibration | None = None


def confidence_of(run: Path) -> Confidence | None:
    """The figures of a run: those of its calibration, or of its own validation or test clips; None
    for a run without any predictions. Raises InputError or CheckpointError for a damaged file."""
    if (run / CALIBRATION).is_file():
        c = load_json(run / CALIBRATION, Calibration)
        if c.before is not None and c.after is not None:
            curves = {s.name: s.curve for s in c.scores if s.curve}
            bins = {"before": c.before, "after": c.after}
            return Confidence(file=c.known, bins=bins, curves=curves, calibration=c)
    file = next((f for f in (VALIDATION, PREDICTIONS) if (run / f).is_file()), None)
    if file is None:
        return None
    samples = load_json(run / file, Predictions).samples.values()
    classes = load_json(run / RESULT, RunResult).classes
    rows = [s for s in samples if s.label in classes and len(s.probabilities) == len(classes)]
    if not rows:
        return None
    probabilities = np.array([s.probabilities for s in rows], np.float32)
    labels = np.array([classes.index(s.label) for s in rows], np.int64)
    curve = risk_coverage(probabilities.max(axis=1), probabilities.argmax(axis=1) == labels)
    return Confidence(
        file=file,
        bins={"not calibrated": ReliabilityBins.of(probabilities, labels)},
        curves={"probability": curve.points()},
    )


def confidence_section(run: Path) -> Html:
    """The section of the page of a run; empty if it has no predictions."""
    found = confidence_of(run)
    if found is None:
        return Html()
    errors = ", ".join(f"{b.error:.1%} ({name})" for name, b in found.bins.items())
    parts = [
        Html("<h2>Confidence</h2>"),
        markup(
            "<p>Expected calibration error {}, from {}. The first chart compares the highest "
            "probability of a clip with the share of right labels. The second one shows the share "
            "of wrong labels among the clips with the highest scores.</p>",
            *(errors, found.file),
        ),
        markup("<div class='row'>{}</div>", join(_charts(found))),
    ]
    c = found.calibration
    if c is None:
        hint = "Not calibrated: skelact calibrate chooses when the run answers unknown."
        return join((*parts, markup("<p>{}</p>", hint)), "\n")
    decides = "Temperature {}. A window is unknown where {} is below {}."
    return join(
        (
            *parts,
            markup(f"<p>{decides}</p>", f"{c.temperature:.2f}", c.score, number(c.threshold)),
            _scores(c),
        ),
        "\n",
    )


def _charts(found: Confidence) -> list[Html]:
    """Reliability, risk-coverage, and of a calibrated run the shares at thresholds of the
    probability."""
    ideal = Line(name="ideal", points=[(0, 0), (1, 1)], style=1)
    bins = [
        Line(
            name=f"{name}, error {own.error:.1%}",
            points=[
                (confidence, accuracy)
                for confidence, accuracy, count in zip(
                    own.confidence, own.accuracy, own.counts, strict=True
                )
                if count
            ],
            style=2 * n,
            dots=True,
        )
        for n, (name, own) in enumerate(found.bins.items())
    ]
    risks = [Line(name=name, points=c, style=n) for n, (name, c) in enumerate(found.curves.items())]
    charts = [
        chart([*bins, ideal], "probability of the label", "accuracy", (0, 1), (0, 1)),
        chart(risks, "share of clips that get a label", "share of wrong labels", None, (0, 1)),
    ]
    # the first point is the chosen one
    points = found.calibration.curve[1:] if found.calibration is not None else ()
    names = {"coverage": "known labelled", "accuracy": "accuracy of these"}
    shares = [
        Line(name=text, points=[(p.threshold, getattr(p, name)) for p in points], style=n)
        for n, (name, text) in enumerate((names | {"negatives": "negatives labelled"}).items())
    ]
    return [*charts, chart(shares, "threshold of the probability", "share", (0, 1), (0, 1))]


def _scores(calibration: Calibration) -> Html:
    """The table of the scores."""
    heads = (
        *("score", "AUROC", "FPR at 95% TPR", "AURC", "threshold"),
        *("known labelled", "accuracy of these", "negatives labelled"),
    )
    lines = [join(markup("<th>{}</th>", head) for head in heads)]
    for s in calibration.scores:
        name = f"{s.name} (chosen)" if s.name == calibration.score else s.name
        if s.obstacle:
            lines.append(markup("<td>{}</td><td colspan='7'>not given: {}</td>", name, s.obstacle))
        else:
            lines.append(join(markup("<td>{}</td>", cell) for cell in (name, *score_cells(s))))
    rows = join(markup("<tr>{}</tr>", line) for line in lines)
    return markup("<div class='wide'><table>{}</table></div>", rows)


def score_cells(s: ScoreResult) -> tuple[str, ...]:
    """The figures of a score as text: AUROC, FPR at 95 % TPR, AURC, threshold, known labelled,
    their accuracy, negatives labelled."""
    return (
        *(share(v) for v in (s.auroc, s.fpr95)),
        number(s.aurc, 3),
        number(s.threshold),
        *(share(v) for v in (s.coverage, s.accuracy, s.negatives)),
    )


def share(value: float | None) -> str:
    """A fraction in per cent; empty for None."""
    return "" if value is None else f"{value:.1%}"


def number(value: float | None, digits: int = 2) -> str:
    """A number; empty for None, "none" for a threshold that everything reaches."""
    if value is None:
        return ""
    return "none" if value < -1e30 else f"{value:.{digits}f}"
