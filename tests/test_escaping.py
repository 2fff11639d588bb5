"""Names of files and classes in formats in which some characters are commands."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skelact.cli import console, main
from skelact.errors import SkelactError
from skelact.escaping import (
    Html,
    for_csv,
    for_json,
    for_subtitle,
    for_terminal,
    from_csv,
    join,
    markup,
)
from skelact.report import plots
from skelact.report.page import Mistake, comparison, comparison_page, run_page
from skelact.report.writers.csv import write as write_csv
from skelact.report.writers.srt import write as write_srt
from skelact.types import Prediction, Segment

HOSTILE = (
    *("\x1b[2J\x1b]0;title\x07", "a\nerror: b", "\rfake", "‮gpj.exe", "\x9b31m", "\udcff.mp4"),
    *("[red]x[/]", "[/]", ":smile:", "[link=http://x]y[/link]", "a\\", "\u2028b", "\x00", "$x^$"),
)
FORMULAS = ("=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "'=1", "''+1", "＝1")
anything = st.text(st.characters(exclude_categories=[]), max_size=40)


@given(anything)
def test_one_line_without_commands(text: str) -> None:
    shown = for_terminal(text)
    assert shown.isprintable() or not re.search(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e]", shown)
    shown.encode()  # no surrogates
    plain = "".join(c for c in text if c.isascii() and c.isprintable())
    assert "".join(c for c in for_terminal(plain)) == plain


@given(st.dictionaries(anything, anything))
def test_json_keeps_its_meaning(content: dict[str, str]) -> None:
    text = for_json(json.dumps(content, ensure_ascii=False, indent=1))
    assert json.loads(text) == content
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)


@given(anything | st.sampled_from(FORMULAS))
def test_a_cell_is_no_formula_and_is_read_back(text: str) -> None:
    cell = for_csv(text)
    assert not re.match("[=+\\-@\t\r\n＝＋－＠]", cell)
    assert from_csv(cell) == text
    assert for_csv(-1) == -1 and for_csv(0.5) == 0.5


@pytest.mark.parametrize("text", ["", "'", "'quoted'", "it's", "sit", "a=b", "1-2"])
def test_other_cells_stay_as_they_are(text: str) -> None:
    assert for_csv(text) == text == from_csv(text)


@given(anything)
def test_html_is_escaped(text: str) -> None:
    made = markup("<p title='{}'>{}</p>", text, text)
    inner = made.removeprefix("<p title='").removesuffix("</p>")
    assert inner.count("<") == 0 and inner.count("'") == inner.count(">") == 1
    title, shown = inner.split("'>", 1)
    assert html.unescape(title) == html.unescape(shown) == for_terminal(text)
    assert join([text, Html("<br>")]) == f"{html.escape(for_terminal(text))}<br>"


@given(anything)
def test_a_subtitle_is_one_line(text: str) -> None:
    line = for_subtitle(text)
    assert "\n" not in line and "-->" not in line and "<" not in line and "{" not in line


class Result:
    """What a writer gets."""

    def __init__(self, path: Path, label: str) -> None:
        segment = Segment(0.0, 2.0, label, 0.75)
        self.path = path
        self.predictions = [Prediction(path, 0, label, 0.75, (label,), (segment,))]
        self.extracted = None


@pytest.mark.parametrize("label", [*HOSTILE[:1], *FORMULAS, "one\n\n2\n00:00:01,000 --> x", "a"])
def test_predictions_cannot_inject(tmp_path: Path, label: str) -> None:
    result = Result(Path("=cmd()/-1.mp4"), label)
    write_csv([result], tmp_path / "out.csv")  # type: ignore[list-item]
    text = (tmp_path / "out.csv").read_bytes().decode()
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert from_csv(row["label"]) == label and row["label"][0] not in "=+-@\t\r\n"
    assert row["path"].startswith("'=") and float(row["probability"]) == 0.75
    write_srt([result], tmp_path / "out.srt")  # type: ignore[list-item]
    lines = (tmp_path / "out.srt").read_text().split("\n")
    assert lines[1] == "00:00:00,000 --> 00:00:02,000" and lines[3:] == ["", ""]


@pytest.mark.parametrize("name", HOSTILE)
def test_the_terminal_shows_and_does_not_obey(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    console.say(f"notice {name}")
    console.error(f"{name}: no such file", f"try {name}")
    console.table(name, (name, f">{name}"), [(name, 1)], footer=(name, ""))
    console.traceback(ValueError(name))
    captured = capsys.readouterr()
    for text in (captured.out, captured.err):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e]", text)
        assert for_terminal(name) in text
    console.as_json({"path": Path(name), name: 1})
    shown = capsys.readouterr().out
    assert json.loads(shown) == {"path": str(Path(name)), name: 1}
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e]", shown)


@pytest.mark.parametrize("words", [["\x1b[31mx"], ["predict", "--\x1b[31m"], ["cut", "\x1b[31m"]])
@pytest.mark.parametrize("debug", [False, True])
def test_wrong_usage_is_escaped(
    words: list[str], debug: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, *["--debug"] * debug]) == 2
    captured = capsys.readouterr()
    assert "\x1b" not in captured.err + captured.out


EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;"


def hostile_run(folder: Path) -> Path:
    """A run folder in which every text is hostile, and every name of an option too."""
    from skelact.metrics import score
    from skelact.schemas import (
        CONFIG,
        LOG,
        PREDICTIONS,
        RESULT,
        SPLIT,
        DataLocation,
        EpochLog,
        PredictedSample,
        Predictions,
        RunConfig,
        RunResult,
        SplitDocument,
        SubsetVideos,
        save_json,
        save_log,
    )

    folder.mkdir(parents=True)
    classes = (EVIL + "a", EVIL + "b")
    scores = score(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 1]), 0)
    recipe = {
        "model": {"name": EVIL, EVIL: EVIL},
        "dataset": {"name": EVIL},
        "sampling": {"streams": EVIL},
        EVIL: {EVIL: [EVIL]},
    }
    location = DataLocation(path=EVIL, relative=EVIL)
    videos = SubsetVideos(train=(EVIL,), val=(), test=(EVIL,))
    save_json(folder / CONFIG, RunConfig(recipe=recipe, location=location))
    split = SplitDocument(
        fingerprint=EVIL, protocol=EVIL, disjoint_groups=(EVIL, EVIL), videos=videos
    )
    save_json(folder / SPLIT, split)
    result = RunResult(
        scores=scores,
        classes=classes,
        clips={"train": 1, EVIL: 2},
        best_epoch=1,
        epochs=2,
        device=EVIL,
        protocol=EVIL,
    )
    save_json(folder / RESULT, result)
    sample = PredictedSample(label=classes[0], probabilities=(0.5, 0.5))
    save_json(folder / PREDICTIONS, Predictions(samples={EVIL: sample}))
    save_log(folder / LOG, [EpochLog(epoch=1, lr=0.1, train_loss=1.0, train_top1=0.5)])
    return folder


class Elements(HTMLParser):
    """The names of all elements and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {tag, *(f"{tag}.{name}" for name, _ in attrs)}


