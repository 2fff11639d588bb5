"""The parts of the page of a run that show its test result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from skelact.escaping import Html, join, markup
from skelact.metrics import Scores, per_class
from skelact.report import svg
from skelact.report.statistics import Confusion, Groups, TestOutcome, wilson
from skelact.report.svg import Line
from skelact.report.tables import table
from skelact.schemas import Calibration, EpochLog, RunResult

MOST_CONFUSIONS = 10
_NAMES = 3  # clips named for each confusion


def headline(scores: Scores) -> Html:
    """The accuracy with its confidence interval, and what to compare it with, in words."""
    correct = round(scores.top1 * scores.samples)
    low, high = wilson(correct, scores.samples)
    pairs = [
        ("top-1 accuracy", f"{scores.top1:.1%}"),
        ("95 % confidence interval", f"{low:.1%} to {high:.1%}"),
        ("mean class accuracy", f"{scores.mean_class:.1%}"),
        ("always the commonest class", f"{scores.majority:.1%}"),
        *([("top-5", f"{scores.top5:.1%}")] if scores.top5 is not None else []),
    ]
    cells = (markup("<div>{}<small>{}</small></div>", value, name) for name, value in pairs)
    return markup(
        "<div class='big'>{}</div><p>{} of {} test clips got the right label. A program that "
        "always answers with the commonest training class gets {}. The confidence interval is "
        "Wilson's; it takes the clips as independent. Clips of one recording or person are not, so "
        "that the true uncertainty is larger.</p>",
        *(join(cells), correct, scores.samples, f"{scores.majority:.1%}"),
    )


def confusions(
    scores: Scores,
    result: RunResult,
    outcome: TestOutcome | None,
    thumbnails: Mapping[str, Html],
) -> Html:
    """The confusion matrix, and the most frequent confusions with their clips; `thumbnails` are
    pictures of clips by their ids."""
    parts = [Html("<h2>What is confused with what</h2>")]
    parts.append(svg.confusion_matrix(scores.confusion, result.classes))
    found = outcome.confusions(MOST_CONFUSIONS) if outcome else []
    if found:
        heads = ("true class", "predicted", "clips", "of the class", "examples", "")
        rows = (_confusion_row(c, thumbnails) for c in found)
        parts.append(markup("<h3>Most frequent confusions</h3>{}", table(heads, rows)))
    return join(parts, "\n")


def _confusion_row(c: Confusion, thumbnails: Mapping[str, Html]) -> tuple[object, ...]:
    picture = next((thumbnails[s] for s in c.samples if s in thumbnails), Html())
    names = join((markup("<code>{}</code>", name) for name in c.samples[:_NAMES]), "<br>")
    if len(c.samples) > _NAMES:
        names = markup("{}<br>and {} more", names, len(c.samples) - _NAMES)
    names = markup("<div class='names'>{}</div>", names)
    return c.label, c.predicted, len(c.samples), f"{c.share:.0%}", names, picture


def classes(scores: Scores, result: RunResult) -> Html:
    """Precision, recall and F1 of every class, with the interval of the recall."""
    rows = []
    for k, (name, c) in enumerate(zip(result.classes, per_class(scores.confusion), strict=True)):
        low, high = wilson(scores.confusion[k][k], c.samples)
        shares = (f"{c.precision:.1%}", f"{c.recall:.1%}", f"{c.f1:.1%}")
        interval = f"{low:.0%}-{high:.0%}" if c.samples else ""
        picture = svg.bar(c.recall, low, high) if c.samples else ""
        rows.append((name, *shares, c.samples, interval, picture))
    heads = ("class", "precision", "recall", "F1", "clips", "recall, 95 %", "")
    note = (
        "<p>Recall: how many clips of the class were recognised. Precision: how many clips with "
        "this label were of the class. Classes with few clips have wide intervals.</p>"
    )
    return markup("<h2>Classes</h2>{}{}", Html(note), table(heads, rows))


def groups(outcome: TestOutcome, known: Groups) -> Html:
    """The accuracy by person, camera and other groups of the test clips, where they are known."""
    parts = []
    for group, scores in outcome.by_group(known).items():
        rows = []
        for s in scores:
            low, high = wilson(s.correct, s.samples)
            accuracy = s.correct / s.samples
            interval, picture = f"{low:.0%}-{high:.0%}", svg.bar(accuracy, low, high)
            rows.append((s.value, f"{accuracy:.1%}", s.samples, interval, picture))
        heads = (group, "accuracy", "clips", "95 %", "")
        parts.append(markup("<h3>By {}</h3>{}", group, table(heads, rows)))
    return markup("<h2>Who and where</h2>{}", join(parts)) if parts else Html()


def confidence(outcome: TestOutcome, calibration: Calibration | None) -> Html:
    """How far probabilities can be trusted: reliability and risk-coverage."""
    if not len(outcome.names):
        return Html()
    reliability = outcome.reliability()
    ideal = Line(name="ideal", points=[(0, 0), (1, 1)], style=1)
    measured = [(mean, accuracy) for mean, accuracy, _ in reliability]
    shares, accuracies = outcome.coverage()
    covered = list(zip(map(float, shares), map(float, accuracies), strict=True))
    half = accuracies[max(0, round(len(shares) * 0.5) - 1)]
    charts = [
        svg.chart(
            [Line(name="test clips", points=measured, dots=True), ideal],
            *("probability of the label", "accuracy", (0, 1), (0, 1)),
        ),
        svg.chart(
            [Line(name="accuracy of the most confident clips", points=covered)],
            *("share of clips that get a label", "accuracy", (0, 1), (0, 1)),
        ),
    ]
    used = (
        "A calibration is stored in the run; it is not applied here."
        if calibration is not None
        else "The run is not calibrated: skelact calibrate."
    )
    return markup(
        "<h2>How far the probabilities can be trusted</h2><p>The first chart shows clips by the "
        "probability of their label: below the ideal line, the network is too sure (mean distance "
        "{}). The second shows the accuracy if only the most confident clips get a label; for half "
        "of the clips it is {}. These are the probabilities of the network on the test clips. {}"
        "</p>"
        "<div class='row'>{}</div>",
        *(f"{outcome.calibration_error():.1%}", f"{half:.1%}", used, join(charts)),
    )


def learning_curves(log: Sequence[EpochLog]) -> Html:
    """Loss and accuracy over the epochs; nothing for a network without epochs."""
    if not log:
        return Html()
    charts = []
    for metric, label, limits in (("loss", "loss", None), ("top1", "accuracy", (0.0, 1.0))):
        lines = []
        for style, (subset, name) in enumerate((("train", "training"), ("val", "validation"))):
            points = [(float(r.epoch), getattr(r, f"{subset}_{metric}")) for r in log]
            if any(y is not None for _, y in points):
                lines.append(Line(name=name, points=points, style=style))
        charts.append(svg.chart(lines, "epoch", label, limits))
    return markup("<div class='row'>{}</div>", join(charts))
