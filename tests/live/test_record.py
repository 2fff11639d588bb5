"""Videos and lines that are written while frames arrive."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from skelact.errors import FfmpegError, OutputError
from skelact.live.lines import LineFile
from skelact.live.record import VideoSink
from skelact.video.decode import read_frames
from skelact.video.probe import probe


def grey(level: int, size: tuple[int, int] = (48, 64)) -> np.ndarray:
    return np.full((*size, 3), level, np.uint8)


def give(sink: VideoSink, image: np.ndarray, time_s: float) -> None:
    """Add a frame when there is room for it."""
    while sink._queue.full() and sink.error is None:
        time.sleep(0.005)
    sink.add(image, time_s, 10.0)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_frames_are_shown_at_their_times(tmp_path: Path, name: str) -> None:
    """Also odd sizes, another size, a gap, and a pause that is too long to be kept."""
    with VideoSink(tmp_path / name) as sink:
        give(sink, grey(0, (49, 65)), 5.0)
        give(sink, grey(100, (49, 65)), 5.1)
        give(sink, grey(200, (96, 128)), 5.5)
        give(sink, grey(50, (49, 65)), 1000.0)
    assert sink.skipped == 0
    info = probe(tmp_path / name)
    levels = [int(f.mean().round()) for f in read_frames(info)]
    assert (info.width, info.height, info.fps) == (64, 48, 10)
    expected = [0] + [100] * 4 + [200] * 100 + [50]
    assert len(levels) == len(expected) and np.abs(np.subtract(levels, expected)).max() < 8
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_the_file_is_complete_after_an_exception(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), VideoSink(tmp_path / "a.mp4") as sink:
        for n in range(5):
            give(sink, grey(n), n / 10)
        raise ZeroDivisionError
    assert probe(tmp_path / "a.mp4").frames == 5


def test_without_frames_there_is_no_file(tmp_path: Path) -> None:
    with VideoSink(tmp_path / "a.mp4"):
        pass
    assert not list(tmp_path.iterdir())


def test_a_slow_encoder_skips_frames(tmp_path: Path) -> None:
    with VideoSink(tmp_path / "a.mp4") as sink:
        for n in range(200):
            sink.add(grey(n), n / 10, 10.0)
    assert sink.skipped > 0 and probe(tmp_path / "a.mp4").frames > 1


def test_what_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with (
        pytest.raises((FfmpegError, OSError)),
        VideoSink(tmp_path / "missing" / "a.mp4") as sink,
    ):
        for n in range(10**6):
            give(sink, grey(0), n / 10)
            sink.check()
    assert not list(tmp_path.iterdir())


def test_lines(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.jsonl"
    with LineFile(path) as file:
        file.write({"label": "größer"})
        assert path.read_text(encoding="utf-8") == '{"label": "größer"}\n'  # at once
    with pytest.raises(OutputError, match="File exists"):
        LineFile(path)
    other = tmp_path / "other"
    other.write_text("mine")
    path.unlink()
    path.symlink_to(other)
    with LineFile(path, overwrite=True) as file:
        file.write({})
    assert other.read_text() == "mine" and path.read_text() == "{}\n"
