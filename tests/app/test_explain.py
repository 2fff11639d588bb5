"""Explanations in the application: the joints that made a model give a label."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the extra app is not installed")
pytest.importorskip("uvicorn", reason="the extra app is not installed")

from skelact.app.explanations import Explanations, Key, StoredExplanation
from skelact.app.results import as_page
from skelact.errors import ConfigError, PathMissing
from skelact.inference import attribution
from skelact.inference import explain as inference_explain
from skelact.schemas import ExplainedLabel
from skelact.types import UNKNOWN
from tests.app.client import Browser, HereWorker, Running, running
from tests.app.world import LABELS, make_project


class SwitchedWorker(HereWorker):
    """Works in this process, unless there is an answer in `answers`."""

    def run(self, task: Any, on_progress: Any, is_wanted: Any = None) -> Any:
        if self.answers and task[0] == "explain":
            raise self.answers.pop(0)
        return super().run(task, on_progress)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A project with a model that tells waving from squatting, and its predictions."""
    from skelact.cache import Cache

    folder = tmp_path_factory.mktemp("explain")
    make_project(folder, Cache(folder / ".skelact"))
    with running(folder, SwitchedWorker()) as application:
        browser = application.browser()
        for name, label, start, end, person in LABELS:
            span = {"start": start, "end": end, "label": label, "person": person}
            browser.post("/api/labels", {"video": browser.video(name), **span})
        job = browser.wait(browser.post("/api/train", {})["job"])
        assert job["state"] == "done", job
        browser.wait(job["id"] + 1)
        yield application


def explain(browser: Browser, name: str, **body: Any) -> dict[str, Any]:
    """The job of an explanation when it has ended."""
    path = f"/api/videos/{browser.video(name)}/explain"
    return browser.wait(browser.post(path, body)["job"])


@pytest.mark.usefixtures("networks")
def test_a_segment_is_explained(app: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    # the default needs a second for each window; its numbers are tested with it
    for module in (attribution, inference_explain):
        monkeypatch.setattr(module, "resolve_method", lambda net, method: "gradient-input")
    browser = app.browser()
    video = browser.video("c.mp4")
    segments = browser.get(f"/api/videos/{video}")["result"]["persons"][0]["segments"]
    wave = next(n for n, s in enumerate(segments) if s["label"] == "wave")
    job = explain(browser, "c.mp4", person=0, segment=wave)
    assert job["state"] == "done", job
    found = job["summary"]["explanation"]
    assert (found["person"], found["label"], found["video"]) == (0, "wave", video)
    assert found["span"] == [segments[wave]["start"], segments[wave]["end"]]
    assert found["probability"] == pytest.approx(segments[wave]["probability"], abs=1e-3)
    assert found["joints"] and all(share > 0 for _, share in found["joints"])
    starts = {"body": b"\x89PNG", "joints": b"\x89PNG", "table": b"person", "video": b"ftyp"}
    assert set(found["files"]) == set(starts)
    for kind, start in starts.items():
        answer = browser.request("GET", found["files"][kind])
        assert answer.status == 200 and start in answer.content[:12], kind
        assert answer.headers["content-security-policy"].startswith("default-src 'self'")
        assert answer.headers["content-disposition"].startswith("inline")
    saved = browser.request("GET", found["files"]["video"] + "?save")
    assert "attachment" in saved.headers["content-disposition"]
    assert "c-explained-overlay.mp4" in saved.headers["content-disposition"]
    part = browser.request("GET", found["files"]["video"], Range="bytes=0-9")
    assert part.status == 206 and len(part.content) == 10
    # the same again is there at once; nothing but these files is served
    again = browser.post(f"/api/videos/{video}/explain", {"person": 0, "segment": wave})
    assert again == {"explanation": found}
    other = found["files"]["body"].replace(video, browser.video("a.mp4"))
    base = found["files"]["body"].rsplit("/", 1)[0]
    for path in (other, f"{base}/explanation.json", f"{base}/..%2f..%2flabels.csv"):
        assert browser.request("GET", path).status == 404
    # a new analysis makes it old
    browser.wait(browser.post(f"/api/videos/{video}/predict", {})["job"])
    app.worker.answers = [ConfigError("not again")]
    assert explain(browser, "c.mp4", person=0, segment=wave)["error"] == "not again"


def test_an_onnx_file_predicts_the_same_and_is_not_explained(app: Running) -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)
    from skelact.runs.export_model import export_model

    own, folder = app.browser(), app.project.folder
    run = own.get("/api/state")["models"][0]["id"].removeprefix("run:")
    model = folder / "mine.onnx"
    export_model(folder / "runs" / run, model)
    with running(folder, HereWorker(), model=str(model)) as other:
        browser = other.browser()
        assert browser.get("/api/state")["models"][0] == {"id": "given", "title": str(model)}
        video = browser.video("c.mp4")
        job = browser.wait(browser.post(f"/api/videos/{video}/predict", {})["job"])
        assert job["state"] == "done", job
        (found,) = browser.get(f"/api/videos/{video}")["result"]["persons"]
        job = explain(browser, "c.mp4", person=0)
        assert job["state"] == "failed" and "cannot be explained" in job["error"]
        assert "checkpoint" in job["hint"]
    (expected,) = own.get(f"/api/videos/{own.video('c.mp4')}")["result"]["persons"]
    assert len(found["segments"]) == len(expected["segments"]) > 1
    for one, two in zip(found["segments"], expected["segments"], strict=True):
        assert (one["label"], one["start"], one["end"]) == (two["label"], two["start"], two["end"])
        assert one["probability"] == pytest.approx(two["probability"], abs=1e-3)


