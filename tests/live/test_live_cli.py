"""`skelact live` from its command line, with the poses of a fake estimator."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skelact.cli import main
from skelact.live import session as module
from skelact.live import window
from skelact.live.capture import VideoSource
from skelact.live.grabber import Grabber
from skelact.video.decode import read_frames
from skelact.video.probe import probe
from tests.helpers import pattern
from tests.live.fakes import WalkingPeople


@pytest.fixture
def video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A clip of 1.4 s in the current folder, whose only person waves. It is played without pace, so
    that no test depends on the speed of the computer."""
    monkeypatch.chdir(tmp_path)

    def unpaced(source: VideoSource, **options: Any) -> Grabber:
        return Grabber(source, **options | {"paced": False, "every": True})

    monkeypatch.setattr(module, "Grabber", unpaced)
    people(monkeypatch, lambda count: None)
    return pattern(tmp_path / "a.mp4", seconds="1.4", rate="20").name


def people(monkeypatch: pytest.MonkeyPatch, on_frame: Callable[[int], None]) -> None:
    def opened(pose: object, fps: float, keep_s: float) -> WalkingPeople:
        return WalkingPeople(on_frame=on_frame)

    monkeypatch.setattr(module, "open_live", opened)


def live(*arguments: str) -> int:
    return main(["live", *arguments, "--no-window"])


def test_all_outputs(video: str, capfd: pytest.CaptureFixture[str]) -> None:
    outputs = ("--out", "out.mp4", "--record", "raw.mkv", "--every", "0.2")
    assert live(video, *outputs, "--jsonl", "-", "--unknown-threshold", "0") == 0
    printed = capfd.readouterr()
    rows = [json.loads(line) for line in printed.out.splitlines()]
    assert len(rows) >= 2 and {row["person_id"] for row in rows} == {0}
    assert all(row["label"] in row["probabilities"] for row in rows)
    assert "frames in" in printed.err and "out: out.mp4" in printed.err
    drawn, raw = probe(Path("out.mp4")), probe(Path("raw.mkv"))
    assert raw.width == 64 < drawn.width and raw.height == drawn.height == 48
    assert raw.frames >= 10
    first = next(iter(read_frames(probe(Path(video)))))
    assert np.abs(next(iter(read_frames(raw))).astype(int) - first).mean() < 12
    capfd.readouterr()
    assert live(video, "--json", "--duration", "60") == 0
    result = json.loads(capfd.readouterr().out)
    assert result["processed"] == result["captured"] == 28 and result["dropped"] == 0
    assert live(video, *outputs) == 2  # they exist
    assert "--overwrite" in capfd.readouterr().err


def test_text_says_what_changes(video: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert live(video, "--every", "0.2", "--unknown-threshold", "1", "--jsonl", "a.jsonl") == 0
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) == 1 and "#0  unknown" in lines[0]
    assert len(Path("a.jsonl").read_text().splitlines()) >= 2


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "term"]
)
def test_interrupts_leave_complete_files(
    video: str,
    number: signal.Signals,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    before = signal.getsignal(signal.SIGINT)
    people(monkeypatch, lambda count: os.kill(os.getpid(), number) if count == 12 else None)
    outputs = ("--out", "out.mp4", "--record", "raw.mp4", "--jsonl", "a.jsonl")
    assert live(video, *outputs, "--every", "0.2") == code
    assert signal.getsignal(signal.SIGINT) == before
    assert probe(Path("out.mp4")).frames and probe(Path("raw.mp4")).frames
    assert all(json.loads(line) for line in Path("a.jsonl").read_text().splitlines())
    assert "Interrupted" not in capfd.readouterr().err


def test_a_trigger_runs_a_program(video: str, capfd: pytest.CaptureFixture[str]) -> None:
    script = "import os, sys; open(sys.argv[1], 'a').write(os.environ['SKELACT_LABEL'] + '\\n')"
    labels = ("clap", "jump", "walk", "run", "wave", "catch", "climb_stairs", "bowl")
    rules = [f'{label}>0:"{sys.executable}" -c "{script}" fired' for label in labels]
    arguments = [word for rule in rules for word in ("--trigger", rule)]
    code = live(video, *arguments, "--unknown-threshold", "0", "--every", "0.2")
    if code == 2:
        pytest.fail(capfd.readouterr().err)
    printed = capfd.readouterr()
    decided = {line.split()[3] for line in printed.out.splitlines()}
    assert decided & set(labels) == set(
        Path("fired").read_text().split() if Path("fired").exists() else ()
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("missing.mp4", "--jsonl", "b.jsonl", "--out", "b.mp4"), "no such file"),
        (("ftp://host/a",), "ftp is no kind of stream"),
        (("100",), "A camera has a number"),
        (("a.mp4", "--out", "a.mp4", "--overwrite"), "is an input and is never replaced"),
        (("a.mp4", "--out", "b.avi"), "must end in .mp4"),
        (("a.mp4", "--jsonl", "b.txt"), "must end in .jsonl"),
        (("a.mp4", "--out", "b.mp4", "--record", "./b.mp4"), "the same name"),
        (("a.mp4", "--out", "a.mp4/b.mp4"), "is not a folder"),
        (("a.mp4", "--trigger", "wawe>0.5:true"), "No action of the model"),
        (("a.mp4", "--trigger", "wave>0.5:nothing-of-this-name"), "does not exist"),
        (("a.mp4", "--model", "nobody"), "nobody is not a run folder"),
        (("a.mp4", "--every", "0"), "every"),
        (("a.mp4", "--json", "--jsonl", "-"), "both use stdout"),
    ],
)
def test_wrong_usage(
    video: str, arguments: tuple[str, ...], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    before = sorted(Path().iterdir())
    assert live(*arguments) == 2
    assert message in " ".join(capfd.readouterr().err.split())
    assert sorted(Path().iterdir()) == before


@pytest.mark.parametrize(
    ("gui", "message"), [("NONE", "cannot show windows"), ("GTK3", "no screen")]
)
def test_no_display(
    video: str,
    gui: str,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    import cv2

    monkeypatch.setattr(cv2, "getBuildInformation", lambda: f"General\n  GUI:   {gui}\n")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr(window.sys, "platform", "linux")
    assert main(["live", video]) == 2
    err = capfd.readouterr().err
    assert message in err and "--no-window" in err


def test_the_window(video: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every processed frame is shown, with the panel beside it; q ends."""
    import cv2

    shown: list[tuple[int, ...]] = []
    fakes = {
        "namedWindow": lambda *a: None,
        "resizeWindow": lambda *a: None,
        "destroyAllWindows": lambda: None,
        "imshow": lambda title, image: shown.append(image.shape),
        "waitKey": lambda ms: ord("q") if len(shown) == 3 else -1,
        "getWindowProperty": lambda *a: 1.0,
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(cv2, name, fake)
    monkeypatch.setattr(window, "check_display", lambda: None)
    assert main(["live", video]) == 0
    assert len(shown) == 3 and shown[0][0] == 48 and shown[0][1] > 64
