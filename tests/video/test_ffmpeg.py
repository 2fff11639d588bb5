"""The program FFmpeg is fed, waited for and ended; here it is replaced by scripts that behave
badly."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from skelact.errors import FfmpegError, TruncatedVideo
from skelact.report.overlay import write_overlay
from skelact.skeletons import SKELETONS
from skelact.types import ClipSpan, VideoInfo
from skelact.video import ffmpeg as program
from skelact.video.cut import CodingOptions, cut
from skelact.video.probe import probe
from tests.helpers import descendants, name_of, pattern

FRAME = np.zeros((240, 320, 3), np.uint8)
INFO = VideoInfo(path=Path("a.mp4"), width=320, height=240, fps=10.0, frames=100)


@pytest.fixture
def replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Replace ffmpeg by a Python script."""

    def replace(text: str) -> None:
        script = tmp_path / "fake"
        script.write_text(f"#!{sys.executable}\nimport sys, time\n{text}\n")
        script.chmod(0o755)
        monkeypatch.setattr(program, "ffmpeg", lambda: str(script))

    return replace


def draw(out: Path, frames: int = 100) -> None:
    images = (FRAME for _ in range(frames))
    write_overlay(INFO, [[]] * frames, SKELETONS["coco-17"], [], out, images)


def test_more_messages_than_a_pipe_holds(replaced: Callable[[str], None], tmp_path: Path) -> None:
    """Before a single frame is read, and while all are read."""
    replaced("sys.stderr.write('noise\\n' * 200000); sys.stdin.buffer.read(); sys.exit(3)")
    with pytest.raises(FfmpegError, match=r"failed on .*out\.mp4: noise / noise / noise"):
        draw(tmp_path / "out.mp4")
    replaced("sys.stderr.write('noise\\n' * 200000); sys.exit(4)")
    with pytest.raises(FfmpegError, match="noise"):
        cut(probe(pattern(tmp_path / "a.mp4")), ClipSpan(0, 5), tmp_path / "b", CodingOptions())


def test_it_stops_reading(replaced: Callable[[str], None], tmp_path: Path) -> None:
    replaced("sys.stdin.buffer.read(100000); sys.exit('disk full')")
    with pytest.raises(FfmpegError, match="disk full"):
        draw(tmp_path / "out.mp4")
    replaced("sys.exit(7)")
    with pytest.raises(FfmpegError, match="exit code 7"):
        draw(tmp_path / "out.mp4")


@pytest.mark.parametrize("limit", ["_WRITE_S", "_FINISH_S"])
def test_it_hangs(
    limit: str, replaced: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle, and after the last frame."""
    monkeypatch.setattr(program, limit, 1.0)
    replaced(f"{'sys.stdin.buffer.read()' if limit == '_FINISH_S' else ''}\ntime.sleep(600)")
    with pytest.raises(FfmpegError, match="did not go on"):
        draw(tmp_path / "out.mp4")


def test_a_cut_hangs(replaced: Callable[[str], None], tmp_path: Path) -> None:
    replaced("time.sleep(600)")
    with pytest.raises(FfmpegError, match="did not go on"):
        program.run([], tmp_path / "a.mp4", 1.0)


def test_reading_stops_early(tmp_path: Path) -> None:
    """An error while frames are drawn ends ffmpeg at once; nothing waits for the other."""

    def images() -> Iterator[np.ndarray]:
        yield FRAME
        raise TruncatedVideo("it ends here")

    with pytest.raises(TruncatedVideo):
        write_overlay(INFO, [[]] * 9, SKELETONS["coco-17"], [], tmp_path / "out.mp4", images())
    assert "ffmpeg" not in {name_of(pid) for pid in descendants(os.getpid())}


def test_a_program_that_does_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "ffmpeg", lambda: str(tmp_path / "nothing"))
    with pytest.raises(FfmpegError, match="cannot be run"):
        draw(tmp_path / "out.mp4")
    with pytest.raises(FfmpegError, match="cannot be run"):
        program.version()


def test_the_package_starts_it_in_one_place() -> None:
    root = Path(program.__file__).parent.parent
    users = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if "import subprocess" in path.read_text(encoding="utf-8")
    } - {"sample_videos/render.py"}  # a part of the wheel
    assert users == {
        "live/trigger.py",  # the programs of the user
        "pose/blazepose/weights.py",  # pip
        "processes.py",
        "sandbox.py",
        "video/ffmpeg.py",
    }