def test_pages_hold_no_element_of_a_run_folder(tmp_path: Path) -> None:
    runs = [hostile_run(tmp_path / "<script>x'\"" / name) for name in ("<b>one</b>", "two")]
    mistake = Mistake(
        sample=EVIL, label=EVIL, predicted=EVIL, probability=0.5, frames=[], edges=[], step_ms=9
    )
    pages = [run_page(runs[0], [mistake]), comparison_page(comparison(runs))]
    for page in pages:
        elements = Elements()
        elements.feed(page)
        assert page.count("<script>") == 1 and "img" not in elements.found
        assert not any("onerror" in name for name in elements.found)
        assert html.escape(EVIL, quote=True) in page


@pytest.mark.parametrize("document", ["result.json", "predictions.json", "log.jsonl"])
def test_numbers_of_a_run_folder_are_numbers(tmp_path: Path, document: str) -> None:
    """best_epoch and samples are written into the pages; text in their place is refused."""
    run = hostile_run(tmp_path / "run")
    text = (run / document).read_text()
    for key in ("best_epoch", "samples", "epoch", "seconds", "lr"):
        changed = re.sub(f'"{key}": ?[0-9.]+', f'"{key}": "<script>"', text)
        if changed != text:
            (run / document).write_text(changed)
            with pytest.raises(SkelactError):
                run_page(run)
            (run / document).write_text(text)


def test_a_dollar_in_a_class_name_is_no_formula(tmp_path: Path) -> None:
    plots.confusion([[1, 0], [0, 1]], ("$\\frac{$", "a$b$"), tmp_path / "confusion.png")
    assert (tmp_path / "confusion.png").stat().st_size > 1000
