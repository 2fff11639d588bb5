"""The application in a real browser, on clips of the sample videos: upload, result, label, train,
corrected prediction. Nothing may leave this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the extra app is not installed")
pytest.importorskip("uvicorn", reason="the extra app is not installed")
pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from skelact.app.worker import Worker
from tests.app.client import Running, running
from tests.conftest import sample, short_clip

pytestmark = pytest.mark.browser
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
PICTURES = os.environ.get("SKELACT_SCREENSHOTS")  # a folder for pictures of each step
SIZES = ((1440, 900), (1920, 1080), (1024, 768), (480, 900))
PATIENCE_MS = 300_000


@contextmanager
def opened(app: Running, scheme: str = "light") -> Iterator[Any]:
    """A page of the application in Chromium. At the end, nothing has left this machine and no
    script has failed."""
    from playwright.sync_api import sync_playwright

    program = next((p for name in BROWSERS if (p := shutil.which(name))), None)
    if program is None:
        pytest.skip("Chromium is not installed")
    outside, errors = [], []
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=program, args=list(FLAGS))
        context = browser.new_context(
            viewport={"width": 1440, "height": 900}, color_scheme=scheme, accept_downloads=True
        )
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)

        def watch(request: Any) -> None:
            if not request.url.startswith((f"http://127.0.0.1:{app.port}/", "data:", "blob:")):
                outside.append(request.url)

        context.on("request", watch)
        context.on("weberror", lambda error: errors.append(str(error.error)))
        page.on("console", lambda m: errors.append(m.text) if is_fault(m) else None)
        page.goto(f"http://127.0.0.1:{app.port}/")
        yield page
        browser.close()
    assert outside == [] and errors == []


def is_fault(message: Any) -> bool:
    """Whether a message of the console is one about a script. That a request was refused, the page
    says itself."""
    return message.type == "error" and "status of 400" not in message.text


def picture(page: Any, name: str) -> None:
    """Pictures of the page at several sizes, if they are wanted."""
    if PICTURES:
        Path(PICTURES).mkdir(parents=True, exist_ok=True)
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_timeout(400)
            page.screenshot(path=Path(PICTURES) / f"{name}-{width}.png", full_page=width < 1100)
        page.set_viewport_size({"width": 1440, "height": 900})
        page.wait_for_timeout(300)


def wait_for_job(page: Any) -> None:
    """Wait until no job runs."""
    page.locator("#job").wait_for(state="visible")
    page.locator("#job").wait_for(state="hidden")


def open_video(page: Any, name: str) -> None:
    """Open a video of the list and wait until it can be played."""
    page.locator("#videos .item", has_text=name).click()
    page.locator("#videos .item.chosen", has_text=name).wait_for()
    page.locator("#message strong").wait_for(state="detached")
    for _ in range(600):
        if page.evaluate("document.getElementById('video').readyState >= 2"):
            return
        page.wait_for_timeout(100)
    raise TimeoutError(name)


def mark(page: Any, seconds: int) -> None:
    """Mark the video from its start for some seconds, with the keys."""
    page.keyboard.press("Home")
    page.wait_for_timeout(200)
    page.keyboard.press("i")
    for _ in range(seconds):
        page.keyboard.press("Shift+ArrowRight")
        page.wait_for_timeout(250)
    page.keyboard.press("o")


def label(page: Any, name: str) -> None:
    """Give the marked part a new label."""
    page.fill("#new-label", name)
    page.press("#new-label", "Enter")
    page.locator(".segment.label", has_text=name).wait_for()


@pytest.mark.usefixtures("networks")
def test_upload_label_train_correct(tmp_path: Path) -> None:
    project = tmp_path / "project"
    for name, source in (("kata", "Kata_A1_C0.avi"), ("taichi", "Taichi_A1_C0.avi")):
        short_clip(sample(source), project / f"{name}.mp4", 60)
    upload = short_clip(sample("Kata_A2_C0.avi"), tmp_path / "new <b>clip.avi", 60)
    labels = project / "labels.csv"
    with running(project, Worker()) as app, opened(app) as page:
        # a broken video says why, and the server goes on
        broken = tmp_path / "broken.mp4"
        broken.write_bytes(b"\0" * 5000)
        page.set_input_files("#file", broken)
        page.locator(".toast.error", has_text="no video").wait_for()
        page.locator(".toast.error button").first.click()

        # upload, result
        page.set_input_files("#file", upload)
        page.locator("#videos .item.chosen", has_text="new _b_clip.avi").wait_for()
        page.click("#analyse")
        wait_for_job(page)
        page.locator(".segment.prediction").first.wait_for()
        assert page.locator("#table tbody tr").count() >= 1
        assert page.locator(".curves path").count() >= 2
        drawn = "document.getElementById('overlay').getContext('2d').getImageData(0, 0, "
        drawn += "document.getElementById('overlay').width, 400).data.some((v) => v > 0)"
        for _ in range(100):
            if page.evaluate(drawn):
                break
            page.wait_for_timeout(100)
        assert page.evaluate(drawn)
        picture(page, "result")
        page.locator(".segment.prediction").first.click()
        with page.expect_download() as download:
            page.locator("#downloads a", has_text="SRT").click()
        assert " --> " in Path(download.value.path()).read_text()
        # an upload has no labels before it belongs to the project
        page.locator("#classes .chip").first.click()
        page.locator(".toast.error", has_text="this browser only").wait_for()
        page.click("#keep")
        page.locator("#keep").wait_for(state="hidden")
        assert [p.name for p in (project / "videos").iterdir()] == ["new _b_clip.mp4"] or [
            p.name for p in (project / "videos").iterdir()
        ] == ["new _b_clip.avi"]

        # label with the keys, and by dragging
        open_video(page, "kata.mp4")
        mark(page, 3)
        picture(page, "marking")
        label(page, "kata")
        open_video(page, "taichi.mp4")
        track = page.locator(".track .lane.labels").first.bounding_box()
        page.mouse.move(track["x"] + 2, track["y"] + 8)
        page.mouse.down()
        page.mouse.move(track["x"] + track["width"] * 0.9, track["y"] + 8, steps=8)
        page.mouse.up()
        label(page, "taichi")
        rows = labels.read_text().splitlines()
        assert rows[0].startswith("path,label,start,end,person_id") and len(rows) == 3
        page.keyboard.press("Control+z")
        page.locator(".segment.label").wait_for(state="detached")
        assert len(labels.read_text().splitlines()) == 2
        page.keyboard.press("Control+Shift+z")
        page.locator(".segment.label", has_text="taichi").wait_for()
        assert labels.read_text().splitlines() == rows

        # train; what is uncertain is to review, and a correction changes the prediction
        page.click("#train")
        page.locator(".toast", has_text="Trained labels").wait_for()
        page.locator("[data-tab=review]").click()
        first = page.locator("#review .item").first
        first.wait_for()
        picture(page, "review")
        before = page.locator("#review .item").count()
        first.click()
        page.locator(".segment.prediction.chosen").wait_for()
        label_of_upload(page)
        page.locator(".toast", has_text="dance").wait_for()
        for _ in range(100):
            if page.locator("#review .item").count() < before:
                break
            page.wait_for_timeout(100)
        assert page.locator("#review .item").count() < before
        page.click("#train")
        page.locator(".toast", has_text="Trained labels-2").wait_for()
        page.locator("[data-tab=videos]").click()
        open_video(page, "new _b_clip")
        page.locator(".segment.prediction", has_text="dance").wait_for()
        picture(page, "corrected")

        # why: the pictures and the video are there and can be saved
        page.locator(".segment.prediction", has_text="dance").first.click()
        page.click("#explain")
        page.locator("#explanation").wait_for()
        assert "why dance" in page.locator("#explanation-title").inner_text()
        loaded = "['explanation-body', 'explanation-joints'].every((id) => "
        loaded += "document.getElementById(id).naturalWidth > 100) && "
        loaded += "document.getElementById('explanation-video').readyState >= 2"
        page.wait_for_function(loaded)
        picture(page, "explained")
        with page.expect_download() as download:
            page.locator("#explanation-files a", has_text="CSV").click()
        assert "left_wrist" in Path(download.value.path()).read_text()
        page.locator("#explanation form button").click()

        # the report of the run
        page.locator("[data-tab=runs]").click()
        page.locator("#runs .item", has_text="labels-2").locator("button").click()
        page.frame_locator("#report-frame").locator("h1").wait_for()
        picture(page, "report")
    assert (project / "runs" / "labels-2" / "best.pt").is_file()


def label_of_upload(page: Any) -> None:
    """Correct the chosen prediction: another label."""
    page.fill("#new-label", "dance")
    page.press("#new-label", "Enter")