@pytest.mark.usefixtures("networks")
def test_what_cannot_be_explained_says_why(app: Running) -> None:
    browser = app.browser()
    path = f"/api/videos/{browser.video('a.mp4')}/explain"
    for body, text in (
        ({"person": 7}, "no person 7"),
        ({"person": 0, "segment": 99}, "no segment 99"),
        ({"person": 0, "segment": -1}, "no segment -1"),
    ):
        refused = browser.send("POST", path, body)
        assert refused.status == 404 and text in refused.json["error"]
        assert refused.json["hint"] == "Load the page again."
    assert browser.send("POST", path, {"person": 0, "out": "/"}).status == 400
    app.worker.answers = [ConfigError("The networks see different joints", "One by one.")]
    job = explain(browser, "a.mp4", person=0)
    assert (job["state"], job["hint"]) == ("failed", "One by one.")
    assert job["error"] == "The networks see different joints"
    # an upload and what explains it belong to one session
    content = (app.project.folder / "a.mp4").read_bytes()
    upload = browser.upload("own.mp4", content).json["id"]
    assert app.browser().send("POST", f"/api/videos/{upload}/explain", {"person": 0}).status == 404
    refused = browser.send("POST", f"/api/videos/{upload}/explain", {"person": 0})
    assert refused.status == 404 and "no prediction" in refused.json["error"]


def test_the_reason_of_a_rejected_segment_is_on_the_page(app: Running) -> None:
    result = app.project.results[app.browser().video("b.mp4")]
    prediction = result.predictions[0]
    reason = "energy 1.50 is below the threshold 2.00"
    first, *others = prediction.segments
    rejected = replace(first, label=UNKNOWN, score=float("-inf"), reason=reason)
    prediction = replace(prediction, segments=(rejected, *others), score_name="energy")
    page = as_page(replace(result, predictions=[prediction]))["persons"][0]
    assert page["segments"][0]["reason"] == reason and page["segments"][0]["score"] is None
    assert page["score_name"] == "energy" and page["segments"][0]["guesses"]


def test_old_explanations_are_removed(tmp_path: Path) -> None:
    kept = Explanations()
    made: Any = object()
    for n in range(32):
        folder = tmp_path / str(n)
        folder.mkdir()
        label = ExplainedLabel(label="wave", method="occlusion", joints=())
        key = Key("video" if n % 2 else "other", "model", n, None, None)
        kept.add(
            made, StoredExplanation(id=str(n), key=key, folder=folder, files={}, explained=label)
        )
    assert len(list(tmp_path.iterdir())) == 30
    assert kept.find(Key("video", "model", 31, None, None), made) is kept.by_id("video", "31")
    assert kept.find(Key("video", "model", 31, None, None), object()) is None  # type: ignore[arg-type]
    kept.forget("video")
    assert len(list(tmp_path.iterdir())) == 15
    with pytest.raises(PathMissing):
        kept.by_id("video", "31")
    shutil.rmtree(tmp_path)
    kept.forget("other")
