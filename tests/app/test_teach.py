"""From labels to a trained model, to a corrected prediction; and the same project from the command
line."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="the extra app is not installed")
pytest.importorskip("uvicorn", reason="the extra app is not installed")

from skelact import temporary
from skelact.app import tasks
from skelact.app.project import Project
from skelact.app.results import as_page, ranked
from skelact.cache import Cache
from skelact.cli import main
from skelact.errors import DatasetError, InputError
from skelact.inference.zoo import latest_run
from skelact.types import Event, no_progress
from tests.app.client import HereWorker, running
from tests.app.world import LABELS, SECONDS, make_project

MORE = "b.mp4,wave,6,12,\nc.mp4,wave,0,6,\nc.mp4,squat,6,12,\n"


@pytest.mark.usefixtures("networks")
def test_labels_are_trained_on_and_predictions_corrected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = Cache(tmp_path / ".skelact")
    make_project(tmp_path, cache)
    with running(tmp_path, HereWorker()) as app:
        browser = app.browser()
        refused = browser.send("POST", "/api/train", {})
        assert refused.status == 400 and "no labels yet" in refused.json["error"]
        for name, label, start, end, person in LABELS:
            span = {"start": start, "end": end, "label": label, "person": person}
            browser.post("/api/labels", {"video": browser.video(name), **span})
        rows = list(csv.DictReader((tmp_path / "labels.csv").read_text().splitlines()))
        assert rows[0] == {
            "path": "a.mp4",
            "label": "wave",
            "start": "0",
            "end": "6",
            "person_id": "0",
        }
        assert rows[3]["person_id"] == ""

        job = browser.wait(browser.post("/api/train", {})["job"])
        assert job["state"] == "done", job
        run = tmp_path / "runs" / job["summary"]["run"]
        assert job["summary"]["classes"] == ["squat", "wave"]
        assert (run / "best.pt").is_file() and (run / "report.html").is_file()
        assert latest_run(tmp_path / "runs") == run

        # the videos with poses are predicted with the new model; what has no label is to review
        browser.wait(job["id"] + 1)
        assert browser.get("/api/state")["models"][0]["id"] == f"run:{run.name}"
        review = browser.get("/api/review")
        assert {(r["name"], r["person"]) for r in review["rows"]} == {
            ("a.mp4", 1),
            ("b.mp4", 0),
            ("c.mp4", 0),
        }
        margins = [r["margin"] for r in review["rows"]]
        assert margins == sorted(margins)
        page = browser.get(f"/api/videos/{browser.video('c.mp4')}")["result"]
        labels = [(s["label"], round(s["end"])) for s in page["persons"][0]["segments"]]
        assert labels[0][0] == "wave" and labels[-1] == ("squat", SECONDS)
        assert set(page["persons"][0]["curves"]) == {"wave", "squat"}

        # a correction, and a second run
        row = next(r for r in review["rows"] if r["name"] == "c.mp4")
        span = {k: row[k] for k in ("video", "start", "end", "person")}
        browser.post("/api/labels", {**span, "label": "clap"})
        left = browser.get("/api/review")["rows"]
        assert len(left) == len(review["rows"]) - 1
        job = browser.wait(browser.post("/api/train", {})["job"])
        assert job["summary"]["classes"] == ["clap", "squat", "wave"], job
        report = browser.request("GET", f"/runs/{job['summary']['run']}/report")
        assert report.status == 200 and b"<h1" in report.content
        assert report.headers["content-security-policy"].startswith("sandbox allow-scripts;")
        assert [r["top1"] for r in browser.get("/api/runs")] == [None, None]
    # the folder is an ordinary project of the command line
    model = str(tmp_path / "runs" / job["summary"]["run"])
    where = ("--cache-dir", str(tmp_path / ".skelact"), "--json", "--quiet")
    capsys.readouterr()
    assert main(["predict", str(tmp_path / "c.mp4"), "--model", model, *where]) == 0
    predicted = json.loads(capsys.readouterr().out)["predictions"]
    assert "clap" in {segment["label"] for segment in predicted[0]["segments"]}
    assert main(["datasets", "check", str(tmp_path / "labels.csv")]) in (0, 1)


@pytest.mark.usefixtures("networks")
def test_a_result_in_all_formats(tmp_path: Path) -> None:
    cache = Cache(tmp_path / ".skelact")
    (video, *_) = make_project(tmp_path, cache)
    model = str(tasks.__file__)  # no checkpoint
    with pytest.raises(Exception, match="checkpoint"):
        tasks.predict(videos=[video], model=model, cache=cache.root, on_progress=no_progress)
    with running(tmp_path, HereWorker()) as app:
        browser = app.browser()
        item = browser.video("a.mp4")
        assert browser.request("GET", f"/api/videos/{item}/poses").status == 404
        job = browser.wait(browser.post(f"/api/videos/{item}/predict", {})["job"])
        assert job["state"] == "done", job
        page = browser.get(f"/api/videos/{item}")["result"]
        assert [p["id"] for p in page["persons"]] == [0, 1] and page["own_tracking"]
        part = browser.get(f"/api/videos/{item}/poses?start=100&count=50")
        assert len(part["frames"]) == 20 and len(part["frames"][0]) == 2
        assert part["frames"][0][1][0] == 1 and part["edges"]
        assert browser.request("GET", f"/api/videos/{item}/poses?count=999999").status == 400

        rows = browser.get(f"/api/videos/{item}/download/json")["predictions"]
        assert [r["person_id"] for r in rows] == [0, 1]
        table = browser.request("GET", f"/api/videos/{item}/download/csv").content.decode()
        assert table.startswith("path,person_id,start_s,end_s,label,probability")
        srt = browser.request("GET", f"/api/videos/{item}/download/srt").content.decode()
        assert " --> " in srt
        assert browser.request("GET", f"/api/videos/{item}/download/exe").status == 404
        job = browser.wait(browser.post(f"/api/videos/{item}/overlay")["job"])
        drawn = browser.request("GET", job["summary"]["download"])
        assert drawn.content[4:8] == b"ftyp"
        assert "a-overlay.mp4" in drawn.headers["content-disposition"]


@pytest.mark.usefixtures("networks")
def test_the_window_is_as_long_as_the_labels(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("path,label,start,end\na.mp4,wave,0,2.5\na.mp4,squat,3,5.5\n")
    assert tasks.window_length(table) == 1.2  # two clips of each action
    table.write_text(
        "path,label,start,end\na.mp4,wave,0,2.5\na.mp4,squat,3,5.5\na.mp4,wave,7,9.5\n"
        "a.mp4,squat,10,12.5\n"
    )
    assert tasks.window_length(table) == 2.5
    table.write_text("path,label,start,end\na.mp4,wave,0,60\na.mp4,squat,70,99\n")
    assert tasks.window_length(table) == 5.0
    table.write_text("path,label\na.mp4,wave\n")
    with pytest.raises(DatasetError, match="All labels are wave"):
        tasks.window_length(table)


@pytest.mark.usefixtures("networks")
def test_a_label_can_be_about_one_person(tmp_path: Path) -> None:
    """Without person_id, the most prominent person of a clip is used."""
    cache = Cache(tmp_path / ".skelact")
    make_project(tmp_path, cache)
    table = tmp_path / "labels.csv"
    rows = "path,label,start,end,person_id\n" + "".join(
        f"{name},{label},{start},{end},{'' if person is None else person}\n"
        for name, label, start, end, person in (*LABELS, ("a.mp4", "squat", 6, 12, 7))
    )
    table.write_text(rows)
    result = tasks.train(
        labels=table, runs=tmp_path / "runs", cache=cache.root, test=False, on_progress=no_progress
    )
    assert [f.reason.split("a.mp4: ")[1] for f in result.failed] == [
        "person 7 is not visible in this part"
    ]
    assert result.clips["train"] == 8 and result.top1 is None
    table.write_text(rows.replace(",7\n", ",0\n").replace("a.mp4,squat,6,12,0\n", "", 1) + MORE)
    tested = tasks.train(
        labels=table, runs=tmp_path / "runs", cache=cache.root, test=True, on_progress=no_progress
    )
    assert tested.top1 == 1.0 and tested.folder.name == "tested" and tested.clips["test"]
    table.write_text("path,label,person_id\na.mp4,wave,x\n")
    with pytest.raises(InputError, match="person_id 'x'"):
        tasks.window_length(table)


def test_a_project_forgets_nothing_but_uploads(tmp_path: Path) -> None:
    project = Project(tmp_path, [], Cache(tmp_path / ".skelact"))
    path = project.new_upload("clip.MP4", "me")
    path.write_bytes(b"x")
    video = project.add_upload(path, "me")
    kept = project.keep_upload(video.id, "me")
    assert kept.path == tmp_path / "videos" / "clip.mp4" and not path.exists()
    path = project.new_upload("clip.mp4", "me")
    path.write_bytes(b"y")
    again = project.keep_upload(project.add_upload(path, "me").id, "me")
    assert again.path.name == "clip-2.mp4" and kept.path.read_bytes() == b"x"
    project.close()
    assert not project.place.exists()
    left = project.place.with_name(project.place.name.replace(f"-{os.getpid()}-", "-999999999-"))
    left.mkdir()  # by a process that was killed
    temporary._swept.clear()
    Project(tmp_path, [], Cache(tmp_path / ".skelact")).close()
    assert not left.exists()
    assert ranked([]) == [] and Event("a", "end").stage == "a" and callable(as_page)
