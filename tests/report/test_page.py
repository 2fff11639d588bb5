"""The page of a run and the numbers on it."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from skelact import config
from skelact.metrics import score
from skelact.recipe import Recipe
from skelact.report import svg
from skelact.report.page import Mistake, middle_frame, run_page
from skelact.report.statistics import TestOutcome, wilson
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
    save_json,
    save_log,
)
from skelact.schemas.runs import SubsetVideos

CLASSES = ("kick", "sit <b>down</b>", "wave")


def predictions(samples: int = 60) -> Predictions:
    """Every fifth clip is wrong; camera 2 has the wrong ones."""
    rows = {}
    for n in range(samples):
        true, wrong = n % 3, n % 5 == 0
        guess = (true + 1) % 3 if wrong else true
        p = np.full(3, 0.1 if n % 2 else 0.2)
        p[guess] += 1 - p.sum()
        rows[f"clips/{n}.mp4"] = PredictedSample.rounded(CLASSES[true], p)
    return Predictions(samples=rows)


def a_run(folder: Path) -> Path:
    found = predictions()
    p = np.array([s.probabilities for s in found.samples.values()], np.float32)
    labels = np.array([CLASSES.index(s.label) for s in found.samples.values()])
    save_json(folder / PREDICTIONS, found)
    result = RunResult(
        scores=score(p, labels, 0), classes=CLASSES, clips={"train": 90, "val": 9, "test": 60}
    )
    save_json(folder / RESULT, result)
    place = DataLocation(path="/data/it's here", relative="")
    recipe = Recipe().as_dict()
    save_json(folder / CONFIG, RunConfig(recipe=recipe, location=place))
    videos = SubsetVideos(train=(), val=(), test=())
    split = SplitDocument(
        fingerprint="f", protocol="xsub", disjoint_groups=("take",), videos=videos
    )
    save_json(folder / SPLIT, split)
    log = [
        EpochLog(epoch=n, lr=0.1, train_loss=1 / n, train_top1=0.5, val_loss=1.0, val_top1=0.4)
        for n in (1, 2)
    ]
    save_log(folder / LOG, log)
    return folder


class Checker(HTMLParser):
    """Collects what a page refers to, and checks that its elements are closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "img", "br", "line", "rect", "circle", "polyline"):
            self.open.append(tag)
        self.links += [v or "" for k, v in attrs if k in ("src", "href")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [v or "" for k, v in attrs if k in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_page_explains_the_run(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    frames = [[[None, None]], [[[0, 0], [3, 4]]], [[None, None]]]
    mistake = Mistake(
        sample="clips/0.mp4",
        label="kick",
        predicted=CLASSES[1],
        probability=0.8,
        frames=frames,
        edges=[(0, 1)],
        step_ms=40,
    )
    groups = {
        f"clips/{n}.mp4": {"camera": "2" if n % 5 == 0 else "1", "take": str(n)} for n in range(60)
    }
    page = run_page(run, [mistake], [mistake], groups)
    for expected in (
        "80.0%", "68.2% to 88.2%", "48 of 60", "Split xsub", "By camera", "sit &lt;b&gt;down",
        "clips/0.mp4", "class='skeleton'", "How far the probabilities", "recipe.json",
        "skelact train --config recipe.json --data '/data/it", "not calibrated", "epoch",
    ):  # fmt: skip
        assert expected.replace("'/data/it", "&#x27;/data/it") in page, expected
    assert "By take" not in page and "<b>" not in page
    checker = Checker()
    checker.feed(page)
    assert checker.open == [] and all(link.startswith("data:") for link in checker.links)
    assert "http" not in re.sub("http-equiv", "", page)


def test_the_settings_of_a_page_make_the_run_again(tmp_path: Path) -> None:
    page = run_page(a_run(tmp_path))
    (content,) = re.findall(r"application/json;base64,([^']+)'", page)
    (tmp_path / "recipe.json").write_bytes(base64.b64decode(content))
    assert Recipe.from_dict(config.load(tmp_path / "recipe.json")) == Recipe()


def test_a_run_without_a_test_has_no_result(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    save_json(run / RESULT, RunResult(scores=None, classes=CLASSES, clips={"train": 90}))
    (run / PREDICTIONS).unlink()
    page = run_page(run)
    assert "no test result" in page and "confused" not in page


def test_intervals_of_shares() -> None:
    """The values are those of R: prop.test(8, 10, correct = FALSE)."""
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(0, 5)[0] == 0.0 and wilson(5, 5)[1] == pytest.approx(1.0)


def test_confusions_and_confidence() -> None:
    outcome = TestOutcome(predictions(), CLASSES)
    assert outcome.correct.mean() == pytest.approx(0.8)
    first = outcome.confusions(10)[0]
    assert len(outcome.confusions(10)) == 3 and len(first.samples) == 4
    assert first.share == pytest.approx(0.2) and first.label != first.predicted
    # half of the clips have a confidence of 0.8, half of 0.6
    assert [(round(m, 2), n) for m, _, n in outcome.reliability()] == [(0.6, 30), (0.8, 30)]
    assert outcome.calibration_error() == pytest.approx(0.1, abs=1e-6)
    shares, accuracies = outcome.coverage()
    assert shares[-1] == 1 and accuracies[-1] == pytest.approx(0.8)
    empty = TestOutcome(Predictions(samples={}), CLASSES)
    assert empty.confusions(3) == [] and empty.calibration_error() == 0


def test_drawings_of_nothing_and_of_much() -> None:
    assert svg.chart([], "x", "y") == "" and svg.skeleton([], []) == ""
    assert svg.skeleton([[None]], []) == "" and middle_frame([[[None]]]) == []
    flat = svg.chart([svg.Line(name="a", points=[(1, 2)])], "x", "y")
    assert "nan" not in flat and "<circle" in flat
    many = svg.confusion_matrix(np.eye(120, dtype=int).tolist(), [f"c{n}" for n in range(120)])
    assert "c119, predicted c119: 1 of 1" in many and "class='weak'" not in many
